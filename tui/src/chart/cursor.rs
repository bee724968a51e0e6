//! The crosshair: the point of each curve that is nearest to a place, and its values.

use ratatui::buffer::Buffer;

use compacter_core::view::Axis;

use super::label;
use super::picture::{Nearest, Picture};
use super::plot::Pen;

impl Pen<'_> {
    /// Draws the crosshair, and the place that its values are compared with.
    pub(super) fn cursor(&self, picture: &Picture<'_>, buffer: &mut Buffer) {
        let style = self.chart.style;
        if let Some(from) = self.chart.from {
            self.upright(picture, from, style.glyphs.pick("┊", ":"), buffer);
        }
        let Some(x) = self.chart.cursor else { return };
        let points = picture.nearest(x);
        let Some(nearest) = picture.nearest_of_all(x) else {
            return;
        };
        self.upright(picture, nearest.x, style.glyphs.pick("│", "|"), buffer);
        for point in &points {
            if let Some(cell) = self.cell(picture, point.x, point.drawn) {
                self.put(cell, style.glyphs.pick("┼", "+"), style.cursor, buffer);
            }
        }
        let column = self.column(picture.across(nearest.x));
        self.say(&self.rows(picture, &nearest, &points), column, buffer);
    }

    /// A line from top to bottom, behind whatever is there.
    fn upright(&self, picture: &Picture<'_>, x: f64, glyph: &str, buffer: &mut Buffer) {
        let across = picture.across(x);
        if !(0.0..=1.0).contains(&across) {
            return;
        }
        let column = self.column(across);
        for row in 0..self.area.height {
            let Ok(right) = u16::try_from(column) else {
                return;
            };
            let at = (self.area.x + right, self.area.y + row);
            if buffer.cell(at).is_some_and(|cell| cell.symbol() == " ") {
                let style = self.chart.style.axis;
                self.put((column, row.into()), glyph, style, buffer);
            }
        }
    }

    /// What the crosshair says: where it is, and the values; in one row if that fits.
    fn rows(
        &self,
        picture: &Picture<'_>,
        here: &Nearest<'_>,
        points: &[Nearest<'_>],
    ) -> Vec<String> {
        let axis = self.chart.axis;
        let mut first = format!("step {}", here.step);
        if axis != Axis::Step {
            let x = label::x(axis, here.x, picture.range);
            first = format!("{first}  {} {x}", axis.name());
        }
        let delta = self.chart.style.glyphs.pick("Δ", "d");
        let before = self.chart.from.map(|from| picture.nearest(from));
        let value = |(n, point): (usize, &Nearest<'_>)| {
            let text = format!("{} {}", label::plain(point.name), label::full(point.value));
            let from = before.as_ref().and_then(|before| before.get(n));
            match from {
                Some(from) => format!("{text} {delta}{:+.4}", point.value - from.value),
                None => text,
            }
        };
        let values: Vec<String> = points.iter().enumerate().map(value).collect();
        let one = format!("{first}  {}", values.join("  "));
        let many = usize::from(self.area.height) > values.len() + 2;
        if one.chars().count() + 2 > usize::from(self.area.width) && many {
            std::iter::once(first).chain(values).collect()
        } else {
            vec![one]
        }
    }

    /// Writes rows at the top, on the side where the crosshair is not.
    fn say(&self, rows: &[String], beside: usize, buffer: &mut Buffer) {
        let width = usize::from(self.area.width);
        let longest = rows.iter().map(|row| row.chars().count() + 2).max();
        let length = longest.unwrap_or(0).min(width);
        let from = if beside * 2 > width {
            0
        } else {
            width - length
        };
        let from = u16::try_from(from).unwrap_or(0);
        let style = self.chart.style.cursor;
        for (text, row) in rows.iter().zip(self.area.rows()) {
            let text = format!(" {text:<0$}", length.saturating_sub(1));
            buffer.set_stringn(row.x + from, row.y, text, length, style);
        }
    }
}
