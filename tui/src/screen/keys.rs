//! What can be done on the screen. The table in `keys/table.rs` is the only place that
//! knows: the keys, the hints, the help, and the palette are made of it.
//!
//! No lower-case letter, digit or arrow changes a run. What does has an upper-case key,
//! which asks first, or is typed in full after `:`.

mod table;

use std::fmt;

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

pub(crate) use table::TABLE;

/// Names of the actions, for the code that carries them out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Id {
    Tab(u8),
    NextTab,
    PreviousTab,
    NextPane,
    PreviousPane,
    Maximise,
    Back,
    Help,
    Palette,
    Quit,
    Interrupt,
    Suspend,
    Redraw,
    Theme,
    Mouse,
    Up,
    Down,
    Left,
    Right,
    PageUp,
    PageDown,
    First,
    Last,
    Search,
    NextMatch,
    PreviousMatch,
    ZoomIn,
    ZoomOut,
    ZoomReset,
    Follow,
    LogScale,
    Axis,
    Smoother,
    Rougher,
    Inspect,
    Baseline,
    Clip,
    Freeze,
    Quantity,
    Sort,
    Select,
    Export,
    Copy,
    Open,
    Pin,
    Fork,
    WheelUp,
    WheelDown,
    Hold,
    Quicker,
    Calmer,
    Pause,
    Resume,
    Step,
    Evaluate,
    Checkpoint,
    LearningRate,
    Faster,
    Slower,
    Set,
    Undo,
    Stop,
    Edit,
    Detach,
    Save,
    Kill,
}

/// Where an action can be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// On the whole screen.
    Everywhere,
    /// In a panel with more than fits.
    Scrolling,
    /// In a panel with text to look through.
    Searching,
    /// In a chart.
    Charting,
    /// In a panel with one row or cell of many chosen.
    Choosing,
    /// In a list of runs.
    Comparing,
    /// While a run is played again.
    Replaying,
    /// In the quit menu.
    Quitting,
    /// While the learning rate is being changed.
    Rating,
}

/// What an action does to the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Effect {
    /// Nothing: it changes what is seen.
    Looks,
    /// Changes it; asked for by a key, it waits for a second one.
    Steers,
    /// May change it, after a step of its own that asks: a menu or an editor.
    Asks,
}

/// One key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Key {
    code: KeyCode,
    ctrl: bool,
}

/// Something that can be done.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Action {
    /// Which.
    pub(crate) id: Id,
    /// Keys that ask for it; none where it is asked for by name only.
    pub(crate) keys: &'static [Key],
    /// Its name in the palette; where it steers, the word that `compacter ctl` takes.
    pub(crate) name: &'static str,
    /// What follows the name, such as `STEPS`; empty for nothing.
    pub(crate) takes: &'static str,
    /// What it does, for the help.
    pub(crate) help: &'static str,
    /// The same in a word or two, for the row of hints; empty for none.
    pub(crate) hint: &'static str,
    /// Where it can be asked for.
    pub(crate) place: Place,
    /// What it does to the run.
    pub(crate) effect: Effect,
}

impl Key {
    pub(crate) const fn char(c: char) -> Self {
        Self {
            code: KeyCode::Char(c),
            ctrl: false,
        }
    }

    pub(crate) const fn ctrl(c: char) -> Self {
        Self {
            code: KeyCode::Char(c),
            ctrl: true,
        }
    }

    pub(crate) const fn code(code: KeyCode) -> Self {
        Self { code, ctrl: false }
    }

    /// The key of an event. Shift is in the character already, or in none of our keys.
    pub(crate) fn of(event: &KeyEvent) -> Option<Self> {
        let held = event.modifiers - KeyModifiers::SHIFT;
        let ctrl = held == KeyModifiers::CONTROL;
        (ctrl || held.is_empty()).then_some(Self {
            code: event.code,
            ctrl,
        })
    }

    /// The letter typed, where it is one.
    #[cfg(test)]
    pub(crate) fn typed(self) -> Option<char> {
        match self.code {
            KeyCode::Char(c) if !self.ctrl => Some(c),
            _ => None,
        }
    }

    /// The key's own code, without Control.
    pub(crate) fn plain(self) -> Option<KeyCode> {
        (!self.ctrl).then_some(self.code)
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self.code {
            KeyCode::Char(' ') => "Space".to_owned(),
            KeyCode::Char(c) if self.ctrl => format!("Ctrl-{}", c.to_ascii_uppercase()),
            KeyCode::Char(c) => c.to_string(),
            KeyCode::BackTab => "Shift-Tab".to_owned(),
            KeyCode::F(number) => format!("F{number}"),
            KeyCode::PageUp => "PgUp".to_owned(),
            KeyCode::PageDown => "PgDn".to_owned(),
            other => format!("{other:?}"),
        };
        f.write_str(&name)
    }
}

impl Action {
    /// Its keys, as the help shows them.
    pub(crate) fn key_names(&self) -> String {
        let names: Vec<String> = self.keys.iter().map(Key::to_string).collect();
        names.join(" ")
    }

    /// Its name with what it takes.
    pub(crate) fn usage(&self) -> String {
        format!("{} {}", self.name, self.takes)
            .trim_end()
            .to_owned()
    }

    /// Whether the palette has it: what belongs to a menu does not make sense outside.
    pub(crate) fn has_name(&self) -> bool {
        !self.name.is_empty()
    }
}

/// The action of an id.
pub(crate) fn action(id: Id) -> &'static Action {
    TABLE
        .iter()
        .find(|action| action.id == id)
        .unwrap_or(&TABLE[0])
}

/// What a key asks for where these places are, the first of them before the others.
pub(crate) fn asked(key: Key, places: &[Place]) -> Option<&'static Action> {
    let of = |place: &Place| {
        let here = TABLE.iter().filter(move |action| action.place == *place);
        here.into_iter().find(|action| action.keys.contains(&key))
    };
    places.iter().find_map(of)
}

/// The actions that can be asked for where these places are.
pub(crate) fn valid(places: &[Place]) -> impl Iterator<Item = &'static Action> {
    TABLE
        .iter()
        .filter(move |action| places.contains(&action.place))
}

#[cfg(test)]
mod tests;
