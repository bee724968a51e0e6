//! What comes from outside: keys, mouse and signals, as one stream.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use compacter_core::{Error, Result};
use crossbeam_channel::{Receiver, Sender};
use ratatui::crossterm::event::{self, Event, KeyEventKind, MouseEvent};
use signal_hook::consts::{SIGCONT, SIGHUP, SIGINT, SIGTERM, SIGTSTP};
use signal_hook::iterator::Signals;

use super::keys::Key;

/// How long the reader goes without a look whether it is to let the terminal go.
const LOOK: Duration = Duration::from_millis(100);

/// Inputs that wait at most: a reader that is ahead waits.
const CAPACITY: usize = 256;

/// Something from outside.
#[derive(Debug)]
pub(crate) enum Input {
    /// A key.
    Key(Key),
    /// Text, pasted.
    Paste(String),
    /// The mouse.
    Mouse(MouseEvent),
    /// The terminal has another size.
    Resized,
    /// The terminal is looked at, or no longer.
    Focus(bool),
    /// A signal.
    Signal(i32),
    /// The terminal is gone.
    Gone,
}

/// The stream.
#[derive(Debug)]
pub(crate) struct Inputs {
    sender: Sender<Input>,
    receiver: Receiver<Input>,
    held: Arc<AtomicBool>,
    parked: Arc<AtomicBool>,
}

impl Inputs {
    /// Starts to listen to signals.
    ///
    /// # Errors
    /// Fails if the system does not let signals be handled.
    pub(crate) fn start() -> Result<Self> {
        let (sender, receiver) = crossbeam_channel::bounded(CAPACITY);
        let signals = Signals::new([SIGTERM, SIGHUP, SIGINT, SIGTSTP, SIGCONT])
            .map_err(Error::io("signals", "handle"))?;
        let to = sender.clone();
        thread::spawn(move || read_signals(signals, &to));
        Ok(Self {
            sender,
            receiver,
            held: Arc::default(),
            parked: Arc::default(),
        })
    }

    /// Starts to listen to the terminal. Before, its answers to questions are others' to read.
    pub(crate) fn listen(&self) {
        let to = self.sender.clone();
        let (held, parked) = (Arc::clone(&self.held), Arc::clone(&self.parked));
        thread::spawn(move || read_terminal(&to, &held, &parked));
    }

    /// The stream itself.
    pub(crate) fn receiver(&self) -> &Receiver<Input> {
        &self.receiver
    }

    /// Leaves the terminal's input to somebody else while `work` is done.
    pub(crate) fn without<T>(&self, work: impl FnOnce() -> T) -> T {
        self.parked.store(false, Ordering::SeqCst);
        self.held.store(true, Ordering::SeqCst);
        let asked = Instant::now();
        // A reader that has ended does not answer, nor is it in the way.
        while !self.parked.load(Ordering::SeqCst) && asked.elapsed() < 5 * LOOK {
            // One that waits for room would not hear.
            while self.receiver.try_recv().is_ok() {}
            thread::sleep(LOOK / 10);
        }
        let done = work();
        self.held.store(false, Ordering::SeqCst);
        done
    }
}

fn read_signals(mut signals: Signals, to: &Sender<Input>) {
    let mut asked_to_end = false;
    for signal in signals.forever() {
        let ends = matches!(signal, SIGTERM | SIGHUP | SIGINT);
        if ends && asked_to_end {
            // Whoever should have listened does not: end as we would without a handler.
            let _unhandled = signal_hook::low_level::emulate_default_handler(signal);
        }
        asked_to_end |= ends;
        if to.send(Input::Signal(signal)).is_err() {
            return;
        }
    }
}

fn read_terminal(to: &Sender<Input>, held: &AtomicBool, parked: &AtomicBool) {
    loop {
        if held.load(Ordering::SeqCst) {
            parked.store(true, Ordering::SeqCst);
            thread::sleep(LOOK / 10);
            continue;
        }
        let read = match event::poll(LOOK) {
            Ok(false) => continue,
            Ok(true) => event::read(),
            Err(error) => Err(error),
        };
        let gone = read.is_err();
        let input = match read {
            Ok(event) => input(event),
            Err(_) => Some(Input::Gone),
        };
        let sent = input.map_or(Ok(()), |input| to.send(input));
        if gone || sent.is_err() {
            return;
        }
    }
}

fn input(event: Event) -> Option<Input> {
    Some(match event {
        Event::Key(key) if key.kind == KeyEventKind::Release => return None,
        Event::Key(key) => Input::Key(Key::of(&key)?),
        Event::Mouse(mouse) => Input::Mouse(mouse),
        Event::Paste(text) => Input::Paste(text),
        Event::Resize(..) => Input::Resized,
        Event::FocusGained => Input::Focus(true),
        Event::FocusLost => Input::Focus(false),
    })
}
