//! Cosines of the angles between whole projections, layer by layer.
//!
//! Down and up differ in shape, so that there is no angle between them: one role is shown
//! at a time.

use std::ops::Range;

use compacter_core::event::factors::{Factors, Role};
use compacter_tui::table;
use ratatui::Frame;
use ratatui::layout::Rect;

use super::decoded::Cosines;
use super::paint::{Grid, largest, legend, write};
use super::quantity::{role, short, stack};
use super::snapshot::{Snapshot, say, why};
use crate::screen::heat::Heat;
use crate::screen::keys::{Id, Place};
use crate::screen::panel::{Answer, Context, Format, Hand, Panel};
use crate::screen::theme::Theme;

/// Cosines between layers, of one role.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Cosine {
    /// Roles further on than that of the projection chosen.
    further: usize,
}

impl Cosine {
    /// The role shown: that of the projection chosen, or as many further as was asked for.
    fn role(self, snapshot: &Snapshot<'_>) -> Role {
        let roles = roles(snapshot.factors);
        let own = snapshot.projection().place.role;
        let here = roles.iter().position(|role| *role == own).unwrap_or(0);
        roles[(here + self.further) % roles.len().max(1)]
    }
}

/// The roles there are, in their order.
fn roles(factors: &Factors) -> Vec<Role> {
    let mut roles = Vec::new();
    for projection in &factors.projections {
        if !roles.contains(&projection.place.role) {
            roles.push(projection.place.role);
        }
    }
    roles
}

impl Panel for Cosine {
    fn title(&self, context: &Context<'_>) -> String {
        let formula = context.theme.glyph("cos(Wᵃ, Wᵇ)", "cos(W, W')");
        let snapshot = Snapshot::newest(&context.seen, context.shared);
        let shown = snapshot.map(|snapshot| role(self.role(&snapshot), context.theme));
        let shown = shown.map_or_else(String::new, |role| format!(": {role}"));
        format!("{formula} between layers{shown}")
    }

    fn places(&self) -> &'static [Place] {
        &[Place::Choosing]
    }

    fn draw(&self, frame: &mut Frame<'_>, area: Rect, context: &Context<'_>) {
        let Some(snapshot) = Snapshot::newest(&context.seen, context.shared) else {
            return say(frame, area, context, &why(&context.seen));
        };
        let role = self.role(&snapshot);
        let cosines = snapshot.decoded.cosines(snapshot.factors, role);
        if cosines.places.is_empty() {
            let text = "The snapshot has no entries to compare layers by, or too many.";
            return say(frame, area, context, text);
        }
        matrix(frame, area, &cosines, (&snapshot, context.theme));
        let buffer = frame.buffer_mut();
        let foot = area.height.saturating_sub(1);
        let names = ends(&snapshot, &cosines);
        write(buffer, area, foot, (&names, context.theme.faint()));
        let legend = legend(1.0, -1.0, context.theme);
        let width = u16::try_from(legend.width()).unwrap_or(area.width);
        if usize::from(width) + names.len() < usize::from(area.width) {
            let at = Rect {
                x: area.right().saturating_sub(width),
                y: area.y.saturating_add(foot),
                width,
                height: 1,
            };
            frame.render_widget(legend, at.intersection(area));
        }
    }

    fn on(&mut self, id: Id, hand: &mut Hand<'_>) -> Answer {
        if id != Id::Quantity {
            return Answer::Ignored;
        }
        let Some(snapshot) = Snapshot::newest(&hand.seen, hand.shared) else {
            return Answer::Told(why(&hand.seen));
        };
        let count = roles(snapshot.factors).len().max(1);
        self.further = (self.further + 1) % count;
        Answer::Done
    }

    fn export(&self, format: Format, context: &Context<'_>) -> Option<String> {
        let snapshot = Snapshot::newest(&context.seen, context.shared)?;
        let cosines = snapshot
            .decoded
            .cosines(snapshot.factors, self.role(&snapshot));
        (format == Format::Csv).then(|| csv(&cosines))
    }
}

