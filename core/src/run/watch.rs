//! Hot reload: tells when a configuration file was saved with something new in it.
//!
//! Editors save in many ways: they truncate and write, write another file and rename it
//! over the old one, or move the old one away first. So nothing here trusts what an event
//! says. An event in a file's folder only wakes the watch, which then looks at the file:
//!
//! ```text
//!           content as known                  content still the same for 300 ms
//! known ◀─────────────────── look ─▶ settling ─────────────────────────────────▶ report
//!                              ▲        │ content changed again
//!                              └────────┘
//! ```
//!
//! The watch also looks every two seconds without being woken: network and overlay file
//! systems send no events, a folder that was deleted and made again sends none, and a
//! system may have no more watches to give. All of these then only take longer.
//!
//! A `--set` value holds until someone edits its key in a file.

mod file;
#[cfg(test)]
mod tests;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::thread::JoinHandle;
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, bounded, never, select};
use notify::event::{AccessKind, AccessMode};
use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher};

use self::file::{Look, WatchedFile};
use crate::config::RunConfig;
use crate::error::{Error, Result};

/// Reports that may wait for their reader before the watch itself waits.
const CAPACITY: usize = 16;

/// What happened to a configuration file.
#[derive(Debug, Clone, PartialEq)]
pub enum Reload {
    /// It was saved with new content, which is this configuration.
    Changed(Box<RunConfig>),
    /// It was saved with content that cannot be used, for the reason given.
    Refused(String),
    /// It is not there any more.
    Gone(PathBuf),
}

/// How patient the watch is.
#[derive(Debug, Clone, Copy)]
struct Pace {
    /// How long a content must stay the same to be taken for whole.
    stable: Duration,
    /// Time between looks at a content that is settling.
    settling: Duration,
    /// Time between looks when nothing happens.
    idle: Duration,
    /// Whether the operating system's events are asked for.
    events: Events,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Events {
    Wanted,
    /// As where the file system sends none.
    #[cfg(test)]
    Never,
}

const PACE: Pace = Pace {
    stable: Duration::from_millis(300),
    settling: Duration::from_millis(50),
    idle: Duration::from_secs(2),
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
    /// error: the watch then looks at the files every two seconds.
    pub fn start(paths: &[PathBuf], overrides: &[String]) -> Result<Self> {
        Self::start_at(PACE, paths, overrides)
    }

    /// Where the reports come out, in the order of the saves.
    #[must_use]
    pub fn receiver(&self) -> &Receiver<Reload> {
        &self.reloads
    }

    fn start_at(pace: Pace, paths: &[PathBuf], overrides: &[String]) -> Result<Self> {
        let (stop, stopped) = bounded(0);
        let (reports, reloads) = bounded(CAPACITY);
        let (wake, woken) = bounded(1);
        // Events first, then the first look: no save can fall between the two.
        let events = match pace.events {
            Events::Wanted => listen(paths, wake),
            #[cfg(test)]
            Events::Never => None,
        };
        let looker = Looker {
            pace,
            files: paths.iter().map(|path| WatchedFile::new(path)).collect(),
            overrides: overrides.to_vec(),
            // Without its sender a channel would be ready all the time.
            woken: events.as_ref().map_or_else(never, |_| woken),
            stopped,
            reports,
        };
        let thread = std::thread::Builder::new()
            .name("config-watch".to_owned())
            .spawn(move || {
                let _events = events;
                looker.run();
            })
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
    woken: Receiver<()>,
    stopped: Receiver<()>,
    reports: Sender<Reload>,
}

impl Looker {
    /// Looks at the files until the watch is dropped.
    fn run(mut self) {
        loop {
            let mut wait = self.pace.idle;
            for at in 0..self.files.len() {
                let report = match self.files[at].look(self.pace.stable) {
                    Look::Known => continue,
                    Look::Settling => {
                        wait = self.pace.settling;
                        continue;
                    }
                    Look::Settled => self.files[at].report(&mut self.overrides),
                };
                select! {
                    send(self.reports, report) -> sent => if sent.is_err() { return },
                    recv(self.stopped) -> _ => return,
                }
            }
            select! {
                recv(self.woken) -> _ => {}
                recv(self.stopped) -> _ => return,
                default(wait) => {}
            }
        }
    }
}

/// Asks the operating system to wake the watch when something happens to the files.
fn listen(paths: &[PathBuf], wake: Sender<()>) -> Option<RecommendedWatcher> {
    let (folders, names) = places(paths);
    let handler = move |event: notify::Result<Event>| {
        let concerns = match &event {
            Ok(event) => is_change(event.kind) && concerns(event, &names),
            // Lost events: look, to be sure.
            Err(_) => true,
        };
        if concerns {
            // Full means that the watch is about to look anyway.
            let _ = wake.try_send(());
        }
    };
    let unwatched = |what: &Path, error: &notify::Error| {
        tracing::warn!(
            "{}: cannot be watched ({error}); looking at it every two seconds",
            what.display()
        );
    };
    let mut watcher = notify::recommended_watcher(handler)
        .inspect_err(|error| unwatched(Path::new("configuration"), error))
        .ok()?;
    // A new run's folder is not there yet; looking will find it.
    for folder in folders.iter().filter(|folder| folder.exists()) {
        if let Err(error) = watcher.watch(folder, RecursiveMode::NonRecursive) {
            unwatched(folder, &error);
        }
    }
    Some(watcher)
}

/// Folders to watch and names to look out for: of the files, and of what they link to.
///
/// A file itself is not watched: the watch would go away with it when an editor renames
/// another file over it.
fn places(paths: &[PathBuf]) -> (Vec<PathBuf>, Vec<OsString>) {
    let targets = paths.iter().filter_map(|path| path.canonicalize().ok());
    let (mut folders, mut names) = (Vec::new(), Vec::new());
    for path in paths.iter().cloned().chain(targets) {
        let folder = match path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        folders.push(folder.to_path_buf());
        names.extend(path.file_name().map(OsString::from));
    }
    folders.sort_unstable();
    folders.dedup();
    (folders, names)
}

/// Whether an event may mean a new content; reading a file, as the watch does, does not.
fn is_change(kind: EventKind) -> bool {
    match kind {
        EventKind::Access(kind) => kind == AccessKind::Close(AccessMode::Write),
        _ => true,
    }
}

fn concerns(event: &Event, names: &[OsString]) -> bool {
    let named = |path: &PathBuf| {
        path.file_name()
            .is_some_and(|n| names.iter().any(|m| m == n))
    };
    event.need_rescan() || event.paths.iter().any(named)
}
