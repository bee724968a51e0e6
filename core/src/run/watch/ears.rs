//! What the operating system tells of the files: that something happened, and whether a
//! file was closed.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crossbeam_channel::{Receiver, Sender, bounded};
use notify::event::{AccessKind, AccessMode, ModifyKind};
use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher};

/// Whether the last that was heard of a file is that it was closed, or renamed into place.
///
/// Where the system tells of neither, nothing is known of it, and patience has to do.
#[derive(Debug, Clone, Default)]
pub(super) struct Closed(Arc<AtomicBool>);

impl Closed {
    pub(super) fn is_closed(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }

    /// Forgets what was heard: it was of a content that is known by now.
    pub(super) fn forget(&self) {
        self.0.store(false, Ordering::Release);
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

/// The operating system's events of some files, wherever links lead from them.
pub(super) struct Ears {
    paths: Vec<PathBuf>,
    closed: Vec<Closed>,
    wake: Sender<()>,
    woken: Receiver<()>,
    /// Where the files are, links followed: the watch is of these places.
    places: Places,
    listening: Option<Listening>,
}

impl Ears {
    pub(super) fn open(paths: &[PathBuf], closed: &[Closed]) -> Self {
        let (wake, woken) = bounded(1);
        let places = Places::of(paths);
        Self {
            paths: paths.to_vec(),
            closed: closed.to_vec(),
            listening: listen(paths, closed, wake.clone()),
            wake,
            woken,
            places,
        }
    }

    /// Where it says that something happened.
    pub(super) fn woken(&self) -> Receiver<()> {
        self.woken.clone()
    }

    /// Watches what has appeared, and what links point to now.
    pub(super) fn catch_up(&mut self) {
        let places = Places::of(&self.paths);
        if places != self.places && places.is_more_than(&self.places) {
            self.listening = listen(&self.paths, &self.closed, self.wake.clone());
            self.places = places;
        }
        if let Some(listening) = &mut self.listening {
            listening.catch_up();
        }
    }
}

/// The events, while it is held.
struct Listening {
    watcher: RecommendedWatcher,
    /// Folders that are not there yet, a new run's own is made after the watch begins; and
    /// the folder that is watched for each to appear in.
    missing: Vec<(PathBuf, Option<PathBuf>)>,
}

impl Listening {
    /// Watches what has appeared. Before that, looking finds what happens there.
    fn catch_up(&mut self) {
        let watcher = &mut self.watcher;
        self.missing.retain_mut(|(folder, nearest)| {
            // Again after each, for what has appeared since.
            while !folder.exists() {
                let found = folder
                    .ancestors()
                    .map(or_here)
                    .find(|folder| folder.exists());
                if found == nearest.as_deref() {
                    return true;
                }
                *nearest = found.map(Path::to_path_buf);
                if let Some(nearest) = nearest {
                    watch(watcher, nearest);
                }
            }
            watch(watcher, folder);
            false
        });
    }
}

fn watch(watcher: &mut RecommendedWatcher, folder: &Path) {
    if let Err(error) = watcher.watch(folder, RecursiveMode::NonRecursive) {
        tell_unwatched(folder, &error);
    }
}

/// A path by which a folder can be opened: the parent of a bare name is empty.
fn or_here(folder: &Path) -> &Path {
    if folder.as_os_str().is_empty() {
        Path::new(".")
    } else {
        folder
    }
}

fn tell_unwatched(what: &Path, error: &notify::Error) {
    tracing::warn!(
        "{}: cannot be watched ({error}); looking at it every second",
        what.display()
    );
}

/// Asks the operating system to wake the watch when something happens to the files.
fn listen(paths: &[PathBuf], closed: &[Closed], wake: Sender<()>) -> Option<Listening> {
    let names: Vec<(Vec<OsString>, Closed)> = paths
        .iter()
        .map(|path| Places::of(std::slice::from_ref(path)).names)
        .zip(closed.iter().cloned())
        .collect();
    let folders = Places::of(paths).folders;
    let awaited: Vec<OsString> = folders
        .iter()
        .filter(|folder| !folder.exists())
        .flat_map(|folder| folder.iter().map(OsString::from))
        .collect();
    let handler = move |event: notify::Result<Event>| {
        let concerns = match &event {
            Ok(event) => {
                let concerned = names.iter().filter(|(names, _)| concerns(event, names));
                let concerned: Vec<&Closed> = concerned.map(|(_, closed)| closed).collect();
                for closed in &concerned {
                    closed.hear(event.kind);
                }
                let concerned = !concerned.is_empty() || concerns(event, &awaited);
                concerned && is_change(event.kind)
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
        missing: folders.into_iter().map(|folder| (folder, None)).collect(),
    };
    listening.catch_up();
    Some(listening)
}

/// Folders to watch and names to look out for: of the files, and of what they link to.
///
/// A file itself is not watched: the watch would go away with it when an editor renames
/// another file over it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Places {
    folders: Vec<PathBuf>,
    names: Vec<OsString>,
}

impl Places {
    /// Whether there is something in it that others lack: a file that is gone for a moment
    /// takes nothing away that was watched.
    fn is_more_than(&self, others: &Self) -> bool {
        let folder = |folder| !others.folders.contains(folder);
        let name = |name| !others.names.contains(name);
        self.folders.iter().any(folder) || self.names.iter().any(name)
    }

    fn of(paths: &[PathBuf]) -> Self {
        let targets = paths.iter().filter_map(|path| path.canonicalize().ok());
        let (mut folders, mut names) = (Vec::new(), Vec::new());
        for path in paths.iter().cloned().chain(targets) {
            let folder = or_here(path.parent().unwrap_or(Path::new("")));
            folders.push(folder.to_path_buf());
            names.extend(path.file_name().map(OsString::from));
        }
        folders.sort_unstable();
        folders.dedup();
        Self { folders, names }
    }
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
