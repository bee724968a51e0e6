//! Carries actions out.

use compacter_core::config::RunConfig;

use super::{Answer, App, Command, Overlay, Palette, Stand, Wish, keys};
use crate::screen::keys::{Action, Effect, Id, Key};
use crate::screen::overlay::{Confirm, Help, Rate};

impl App {
    /// Does what a key asks for; what steers the run waits for a second key.
    pub(super) fn asked(&mut self, action: &Action, key: Key) -> Wish {
        let command = Command::of(action.id);
        if action.effect != Effect::Steers {
            return self.run(&command);
        }
        let words = match action.id {
            Id::Step => "step 1".to_owned(),
            _ => command.words(),
        };
        self.overlay = Some(Overlay::Confirm(Confirm {
            words,
            help: action.help,
            key,
        }));
        Wish::None
    }

    /// Does what an action says.
    pub(super) fn run(&mut self, command: &Command) -> Wish {
        match command.id {
            Id::Quit | Id::Interrupt if !self.live || !self.seen.stand.goes_on() => {
                return Wish::Leave;
            }
            Id::Quit | Id::Interrupt => self.overlay = Some(Overlay::Quit),
            Id::Detach => return Wish::Leave,
            Id::Save => return Wish::Save,
            Id::Kill => return Wish::Kill,
            Id::Suspend => return Wish::Suspend,
            Id::Edit => return Wish::Edit,
            Id::Redraw => return Wish::Redraw,
            Id::Mouse => return Wish::Mouse,
            Id::Help => self.overlay = Some(Overlay::Help(Help::of(self.places()))),
            Id::Palette => self.overlay = Some(Overlay::Palette(Palette::default())),
            Id::LearningRate if command.argument.is_empty() => self.rate(),
            Id::Theme => {
                self.theme = self.theme.next();
                self.tell(format!("theme {:?}", self.theme.tone).to_lowercase(), false);
            }
            Id::Freeze => {
                let unfrozen = self.frozen.is_none();
                self.frozen = unfrozen.then(|| self.seen.clone());
            }
            Id::Search if !command.argument.is_empty() => {
                let text = command.argument.clone();
                self.with_panel(|panel, context| {
                    panel.search(&text, context);
                    Answer::Done
                });
            }
            Id::Search => self.overlay = Some(Overlay::Search(String::new())),
            id if steers(id) => {
                let words = match (id, command.argument.as_str()) {
                    (Id::Step, "") => "step 1".to_owned(),
                    _ => command.words(),
                };
                return self.send(&words);
            }
            id => self.moved(id),
        }
        Wish::None
    }

    /// Sends words to the run, and tells what became of them.
    pub(super) fn send(&mut self, words: &str) -> Wish {
        match self.steer.send(words) {
            Ok(text) => self.tell(text, false),
            Err(error) => self.tell(error.to_string(), true),
        }
        Wish::None
    }

    /// Moves about among tabs and panels, or has the focused panel answer.
    fn moved(&mut self, id: Id) {
        let panels = self.tabs[self.tab].panels.len();
        let tabs = self.tabs.len();
        match id {
            Id::Tab(number) => match self.tabs.iter().position(|tab| tab.number == number) {
                Some(tab) => self.go_to(tab),
                None => self.tell(format!("there is no tab {number} yet"), false),
            },
            Id::NextTab => self.go_to((self.tab + 1) % tabs),
            Id::PreviousTab => self.go_to((self.tab + tabs - 1) % tabs),
            Id::NextPane if panels > 0 => self.focus = (self.focus + 1) % panels,
            Id::PreviousPane if panels > 0 => self.focus = (self.focus + panels - 1) % panels,
            Id::Maximise => self.alone = !self.alone,
            Id::Back if self.toast.is_some() => self.toast = None,
            Id::Back if self.alone => self.alone = false,
            Id::Back => self.frozen = None,
            _ => {
                let answer = self.panel_on(id);
                if answer == Answer::Ignored {
                    self.tell(
                        format!("`{}` does nothing here", keys::action(id).name),
                        false,
                    );
                }
                self.answered(answer);
            }
        }
    }

    /// Opens the change of the learning rate, from the one in force.
    fn rate(&mut self) {
        let path = self.folder.config_path();
        let config = RunConfig::parse(&path, &self.seen.config, &[]).ok();
        let old = config.and_then(|config| config.train.learning_rate);
        match old {
            _ if self.seen.stand == Stand::Finished => self.tell("the run has ended", true),
            Some(old) => self.overlay = Some(Overlay::Rate(Rate { old, new: old })),
            None => self.overlay = Some(Overlay::Palette(Palette::with("lr "))),
        }
    }
}

fn steers(id: Id) -> bool {
    keys::action(id).effect == Effect::Steers || id == Id::LearningRate
}
