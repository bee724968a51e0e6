//! A quantity of every projection, a cell a layer.
//!
//! The range is that of all snapshots kept, so that a cell that brightens has grown.

use compacter_core::event::factors::{Factors, Place as Where, Stack};
use ratatui::Frame;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Modifier;

use super::paint::write;
use super::quantity::{Quantity, place, row, short, stack};
use super::snapshot::{self, Snapshot, factors, say, why};
use crate::screen::heat::Heat;
use crate::screen::keys::{Id, Place};
use crate::screen::panel::{Answer, Context, Hand, Panel};
use crate::screen::seen::Seen;
use crate::screen::theme::Theme;

/// Cells that the names of rows take.
const NAMES: u16 = 10;

/// Layers of a stack at most.
const MOST_LAYERS: usize = 512;

/// A quantity of every projection.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Strips {
    quantity: Quantity,
}

/// Where each projection has its cell.
struct Cells {
    /// The kinds of rows: projections that differ in stack and block only.
    rows: Vec<Where>,
    /// The stacks, with how many layers each has.
    stacks: Vec<(Stack, usize)>,
}

impl Cells {
    fn of(factors: &Factors) -> Self {
        let (mut rows, mut stacks): (Vec<Where>, Vec<(Stack, usize)>) = (Vec::new(), Vec::new());
        for projection in &factors.projections {
            let here = projection.place;
            if !rows.iter().any(|row| same_row(*row, here)) {
                rows.push(here);
            }
            let layers = here.block.saturating_add(1).min(MOST_LAYERS);
            match stacks.iter_mut().find(|(stack, _)| *stack == here.stack) {
                Some((_, count)) => *count = layers.max(*count),
                None => stacks.push((here.stack, layers)),
            }
        }
        Self { rows, stacks }
    }

    /// How many layers there are in all.
    fn layers(&self) -> usize {
        self.stacks.iter().map(|(_, count)| count).sum()
    }

    /// How many cells of the screen one layer takes.
    fn wide(&self, width: u16) -> usize {
        let room = usize::from(width.saturating_sub(NAMES)).saturating_sub(self.stacks.len());
        (room / self.layers().max(1)).clamp(1, 4)
    }

    /// The column of a layer's first cell, and its row.
    fn cell(&self, at: Where, width: u16) -> Option<(u16, u16)> {
        let row = self.rows.iter().position(|row| same_row(*row, at))?;
        let stack = self
            .stacks
            .iter()
            .position(|(stack, _)| *stack == at.stack)?;
        let before: usize = self.stacks[..stack].iter().map(|(_, count)| count).sum();
        let layer = before.saturating_add(at.block);
        let column = layer.saturating_mul(self.wide(width)).saturating_add(stack);
        let column = column.saturating_add(usize::from(NAMES));
        Some((u16::try_from(column).ok()?, u16::try_from(row).ok()?))
    }
}

fn same_row(a: Where, b: Where) -> bool {
    a.branch == b.branch && a.role == b.role
}

impl Strips {
    /// The largest value of all snapshots kept.
    fn top(self, seen: &Seen<'_>) -> f64 {
        let snapshots = seen.view.factors.iter().filter_map(factors);
        let projections = snapshots.flat_map(|factors| &factors.projections);
        let values = projections.filter_map(|projection| self.quantity.of(projection));
        values.filter(|x| x.is_finite()).fold(0.0, f64::max)
    }

    /// The projection with the largest value; what is no number is larger than all.
    fn worst(self, factors: &Factors, theme: &Theme) -> String {
        let key = |x: f64| if x.is_nan() { f64::INFINITY } else { x };
        let measured = factors.projections.iter().filter_map(|projection| {
            let value = self.quantity.of(projection)?;
            Some((projection.place, value))
        });
        let worst = measured.max_by(|(_, a), (_, b)| key(*a).total_cmp(&key(*b)));
        let word = match self.quantity {
            Quantity::Drift | Quantity::Gradient | Quantity::Change => "worst",
            Quantity::Norm | Quantity::Rank => "largest",
        };
        worst.map_or_else(
            || "not measured in this snapshot".to_owned(),
            |(at, value)| format!("{word}: {} {}", place(at, theme), short(value)),
        )
    }

