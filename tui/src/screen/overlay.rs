//! What lies over the panels and takes the keys: help, palette, search, menus.

mod palette;

use ratatui::crossterm::event::KeyCode;

use super::app::Wish;
use super::keys::{Action, Id, Key, Place, asked, valid};

pub(crate) use palette::{Command, Palette};

/// What lies over the panels.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Overlay {
    /// What the keys do where this was asked.
    Help(Help),
    /// Actions by name.
    Palette(Palette),
    /// Text to look for.
    Search(String),
    /// How to leave.
    Quit,
    /// Whether to do what steers the run.
    Confirm(Confirm),
    /// Another learning rate.
    Rate(Rate),
}

/// The help.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Help {
    /// What is looked for.
    pub(crate) sought: String,
    /// Rows left out at the top.
    pub(crate) top: usize,
    /// The groups of keys that hold.
    pub(crate) places: Vec<Place>,
}

/// A command that waits for a second key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Confirm {
    /// What is to be done: a command in `compacter ctl`'s words, for one.
    pub(crate) words: String,
    /// What it does.
    pub(crate) help: &'static str,
    /// What is to be done where it is no command for the run.
    pub(crate) wish: Option<Wish>,
    /// The key that asked; the same again is a yes.
    pub(crate) key: Key,
}

/// A learning rate on its way to another.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Rate {
    /// The one in force.
    pub(crate) old: f64,
    /// The one to be.
    pub(crate) new: f64,
}

/// What a key in an overlay comes to.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Then {
    /// The overlay stays.
    Stay,
    /// It closes.
    Close,
    /// It closes, and words go to the run.
    Send(String),
    /// It closes, and an action is done.
    Do(Command),
    /// It closes, and the screen's owner has something to do.
    Wish(Wish),
    /// It closes, and the focused panel looks for text.
    Search(String),
}

impl Overlay {
    /// Takes a key.
    pub(crate) fn on(&mut self, key: Key) -> Then {
        if key.plain() == Some(KeyCode::Esc) {
            return Then::Close;
        }
        match self {
            Self::Help(help) => help.on(key),
            Self::Palette(palette) => palette.on(key),
            Self::Search(text) => match edit(text, key) {
                Edited::Yes | Edited::No => Then::Stay,
                Edited::Entered => Then::Search(text.clone()),
                Edited::Emptied => Then::Search(String::new()),
            },
            Self::Quit => quit(key),
            Self::Confirm(confirm) => {
                if key == confirm.key || key.plain() == Some(KeyCode::Enter) {
                    match &confirm.wish {
                        Some(wish) => Then::Wish(wish.clone()),
                        None => Then::Send(confirm.words.clone()),
                    }
                } else {
                    Then::Close
                }
            }
            Self::Rate(rate) => rate.on(key),
        }
    }
}

fn quit(key: Key) -> Then {
    if let Some(action) = asked(key, &[Place::Quitting]) {
        return Then::Do(Command::of(action.id));
    }
    match key.plain() {
        Some(KeyCode::Enter | KeyCode::Char('d' | 'q')) => Then::Do(Command::of(Id::Detach)),
        _ => Then::Close,
    }
}

impl Help {
    /// The help where these groups of keys hold.
    pub(crate) fn of(places: Vec<Place>) -> Self {
        Self {
            places,
            ..Self::default()
        }
    }

    /// The rows that answer what is looked for: keys, name, help.
    pub(crate) fn rows(&self) -> Vec<&'static Action> {
        let sought = self.sought.to_lowercase();
        let found = |action: &&Action| {
            let text = format!("{} {} {}", action.key_names(), action.name, action.help);
            text.to_lowercase().contains(&sought)
        };
        valid(&self.places).filter(found).collect()
    }

    fn on(&mut self, key: Key) -> Then {
        match key.plain() {
            Some(KeyCode::Up) => self.top = self.top.saturating_sub(1),
            Some(KeyCode::Down) => self.top += 1,
            Some(KeyCode::PageUp) => self.top = self.top.saturating_sub(10),
            Some(KeyCode::PageDown) => self.top += 10,
            // What opened it closes it, unless it is being typed.
            Some(KeyCode::Char('?')) if self.sought.is_empty() => return Then::Close,
            _ => match edit(&mut self.sought, key) {
                Edited::Entered | Edited::Emptied => return Then::Close,
                Edited::Yes => self.top = 0,
                Edited::No => {}
            },
        }
        self.top = self.top.min(self.rows().len().saturating_sub(1));
        Then::Stay
    }
}