/// The matrix, with marks at the row and the column of the projection chosen.
fn matrix(
    frame: &mut Frame<'_>,
    area: Rect,
    cosines: &Cosines,
    (snapshot, theme): (&Snapshot<'_>, &Theme),
) {
    let count = cosines.places.len();
    let heat = Heat::of(theme);
    let (wide, high) = size(area, count, heat);
    let side = |length: usize| u16::try_from(length).unwrap_or(u16::MAX);
    let inside = Rect {
        x: area.x.saturating_add(1),
        y: area.y.saturating_add(1),
        width: side(wide),
        height: side(high),
    };
    let inside = inside.intersection(area);
    let at = |rows: Range<usize>, columns: Range<usize>| {
        let row = |row: usize| cosines.values[row * count..][columns.clone()].iter();
        let mut known = rows.flat_map(row).flatten().copied().peekable();
        known.peek()?;
        Some(largest(known))
    };
    let grid = Grid {
        rows: count,
        columns: count,
        at: &at,
    };
    grid.draw(frame.buffer_mut(), inside, heat);
    let chosen = cosines.places.iter().position(|at| *at == snapshot.chosen);
    if let Some(chosen) = chosen {
        let at = (side(chosen * wide / count), side(chosen * high / count));
        marks(frame, area, at, theme);
    }
}

/// Points at a column and a row of the matrix, from above and from the left.
fn marks(frame: &mut Frame<'_>, area: Rect, (x, y): (u16, u16), theme: &Theme) {
    let buffer = frame.buffer_mut();
    let above = Rect {
        x: area.x.saturating_add(1).saturating_add(x),
        width: 1,
        ..area
    };
    let down = theme.glyph("▼", "v");
    write(buffer, above.intersection(area), 0, (down, theme.strong()));
    let left = Rect {
        width: area.width.min(1),
        ..area
    };
    let right = theme.glyph("▶", ">");
    write(buffer, left, y.saturating_add(1), (right, theme.strong()));
}

/// Columns and rows of the screen for a square of values: cells are twice as high as wide.
fn size(area: Rect, count: usize, heat: Heat) -> (usize, usize) {
    // One row is the mark's and one the names'.
    let width = usize::from(area.width.saturating_sub(1));
    let height = usize::from(area.height.saturating_sub(2));
    match (width / (2 * count)).min(height / count) {
        0 if heat.values_in_a_cell() == 2 => (count.min(width), count.div_ceil(2).min(height)),
        0 => (count.min(width), count.min(height)),
        zoom => (2 * zoom * count, zoom * count),
    }
}

/// The first and the last layer in words, and what is between the chosen one and the next.
fn ends(snapshot: &Snapshot<'_>, cosines: &Cosines) -> String {
    let name = |at: Option<&usize>| {
        let place = at.map(|at| snapshot.factors.projections[*at].place);
        place.map_or_else(String::new, |place| {
            format!("{}.{}", stack(place.stack), place.block.saturating_add(1))
        })
    };
    let (first, last) = (name(cosines.places.first()), name(cosines.places.last()));
    let count = cosines.places.len();
    let others = (0..count * count).filter(|at| at / count != at % count);
    let values = others.filter_map(|at| cosines.values[at]);
    let top = values.filter(|x| x.is_finite()).fold(
        0.0,
        |top: f64, x| {
            if x.abs() > top.abs() { x } else { top }
        },
    );
    format!("{first} to {last}  most {}", short(top))
}

fn csv(cosines: &Cosines) -> String {
    let count = cosines.places.len();
    let rows = cosines.values.iter().enumerate().map(|(at, value)| {
        let (a, b) = (cosines.places[at / count], cosines.places[at % count]);
        [a.to_string(), b.to_string(), table::number(*value)]
    });
    table::csv(["a", "b", "cosine"], rows)
}
