//! The state of the screen, and what keys, clicks and events make of it.
//!
//! Events come in, keys come in, [`Wish`]es go out: nothing here draws, waits or writes.

mod mouse;
mod run;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use compacter_core::Result;
use compacter_core::run::RunFolder;
use compacter_core::view::{Change, RunView, Source};
use ratatui::layout::{Rect, Size};

use super::keys::{self, Id, Key, Place, asked};
use super::layout::{Arrange, Class, Parts};
use super::overlay::{Command, Overlay, Palette, Then};
use super::panel::{Answer, Context, Format, Hand, Panel};
use super::seen::Seen;
use super::shared::Shared;
use super::steer::Steer;
use super::theme::Theme;

/// How long a message stands.
const TOAST: Duration = Duration::from_secs(5);

/// What the screen's owner is to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Wish {
    /// Nothing.
    None,
    /// Leave; training goes on, or has ended.
    Leave,
    /// Tell the run's process to save and end, and leave once it has.
    Save,
    /// Kill the run's process, and leave.
    Kill,
    /// Stop as Ctrl-Z does.
    Suspend,
    /// Let an editor have the terminal.
    Edit,
    /// Draw everything again.
    Redraw,
    /// Take the mouse, or give it back.
    Mouse,
    /// Put text on the clipboard.
    Copy(String),
    /// Write the focused panel to a file of this name; named after the run where it is empty.
    Export(String),
    /// Watch another run, by its folder.
    Open(PathBuf),
    /// Fork a run, by its folder, at a step; the last checkpoint where none is said.
    Fork(PathBuf, Option<u64>),
}

/// A tab.
pub(crate) struct Tab {
    /// Its number, which is its key.
    pub(crate) number: u8,
    /// Its name.
    pub(crate) name: &'static str,
    /// Its panels, the one that matters most first.
    pub(crate) panels: Vec<Box<dyn Panel>>,
    /// Which of them are drawn, and where.
    pub(crate) arrange: Arrange,
}

/// A picture held still.
struct Frozen {
    view: RunView,
    now: f64,
}

/// A message that goes away by itself.
#[derive(Debug, Clone)]
pub(crate) struct Toast {
    /// What it says.
    pub(crate) text: String,
    /// Whether something went wrong.
    pub(crate) bad: bool,
    until: Instant,
}

/// The screen.
pub(crate) struct App {
    /// The run watched.
    pub(crate) folder: RunFolder,
    name: String,
    /// Its record.
    source: Source,
    /// The run's time at the last look, in seconds since 1970.
    now: f64,
    /// The viewer's, which is another one where a run is played again.
    viewer: f64,
    /// Whether its process is gone without a word.
    pub(crate) gone: bool,
    frozen: Option<Frozen>,
    /// What panels have in common.
    pub(crate) shared: Shared,
    /// How to draw.
    pub(crate) theme: Theme,
    /// The tabs.
    pub(crate) tabs: Vec<Tab>,
    /// Place of the chosen tab in the list.
    pub(crate) tab: usize,
    /// The panel that takes the keys.
    pub(crate) focus: usize,
    /// Whether it is shown alone.
    pub(crate) alone: bool,
    /// What lies over the panels.
    pub(crate) overlay: Option<Overlay>,
    /// What is being told.
    pub(crate) toast: Option<Toast>,
    /// Whether the run's process was told to save and end.
    pub(crate) saving: bool,
    /// What a screen that is too small says; nothing where it is meant to be small.
    pub(crate) advice: &'static str,
    /// The screen when it was last drawn.
    pub(crate) area: Rect,
    steer: Box<dyn Steer>,
}

impl App {
    /// A screen of a run.
    pub(crate) fn new(
        folder: RunFolder,
        source: Source,
        theme: Theme,
        steer: Box<dyn Steer>,
    ) -> Self {
        let mut shared = Shared::default();
        shared.others.watch(folder.path());
        Self {
            name: folder.name(),
            folder,
            source,
            now: 0.0,
            viewer: 0.0,
            gone: false,
            frozen: None,
            shared,
            theme,
            tabs: super::tabs::all(),
            tab: 0,
            focus: 0,
            alone: false,
            overlay: None,
            toast: None,
            saving: false,
            advice: "  (60x12 shows more)",
            area: Rect::ZERO,
            steer,
        }
    }

