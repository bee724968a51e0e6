//! The slow weights `A₁ … Aₙ` of the projection chosen, which most often are everybody's.

use std::ops::Range;

use compacter_core::event::factors::{ProjectionFactors, SlowPart};
use compacter_core::peft::factors::Block;
use ratatui::Frame;
use ratatui::layout::Rect;

use super::paint::{Grid, largest, scale, write};
use super::quantity::{short, short_or};
use super::snapshot::{Snapshot, say, why};
use crate::screen::heat::Heat;
use crate::screen::keys::{Id, Place};
use crate::screen::panel::{Answer, Context, Hand, Panel};
use crate::screen::theme::Theme;

/// The slow weights of the projection chosen.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Slow;

impl Panel for Slow {
    fn title(&self, context: &Context<'_>) -> String {
        let Some(snapshot) = Snapshot::newest(&context.seen, context.shared) else {
            return "slow weights A".to_owned();
        };
        let count = snapshot.factors.slow.len();
        match snapshot.slow() {
            Some(_) if count == 1 => "slow weights A (shared by all layers)".to_owned(),
            _ => format!("slow weights A of {}", snapshot.place(context.theme)),
        }
    }

    fn places(&self) -> &'static [Place] {
        &[]
    }

    fn draw(&self, frame: &mut Frame<'_>, area: Rect, context: &Context<'_>) {
        let Some(snapshot) = Snapshot::newest(&context.seen, context.shared) else {
            return say(frame, area, context, &why(&context.seen));
        };
        let Some((place, slow)) = snapshot.slow() else {
            let text = match snapshot.projection().slow {
                SlowPart::Scale(scale) => format!(
                    "No slow weights: A is the number {} for this method.",
                    short(scale)
                ),
                SlowPart::Slow(_) => "The snapshot lacks the slow weights it names.".to_owned(),
            };
            return say(frame, area, context, &text);
        };
        let lines = words(&snapshot, context.theme);
        let below = u16::try_from(lines.len()).unwrap_or(u16::MAX);
        let room = area.height.saturating_sub(below).max(area.height.min(3));
        let upper = Rect {
            height: room,
            ..area
        };
        match snapshot.decoded.slow(snapshot.factors, place) {
            Some(block) => matrices(frame, upper, &block, context.theme),
            None => say(
                frame,
                upper,
                context,
                "Their entries are damaged or too many.",
            ),
        }
        let change = format!(
            "A changed by {} of its start   |grad| {}",
            short_or(slow.change),
            short_or(slow.gradient_norm)
        );
        let lines = std::iter::once(change).chain(lines.into_iter().skip(1));
        for (line, row) in lines.zip(area.rows().skip(usize::from(room))) {
            let style = context.theme.faint();
            write(frame.buffer_mut(), row, 0, (&line, style));
        }
    }

    fn on(&mut self, _: Id, _: &mut Hand<'_>) -> Answer {
        Answer::Ignored
    }
}

/// What is said under the matrices; the first line is that of `A`.
fn words(snapshot: &Snapshot<'_>, theme: &Theme) -> Vec<String> {
    let projection = snapshot.projection();
    let [rows, columns] = projection.shape;
    let (sum, times) = (theme.glyph("Σᵢ Aᵢ⊗Bᵢ", "sum A x B"), theme.glyph("×", "x"));
    vec![
        String::new(),
        changes(projection),
        format!(
            "{sum} : {rows}{times}{columns}, {}",
            rank(projection, theme)
        ),
    ]
}

/// How far the fast weights are from their start, each by itself.
fn changes(projection: &ProjectionFactors) -> String {
    let of = |name: &str, change: Option<f64>| change.map(|x| format!("{name} {}", short(x)));
    let parts = [
        of("s", projection.left_change),
        of("t", projection.right_change),
        of("B", projection.fast_change),
    ];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    format!("changed by, of their start: {}", parts.join("  "))
}

/// How many directions a projection works in, of how many it could.
pub(crate) fn rank(projection: &ProjectionFactors, theme: &Theme) -> String {
    let Some(rank) = projection.effective_rank else {
        return "erank not measured".to_owned();
    };
    let rank = if rank.is_finite() && rank.abs() < 1e4 {
        format!("{rank:.1}")
    } else {
        short(rank)
    };
    let most = projection.spectrum.len();
    format!("erank {rank} of {}{most}", theme.glyph("≤", "<="))
}

/// The matrices side by side, as many as fit, on one scale.
fn matrices(frame: &mut Frame<'_>, area: Rect, block: &Block, theme: &Theme) {
    let [terms, n, columns] = block.shape();
    let scale = scale(block.values().iter().copied());
    let names = area.height > 1;
    let room = usize::from(area.height.saturating_sub(u16::from(names)));
    let total = usize::from(area.width);
    // Cells are about twice as high as wide.
    let wide = if terms * (2 * columns + 2) <= total {
        2 * columns
    } else {
        columns
    };
    let fit = (total / (wide + 2)).clamp(1, terms);
    let width = u16::try_from(wide.min(total)).unwrap_or(area.width);
    let height = u16::try_from(room.min(n)).unwrap_or(area.height);
    for term in 0..fit {
        let x = u16::try_from(term * (wide + 2)).unwrap_or(u16::MAX);
        let here = Rect {
            x: area.x.saturating_add(x).saturating_add(1),
            width,
            ..area
        };
        let here = here.intersection(area);
        let name = format!("A{}", term + 1);
        let above = u16::from(names);
        let inside = Rect {
            y: here.y.saturating_add(above),
            height: height.min(here.height.saturating_sub(above)),
            ..here
        };
        if names {
            write(frame.buffer_mut(), here, 0, (&name, theme.faint()));
        }
        matrix(frame, inside, (block, term, scale), theme);
    }
}

/// One matrix of a block.
fn matrix(
    frame: &mut Frame<'_>,
    area: Rect,
    (block, term, scale): (&Block, usize, f64),
    theme: &Theme,
) {
    let [_, rows, columns] = block.shape();
    let matrix = &block.values()[term * rows * columns..(term + 1) * rows * columns];
    let at = |down: Range<usize>, across: Range<usize>| {
        let row = |row: usize| matrix[row * columns..][across.clone()].iter().copied();
        Some(largest(down.flat_map(row)) / scale)
    };
    let grid = Grid {
        rows,
        columns,
        at: &at,
    };
    grid.draw(frame.buffer_mut(), area, Heat::of(theme));
}
