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
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::symbols::border;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Widget};

use super::label;
use super::picture::Picture;
use super::spec::{Chart, CurveKind, Outliers, YAxis};
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
    /// Draws the chart and returns what was drawn, for the crosshair and for clicks; `None`
    /// where there is no room for a plot.
    pub fn draw(&self, area: Rect, buffer: &mut Buffer) -> Option<Picture<'a>> {
        let inner = Rect {
            x: area.x + 1,
            y: area.y + 1,
            width: area.width.saturating_sub(2),
            height: area.height.saturating_sub(2),
        };
        if inner.width < 12 || inner.height < 3 {
            self.frame(None).render(area, buffer);
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
        let picture = Picture::new(self, usize::from(plot.width) * across);
        self.frame(Some(&picture)).render(area, buffer);
        self.y_axis(inner, plot, &labels, buffer);
        self.x_axis(plot, &picture, buffer);
        self.plot(plot, &picture, buffer);
        Some(picture)
    }

    fn frame(&self, picture: Option<&Picture<'_>>) -> Block<'_> {
        let block = Block::bordered()
            .border_style(self.style.frame)
            .title(self.heading(picture));
        match self.style.glyphs {
            Glyphs::Braille => block,
            Glyphs::Ascii => block.border_set(ASCII),
        }
    }

    /// The title: what matters most comes first, for what has no room is cut off.
    fn heading(&self, picture: Option<&Picture<'_>>) -> Line<'static> {
        let style = self.style;
        let mut parts = vec![Span::styled(format!(" {} ", self.title), style.title)];
        let mut say = |text: String, style: Style| parts.push(Span::styled(text, style));
        let (mut lines, mut points) = (0, 0);
        for (n, curve) in self.curves.iter().enumerate() {
            let glyph = match curve.kind {
                CurveKind::Line => {
                    lines += 1;
                    if self.lines() > 1 {
                        style.glyphs.line_marker(lines - 1)
                    } else {
                        style.glyphs.pick("━", "*")
                    }
                }
                CurveKind::Points => {
                    points += 1;
                    style.glyphs.point(points - 1)
                }
            };
            say(format!(" {} {glyph}", curve.name), style.curve(n));
        }
        if let Some(picture) = picture {
            let up_to_0 = match self.y {
                YAxis::Log => picture.not_positive,
                YAxis::Linear => 0,
            };
            let counts = [
                (picture.bad > 0, format!("! {}", picture.bad)),
                (picture.outside > 0, format!("{} outside", picture.outside)),
                (up_to_0 > 0, format!("{up_to_0} up to 0")),
            ];
            for (_, text) in counts.into_iter().filter(|(any, _)| *any) {
                say("  ".to_owned(), style.title);
                say(text, style.bad);
            }
        }
        say(format!("  {} ", self.modes()), style.axis);
        Line::from(parts)
    }

    fn modes(&self) -> String {
        let mut modes = vec![format!("x: {}", self.axis.name())];
        if self.smoothing > 0.0 {
            let digits = self.smoothing.to_string();
            modes.push(format!("smooth {}", digits.trim_start_matches('0')));
        }
        if self.y == YAxis::Log {
            modes.push("log".to_owned());
        }
        if self.outliers == Outliers::Clip {
            modes.push("clip".to_owned());
        }
        if !self.window.is_whole() {
            modes.push("zoom".to_owned());
        }
        if self.window.follows() {
            modes.push(format!("follow {}", self.style.glyphs.pick("⏵", ">")));
        }
        modes.join("  ")
    }

    /// How many curves are lines.
    pub(super) fn lines(&self) -> usize {
        let lines = self.curves.iter().filter(|c| c.kind == CurveKind::Line);
        lines.count()
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
