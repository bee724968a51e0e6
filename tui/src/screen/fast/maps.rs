//! The components of the projection chosen, as heat maps with their vectors at the edges.
//!
//! ```text
//! Bᵢ = σ ŝ t̂ᵀ,   ‖ŝ‖ = ‖t̂‖ = 1,   the largest entry of ŝ positive
//! ```
//!
//! The longer of the two vectors goes across. Whole `Bᵢ` have no vectors: they are drawn
//! as they are.

use std::ops::Range;
use std::rc::Rc;

use compacter_core::event::factors::SlowPart;
use compacter_core::peft::factors::Component;
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Rect};

use super::decoded::Parts;
use super::paint::{Grid, bar, largest, legend, part, scale, write};
use super::quantity::short;
use super::snapshot::{Snapshot, say, why};
use crate::screen::draw::block;
use crate::screen::heat::Heat;
use crate::screen::keys::{Id, Place};
use crate::screen::panel::{Answer, Context, Hand, Panel};
use crate::screen::theme::{Glyphs, Theme};

/// Rows of a map that are asked for where there is a choice.
const WANTED: usize = 6;

/// Cells at the left of a map, such as `t1 +0.6 `.
const EDGE: u16 = 8;

/// The components of the projection chosen.
#[derive(Debug, Default)]
pub(crate) struct Maps {
    /// The first one shown.
    top: usize,
    /// Whether each has a scale of its own.
    apart: bool,
}

/// A heat map of one matrix.
struct Map<'a> {
    parts: &'a Parts,
    /// Which of them.
    at: usize,
    /// What the darkest cell stands for.
    scale: f64,
}

impl Panel for Maps {
    fn title(&self, context: &Context<'_>) -> String {
        let snapshot = Snapshot::newest(&context.seen, context.shared);
        let of = snapshot.map(|snapshot| snapshot.place(context.theme));
        of.map_or_else(
            || "components".to_owned(),
            |of| format!("components of {of}"),
        )
    }

    fn places(&self) -> &'static [Place] {
        &[Place::Choosing, Place::Scrolling]
    }

    fn has_own_frame(&self) -> bool {
        true
    }

    fn draw(&self, frame: &mut Frame<'_>, area: Rect, context: &Context<'_>) {
        let snapshot = Snapshot::newest(&context.seen, context.shared);
        let parts = snapshot.as_ref().and_then(Snapshot::parts);
        let Some((snapshot, parts)) = snapshot.as_ref().zip(parts) else {
            let block = block(
                context.theme,
                format!(" {} ", self.title(context)),
                context.focused,
            );
            let inside = block.inner(area);
            frame.render_widget(block, area);
            let text = snapshot.map_or_else(|| why(&context.seen), |snapshot| unseen(&snapshot));
            return say(frame, inside, context, &text);
        };
        let lines = Map::lines(&parts, Heat::of(context.theme), area.height);
        let fit = usize::from((area.height / lines.saturating_add(3)).max(1));
        let count = parts.count();
        let fit = fit.min(count);
        let first = self.top.min(count.saturating_sub(fit));
        let all = scale((0..count).map(|at| parts.top(at)));
        let areas = Layout::vertical(vec![Constraint::Fill(1); fit]).split(area);
        for (at, area) in (first..count).zip(areas.iter()) {
            let scale = if self.apart {
                scale([parts.top(at)])
            } else {
                all
            };
            let map = Map {
                parts: &parts,
                at,
                scale,
            };
            map.draw(frame, *area, context, snapshot);
        }
    }

    fn on(&mut self, id: Id, hand: &mut Hand<'_>) -> Answer {
        let snapshot = Snapshot::newest(&hand.seen, hand.shared);
        let parts = snapshot.and_then(|snapshot| snapshot.parts());
        let last = parts.map_or(0, |parts: Rc<Parts>| parts.count().saturating_sub(1));
        self.top = match id {
            Id::Quantity => {
                self.apart = !self.apart;
                let scale = if self.apart { "each" } else { "all" };
                return Answer::Told(format!("one scale for {scale}"));
            }
            Id::Up | Id::WheelUp | Id::PageUp => self.top.min(last).saturating_sub(1),
            Id::Down | Id::WheelDown | Id::PageDown => self.top + 1,
            Id::First => 0,
            Id::Last => last,
            _ => return Answer::Ignored,
        };
        self.top = self.top.min(last);
        Answer::Done
    }
}

