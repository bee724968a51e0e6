//! Carries actions out.

use std::path::PathBuf;

use compacter_core::config::RunConfig;

use super::{Answer, App, Command, Frozen, Overlay, Palette, Wish, keys};
use crate::screen::keys::{Action, Effect, Id, Key};
use crate::screen::layout::Parts;
use crate::screen::overlay::{Confirm, Help, Rate};
use crate::screen::seen::Stand;

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
            wish: None,
        }));
        Wish::None
    }

    /// Asks whether to fork a run.
    pub(super) fn confirm_fork(&mut self, run: PathBuf, step: Option<u64>) {
        let name = run.file_name().unwrap_or_default().to_string_lossy();
        let at = step.map_or_else(
            || "its last checkpoint".to_owned(),
            |at| format!("step {at}"),
        );
        self.overlay = Some(Overlay::Confirm(Confirm {
            words: format!("fork {name} at {at}"),
            help: "starts training a new run in a process of its own, and watches it",
            key: keys::action(Id::Fork).keys[0],
            wish: Some(Wish::Fork(run, step)),
        }));
    }

    /// Does what an action says.
    pub(super) fn run(&mut self, command: &Command) -> Wish {
        match command.id {
            Id::Quit | Id::Interrupt if !self.is_live() || !self.seen().stand().goes_on() => {
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
                let seen = self.frozen.is_none().then(|| self.seen());
                self.frozen = seen.map(|seen| Frozen {
                    view: seen.view.clone(),
                    now: seen.now,
                });
            }
            Id::Search if !command.argument.is_empty() => {
                let text = command.argument.clone();
                let answer = self.with_panel(|panel, hand| panel.search(&text, hand));
                return self.answered(answer);
            }
            Id::Search => self.overlay = Some(Overlay::Search(String::new())),
            id if steers(id) => {
                let words = match (id, command.argument.as_str()) {
                    (Id::Step, "") => "step 1".to_owned(),
                    _ => command.words(),
                };
                return self.send(&words);
            }
            Id::Export => return Wish::Export(command.argument.clone()),
            Id::Fork if !command.argument.is_empty() => return self.fork_at(&command.argument),
            Id::Hold => self.hold(),
            Id::Quicker => self.pace(2.0),
            Id::Calmer => self.pace(0.5),
            id => return self.moved(id),
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
    fn moved(&mut self, id: Id) -> Wish {
        let tabs = self.tabs.len();
        match id {
            Id::Tab(number) => match self.tabs.iter().position(|tab| tab.number == number) {
                Some(tab) => self.go_to(tab),
                None => self.tell(format!("there is no tab {number} yet"), false),
            },
            Id::NextTab => self.go_to((self.tab + 1) % tabs),
            Id::PreviousTab => self.go_to((self.tab + tabs - 1) % tabs),
            Id::NextPane => self.focus_on_next(1),
            Id::PreviousPane => self.focus_on_next(usize::MAX),
            Id::Maximise | Id::Back if self.toast.is_none() && self.inside(id) => {}
            Id::Maximise => self.alone = !self.alone,
            Id::Back if self.toast.is_some() => self.toast = None,
            Id::Back if self.alone => self.alone = false,
            Id::Back => self.frozen = None,
            _ => {
                let answer = self.with_panel(|panel, hand| panel.on(id, hand));
                if answer == Answer::Ignored {
                    self.tell(
                        format!("`{}` does nothing here", keys::action(id).name),
                        false,
                    );
                }
                return self.answered(answer);
            }
        }
        Wish::None
    }

    /// Whether a key that goes into panels or out of them went on inside the focused one.
    fn inside(&mut self, id: Id) -> bool {
        self.with_panel(|panel, hand| panel.on(id, hand)) != Answer::Ignored
    }

    /// Gives the focus to the panel that is drawn so many places further on.
    fn focus_on_next(&mut self, by: usize) {
        let alone = std::mem::take(&mut self.alone);
        let drawn = self.panels(Parts::of(self.area).body);
        self.alone = alone;
        let here = drawn.iter().position(|(panel, _)| *panel == self.focus);
        let count = drawn.len().max(1);
        // By one back is by all but one forward.
        let by = by.min(count - 1).max(usize::from(count > 1));
        let next = here.map_or(0, |here| (here + by) % count);
        if let Some((panel, _)) = drawn.get(next) {
            self.focus = *panel;
        }
    }

    fn fork_at(&mut self, step: &str) -> Wish {
        let Ok(step) = step.parse() else {
            self.tell(format!("`{step}` is no step"), true);
            return Wish::None;
        };
        let answer = self.with_panel(|panel, hand| panel.on(Id::Fork, hand));
        match answer {
            Answer::Fork(run, _) => self.confirm_fork(run, Some(step)),
            Answer::Ignored => self.confirm_fork(self.folder.path().to_path_buf(), Some(step)),
            other => return self.answered(other),
        }
        Wish::None
    }

    /// Holds a replay, or lets it go on.
    fn hold(&mut self) {
        let told = match self.source.hold(self.viewer) {
            None => "nothing is being replayed".to_owned(),
            Some(true) => "held".to_owned(),
            Some(false) => "goes on".to_owned(),
        };
        self.tell(told, false);
    }

    /// Plays a replay so many times as fast.
    fn pace(&mut self, factor: f64) {
        let told = match self.source.speed() {
            None => "nothing is being replayed".to_owned(),
            Some(speed) => {
                let speed = (speed * factor).clamp(1.0 / 64.0, 65_536.0);
                self.source.set_speed(speed, self.viewer);
                format!("{speed} times as fast as it happened")
            }
        };
        self.tell(told, false);
    }

    /// Opens the change of the learning rate, from the one in force.
    fn rate(&mut self) {
        let path = self.folder.config_path();
        let config =
            RunConfig::parse(&path, self.seen().view.config().unwrap_or_default(), &[]).ok();
        let old = config.and_then(|config| config.train.learning_rate);
        match old {
            _ if self.seen().stand() == Stand::Finished => self.tell("the run has ended", true),
            Some(old) => self.overlay = Some(Overlay::Rate(Rate { old, new: old })),
            None => self.overlay = Some(Overlay::Palette(Palette::with("lr "))),
        }
    }
}

fn steers(id: Id) -> bool {
    keys::action(id).effect == Effect::Steers || id == Id::LearningRate
}
