//! Hot reload: tells when a configuration file was saved with something new in it.
//!
//! Editors save in many ways: they truncate and write, write another file and rename it
//! over the old one, or move the old one away first. So nothing here trusts what an event
//! says. An event in a file's folder only wakes the watch, which then looks at the file:
//!
//! ```text
//!           content as known                  content still the same for long enough
//! known ◀─────────────────── look ─▶ settling ─────────────────────────────────▶ report
//!                              ▲        │ content changed again
//!                              └────────┘
//! ```
//!
//! | long enough | for a content                                                           |
//! |-------------|-------------------------------------------------------------------------|
//! | 300 ms      | that is whole: it can be used, lacks no key that was there before, and  |
//! |             | the file was closed, or renamed into its place                          |
//! | 1 s         | of any other kind: it may be half of what is being written              |
//!
//! Files that are saved at the same moment are reported together: one that has settled
//! waits, for a short while, for another that is settling.
//!
//! The watch also looks every second without being woken: network and overlay file
//! systems send no events, a folder that was deleted and made again sends none, and a
//! system may have no more watches to give. All of these then only take longer. A link that
//! points somewhere else is followed to there.
//!
//! A `--set` value holds until someone edits its key in a file.

mod ears;
mod file;
#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::thread::JoinHandle;
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, bounded, never, select};

use self::ears::{Closed, Ears};
use self::file::{Look, WatchedFile};
use crate::config::RunConfig;
use crate::error::{Error, Result};
use crate::event::Refusal;

/// Reports that may wait for their reader before the watch itself waits.
const CAPACITY: usize = 16;

/// A file that was saved, and what it means now.
#[derive(Debug, Clone, PartialEq)]
pub struct Saved {
    /// The file, as the watch was told of it.
    pub path: PathBuf,
    /// Its text.
    pub text: String,
    /// What it means, with `--set` values laid over it.
    pub config: RunConfig,
}

/// What happened to a configuration file.
#[derive(Debug, Clone, PartialEq)]
pub enum Reload {
    /// It was saved with new content, or several were at the same moment.
    ///
    /// None means that one which was refused is again as the run wrote it.
    Changed(Vec<Saved>),
    /// It was saved with content that cannot be used, for the reason given.
    Refused(Refusal),
    /// It is not there any more.
    Gone(PathBuf),
}

/// How patient the watch is.
#[derive(Debug, Clone, Copy)]
struct Pace {
    /// How long a content that is whole must stay the same.
    stable: Duration,
    /// How long any other content must stay the same.
    doubtful: Duration,
    /// Time between looks at a content that is settling.
    settling: Duration,
    /// Time between looks when nothing happens.
    idle: Duration,
    /// Whether the operating system's events are asked for.
    events: Events,
}

/// Whether the operating system is asked to tell of changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Events {
    /// It is; looking finds what it does not tell.
    #[default]
    Wanted,
    /// It is not: as on a file system that tells nothing.
    Never,
}

const PACE: Pace = Pace {
    stable: Duration::from_millis(300),
    doubtful: Duration::from_secs(1),
    settling: Duration::from_millis(50),
    idle: Duration::from_secs(1),
    events: Events::Wanted,
};

/// Watches configuration files until it is dropped.
#[derive(Debug)]
pub struct ConfigWatch {
    reloads: Receiver<Reload>,
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl ConfigWatch {
    /// Starts watching files, whose present content is taken for known: load them after
    /// this, and no save can fall between.
    ///
    /// A report holds the whole configuration of the file that was saved, with those
    /// `overrides` (`--set` values) laid over it whose key nobody has edited since the
    /// start. A file that does not exist yet is reported when it appears.
    ///
    /// # Errors
    /// When the system has no thread to give. A file system that cannot be watched is no
    /// error: the watch then looks at the files every second.
    pub fn start(paths: &[PathBuf], overrides: &[String]) -> Result<Self> {
        Self::start_with(Events::Wanted, paths, overrides)
    }

    /// As [`Self::start`], with the operating system's events or without them.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub fn start_with(events: Events, paths: &[PathBuf], overrides: &[String]) -> Result<Self> {
        Self::start_at(Pace { events, ..PACE }, paths, overrides)
    }