/// Why a projection's components cannot be shown.
fn unseen(snapshot: &Snapshot<'_>) -> String {
    let projection = snapshot.projection();
    let recorded = projection.left.is_some() || projection.fast.is_some();
    match projection.slow {
        _ if recorded => "The entries of this projection are damaged or too many to show.".into(),
        SlowPart::Scale(_) => "This projection is one dense matrix, or a large one: its snapshot \
             holds norms and the spectrum, not its entries."
            .to_owned(),
        SlowPart::Slow(_) => "The snapshot would hold too many entries, so that they were left \
             out: see its norms and spectrum."
            .to_owned(),
    }
}

impl Parts {
    fn count(&self) -> usize {
        match self {
            Self::Components(components, _) => components.len(),
            Self::Whole(whole, ..) => whole.shape()[0],
        }
    }

    /// The entry of the largest magnitude of a matrix.
    fn top(&self, at: usize) -> f64 {
        match self {
            Self::Components(components, _) => {
                let Component {
                    sigma, left, right, ..
                } = &components[at];
                let top = |vector: &[f64]| largest(vector.iter().copied());
                sigma * top(left) * top(right)
            }
            Self::Whole(whole, ..) => {
                let size = whole.shape()[1] * whole.shape()[2];
                let matrix = &whole.values()[at * size..(at + 1) * size];
                largest(matrix.iter().copied())
            }
        }
    }

    /// Rows and columns as they are drawn: the shorter side goes down.
    fn sides(&self) -> [usize; 2] {
        let [rows, columns] = match self {
            Self::Components(components, _) => {
                let first = components.first();
                first.map_or([0, 0], |one| [one.left.len(), one.right.len()])
            }
            Self::Whole(whole, ..) => [whole.shape()[1], whole.shape()[2]],
        };
        [rows.min(columns), rows.max(columns)]
    }
}