    /// The cells below the first line of an area, as far as it reaches.
    fn cells(
        self,
        buffer: &mut Buffer,
        area: Rect,
        (cells, snapshot): (&Cells, &Snapshot<'_>),
        context: &Context<'_>,
    ) {
        let (top, heat) = (self.top(&context.seen), Heat::of(context.theme));
        let wide = u16::try_from(cells.wide(area.width)).unwrap_or(1);
        for (at, projection) in snapshot.factors.projections.iter().enumerate() {
            let cell = cells.cell(projection.place, area.width);
            let (Some((column, line)), Some(value)) = (cell, self.quantity.of(projection)) else {
                continue;
            };
            let share = if top > 0.0 { value / top } else { value };
            let (glyph, mut style) = heat.cell(share, Some(share));
            if at == snapshot.chosen {
                style = style.add_modifier(Modifier::UNDERLINED);
            }
            let cell = Rect {
                x: area.x.saturating_add(column),
                width: wide.min(area.width.saturating_sub(column)),
                ..area
            };
            let text = glyph.repeat(usize::from(cell.width));
            write(buffer, cell, line.saturating_add(1), (&text, style));
        }
    }

    fn head(cells: &Cells, width: u16) -> String {
        let stacks = cells.stacks.iter().map(|(kind, count)| {
            let wide = count.saturating_mul(cells.wide(width));
            let long = format!("{} 1..{count}", stack(*kind));
            let name = if long.len() <= wide {
                long
            } else {
                stack(*kind).chars().take(wide).collect()
            };
            format!("{name:wide$} ")
        });
        let indent = " ".repeat(usize::from(NAMES));
        std::iter::once(indent).chain(stacks).collect()
    }
}

impl Panel for Strips {
    fn title(&self, context: &Context<'_>) -> String {
        let name = self.quantity.name(context.theme);
        match self.top(&context.seen) {
            top if top > 0.0 => format!("{name}  0 to {}", short(top)),
            _ => name.to_owned(),
        }
    }

    fn places(&self) -> &'static [Place] {
        &[Place::Choosing]
    }

    fn draw(&self, frame: &mut Frame<'_>, area: Rect, context: &Context<'_>) {
        let Some(snapshot) = Snapshot::newest(&context.seen, context.shared) else {
            return say(frame, area, context, &why(&context.seen));
        };
        let (theme, factors) = (context.theme, snapshot.factors);
        let cells = Cells::of(factors);
        let buffer = frame.buffer_mut();
        write(
            buffer,
            area,
            0,
            (&Self::head(&cells, area.width), theme.faint()),
        );
        // The last line is kept for the words.
        let shown = area.height.saturating_sub(2);
        for (line, here) in (0..shown).zip(&cells.rows) {
            write(buffer, area, line + 1, (&row(*here, theme), theme.text()));
        }
        self.cells(
            buffer,
            Rect {
                height: shown.saturating_add(1),
                ..area
            },
            (&cells, &snapshot),
            context,
        );
        let after = u16::try_from(cells.rows.len()).unwrap_or(shown).min(shown);
        let worst = self.worst(factors, theme);
        write(buffer, area, after + 1, (&worst, theme.text()));
    }

    fn on(&mut self, id: Id, hand: &mut Hand<'_>) -> Answer {
        snapshot::chosen(&mut self.quantity, id, hand)
    }

    fn click(&mut self, column: u16, line: u16, hand: &mut Hand<'_>) -> Answer {
        let Some(snapshot) = Snapshot::newest(&hand.seen, hand.shared) else {
            return Answer::Ignored;
        };
        let cells = Cells::of(snapshot.factors);
        let wide = u16::try_from(cells.wide(hand.room.width)).unwrap_or(1);
        let hit = snapshot.factors.projections.iter().position(|projection| {
            let cell = cells.cell(projection.place, hand.room.width);
            cell.is_some_and(|(x, y)| {
                y.saturating_add(1) == line && (x..x.saturating_add(wide)).contains(&column)
            })
        });
        let Some(at) = hit else {
            return Answer::Ignored;
        };
        hand.shared.projection = at;
        Answer::Done
    }
}
