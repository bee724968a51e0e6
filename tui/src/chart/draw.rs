//! The widget: a frame with the title, the two axes with their labels, and the plot inside.
//!
//! ```text
//! ┌ loss  train ━ eval •  x: step ───────┐
//! │0.80│⠘⢄                               │
//! │0.15│  ⠈⠑⠒⠤⠤⣀⣀⣀•⡀                     │
//! │    └────────◆──────────!─────────────│
//! │    0               620           1240│
//! └──────────────────────────────────────┘
//! ```

use ratatui::buffer::Buffer;
use ratatui::layout::{Margin, Rect};
use ratatui::symbols::border;
use ratatui::widgets::{Block, Widget};

use super::label;
use super::picture::Picture;
use super::spec::Chart;
use super::style::Glyphs;

/// A frame of plain characters.
const ASCII: border::Set<'static> = border::Set {
    top_left: "+",
    top_right: "+",
    bottom_left: "+",
    bottom_right: "+",
    vertical_left: "|",
    vertical_right: "|",
    horizontal_top: "-",
    horizontal_bottom: "-",
};

impl Widget for &Chart<'_> {
    fn render(self, area: Rect, buffer: &mut Buffer) {
        self.draw(area, buffer);
    }
}

impl<'a> Chart<'a> {
    /// Draws the chart and returns where its plot is and what it shows, for the crosshair and
    /// for clicks; `None` where there is no room for a plot.
    pub fn draw(&self, area: Rect, buffer: &mut Buffer) -> Option<(Rect, Picture<'a>)> {
        let area = area.intersection(buffer.area);
        let inner = inside(area);
        let Some((plot, labels)) = self.place(inner) else {
            self.frame(None).render(area, buffer);
            return None;
        };
        let picture = Picture::new(self, usize::from(plot.width) * self.style.glyphs.dots().0);
        self.frame(Some((&picture, plot))).render(area, buffer);
        self.y_axis(inner, plot, &labels, buffer);
        self.x_axis(plot, &picture, buffer);
        self.plot(plot, &picture, buffer);
        Some((plot, picture))
    }

    /// The same without drawing.
    #[must_use]
    pub fn plan(&self, area: Rect) -> Option<(Rect, Picture<'a>)> {
        let (plot, _) = self.place(inside(area))?;
        let columns = usize::from(plot.width) * self.style.glyphs.dots().0;
        Some((plot, Picture::new(self, columns)))
    }

    /// Where the plot goes, and the labels beside it by row; `None` where there is no room.
    fn place(&self, inner: Rect) -> Option<(Rect, Vec<(u16, String)>)> {
        if inner.width < 12 || inner.height < 3 {
            return None;
        }
        // The labels' width depends on the scale, which depends on the columns: those of the
        // whole width are a good enough guess for the labels.
        let (across, _) = self.style.glyphs.dots();
        let guess = Picture::new(self, usize::from(inner.width) * across);
        let labels = label_rows(inner.height - 2, &guess);
        let room = labels.iter().map(|(_, text)| text.chars().count()).max();
        let room = u16::try_from(room.unwrap_or(0))
            .unwrap_or(0)
            .min(inner.width / 3);
        let plot = Rect {
            x: inner.x + room + 1,
            y: inner.y,
            width: inner.width - room - 1,
            height: inner.height - 2,
        };
        Some((plot, labels))
    }

    /// The frame, with what its title is to say of a picture in its area.
    fn frame(&self, picture: Option<(&Picture<'_>, Rect)>) -> Block<'_> {
        let block = Block::bordered()
            .border_style(self.style.frame)
            .title(self.heading(picture));
        match self.style.glyphs {
            Glyphs::Unicode => block,
            Glyphs::Ascii => block.border_set(ASCII),
        }
    }

    fn y_axis(&self, inner: Rect, plot: Rect, labels: &[(u16, String)], buffer: &mut Buffer) {
        let (style, glyphs) = (self.style.axis, self.style.glyphs);
        for row in 0..plot.height {
            buffer.set_string(plot.x - 1, plot.y + row, glyphs.pick("│", "|"), style);
        }
        let room = usize::from(plot.x - 1 - inner.x);
        for (row, text) in labels {
            let text = format!("{text:>room$}");
            buffer.set_stringn(inner.x, plot.y + row, text, room, style);
        }
    }

    fn x_axis(&self, plot: Rect, picture: &Picture<'_>, buffer: &mut Buffer) {
        let (style, glyphs) = (self.style.axis, self.style.glyphs);
        let line = glyphs.pick("─", "-").repeat(plot.width.into());
        let below = plot.y + plot.height;
        buffer.set_string(plot.x - 1, below, glyphs.pick("└", "+"), style);
        buffer.set_string(plot.x, below, line, style);
        if picture.traces.is_empty() {
            return;
        }
        let (left, right) = picture.range;
        let width = usize::from(plot.width);
        let at = |share: f64| label::x(self.axis, left + share * (right - left), picture.range);
        let ends = [at(0.0), at(1.0)];
        let taken: usize = ends.iter().map(|text| text.chars().count()).sum();
        let middle = at(0.5);
        let pen = |text: &str, column: usize, buffer: &mut Buffer| {
            let column = u16::try_from(column).unwrap_or(0);
            let room = width - usize::from(column).min(width);
            buffer.set_stringn(plot.x + column, below + 1, text, room, style);
        };
        pen(&ends[0], 0, buffer);
        let last = ends[1].chars().count();
        if taken + 2 <= width {
            pen(&ends[1], width - last, buffer);
        }
        let length = middle.chars().count();
        if taken + length + 4 <= width && ends[0] != middle && middle != ends[1] {
            pen(&middle, (width - length) / 2, buffer);
        }
    }
}

/// What is inside of the frame.
fn inside(area: Rect) -> Rect {
    area.inner(Margin::new(1, 1))
}

/// Labels of the y axis, by row: three of them, five where there is room.
fn label_rows(height: u16, picture: &Picture<'_>) -> Vec<(u16, String)> {
    if picture.traces.iter().all(|trace| trace.raw.is_empty()) {
        return Vec::new();
    }
    let gaps = match height {
        0..=4 => 1,
        5..=19 => 2,
        _ => 4,
    };
    let rows = (0..=gaps).map(|n| n * (height - 1) / gaps);
    let place = |row: u16| 1.0 - f64::from(row) / f64::from((height - 1).max(1));
    rows.map(|row| (row, label::y(&picture.scale, place(row))))
        .collect()
}
