//! Grids of values as heat maps, bars, and legends, in any area.

use std::ops::Range;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};

use super::quantity::short;
use crate::screen::heat::Heat;
use crate::screen::theme::{Glyphs, Theme};

const BARS: [&str; 9] = [" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"];
const BARS_ASCII: [&str; 9] = [" ", "_", "_", ".", "-", "-", "=", "=", "#"];

/// A grid of values, drawn into an area of any size: enlarged, or with the values that fall
/// on a cell told by the one that `at` gives for their rows and columns.
pub(crate) struct Grid<'a> {
    /// Rows of values.
    pub(crate) rows: usize,
    /// Columns of values.
    pub(crate) columns: usize,
    /// The value for rows and columns, from -1 to 1; `None` for nothing.
    pub(crate) at: &'a dyn Fn(Range<usize>, Range<usize>) -> Option<f64>,
}

/// Which values fall on a cell of so many: at least one, unless there are none.
pub(crate) fn part(cell: usize, cells: usize, values: usize) -> Range<usize> {
    let cells = cells.max(1);
    let start = cell.saturating_mul(values) / cells;
    let end = (cell + 1).saturating_mul(values) / cells;
    start..end.max(start + 1).min(values)
}

impl Grid<'_> {
    /// Draws all of the area.
    pub(crate) fn draw(&self, buffer: &mut Buffer, area: Rect, heat: Heat) {
        let area = area.intersection(buffer.area);
        let (width, height) = (usize::from(area.width), usize::from(area.height));
        if self.rows == 0 || self.columns == 0 {
            return;
        }
        // Two values in a cell only where a row of the screen is not enough for a row.
        let both = heat.values_in_a_cell() == 2 && height < self.rows;
        let lines = if both { 2 * height } else { height };
        for (y, row) in area.rows().enumerate() {
            for (x, cell) in row.columns().enumerate() {
                let columns = part(x, width, self.columns);
                let value = |line| (self.at)(part(line, lines, self.rows), columns.clone());
                let (upper, lower) = if both {
                    (value(2 * y), value(2 * y + 1))
                } else {
                    (value(y), value(y))
                };
                if upper.is_none() && lower.is_none() {
                    continue;
                }
                let (glyph, style) = heat.cell(upper.unwrap_or(0.0), Some(lower.unwrap_or(0.0)));
                buffer.set_string(cell.x, cell.y, glyph, style);
            }
        }
    }
}

/// The value of the largest magnitude, with its sign; NaN where one is no number.
pub(crate) fn largest(values: impl IntoIterator<Item = f64>) -> f64 {
    let larger = |top: f64, x: f64| {
        if !top.is_finite() || (x.is_finite() && x.abs() <= top.abs()) {
            top
        } else {
            x
        }
    };
    let top = values.into_iter().fold(0.0, larger);
    if top.is_finite() { top } else { f64::NAN }
}

/// The largest magnitude of what is finite; 1 where that is 0.
pub(crate) fn scale(values: impl IntoIterator<Item = f64>) -> f64 {
    let sizes = values.into_iter().map(f64::abs);
    let top = sizes.filter(|x| x.is_finite()).fold(0.0, f64::max);
    if top > 0.0 { top } else { 1.0 }
}

/// A share from 0 to 1 in so many parts.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "between 0 and a number of parts"
)]
pub(crate) fn parts_of(share: f64, parts: usize) -> usize {
    (share.clamp(0.0, 1.0) * parts as f64).round() as usize
}

/// A share from 0 to 1 as a bar in one cell; what is no number is a mark.
pub(crate) fn bar(share: f64, theme: &Theme) -> Span<'static> {
    if !share.is_finite() {
        return Span::styled("!", theme.bad());
    }
    let level = parts_of(share, 8).max(usize::from(share > 0.0));
    Span::styled(glyphs(theme)[level], theme.text())
}

fn glyphs(theme: &Theme) -> &'static [&'static str; 9] {
    match theme.glyphs {
        Glyphs::Unicode => &BARS,
        Glyphs::Ascii => &BARS_ASCII,
    }
}