impl Map<'_> {
    /// Lines of the screen that a map should have where all should fit.
    fn lines(parts: &Parts, heat: Heat, height: u16) -> u16 {
        let wanted = parts.sides()[0].clamp(1, WANTED);
        let each = usize::from(height) / parts.count().max(1);
        let halves = wanted.div_ceil(usize::from(heat.values_in_a_cell()));
        let lines = if each >= wanted + 3 { wanted } else { halves };
        u16::try_from(lines).unwrap_or(u16::MAX)
    }

    fn draw(
        &self,
        frame: &mut Frame<'_>,
        area: Rect,
        context: &Context<'_>,
        snapshot: &Snapshot<'_>,
    ) {
        let theme = context.theme;
        let title = self.title(usize::from(area.width), snapshot, theme);
        let block = block(theme, title, context.focused);
        let block = block.title_bottom(legend(self.scale, -1.0, theme).right_aligned());
        let inside = block.inner(area);
        frame.render_widget(block, area);
        match self.parts {
            Parts::Components(components, _) => {
                self.component(frame, inside, &components[self.at], theme);
            }
            Parts::Whole(..) => self.whole(frame, inside, theme),
        }
    }

    fn title(&self, width: usize, snapshot: &Snapshot<'_>, theme: &Theme) -> String {
        let (name, size, formula, share) = match self.parts {
            Parts::Components(components, shares) => {
                let component = &components[self.at];
                let before = &components[..self.at];
                let rank = before.iter().filter(|c| c.term == component.term).count();
                let several = components
                    .iter()
                    .filter(|c| c.term == component.term)
                    .count()
                    > 1;
                let name = if several {
                    format!("{}.{}", component.term + 1, rank + 1)
                } else {
                    (component.term + 1).to_string()
                };
                let sigma = theme.glyph("σ", "sigma");
                let size = format!("{sigma} {}", short(component.sigma));
                let formula = theme.glyph("σ·ŝ t̂ᵀ", "sigma s t'");
                (name, size, formula, shares[self.at])
            }
            Parts::Whole(_, _, shares) => {
                let size = format!("max {}", short(self.parts.top(self.at)));
                ((self.at + 1).to_string(), size, "whole", shares[self.at])
            }
        };
        let slow = self.slow(snapshot, theme);
        let share = share * 100.0;
        let long = format!(" B{name} = {formula}   {size}   {slow}   share {share:.0} % ");
        if long.chars().count() + 2 <= width {
            long
        } else {
            format!(" B{name}  {size}  {slow}  {share:.0}% ")
        }
    }

    /// What stands left of the map in the product.
    fn slow(&self, snapshot: &Snapshot<'_>, theme: &Theme) -> String {
        if let SlowPart::Scale(scale) = snapshot.projection().slow {
            return format!("A = {}", short(scale));
        }
        let (term, norm) = match self.parts {
            Parts::Components(components, _) => {
                (components[self.at].term, components[self.at].slow_norm)
            }
            Parts::Whole(_, slow, _) => (self.at, slow.get(self.at).copied().unwrap_or(0.0)),
        };
        let bars = theme.glyph("‖", "|");
        format!("{bars}A{}{bars} {}", term + 1, short(norm))
    }

    /// The vectors at the edges, and their product inside.
    fn component(&self, frame: &mut Frame<'_>, area: Rect, of: &Component, theme: &Theme) {
        let swapped = of.left.len() < of.right.len();
        let (across, down, names) = if swapped {
            (&of.right, &of.left, ["t", "s"])
        } else {
            (&of.left, &of.right, ["s", "t"])
        };
        let edge = EDGE.min(area.width / 3);
        let [top, rest] =
            Layout::vertical([Constraint::Length(1), Constraint::Fill(1)]).areas(area);
        let columns = [Constraint::Length(edge), Constraint::Fill(1)];
        let [corner, marginal] = Layout::horizontal(columns).areas(top);
        let [left, inside] = Layout::horizontal(columns).areas(rest);
        // Every row of the screen shows as many entries as the others.
        let entries = match Heat::of(theme).values_in_a_cell() {
            2 if usize::from(inside.height) < down.len() => down.len().div_ceil(2),
            _ => down.len(),
        };
        let rows = u16::try_from(entries).unwrap_or(u16::MAX);
        let inside = Rect {
            height: inside.height.min(rows),
            ..inside
        };
        let buffer = frame.buffer_mut();
        let arrow = theme.glyph("→", "->");
        let corner_text = format!(" {} {arrow}", names[0]);
        write(buffer, corner, 0, (&corner_text, theme.faint()));
        spark(frame, marginal, across, theme);
        values(
            frame,
            Rect {
                height: inside.height,
                ..left
            },
            (names[1], down),
            theme,
        );
        let at = |rows: Range<usize>, columns: Range<usize>| {
            let value =
                largest(down[rows].iter().copied()) * largest(across[columns].iter().copied());
            Some(of.sigma * value / self.scale)
        };
        let grid = Grid {
            rows: down.len(),
            columns: across.len(),
            at: &at,
        };
        grid.draw(frame.buffer_mut(), inside, Heat::of(theme));
    }

    /// A whole matrix, without vectors.
    fn whole(&self, frame: &mut Frame<'_>, area: Rect, theme: &Theme) {
        let Parts::Whole(whole, ..) = self.parts else {
            return;
        };
        let [_, rows, columns] = whole.shape();
        let matrix = &whole.values()[self.at * rows * columns..(self.at + 1) * rows * columns];
        let tall = rows > columns;
        let at = |down: Range<usize>, across: Range<usize>| {
            let (rows, across) = if tall { (across, down) } else { (down, across) };
            let entry = |row: usize| matrix[row * columns..][across.clone()].iter().copied();
            Some(largest(rows.flat_map(entry)) / self.scale)
        };
        let [down, across] = self.parts.sides();
        let grid = Grid {
            rows: down,
            columns: across,
            at: &at,
        };
        grid.draw(frame.buffer_mut(), area, Heat::of(theme));
    }
}

/// A vector as bars from its most negative to its most positive possible entry.
fn spark(frame: &mut Frame<'_>, area: Rect, vector: &[f64], theme: &Theme) {
    let top = scale(vector.iter().copied());
    for (x, cell) in area.columns().enumerate() {
        let here = part(x, usize::from(area.width), vector.len());
        let value = largest(vector[here].iter().copied()) / top;
        let (glyph, style) = if theme.glyphs == Glyphs::Ascii || !value.is_finite() {
            Heat::Ascii.cell(value, None)
        } else {
            let lowest = 1.0 / 8.0;
            let bar = bar(lowest + (1.0 - lowest) * f64::midpoint(value, 1.0), theme);
            write(frame.buffer_mut(), cell, 0, (&bar.content, bar.style));
            continue;
        };
        write(frame.buffer_mut(), cell, 0, (glyph, style));
    }
}

/// A vector's entries, a row of the map each, where there are not too many.
fn values(frame: &mut Frame<'_>, area: Rect, (name, vector): (&str, &[f64]), theme: &Theme) {
    let lines = usize::from(area.height);
    for line in 0..lines {
        let here = part(line, lines, vector.len());
        let number = here.start + 1;
        let value = largest(vector[here].iter().copied());
        let style = if value.is_finite() {
            theme.faint()
        } else {
            theme.bad()
        };
        let text = format!("{name}{number:<2}{value:+.1} ");
        let row = u16::try_from(line).unwrap_or(u16::MAX);
        write(frame.buffer_mut(), area, row, (&text, style));
    }
}
