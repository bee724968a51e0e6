//! A record on the screen: a run that goes on, one that is over, or one played again.
//!
//! Live and finished runs are read the same way: a file that may grow. A long record is shown
//! from its two ends at once ([`super::glimpse`]) and read as a whole on a thread behind
//! that; when a run is taken up again from an earlier step, its record is read anew.
//!
//! Polling never waits, and does at most a fraction of a second's work.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::event::Event;
use crate::event::tail::{Found, Tail};
use crate::{Error, Result};
use crossbeam_channel::{Receiver, TryRecvError, bounded};

use super::history::{self, History, Progress, Voids};
use super::run_view::RunView;

/// Longer records are read behind the first screen.
const AT_ONCE: u64 = 4 << 20;
/// Bytes that one call reads of a record that grows.
const A_CALL: usize = 4 << 20;
/// Events that one call plays, so that a high speed cannot hold up the screen.
const PLAYED: usize = 20_000;
/// Seconds on the screen that a gap in a replayed run takes at most.
const GAP: f64 = 2.0;

/// What [`Source::poll`] found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// Nothing.
    Nothing,
    /// The view has changed.
    Events,
    /// The record was replaced or cut; the view starts again.
    Restarted,
}

/// A record and what is known from it.
#[derive(Debug)]
pub struct Source {
    path: PathBuf,
    view: RunView,
    tail: Tail,
    loading: Option<Loading>,
    player: Option<Player>,
}

#[derive(Debug)]
struct Loading {
    result: Receiver<Result<History>>,
    progress: Arc<Progress>,
    total: u64,
}

impl Drop for Loading {
    fn drop(&mut self) {
        self.progress.cancelled.store(true, Ordering::Relaxed);
    }
}

/// The clock of a run that is played again.
#[derive(Debug)]
struct Player {
    speed: f64,
    held: bool,
    /// The viewer's time and the run's, at the last change of either's pace.
    viewer: f64,
    run: Option<f64>,
    waiting: VecDeque<(u64, Event)>,
    /// Byte behind the last line played.
    played: u64,
}

impl Player {
    fn now(&self, viewer: f64) -> Option<f64> {
        let pace = if self.held { 0.0 } else { self.speed };
        Some(self.run? + (viewer - self.viewer).max(0.0) * pace)
    }

    fn set(&mut self, viewer: f64, run: f64) {
        (self.viewer, self.run) = (viewer, Some(run));
    }
}

impl Source {
    /// Opens a record, which may still grow and need not be there yet.
    ///
    /// # Errors
    /// [`Error::Io`] when the file is there and cannot be read.
    pub fn open(path: &Path) -> Result<Self> {
        let length = length(path)?;
        let mut source = Self::over(path);
        if length > AT_ONCE {
            source.view = super::glimpse::glimpse(path, length)?;
            source.load(length);
        } else {
            source.become_of(history::read(path, length, &Progress::default())?);
        }
        Ok(source)
    }

    /// Opens a record to be played again from its start, at the viewer's time `now`, with so
    /// many of the run's seconds for each of the viewer's.
    ///
    /// # Errors
    /// [`Error::Io`] when the file is not there or cannot be read.
    pub fn replay(path: &Path, speed: f64, now: f64) -> Result<Self> {
        std::fs::metadata(path).map_err(Error::io(path, "read"))?;
        let mut source = Self::over(path);
        source.player = Some(Player {
            speed,
            held: false,
            viewer: now,
            run: None,
            waiting: VecDeque::new(),
            played: 0,
        });
        source.poll(now)?;
        Ok(source)
    }

    fn over(path: &Path) -> Self {
        Self {
            path: path.to_path_buf(),
            view: RunView::default(),
            tail: Tail::new(path),
            loading: None,
            player: None,
        }
    }

    /// What is known of the run.
    #[must_use]
    pub fn view(&self) -> &RunView {
        &self.view
    }

    /// The run's time when the viewer's is `now`: the same unless it is played again. It is
    /// the time for [`RunView::status`] and its neighbours.
    #[must_use]
    pub fn clock(&self, now: f64) -> f64 {
        self.player
            .as_ref()
            .map_or(now, |p| p.now(now).unwrap_or(now))
    }

    /// Whether a run is played again.
    #[must_use]
    pub fn is_replay(&self) -> bool {
        self.player.is_some()
    }

    /// How fast a run is played, also while it is held; `None` for one that is not played.
    #[must_use]
    pub fn speed(&self) -> Option<f64> {
        self.player.as_ref().map(|player| player.speed)
    }

    /// Holds a run that is played, or lets it go on: `true` where it is held now, `None` for
    /// one that is not played.
    pub fn hold(&mut self, now: f64) -> Option<bool> {
        let player = self.player.as_mut()?;
        if let Some(run) = player.now(now) {
            player.set(now, run);
        }
        player.held = !player.held;
        Some(player.held)
    }

    /// Changes how fast a run is played; nothing for one that is not.
    pub fn set_speed(&mut self, speed: f64, now: f64) {
        if let Some(player) = &mut self.player {
            if let Some(run) = player.now(now) {
                player.set(now, run);
            }
            player.speed = speed;
        }
    }