    /// Shows another run on the same screen.
    pub(crate) fn change_run(&mut self, folder: RunFolder, source: Source, steer: Box<dyn Steer>) {
        self.name = folder.name();
        (self.folder, self.source, self.steer) = (folder, source, steer);
        (self.gone, self.saving, self.frozen) = (false, false, None);
        self.shared.charting.stay();
        self.shared.others.watch(self.folder.path());
        self.tab = 0;
        self.focus = 0;
    }

    /// The run as it is.
    pub(crate) fn seen(&self) -> Seen<'_> {
        Seen {
            name: &self.name,
            view: self.source.view(),
            now: self.now,
            gone: self.gone,
        }
    }

    /// What is drawn: the run as it is, or as it was when the picture was frozen.
    pub(crate) fn shown(&self) -> Seen<'_> {
        match &self.frozen {
            Some(frozen) => Seen {
                view: &frozen.view,
                now: frozen.now,
                ..self.seen()
            },
            None => self.seen(),
        }
    }

    /// Whether what is seen happens now.
    pub(crate) fn is_live(&self) -> bool {
        !self.source.is_replay()
    }

    /// How much of a long record was read, from 0 to 1; none once all of it was.
    pub(crate) fn progress(&self) -> Option<f64> {
        self.source.progress()
    }

    /// Steps done since the picture was frozen.
    pub(crate) fn frozen_steps(&self) -> Option<u64> {
        let frozen = self.frozen.as_ref()?;
        Some(self.seen().view.step.saturating_sub(frozen.view.step))
    }

    /// Reads what the run has recorded since, at the viewer's time; says whether something
    /// came.
    ///
    /// # Errors
    /// Fails if the record cannot be read; the next call tries again.
    pub(crate) fn read(&mut self, now: f64) -> Result<bool> {
        let change = self.source.poll(now)?;
        (self.now, self.viewer) = (self.source.clock(now), now);
        if change != Change::Nothing {
            self.gone = false;
        }
        let beside = self.shared.others.poll(now, self.shows_runs());
        Ok(change != Change::Nothing || beside)
    }

    /// Whether a list of runs is on the screen.
    fn shows_runs(&self) -> bool {
        let class = Class::of(self.area);
        let number = self.tabs[self.tab].number;
        number == 5 || (number == 1 && class == Class::Wide)
    }

    /// Tells something for a while.
    pub(crate) fn tell(&mut self, text: impl Into<String>, bad: bool) {
        self.toast = Some(Toast {
            text: text.into(),
            bad,
            until: Instant::now() + TOAST,
        });
    }

    /// Tells what came back of commands, and lets messages go that stood long enough; says
    /// whether there is something new to see.
    pub(crate) fn tick(&mut self) -> bool {
        if let Some(message) = self.steer.unheard() {
            self.tell(message, true);
            return true;
        }
        let over = |toast: &Toast| toast.until <= Instant::now();
        self.toast.take_if(|toast| over(toast)).is_some()
    }

    /// Takes a key.
    pub(crate) fn key(&mut self, key: Key) -> Wish {
        // In every overlay Ctrl-C is the way out that people know.
        let interrupt = key == Key::ctrl('c');
        if let Some(overlay) = self
            .overlay
            .as_mut()
            .filter(|open| !interrupt || **open == Overlay::Quit)
        {
            let then = overlay.on(key);
            return self.then(then);
        }
        self.overlay = self.overlay.take().filter(|_| !interrupt);
        match asked(key, &self.places()) {
            Some(action) => self.asked(action, key),
            None => Wish::None,
        }
    }

    /// Takes pasted text, where text is typed.
    pub(crate) fn paste(&mut self, text: &str) {
        let typing = match &mut self.overlay {
            Some(Overlay::Palette(palette)) => &mut palette.text,
            Some(Overlay::Search(sought)) => sought,
            _ => return,
        };
        let line = text.lines().next().unwrap_or_default();
        typing.extend(line.chars().filter(|c| !c.is_control()).take(200));
    }

    /// The focused panel in a format, if it has it.
    pub(crate) fn export(&self, format: Format) -> Option<String> {
        let panel = self.tabs[self.tab].panels.get(self.focus)?;
        panel.export(format, &self.context(true))
    }

    /// What a file of the focused panel is called, without its ending.
    pub(crate) fn export_name(&self) -> String {
        let tab = self.tabs[self.tab].name.to_lowercase().replace(' ', "-");
        format!("{}-{tab}-step-{}", self.name, self.shown().view.step)
    }

    /// What a panel is drawn from.
    pub(crate) fn context(&self, focused: bool) -> Context<'_> {
        Context {
            seen: self.shown(),
            shared: &self.shared,
            theme: &self.theme,
            focused,
        }
    }

    /// The groups of keys that hold.
    pub(crate) fn places(&self) -> Vec<Place> {
        let panel = self.tabs[self.tab].panels.get(self.focus);
        let own = panel.map_or(&[][..], |panel| panel.places());
        let replay = (!self.is_live()).then_some(Place::Replaying);
        // What a panel makes of a key comes before what the screen does.
        own.iter()
            .copied()
            .chain(replay)
            .chain([Place::Everywhere])
            .collect()
    }

    /// The panels drawn in the body, with where: their places in the tab, and rectangles.
    pub(crate) fn panels(&self, body: Rect) -> Vec<(usize, Rect)> {
        if self.alone {
            return vec![(self.focus, body)];
        }
        let tab = &self.tabs[self.tab];
        (tab.arrange)(body, Class::of(self.area))
    }

    fn then(&mut self, then: Then) -> Wish {
        if then != Then::Stay {
            self.overlay = None;
        }
        match then {
            Then::Stay | Then::Close => Wish::None,
            Then::Send(words) => self.send(&words),
            Then::Do(command) => self.run(&command),
            Then::Wish(wish) => wish,
            Then::Search(text) => {
                let answer = self.with_panel(|panel, hand| panel.search(&text, hand));
                self.answered(answer)
            }
        }
    }

    fn go_to(&mut self, tab: usize) {
        if tab != self.tab {
            (self.tab, self.focus, self.alone) = (tab, 0, false);
        }
    }

    /// Has the focused panel do something.
    fn with_panel(&mut self, act: impl FnOnce(&mut dyn Panel, &mut Hand<'_>) -> Answer) -> Answer {
        let body = Parts::of(self.area).body;
        let areas = self.panels(body);
        let area = areas.iter().find(|(at, _)| *at == self.focus);
        let area = area.map_or(Rect::ZERO, |(_, area)| *area);
        let frozen = self.frozen.as_ref();
        let mut hand = Hand {
            seen: Seen {
                name: &self.name,
                view: frozen.map_or(self.source.view(), |frozen| &frozen.view),
                now: frozen.map_or(self.now, |frozen| frozen.now),
                gone: self.gone,
            },
            shared: &mut self.shared,
            theme: &self.theme,
            room: Size::ZERO,
        };
        let Some(panel) = self.tabs[self.tab].panels.get_mut(self.focus) else {
            return Answer::Ignored;
        };
        let frame = if panel.has_own_frame() { 0 } else { 2 };
        hand.room = Size::new(
            area.width.saturating_sub(frame),
            area.height.saturating_sub(frame),
        );
        act(panel.as_mut(), &mut hand)
    }

    fn answered(&mut self, answer: Answer) -> Wish {
        match answer {
            Answer::Done | Answer::Ignored => {}
            Answer::Told(text) => self.tell(text, false),
            Answer::Refused(text) => self.tell(text, true),
            Answer::Copy(text) => return Wish::Copy(text),
            Answer::Open(run) => return Wish::Open(run),
            Answer::Fork(run, step) => self.confirm_fork(run, step),
        }
        Wish::None
    }
}

#[cfg(test)]
pub(crate) mod tests;
