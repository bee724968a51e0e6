//! The state of the screen, and what keys, clicks and events make of it.
//!
//! Events come in, keys come in, [`Wish`]es go out: nothing here draws, waits or writes.

mod run;

use std::time::{Duration, Instant};

use compacter_core::event::Event;
use compacter_core::run::RunFolder;
use ratatui::crossterm::event::{MouseButton, MouseEvent, MouseEventKind};
use ratatui::layout::{Position, Rect};

use super::curve::Loss;
use super::keys::{self, Id, Key, Place, asked};
use super::layout::{Class, Parts, tiles};
use super::overlay::{Command, Overlay, Palette, Then};
use super::panel::{Answer, Context, Panel};
use super::seen::{Seen, Stand};
use super::steer::Steer;
use super::theme::Theme;
use super::words::Words;

/// How long a message stands.
const TOAST: Duration = Duration::from_secs(5);

/// What the screen's owner is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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
}

/// A tab.
pub(crate) struct Tab {
    /// Its number, which is its key.
    pub(crate) number: u8,
    /// Its name.
    pub(crate) name: &'static str,
    /// Its panels, the one that matters most first.
    pub(crate) panels: Vec<Box<dyn Panel>>,
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
    /// What was seen of it.
    pub(crate) seen: Seen,
    /// The picture held still, and the step it is of.
    frozen: Option<Seen>,
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
    /// Whether what is seen happens now.
    pub(crate) live: bool,
    /// What a screen that is too small says; nothing where it is meant to be small.
    pub(crate) advice: &'static str,
    /// The screen when it was last drawn.
    pub(crate) area: Rect,
    steer: Box<dyn Steer>,
}

impl App {
    /// A screen of a run.
    pub(crate) fn new(folder: RunFolder, theme: Theme, steer: Box<dyn Steer>) -> Self {
        let seen = Seen::new(&folder.name());
        Self {
            folder,
            seen,
            frozen: None,
            theme,
            tabs: default_tabs(),
            tab: 0,
            focus: 0,
            alone: false,
            overlay: None,
            toast: None,
            saving: false,
            live: true,
            advice: "  (60x12 shows more)",
            area: Rect::ZERO,
            steer,
        }
    }

    /// What is drawn: the run as it is, or as it was when the picture was frozen.
    pub(crate) fn shown(&self) -> &Seen {
        self.frozen.as_ref().unwrap_or(&self.seen)
    }

    /// Steps done since the picture was frozen.
    pub(crate) fn frozen_steps(&self) -> Option<u64> {
        let frozen = self.frozen.as_ref()?;
        Some(self.seen.step.saturating_sub(frozen.step))
    }

    /// Takes events; `restarted` when they are of another run of the same name.
    pub(crate) fn events(&mut self, events: &[Event], restarted: bool) {
        if restarted {
            self.seen = Seen::new(&self.folder.name());
        }
        for event in events {
            self.seen.apply(event);
        }
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

    /// Takes a click, or a turn of the wheel.
    pub(crate) fn mouse(&mut self, event: MouseEvent) -> Wish {
        let at = Position::new(event.column, event.row);
        if self.overlay.is_some() {
            return Wish::None;
        }
        let scroll = match event.kind {
            MouseEventKind::Down(MouseButton::Left) => None,
            MouseEventKind::ScrollUp => Some(Id::Up),
            MouseEventKind::ScrollDown => Some(Id::Down),
            _ => return Wish::None,
        };
        let parts = Parts::of(self.area);
        if parts.tabs.contains(at) {
            if let Some(tab) = super::draw::tab_at(self, at.x).filter(|_| scroll.is_none()) {
                self.go_to(tab);
            }
            return Wish::None;
        }
        let hit = self
            .panels(parts.body)
            .into_iter()
            .find(|(_, area)| area.contains(at));
        let Some((panel, area)) = hit else {
            return Wish::None;
        };
        self.focus = panel;
        let answer = if let Some(id) = scroll {
            self.panel_on(id)
        } else {
            let x = at.x.saturating_sub(area.x + 1);
            let y = at.y.saturating_sub(area.y + 1);
            self.with_panel(|panel, context| panel.click(x, y, context))
        };
        self.answered(answer)
    }

    /// The groups of keys that hold.
    pub(crate) fn places(&self) -> Vec<Place> {
        let panel = self.tabs[self.tab].panels.get(self.focus);
        let own = panel.map_or(&[][..], |panel| panel.places());
        std::iter::once(Place::Everywhere)
            .chain(own.iter().copied())
            .collect()
    }

    /// The panels drawn in the body, with where: their places in the tab, and rectangles.
    pub(crate) fn panels(&self, body: Rect) -> Vec<(usize, Rect)> {
        let class = Class::of(self.area);
        let panels = &self.tabs[self.tab].panels;
        let shown: Vec<usize> = (0..panels.len())
            .filter(|&at| {
                if self.alone {
                    at == self.focus
                } else {
                    panels[at].from() <= class || at == self.focus
                }
            })
            .collect();
        let areas = tiles(body, shown.len(), class);
        shown.into_iter().zip(areas).collect()
    }

    fn then(&mut self, then: Then) -> Wish {
        if then != Then::Stay {
            self.overlay = None;
        }
        match then {
            Then::Stay | Then::Close => Wish::None,
            Then::Send(words) => self.send(&words),
            Then::Do(command) => self.run(&command),
            Then::Search(text) => {
                self.with_panel(|panel, context| {
                    panel.search(&text, context);
                    Answer::Done
                });
                Wish::None
            }
        }
    }

    fn go_to(&mut self, tab: usize) {
        if tab != self.tab {
            (self.tab, self.focus, self.alone) = (tab, 0, false);
        }
    }

    fn panel_on(&mut self, id: Id) -> Answer {
        let body = Parts::of(self.area).body;
        let areas = self.panels(body);
        let height = areas
            .iter()
            .find(|(at, _)| *at == self.focus)
            .map_or(0, |(_, area)| area.height);
        self.with_panel(|panel, context| panel.on(id, height.saturating_sub(2), context))
    }

    fn with_panel(&mut self, act: impl FnOnce(&mut dyn Panel, &Context<'_>) -> Answer) -> Answer {
        let seen = self.frozen.as_ref().unwrap_or(&self.seen);
        let context = Context {
            seen,
            theme: &self.theme,
            focused: true,
        };
        match self.tabs[self.tab].panels.get_mut(self.focus) {
            Some(panel) => act(panel.as_mut(), &context),
            None => Answer::Ignored,
        }
    }

    fn answered(&mut self, answer: Answer) -> Wish {
        if let Answer::Told(text) = answer {
            self.tell(text, false);
        }
        Wish::None
    }
}

/// The tabs there are.
fn default_tabs() -> Vec<Tab> {
    let tab = |number, name, panels| Tab {
        number,
        name,
        panels,
    };
    vec![
        tab(
            1,
            "Overview",
            vec![
                Box::new(Loss),
                Box::new(Words::now()),
                Box::new(Words::log().only_from(Class::Regular)),
            ],
        ),
        tab(3, "Fast weights", vec![Box::new(Words::factors())]),
        tab(6, "Config", vec![Box::new(Words::config())]),
        tab(7, "Log", vec![Box::new(Words::log())]),
    ]
}

#[cfg(test)]
pub(crate) mod tests;
