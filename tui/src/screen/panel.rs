//! What a panel is to the screen around it.

use ratatui::Frame;
use ratatui::layout::{Rect, Size};

use super::keys::{Id, Place};
use super::seen::Seen;
use super::shared::Shared;
use super::theme::Theme;

/// What a panel is drawn from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Context<'a> {
    /// The run.
    pub(crate) seen: Seen<'a>,
    /// What panels have in common.
    pub(crate) shared: &'a Shared,
    /// How to draw.
    pub(crate) theme: &'a Theme,
    /// Whether the panel has the focus.
    pub(crate) focused: bool,
}

/// What a panel does something with.
#[derive(Debug)]
pub(crate) struct Hand<'a> {
    /// The run.
    pub(crate) seen: Seen<'a>,
    /// What panels have in common.
    pub(crate) shared: &'a mut Shared,
    /// How it was last drawn.
    pub(crate) theme: &'a Theme,
    /// The size it was last drawn with, without the frame unless it has its own.
    pub(crate) room: Size,
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
    /// Cannot be done, and why.
    Refused(String),
    /// Text for the clipboard.
    Copy(String),
    /// A run, by its folder, to be watched instead.
    Open(std::path::PathBuf),
    /// A run, by its folder, to be forked at a step, the last checkpoint where none is said.
    Fork(std::path::PathBuf, Option<u64>),
}

/// A panel as a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    /// Its data.
    Csv,
    /// Its picture.
    Svg,
}

/// One rectangle of the screen, its frame drawn by who asks it to draw.
pub(crate) trait Panel {
    /// What stands in the frame.
    fn title(&self, context: &Context<'_>) -> String;

    /// Which groups of keys it understands, beside those that hold everywhere.
    fn places(&self) -> &'static [Place];

    /// Whether it draws its frame itself; its area is then the whole rectangle.
    fn has_own_frame(&self) -> bool {
        false
    }

    /// Draws the inside. `area` may be of any size, none too.
    fn draw(&self, frame: &mut Frame<'_>, area: Rect, context: &Context<'_>);

    /// Does what one of its keys asks for.
    fn on(&mut self, id: Id, hand: &mut Hand<'_>) -> Answer;

    /// Looks for text from here on, or shows only what has it; empty for no more.
    fn search(&mut self, _text: &str, _hand: &mut Hand<'_>) -> Answer {
        Answer::Ignored
    }

    /// A click inside, counted from the area's corner.
    fn click(&mut self, _column: u16, _row: u16, _hand: &mut Hand<'_>) -> Answer {
        Answer::Ignored
    }

    /// The panel as text of a format; `None` where it has none, and its picture on the
    /// screen stands for it.
    fn export(&self, _format: Format, _context: &Context<'_>) -> Option<String> {
        None
    }
}
