//! The title of a chart: what it is of, what is wrong with it, how it is shown.
//!
//! What matters less is left out first where there is no room for all of it.

use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};

use compacter_core::view::Axis;

use super::label::plain;
use super::picture::Picture;
use super::spec::{Chart, CurveKind, Outliers, YAxis};

/// How a chart is shown, in words, each with how much it matters.
type Mode = (u8, String);

impl Chart<'_> {
    /// The title over a picture, which is drawn in an area.
    pub(super) fn heading(&self, picture: Option<(&Picture<'_>, Rect)>) -> Line<'static> {
        let style = self.style;
        let mut parts = vec![Span::styled(
            format!(" {} ", plain(self.title)),
            style.title,
        )];
        // A lone curve is what the title says.
        let is_lone = matches!(&self.curves[..], [curve] if self.title.ends_with(curve.name));
        let has_legend = picture.is_some_and(|(_, plot)| self.has_legend(plot));
        if !has_legend && !is_lone {
            let names = (0..self.curves.len())
                .map(|n| Span::styled(format!(" {}", self.name(n)), style.curve(n)));
            parts.extend(names);
        }
        let Some((picture, plot)) = picture else {
            return Line::from(parts);
        };
        for text in self.counts(picture) {
            parts.push(Span::styled("  ".to_owned(), style.title));
            parts.push(Span::styled(text, style.bad));
        }
        let used: usize = parts.iter().map(Span::width).sum();
        let room = usize::from(plot.width).saturating_sub(used);
        parts.push(Span::styled(fitting(self.modes(), room), style.axis));
        parts.push(Span::styled(" ", style.title));
        Line::from(parts)
    }

    /// Name and marker of a curve, and how far it is from the baseline.
    pub(super) fn name(&self, n: usize) -> String {
        let Some(curve) = self.curves.get(n) else {
            return String::new();
        };
        let kind = curve.kind;
        let nth = self.curves[..n].iter().filter(|c| c.kind == kind).count();
        let glyphs = self.style.glyphs;
        let glyph = match kind {
            CurveKind::Line if self.lines() > 1 => glyphs.line_marker(nth),
            CurveKind::Line => glyphs.pick("━", "*"),
            CurveKind::Points => glyphs.point(nth),
        };
        let name = plain(curve.name);
        match self.to_baseline(n) {
            Some(apart) => format!("{name} {glyph} {}{apart:+.4}", glyphs.pick("Δ", "d")),
            None if self.baseline == Some(n) => format!("{name} {glyph} baseline"),
            None => format!("{name} {glyph}"),
        }
    }

    /// What the title warns of.
    fn counts(&self, picture: &Picture<'_>) -> impl Iterator<Item = String> {
        let up_to_0 = match self.y {
            YAxis::Log => picture.not_positive,
            YAxis::Linear => 0,
        };
        let counts = [
            (picture.bad > 0, format!("! {}", picture.bad)),
            (picture.outside > 0, format!("{} outside", picture.outside)),
            (up_to_0 > 0, format!("{up_to_0} up to 0")),
        ];
        let told = counts.into_iter().filter(|(any, _)| *any);
        told.map(|(_, text)| text)
    }

    fn modes(&self) -> Vec<Mode> {
        let usual = self.axis == Axis::Step;
        let mut modes = vec![(
            if usual { 0 } else { 4 },
            format!("x: {}", self.axis.name()),
        )];
        if self.smoothing > 0.0 && self.lines() > 0 {
            let digits = self.smoothing.to_string();
            modes.push((1, format!("smooth {}", digits.trim_start_matches('0'))));
        }
        if self.y == YAxis::Log {
            modes.push((5, "log".to_owned()));
        }
        if self.outliers == Outliers::Clip {
            modes.push((5, "clip".to_owned()));
        }
        if !self.window.is_whole() {
            modes.push((3, "zoom".to_owned()));
        }
        if self.window.follows() {
            modes.push((2, format!("follow {}", self.style.glyphs.pick("⏵", ">"))));
        }
        modes
    }

    /// How many curves are lines.
    pub(super) fn lines(&self) -> usize {
        let lines = self.curves.iter().filter(|c| c.kind == CurveKind::Line);
        lines.count()
    }
}

/// As many of the modes as there is room for, those that matter most.
fn fitting(mut modes: Vec<Mode>, room: usize) -> String {
    loop {
        let texts: Vec<&str> = modes.iter().map(|(_, text)| text.as_str()).collect();
        let text = format!("  {}", texts.join("  "));
        let least = modes.iter().map(|(weight, _)| *weight).min();
        match least {
            None => return String::new(),
            Some(_) if Span::styled(text.as_str(), Style::new()).width() <= room => return text,
            Some(least) => {
                let at = modes.iter().position(|(weight, _)| *weight == least);
                modes.remove(at.unwrap_or(0));
            }
        }
    }
}