    /// How much of a long record has been read, from 0 to 1; `None` when all of it has.
    #[must_use]
    pub fn progress(&self) -> Option<f64> {
        let loading = self.loading.as_ref()?;
        let done = loading.progress.done.load(Ordering::Relaxed);
        Some((done as f64 / loading.total.max(1) as f64).min(1.0))
    }

    /// Takes what has come since the last call, at the viewer's time `now`.
    ///
    /// # Errors
    /// [`Error::Io`] when the file cannot be read; the next call tries again.
    pub fn poll(&mut self, now: f64) -> Result<Change> {
        if self.loading.is_some() {
            return self.loaded();
        }
        let change = if self.player.is_some() {
            self.play(now)
        } else {
            self.follow()
        }?;
        if self.view.rough {
            let played = self.player.as_ref().map(|player| player.played);
            let upto = played.unwrap_or_else(|| self.tail.offset());
            self.load(upto);
        }
        Ok(change)
    }

    /// Waits until the whole record as it is now has been read.
    ///
    /// # Errors
    /// Those of [`Self::poll`].
    pub fn settle(&mut self) -> Result<()> {
        while let Some(loading) = &self.loading {
            let result = loading.result.recv();
            self.loading = None;
            match result {
                Ok(history) => self.become_of(history?),
                Err(_) => return Err(self.died()),
            }
        }
        Ok(())
    }

    /// Has the record read up to a byte on a thread of its own.
    fn load(&mut self, upto: u64) {
        let (sender, result) = bounded(1);
        let progress = Arc::new(Progress::default());
        let (path, shared) = (self.path.clone(), Arc::clone(&progress));
        std::thread::spawn(move || {
            // Nobody may wait any longer; then nobody misses it.
            let _unheard = sender.send(history::read(&path, upto, &shared));
        });
        self.loading = Some(Loading {
            result,
            progress,
            total: upto,
        });
    }

    fn loaded(&mut self) -> Result<Change> {
        let Some(loading) = &self.loading else {
            return Ok(Change::Nothing);
        };
        let result = match loading.result.try_recv() {
            Ok(result) => result,
            Err(TryRecvError::Empty) => return Ok(Change::Nothing),
            Err(TryRecvError::Disconnected) => Err(self.died()),
        };
        self.loading = None;
        self.become_of(result?);
        Ok(Change::Events)
    }

    fn died(&self) -> Error {
        let source = std::io::Error::other("the thread that reads it ended");
        Error::io(&self.path, "read")(source)
    }

    fn become_of(&mut self, history: History) {
        self.view = history.view;
        // A run that is played has lines waiting, which this place is behind.
        if self.player.is_none() {
            self.tail = history.tail;
        }
    }

    fn follow(&mut self) -> Result<Change> {
        let (view, none) = (&mut self.view, Voids::default());
        let found = self.tail.read(A_CALL, |line| {
            history::take(view, line, &none);
            Ok(())
        })?;
        Ok(match found {
            Found::Nothing => Change::Nothing,
            Found::Lines => Change::Events,
            Found::Another => self.restart(),
        })
    }

    fn restart(&mut self) -> Change {
        self.view = RunView::default();
        let text = "the record was replaced: reading it from the start";
        self.view.log.note(0.0, 0, text.to_owned());
        Change::Restarted
    }

    fn play(&mut self, now: f64) -> Result<Change> {
        let mut change = Change::Nothing;
        for _ in 0..PLAYED {
            let Some(player) = &mut self.player else {
                return Ok(change);
            };
            let Some((_, next)) = player.waiting.front() else {
                match self.read_ahead()? {
                    Found::Nothing => return Ok(change),
                    Found::Lines => continue,
                    Found::Another => return Ok(self.restart()),
                }
            };
            let t = next.t;
            match player.now(now) {
                None => player.set(now, t),
                Some(run) if t > run + GAP * player.speed => {
                    player.set(now, t - GAP * player.speed);
                    return Ok(change);
                }
                Some(run) if t > run => return Ok(change),
                Some(_) => {}
            }
            if let Some((end, event)) = player.waiting.pop_front() {
                player.played = end;
                self.view.push(event);
                change = Change::Events;
            }
            if self.view.rough {
                return Ok(change);
            }
        }
        Ok(change)
    }

    fn read_ahead(&mut self) -> Result<Found> {
        let (view, player) = (&mut self.view, &mut self.player);
        self.tail.read(history::PIECE / 4, |line| {
            match (Event::from_line(line.text), player.as_mut()) {
                (Ok(event), Some(player)) => player.waiting.push_back((line.end, event)),
                (Err(why), _) => view.push_unreadable(line.number, &why),
                (Ok(_), None) => {}
            }
            Ok(())
        })
    }
}

fn length(path: &Path) -> Result<u64> {
    match std::fs::metadata(path) {
        Ok(metadata) => Ok(metadata.len()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(0),
        Err(error) => Err(Error::io(path, "read")(error)),
    }
}
