//! Heat maps of factors, and bars, as SVG rectangles.
//!
//! A colour says the sign and its opacity the size, so the maps read on light and dark.
//! `sᵢ` and `tᵢ` are drawn at norm 1: `(c·s, t/c)` is the same projection.

use compacter_core::peft::factors::{Block, Component, Fast, KroneckerSum};

use crate::show::colour::{CURVES, NEGATIVE, POSITIVE, WIDTH, css};
use crate::show::html::{append, aside};
use crate::show::number::short;

/// Components that are drawn at most, the strongest of them.
const MOST: usize = 16;
/// Cells of a strip at most; neighbours are put together to the largest of them.
const STRIP: usize = 128;
/// Pixels of a row of maps, and of the gaps in it.
const ROW: f64 = 34.0;
const GAP: f64 = 12.0;
/// Pixels for the name at the start of a row, and for `A`.
const NAME: f64 = 96.0;
const SLOW: f64 = 28.0;
/// Bars that are drawn at most.
const BARS: usize = 64;

/// The terms of a projection, a row for each: `A`, then `s` and `t` of its components, or `B`.
pub(super) fn maps(sum: &KroneckerSum) -> String {
    let rows = match sum.fast() {
        Fast::Factored { .. } => components(sum),
        Fast::Dense(whole) => dense(sum.slow(), whole),
    };
    let height = ROW * rows.len() as f64;
    let mut body = String::new();
    for (at, row) in rows.iter().enumerate() {
        let down = ROW * at as f64;
        append(
            &mut body,
            format_args!("<g transform=\"translate(0 {down})\">{row}</g>"),
        );
    }
    let note = match sum.fast() {
        Fast::Factored { .. } => "each row a component: its strength, A, s, t (s and t at norm 1)",
        Fast::Dense(_) => "each row a term: A, B",
    };
    aside(note) + &svg(height, &body)
}

fn svg(height: f64, body: &str) -> String {
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{height}\" viewBox=\"0 0 {WIDTH} {height}\" style=\"max-width:100%;display:block\" font-family=\"sans-serif\" font-size=\"12\">{body}</svg>"
    )
}

fn components(sum: &KroneckerSum) -> Vec<String> {
    let mut components = sum.components();
    components.sort_by(|a, b| b.strength().total_cmp(&a.strength()));
    components.truncate(MOST);
    let row = |component: &Component| {
        let (left, right) = (&component.left, &component.right);
        let room = f64::from(WIDTH) - NAME - SLOW - 3.0 * GAP;
        // Each in proportion to its length, but none too narrow to see.
        let share = left.len() as f64 / (left.len() + right.len()).max(1) as f64;
        let width = room * share.clamp(0.2, 0.8);
        let from = NAME + SLOW + GAP;
        name(&format!(
            "{}: {}",
            component.term + 1,
            short(component.strength())
        )) + &slow(sum.slow(), component.term)
            + &strip(left, from, width)
            + &strip(right, from + width + GAP, room - width)
    };
    components.iter().map(row).collect()
}

fn dense(slow_weights: &Block, whole: &Block) -> Vec<String> {
    let [terms, rows, columns] = whole.shape();
    let row = |term: usize| {
        let from = NAME + SLOW + GAP;
        let values = matrix(whole, term);
        // One cell for each column of `B`: the largest of its entries.
        let tops: Vec<f64> = (0..columns)
            .map(|column| largest((0..rows).map(|row| values[row * columns + column])))
            .collect();
        name(&format!("{}", term + 1))
            + &slow(slow_weights, term)
            + &strip(&tops, from, f64::from(WIDTH) - from - GAP)
    };
    (0..terms.min(MOST)).map(row).collect()
}

fn matrix(block: &Block, at: usize) -> &[f64] {
    let [_, rows, columns] = block.shape();
    let size = rows * columns;
    &block.values()[at * size..(at + 1) * size]
}

fn name(text: &str) -> String {
    format!(
        "<text x=\"0\" y=\"{}\" fill=\"currentColor\">{text}</text>",
        ROW / 2.0 + 4.0
    )
}

