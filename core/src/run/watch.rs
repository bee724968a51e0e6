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
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, bounded, never, select};
use notify::event::{AccessKind, AccessMode, ModifyKind};
use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher};

use self::file::{Look, WatchedFile};
use crate::config::RunConfig;
use crate::error::{Error, Result};

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
    Changed(Vec<Saved>),
    /// It was saved with content that cannot be used, for the reason given.
    Refused(String),
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

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Events {
    Wanted,
    /// As where the file system sends none.
    #[cfg(test)]
    Never,
}

const PACE: Pace = Pace {
    stable: Duration::from_millis(300),
    doubtful: Duration::from_secs(1),
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
        let closed: Vec<Closed> = paths.iter().map(|_| Closed::default()).collect();
        // Events first, then the first look: no save can fall between the two.
        let events = match pace.events {
            Events::Wanted => listen(paths, &closed, wake),
            #[cfg(test)]
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
            // Without its sender a channel would be ready all the time.
            woken: events.as_ref().map_or_else(never, |_| woken),
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
    woken: Receiver<()>,
    stopped: Receiver<()>,
    reports: Sender<Reload>,
    events: Option<Listening>,
}

impl Looker {
    /// Looks at the files until the watch is dropped.
    fn run(mut self) {
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
            if !held && settled.count() > 0 && self.report(&looks).is_err() {
                return;
            }
            select! {
                recv(self.woken) -> _ => {}
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
                    Err(report) => reports.push(report),
                }
            }
        }
        if !saved.is_empty() {
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

/// Whether the last that was heard of a file is that it was closed, or renamed into place.
///
/// Where the system tells of neither, nothing is known of it, and patience has to do.
#[derive(Debug, Clone, Default)]
struct Closed(Arc<AtomicBool>);

impl Closed {
    fn is_closed(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }

    fn hear(&self, kind: EventKind) {
        match kind {
            EventKind::Access(AccessKind::Close(AccessMode::Write))
            | EventKind::Modify(ModifyKind::Name(_)) => self.0.store(true, Ordering::Release),
            EventKind::Create(_) | EventKind::Modify(ModifyKind::Data(_)) => {
                self.0.store(false, Ordering::Release);
            }
            _ => {}
        }
    }
}

/// The operating system's events, while it is held.
struct Listening {
    watcher: RecommendedWatcher,
    /// Folders that are not there yet: a new run's own is made after the watch begins.
    missing: Vec<PathBuf>,
}

impl Listening {
    /// Watches what has appeared. Before that, looking finds what happens there.
    fn catch_up(&mut self) {
        let watcher = &mut self.watcher;
        self.missing.retain(|folder| {
            if !folder.exists() {
                return true;
            }
            if let Err(error) = watcher.watch(folder, RecursiveMode::NonRecursive) {
                tell_unwatched(folder, &error);
            }
            false
        });
    }
}

fn tell_unwatched(what: &Path, error: &notify::Error) {
    tracing::warn!(
        "{}: cannot be watched ({error}); looking at it every two seconds",
        what.display()
    );
}

/// Asks the operating system to wake the watch when something happens to the files.
fn listen(paths: &[PathBuf], closed: &[Closed], wake: Sender<()>) -> Option<Listening> {
    let names: Vec<(Vec<OsString>, Closed)> = paths
        .iter()
        .map(|path| places(std::slice::from_ref(path)).1)
        .zip(closed.iter().cloned())
        .collect();
    let folders = places(paths).0;
    let handler = move |event: notify::Result<Event>| {
        let concerns = match &event {
            Ok(event) => {
                let concerned = names.iter().filter(|(names, _)| concerns(event, names));
                let concerned: Vec<&Closed> = concerned.map(|(_, closed)| closed).collect();
                for closed in &concerned {
                    closed.hear(event.kind);
                }
                !concerned.is_empty() && is_change(event.kind)
            }
            // Lost events: look, to be sure.
            Err(_) => true,
        };
        if concerns {
            // Full means that the watch is about to look anyway.
            let _ = wake.try_send(());
        }
    };
    let watcher = notify::recommended_watcher(handler)
        .inspect_err(|error| tell_unwatched(Path::new("configuration"), error))
        .ok()?;
    let mut listening = Listening {
        watcher,
        missing: folders,
    };
    listening.catch_up();
    Some(listening)
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