    /// Where the reports come out, in the order of the saves.
    #[must_use]
    pub fn receiver(&self) -> &Receiver<Reload> {
        &self.reloads
    }

    fn start_at(pace: Pace, paths: &[PathBuf], overrides: &[String]) -> Result<Self> {
        let (stop, stopped) = bounded(0);
        let (reports, reloads) = bounded(CAPACITY);
        let closed: Vec<Closed> = paths.iter().map(|_| Closed::default()).collect();
        // Events first, then the first look: no save can fall between the two.
        let events = match pace.events {
            Events::Wanted => Some(Ears::open(paths, &closed)),
            Events::Never => None,
        };
        let looker = Looker {
            pace,
            files: paths
                .iter()
                .zip(closed)
                .map(|(path, closed)| WatchedFile::new(path, closed))
                .collect(),
            overrides: overrides.to_vec(),
            stopped,
            reports,
            events,
        };
        let thread = std::thread::Builder::new()
            .name("config-watch".to_owned())
            .spawn(move || looker.run())
            .map_err(Error::io("config-watch", "start a thread"))?;
        Ok(Self {
            reloads,
            stop: Some(stop),
            thread: Some(thread),
        })
    }
}

impl Drop for ConfigWatch {
    fn drop(&mut self) {
        self.stop.take();
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the thread that watched the configuration panicked");
        }
    }
}

/// The thread's side.
struct Looker {
    pace: Pace,
    files: Vec<WatchedFile>,
    overrides: Vec<String>,
    stopped: Receiver<()>,
    reports: Sender<Reload>,
    events: Option<Ears>,
}

impl Looker {
    /// Looks at the files until the watch is dropped.
    fn run(mut self) {
        // Without its sender a channel would be ready all the time.
        let woken = self.events.as_ref().map_or_else(never, Ears::woken);
        loop {
            if let Some(events) = &mut self.events {
                events.catch_up();
            }
            let looks: Vec<Look> = self
                .files
                .iter_mut()
                .map(|file| file.look(self.pace))
                .collect();
            let settling = looks.contains(&Look::Settling);
            let wait = if settling {
                self.pace.settling
            } else {
                self.pace.idle
            };
            let settled = self.files.iter().zip(&looks);
            let settled = settled.filter(|(_, look)| **look == Look::Settled);
            // Another one is being saved: the two may belong together.
            let held = settling && settled.clone().all(|(file, _)| file.can_wait(self.pace));
            let mended = looks.contains(&Look::Mended);
            let due = mended || (!held && settled.count() > 0);
            if due && self.report(&looks).is_err() {
                return;
            }
            select! {
                recv(woken) -> _ => {}
                recv(self.stopped) -> _ => return,
                default(wait) => {}
            }
        }
    }

    /// Reports the files that have settled; fails when nobody wants to know any more.
    fn report(&mut self, looks: &[Look]) -> Result<(), ()> {
        let mut saved = Vec::new();
        let mut reports = Vec::new();
        for (file, look) in self.files.iter_mut().zip(looks) {
            if *look == Look::Settled {
                match file.report(&mut self.overrides) {
                    Ok(save) => saved.push(save),
                    Err(report) => reports.push(*report),
                }
            }
        }
        if !saved.is_empty() || looks.contains(&Look::Mended) {
            reports.push(Reload::Changed(saved));
        }
        for report in reports {
            select! {
                send(self.reports, report) -> sent => sent.map_err(|_| ())?,
                recv(self.stopped) -> _ => return Err(()),
            }
        }
        Ok(())
    }
}
