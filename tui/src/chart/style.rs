//! How a chart looks: styles, which a theme gives, and glyphs, which the terminal can show.

use ratatui::style::{Modifier, Style};

use compacter_core::view::MarkKind;

/// The characters that a chart is drawn with.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Glyphs {
    /// Braille dots, eight to a cell, lines, blocks and symbols.
    #[default]
    Unicode,
    /// Nothing beyond ASCII.
    Ascii,
}

/// Lines that are told apart by their markers.
pub const LINE_MARKERS: usize = 4;

impl Glyphs {
    /// Dots in a cell: across and down.
    #[must_use]
    pub fn dots(self) -> (usize, usize) {
        match self {
            Self::Unicode => (2, 4),
            Self::Ascii => (1, 1),
        }
    }

    pub(super) fn mark(self, kind: MarkKind) -> &'static str {
        match (self, kind) {
            (_, MarkKind::NotFinite) => "!",
            (Self::Unicode, MarkKind::ConfigChange) => "▲",
            (Self::Unicode, MarkKind::Checkpoint) => "◆",
            (Self::Unicode, MarkKind::Pause) => "⏸",
            (Self::Ascii, MarkKind::ConfigChange) => "^",
            (Self::Ascii, MarkKind::Checkpoint) => "c",
            (Self::Ascii, MarkKind::Pause) => "p",
        }
    }

    /// The marker of the n-th line; markers tell runs apart where colours cannot.
    #[must_use]
    pub fn line_marker(self, n: usize) -> &'static str {
        match self {
            Self::Unicode => ["●", "◆", "■", "▲"][n % LINE_MARKERS],
            Self::Ascii => ["o", "x", "#", "^"][n % LINE_MARKERS],
        }
    }

    /// The marker of the points of the n-th curve of points.
    pub(super) fn point(self, n: usize) -> &'static str {
        match self {
            Self::Unicode => ["•", "◦", "▪", "▫"][n % 4],
            Self::Ascii => ["o", "x", "#", "+"][n % 4],
        }
    }

    /// Picks one of two texts.
    pub(super) fn pick(self, symbol: &'static str, ascii: &'static str) -> &'static str {
        match self {
            Self::Unicode => symbol,
            Self::Ascii => ascii,
        }
    }
}

/// The styles of a chart's parts.
#[derive(Debug, Clone, PartialEq)]
pub struct ChartStyle {
    /// What lies under everything.
    pub base: Style,
    /// The frame around it.
    pub frame: Style,
    /// Its title.
    pub title: Style,
    /// Axes and their labels.
    pub axis: Style,
    /// The raw line behind a smoothed one.
    pub raw: Style,
    /// The curves in their order, over and over; never empty, or they are drawn plainly.
    pub curves: Vec<Style>,
    /// What is wrong: values that are not finite, points outside.
    pub bad: Style,
    /// Marks of checkpoints, edits and pauses.
    pub mark: Style,
    /// The crosshair and what it says.
    pub cursor: Style,
    /// The characters.
    pub glyphs: Glyphs,
}

impl ChartStyle {
    /// A style without colours, for `NO_COLOR` and as a theme's starting point.
    #[must_use]
    pub fn plain(glyphs: Glyphs) -> Self {
        let plain = Style::new();
        Self {
            base: plain,
            frame: plain,
            title: plain.add_modifier(Modifier::BOLD),
            axis: plain.add_modifier(Modifier::DIM),
            raw: plain.add_modifier(Modifier::DIM),
            curves: vec![plain.add_modifier(Modifier::BOLD), plain],
            bad: plain.add_modifier(Modifier::REVERSED),
            mark: plain,
            cursor: plain.add_modifier(Modifier::REVERSED),
            glyphs,
        }
    }

    /// The style of the n-th curve.
    #[must_use]
    pub fn curve(&self, n: usize) -> Style {
        let known = self.curves.len().max(1);
        self.curves.get(n % known).copied().unwrap_or_default()
    }
}