/// Bars from the foot of an area up, the highest of `top` as high as the area.
pub(crate) fn bars(buffer: &mut Buffer, area: Rect, values: &[Option<f64>], theme: &Theme) {
    let area = area.intersection(buffer.area);
    if values.is_empty() || area.is_empty() {
        return;
    }
    let top = scale(values.iter().flatten().copied());
    let (width, height) = (usize::from(area.width), usize::from(area.height));
    // A bar is as wide as all can be; with more bars than cells, the highest counts.
    let used = (width / values.len()).clamp(1, 6) * values.len();
    let used = used.min(width);
    for (x, column) in area.columns().enumerate().take(used) {
        let here = values[part(x, used, values.len())].iter().flatten();
        let value = largest(here.copied());
        if !value.is_finite() {
            let foot = area.bottom() - 1;
            buffer.set_string(column.x, foot, "!", theme.bad());
            continue;
        }
        let share = value.abs() / top;
        let eighths = parts_of(share, 8 * height).max(usize::from(share > 0.0));
        for (up, y) in (area.top()..area.bottom()).rev().enumerate() {
            let level = eighths.saturating_sub(8 * up).min(8);
            buffer.set_string(column.x, y, glyphs(theme)[level], theme.strong());
        }
    }
}

/// What the ends of a scale from `-end`, or from 0, to `end` look like.
pub(crate) fn legend(end: f64, from: f64, theme: &Theme) -> Line<'static> {
    let heat = Heat::of(theme);
    let low = if from < 0.0 {
        short(-end)
    } else {
        "0".to_owned()
    };
    let mut spans = vec![Span::styled(format!(" {low} "), theme.faint())];
    let steps = [-1.0, -0.75, -0.5, -0.25, 0.0, 0.25, 0.5, 0.75, 1.0];
    for step in steps.into_iter().filter(|step| *step >= from) {
        let (glyph, style) = heat.cell(step, Some(step));
        spans.push(Span::styled(glyph, style));
    }
    spans.push(Span::styled(format!(" {} ", short(end)), theme.faint()));
    Line::from(spans)
}

/// Writes text into an area's row, as far as it fits.
pub(crate) fn write(buffer: &mut Buffer, area: Rect, row: u16, (text, style): (&str, Style)) {
    let here = area.rows().nth(usize::from(row));
    if let Some(row) = here.map(|row| row.intersection(buffer.area)) {
        buffer.set_stringn(row.x, row.y, text, usize::from(row.width), style);
    }
}

#[cfg(test)]
mod tests {
    use ratatui::buffer::Cell;

    use super::*;

    #[test]
    fn a_cell_tells_the_largest_of_its_values_with_its_sign() {
        assert_eq!(part(0, 3, 7), 0..2);
        assert_eq!(part(2, 3, 7), 4..7);
        assert_eq!(part(5, 8, 2), 1..2);
        let shown = largest([0.5, -2.0, 1.0]);
        assert!((shown + 2.0).abs() < 1e-12);
        assert!(largest([0.5, f64::INFINITY, 9.0]).is_nan());
        assert!(largest([f64::NAN, 9.0]).is_nan());
    }

    #[test]
    fn a_grid_fills_any_area_and_marks_what_is_no_number() {
        let values = [1.0, -1.0, f64::NAN, 0.0];
        let at = |rows: Range<usize>, columns: Range<usize>| {
            Some(values[rows.start * 2 + columns.start])
        };
        let grid = Grid {
            rows: 2,
            columns: 2,
            at: &at,
        };
        for (width, height) in [(0, 0), (1, 1), (4, 2), (9, 5)] {
            let area = Rect::new(0, 0, width, height);
            let mut buffer = Buffer::empty(area);
            grid.draw(&mut buffer, area, Heat::Shades);
            if (width, height) == (4, 2) {
                let text: String = buffer.content.iter().map(Cell::symbol).collect();
                assert_eq!(text, "██⠿⠿!!  ");
            }
        }
    }
}
