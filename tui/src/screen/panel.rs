//! What a panel is to the screen around it.

use ratatui::Frame;
use ratatui::layout::Rect;

use super::keys::{Id, Place};
use super::layout::Class;
use super::seen::Seen;
use super::theme::Theme;

/// What a panel is drawn from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Context<'a> {
    /// The run.
    pub(crate) seen: &'a Seen,
    /// How to draw.
    pub(crate) theme: &'a Theme,
    /// Whether the panel has the focus.
    pub(crate) focused: bool,
}

/// What became of something that a panel was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Answer {
    /// Done.
    Done,
    /// Not mine.
    Ignored,
    /// To be told, as `copied 0.2314`.
    Told(String),
}

/// One rectangle of the screen, its frame drawn by who asks it to draw.
pub(crate) trait Panel {
    /// What stands in the frame.
    fn title(&self, context: &Context<'_>) -> String;

    /// Which groups of keys it understands, beside those that hold everywhere.
    fn places(&self) -> &'static [Place];

    /// The smallest screen on which it is drawn beside others.
    fn from(&self) -> Class {
        Class::Compact
    }

    /// Whether it draws its frame itself; its area is then the whole rectangle.
    fn has_own_frame(&self) -> bool {
        false
    }

    /// Draws the inside. `area` may be of any size, none too.
    fn draw(&self, frame: &mut Frame<'_>, area: Rect, context: &Context<'_>);

    /// Does what one of its keys asks for; `lines` is the height it was last drawn with.
    fn on(&mut self, id: Id, lines: u16, context: &Context<'_>) -> Answer;

    /// Looks for text from here on; empty for no more.
    fn search(&mut self, _text: &str, _context: &Context<'_>) {}

    /// A click inside, counted from its corner.
    fn click(&mut self, _column: u16, _row: u16, _context: &Context<'_>) -> Answer {
        Answer::Ignored
    }
}