impl Rate {
    fn on(&mut self, key: Key) -> Then {
        match asked(key, &[Place::Rating]).map(|action| action.id) {
            Some(Id::Faster) => self.new *= 2.0,
            Some(Id::Slower) => self.new /= 2.0,
            _ if key.plain() != Some(KeyCode::Enter) || self.unchanged() => return Then::Close,
            _ => return Then::Send(format!("lr {:e}", self.new)),
        }
        Then::Stay
    }

    /// Whether it is as it was: halving and doubling are exact.
    fn unchanged(self) -> bool {
        self.old.to_bits() == self.new.to_bits()
    }
}

/// What a key did to a line of text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Edited {
    /// It changed.
    Yes,
    /// The key is for others.
    No,
    /// Enter.
    Entered,
    /// There was nothing left to take away.
    Emptied,
}

/// Longest line that can be typed.
const LONGEST: usize = 200;

fn edit(text: &mut String, key: Key) -> Edited {
    if key == Key::ctrl('u') {
        text.clear();
        return Edited::Yes;
    }
    match key.plain() {
        Some(KeyCode::Enter) => Edited::Entered,
        Some(KeyCode::Backspace) => text.pop().map_or(Edited::Emptied, |_| Edited::Yes),
        Some(KeyCode::Char(c)) if text.len() < LONGEST => {
            text.push(c);
            Edited::Yes
        }
        _ => Edited::No,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn press(overlay: &mut Overlay, keys: &str) -> Vec<Then> {
        let key = |c| {
            if c == '\n' {
                Key::code(KeyCode::Enter)
            } else {
                Key::char(c)
            }
        };
        keys.chars().map(|c| overlay.on(key(c))).collect()
    }

    #[test]
    fn leaving_detaches_unless_a_capital_says_otherwise() {
        let answers = press(&mut Overlay::Quit, "\ndqSKx");
        let detach = Then::Do(Command::of(Id::Detach));
        let expected = [
            detach.clone(),
            detach.clone(),
            detach,
            Then::Do(Command::of(Id::Save)),
            Then::Do(Command::of(Id::Kill)),
            Then::Close,
        ];
        assert_eq!(answers, expected);
        let again = Overlay::Quit.on(Key::ctrl('c'));
        assert_eq!(again, Then::Do(Command::of(Id::Save)));
    }

    #[test]
    fn a_command_waits_for_the_same_key_or_enter() {
        let words = "pause".to_owned();
        let mut confirm = Overlay::Confirm(Confirm {
            words,
            help: "",
            wish: None,
            key: Key::char('P'),
        });
        let sent = Then::Send("pause".to_owned());
        assert_eq!(
            press(&mut confirm, "P\np y"),
            [sent.clone(), sent, Then::Close, Then::Close, Then::Close]
        );
    }

    #[test]
    fn a_learning_rate_is_sent_once_it_differs() {
        let start = Overlay::Rate(Rate {
            old: 3e-3,
            new: 3e-3,
        });
        assert_eq!(press(&mut start.clone(), "\n"), [Then::Close]);
        assert_eq!(
            press(&mut start.clone(), "*/\n"),
            [Then::Stay, Then::Stay, Then::Close]
        );
        let sent = press(&mut start.clone(), "//*\n").pop();
        assert_eq!(sent, Some(Then::Send("lr 1.5e-3".to_owned())));
    }

    #[test]
    fn help_shows_the_keys_that_hold_and_can_be_searched() {
        let mut help = Help::of(vec![Place::Everywhere]);
        assert!(
            help.rows()
                .iter()
                .all(|action| action.place == Place::Everywhere)
        );
        let all = help.rows().len();
        for c in "checkpoint".chars() {
            help.on(Key::char(c));
        }
        let found: Vec<Id> = help.rows().iter().map(|action| action.id).collect();
        assert_eq!(found, [Id::Checkpoint]);
        help.on(Key::ctrl('u'));
        assert_eq!(help.rows().len(), all);
    }
}
