//! The palette: actions by name, with what they take.

use ratatui::crossterm::event::KeyCode;

use super::{Edited, Then, edit};
use crate::screen::keys::{Action, Effect, Id, Key, TABLE, action};

/// A line that names an action.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Palette {
    /// What was typed.
    pub(crate) text: String,
    /// Why it was not done.
    pub(crate) complaint: Option<String>,
}

/// An action with what was typed after its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Command {
    /// The action.
    pub(crate) id: Id,
    /// What follows; often nothing.
    pub(crate) argument: String,
}

impl Command {
    /// An action with nothing after its name.
    pub(crate) fn of(id: Id) -> Self {
        Self {
            id,
            argument: String::new(),
        }
    }

    /// The words that `compacter ctl` takes.
    pub(crate) fn words(&self) -> String {
        format!("{} {}", action(self.id).name, self.argument)
            .trim_end()
            .to_owned()
    }
}

impl Palette {
    /// A palette with something typed already.
    pub(crate) fn with(text: &str) -> Self {
        Self {
            text: text.to_owned(),
            complaint: None,
        }
    }

    /// The actions that what was typed may mean, the likeliest first.
    pub(crate) fn matches(&self) -> Vec<&'static Action> {
        let (name, _) = self.parts();
        let mut found: Vec<(u8, &Action)> = TABLE
            .iter()
            .filter(|action| action.has_name())
            .filter_map(|action| Some((rank(action.name, name)?, action)))
            .collect();
        found.sort_by_key(|(rank, _)| *rank);
        found.into_iter().map(|(_, action)| action).collect()
    }

    pub(super) fn on(&mut self, key: Key) -> Then {
        self.complaint = None;
        if key.plain() == Some(KeyCode::Tab) {
            if let Some(first) = self.matches().first() {
                let space = if first.takes.is_empty() { "" } else { " " };
                self.text = format!("{}{space}", first.name);
            }
            return Then::Stay;
        }
        match edit(&mut self.text, key) {
            Edited::Emptied => Then::Close,
            Edited::Entered if self.text.trim().is_empty() => Then::Close,
            Edited::Entered => match self.command() {
                Ok(command) => Then::Do(command),
                Err(complaint) => {
                    self.complaint = Some(complaint);
                    Then::Stay
                }
            },
            Edited::Yes | Edited::No => Then::Stay,
        }
    }

    /// What was typed as a command. What steers the run has to be named in full.
    fn command(&self) -> Result<Command, String> {
        let (name, argument) = self.parts();
        let matches = self.matches();
        let exact = matches.iter().find(|action| action.name == name);
        let Some(found) = exact.or(matches.first()) else {
            return Err(format!("there is no `{name}`"));
        };
        if exact.is_none() && found.effect == Effect::Steers {
            return Err(format!("did you mean `{}`? Tab completes it", found.name));
        }
        if found.takes.is_empty() && !argument.is_empty() {
            return Err(format!("`{}` takes nothing more", found.name));
        }
        if found.id == Id::Set && !argument.contains('=') {
            return Err(format!("write `{}`", found.usage()));
        }
        Ok(Command {
            id: found.id,
            argument: argument.to_owned(),
        })
    }

    fn parts(&self) -> (&str, &str) {
        let text = self.text.trim();
        let (name, argument) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
        (name, argument.trim())
    }
}

/// How well a name answers what was typed: it begins with it, holds it, or has its letters
/// in this order.
fn rank(name: &str, typed: &str) -> Option<u8> {
    if name == typed {
        return Some(0);
    }
    if name.starts_with(typed) {
        return Some(1);
    }
    if name.contains(typed) {
        return Some(2);
    }
    let mut letters = name.chars();
    let in_order = typed.chars().all(|c| letters.any(|letter| letter == c));
    in_order.then_some(3)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn command(text: &str) -> Result<String, String> {
        let palette = Palette::with(text);
        palette.command().map(|command| command.words())
    }

    #[test]
    fn commands_are_the_words_that_ctl_takes() {
        for words in [
            "pause",
            "step 10",
            "lr 3e-4",
            "set train.learning_rate=3e-4",
            "eval",
        ] {
            assert_eq!(command(words), Ok(words.to_owned()));
        }
        assert_eq!(command("  step   10 "), Ok("step 10".to_owned()));
    }

    #[test]
    fn what_looks_can_be_shortened_and_what_steers_cannot() {
        assert_eq!(command("them"), Ok("theme".to_owned()));
        assert_eq!(command("fwts"), Ok("fast-weights".to_owned()));
        for short in ["pau", "stp", "sto", "ev", "und"] {
            assert!(
                command(short).is_err_and(|why| why.contains("Tab completes")),
                "{short}"
            );
        }
    }

    #[test]
    fn what_makes_no_sense_is_told_and_stays_to_be_mended() {
        assert_eq!(command("xyzzy"), Err("there is no `xyzzy`".to_owned()));
        assert_eq!(
            command("pause now"),
            Err("`pause` takes nothing more".to_owned())
        );
        assert_eq!(command("set x"), Err("write `set KEY=VALUE`".to_owned()));
        let mut palette = Palette::with("xyzzy");
        assert_eq!(palette.on(Key::code(KeyCode::Enter)), Then::Stay);
        assert!(palette.complaint.is_some());
    }

    #[test]
    fn tab_completes_and_leaves_room_for_what_follows() {
        let mut palette = Palette::with("ste");
        palette.on(Key::code(KeyCode::Tab));
        assert_eq!(palette.text, "step ");
    }

    #[test]
    fn nothing_typed_does_nothing() {
        assert_eq!(
            Palette::default().on(Key::code(KeyCode::Enter)),
            Then::Close
        );
    }
}