/// `Aᵢ` as a square.
fn slow(slow: &Block, term: usize) -> String {
    let [_, n, columns] = slow.shape();
    let (values, side) = (matrix(slow, term), SLOW / n.max(columns).max(1) as f64);
    let top = size(values);
    let cells = values.iter().enumerate().map(|(at, &value)| {
        let (row, column) = (at / columns, at % columns);
        let place = (NAME + side * column as f64, 3.0 + side * row as f64);
        rect(place, (side, side), value / top)
    });
    frame((NAME, 3.0), (SLOW, SLOW)) + &cells.collect::<String>()
}

/// A vector as a row of cells.
fn strip(values: &[f64], x: f64, width: f64) -> String {
    let part = values.len().div_ceil(STRIP).max(1);
    let values: Vec<f64> = values
        .chunks(part)
        .map(|part| largest(part.iter().copied()))
        .collect();
    let (top, cell) = (size(&values), width / values.len().max(1) as f64);
    let cells = values.iter().enumerate();
    let cells =
        cells.map(|(at, &value)| rect((x + cell * at as f64, 8.0), (cell, 18.0), value / top));
    frame((x, 8.0), (width, 18.0)) + &cells.collect::<String>()
}

/// The value of the largest size, with its sign.
fn largest(values: impl Iterator<Item = f64>) -> f64 {
    values.fold(
        0.0,
        |top: f64, value| if value.abs() > top.abs() { value } else { top },
    )
}

/// The largest size, or 1 where all are 0.
fn size(values: &[f64]) -> f64 {
    let top = values
        .iter()
        .fold(0.0, |top: f64, value| top.max(value.abs()));
    if top > 0.0 && top.is_finite() {
        top
    } else {
        1.0
    }
}

fn frame((x, y): (f64, f64), (width, height): (f64, f64)) -> String {
    format!(
        "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" fill=\"none\" stroke=\"currentColor\" stroke-opacity=\".25\"/>"
    )
}

fn rect((x, y): (f64, f64), (width, height): (f64, f64), share: f64) -> String {
    if share.abs() < 0.01 || !share.is_finite() {
        return String::new();
    }
    let colour = css(if share > 0.0 { POSITIVE } else { NEGATIVE });
    format!(
        "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" fill=\"{colour}\" fill-opacity=\"{:.2}\"/>",
        share.abs().min(1.0)
    )
}

/// Bars below each other's tops, such as a spectrum.
pub(super) fn bars(name: &str, values: &[f64]) -> String {
    let shown = &values[..values.len().min(BARS)];
    let (top, height) = (size(shown), 60.0);
    let width = (f64::from(WIDTH) / shown.len().max(1) as f64).min(24.0);
    let mut body = String::new();
    for (at, value) in shown.iter().enumerate() {
        let tall = (value / top).clamp(0.0, 1.0) * height;
        let (left, above, colour) = (width * at as f64, height - tall, css(CURVES[0]));
        let wide = width * 0.8;
        append(
            &mut body,
            format_args!(
                "<rect x=\"{left:.1}\" y=\"{above:.1}\" width=\"{wide:.1}\" height=\"{tall:.1}\" fill=\"{colour}\"/>"
            ),
        );
    }
    let first = shown.first().copied().unwrap_or(0.0);
    let note = format!(
        "{name}: {} singular values, the largest {}",
        values.len(),
        short(first)
    );
    aside(&note) + &svg(height, &body)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn a_large_projection_s_maps_stay_small() {
        let values = |count: usize| (0..count).map(|at| (at as f64).sin()).collect::<Vec<_>>();
        let block = |shape: [usize; 3]| Block::new(shape, values(shape.iter().product())).unwrap();
        let fast = Fast::Factored {
            left: block([16, 768, 2]),
            right: block([16, 2, 48]),
        };
        let sum = KroneckerSum::new(block([16, 16, 16]), fast).unwrap();
        let html = maps(&sum);
        assert!(html.len() < 1_000_000, "{}", html.len());
        assert_eq!(html.matches("<g ").count(), MOST);
    }
}
