//! The inside of a chart, layer by layer: raw lines, smoothed lines, points, marks.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use compacter_core::view::MarkKind;

use super::dots::Dots;
use super::picture::{Picture, Trace};
use super::scale::Scale;
use super::spec::{Chart, CurveKind};

/// Columns of cells between two markers of a line.
const BETWEEN_MARKERS: usize = 16;

impl Chart<'_> {
    pub(super) fn plot(&self, area: Rect, picture: &Picture<'_>, buffer: &mut Buffer) {
        let pen = Pen { chart: self, area };
        let traces = || picture.traces.iter().enumerate();
        let lines = || traces().filter(|(_, trace)| trace.kind == CurveKind::Line);
        for (n, trace) in lines() {
            let behind = !trace.smooth.is_empty();
            let style = if behind {
                self.style.raw
            } else {
                self.style.curve(n)
            };
            let glyph = if behind { '.' } else { '*' };
            pen.dots(&raw(&pen, trace, &picture.scale), glyph, style, buffer);
        }
        for (n, trace) in lines().filter(|(_, trace)| !trace.smooth.is_empty()) {
            let smooth = smooth(&pen, trace, &picture.scale);
            pen.dots(&smooth, '*', self.style.curve(n), buffer);
        }
        if self.lines() > 1 {
            for (nth, (n, trace)) in lines().enumerate() {
                let marker = self.style.glyphs.line_marker(nth);
                pen.markers(trace, picture, (nth, marker), self.style.curve(n), buffer);
            }
        }
        let points = traces().filter(|(_, trace)| trace.kind == CurveKind::Points);
        for (nth, (n, trace)) in points.enumerate() {
            pen.points(trace, picture, nth, self.style.curve(n), buffer);
        }
        pen.not_positive(picture, buffer);
        pen.marks(picture, buffer);
        self.legend(area, buffer);
        pen.cursor(picture, buffer);
    }
}

fn raw(pen: &Pen<'_>, trace: &Trace<'_>, scale: &Scale) -> Dots {
    let mut dots = pen.blank();
    let mut before = None;
    for column in &trace.raw {
        let row = |value| scale.place(value).map(|place| dots.row(place));
        let Some(high) = row(column.max) else {
            before = None;
            continue;
        };
        // On a logarithmic axis what is not positive reaches to the bottom.
        let low = row(column.min).unwrap_or_else(|| dots.row(0.0));
        let middle = row(column.mean).unwrap_or(low);
        dots.span(column.at, low, high);
        if let Some(before) = before.filter(|_| !column.broken) {
            dots.line(before, (column.at, middle));
        }
        before = Some((column.at, middle));
    }
    dots
}

fn smooth(pen: &Pen<'_>, trace: &Trace<'_>, scale: &Scale) -> Dots {
    let mut dots = pen.blank();
    let mut before = None;
    for (column, &value) in trace.raw.iter().zip(&trace.smooth) {
        let here = scale.place(value).map(|place| (column.at, dots.row(place)));
        if let Some(here) = here {
            let from = before.filter(|_| !column.broken).unwrap_or(here);
            dots.line(from, here);
        }
        before = here;
    }
    dots
}

/// Draws into a part of the screen.
pub(super) struct Pen<'a> {
    pub(super) chart: &'a Chart<'a>,
    pub(super) area: Rect,
}

impl Pen<'_> {
    fn blank(&self) -> Dots {
        let (width, height) = (self.area.width.into(), self.area.height.into());
        Dots::new(self.chart.style.glyphs, width, height)
    }

    pub(super) fn put(
        &self,
        (column, row): (usize, usize),
        glyph: &str,
        style: Style,
        buffer: &mut Buffer,
    ) {
        let (Ok(x), Ok(y)) = (u16::try_from(column), u16::try_from(row)) else {
            return;
        };
        if x < self.area.width && y < self.area.height {
            let cell = &mut buffer[(self.area.x + x, self.area.y + y)];
            // What is drawn later is not to be mixed with the style of what was there.
            cell.reset();
            cell.set_style(self.chart.style.base);
            cell.set_symbol(glyph).set_style(style);
        }
    }

    fn dots(&self, dots: &Dots, ascii: char, style: Style, buffer: &mut Buffer) {
        let mut text = [0; 4];
        for (column, row, glyph) in dots.cells(ascii) {
            self.put((column, row), glyph.encode_utf8(&mut text), style, buffer);
        }
    }

    /// The cell of a point; `None` when the scale does not show it.
    pub(super) fn cell(&self, picture: &Picture<'_>, x: f64, value: f64) -> Option<(usize, usize)> {
        let place = picture.scale.place(value)?;
        let inside = !picture.scale.is_outside(value);
        let row = self.blank_row(place);
        inside.then(|| (self.column(picture.across(x)), row))
    }

    fn blank_row(&self, place: f64) -> usize {
        let down = self.chart.style.glyphs.dots().1;
        Dots::new(self.chart.style.glyphs, 0, self.area.height.into()).row(place) / down
    }

    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "from 0 up to the width"
    )]
    pub(super) fn column(&self, across: f64) -> usize {
        // The same cell that a column of dots at this place falls into.
        let dots = usize::from(self.area.width) * self.chart.style.glyphs.dots().0;
        let dot = (across.clamp(0.0, 1.0) * dots.saturating_sub(1) as f64 + 0.5) as usize;
        dot / self.chart.style.glyphs.dots().0
    }

    fn points(
        &self,
        trace: &Trace<'_>,
        picture: &Picture<'_>,
        nth: usize,
        style: Style,
        buffer: &mut Buffer,
    ) {
        let marker = self.chart.style.glyphs.point(nth);
        for column in &trace.raw {
            // Where several points share a column, the last one is drawn and the extremes.
            for value in [column.min, column.max, column.last] {
                if let Some(cell) = self.cell(picture, column.x, value) {
                    self.put(cell, marker, style, buffer);
                }
            }
        }
    }

    /// Marks a line every so often, each line at places of its own, and at its end.
    fn markers(
        &self,
        trace: &Trace<'_>,
        picture: &Picture<'_>,
        (nth, marker): (usize, &str),
        style: Style,
        buffer: &mut Buffer,
    ) {
        let apart = BETWEEN_MARKERS * self.chart.style.glyphs.dots().0;
        let mut due = apart * (nth + 1) / (self.chart.lines() + 1);
        let last = trace.raw.len().saturating_sub(1);
        for (at, column) in trace.raw.iter().enumerate() {
            if column.at < due && at != last {
                continue;
            }
            due = due.max(column.at) + apart;
            if let Some(cell) = self.cell(picture, column.x, trace.value(at)) {
                self.put(cell, marker, style, buffer);
            }
        }
    }

    /// On a logarithmic axis, what it cannot show stands at the bottom.
    fn not_positive(&self, picture: &Picture<'_>, buffer: &mut Buffer) {
        let glyph = self.chart.style.glyphs.pick("▾", "v");
        let bottom = usize::from(self.area.height).saturating_sub(1);
        for column in picture.traces.iter().flat_map(|trace| &trace.raw) {
            if picture.scale.place(column.min).is_none() {
                let cell = (self.column(picture.across(column.x)), bottom);
                self.put(cell, glyph, self.chart.style.bad, buffer);
            }
        }
    }

    /// Marks on the axis, which is the row below; the gravest stays where several meet.
    fn marks(&self, picture: &Picture<'_>, buffer: &mut Buffer) {
        let below = Pen {
            chart: self.chart,
            area: Rect {
                y: self.area.y + self.area.height,
                height: 1,
                ..self.area
            },
        };
        let bad = picture.bad_at.iter().map(|&x| (MarkKind::NotFinite, x));
        let mut kinds: Vec<Option<MarkKind>> = vec![None; self.area.width.into()];
        for (kind, x) in self.chart.marks.iter().copied().chain(bad) {
            let across = picture.across(x);
            if (0.0..=1.0).contains(&across) {
                let cell = &mut kinds[self.column(across)];
                *cell = (*cell).max(Some(kind));
            }
        }
        for (column, kind) in kinds.into_iter().enumerate() {
            let Some(kind) = kind else { continue };
            let style = match kind {
                MarkKind::NotFinite => self.chart.style.bad,
                _ => self.chart.style.mark,
            };
            below.put(
                (column, 0),
                self.chart.style.glyphs.mark(kind),
                style,
                buffer,
            );
        }
    }
}
