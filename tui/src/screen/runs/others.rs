//! The runs beside the watched one: the list, and those whose curves lie over its own.
//!
//! The list is read on a thread, and only while somebody looks at it or runs are overlaid.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::thread;

use compacter_core::run::RunFolder;
use compacter_core::view::{Change, RunView, Source};
use compacter_tui::chart::LINE_MARKERS;
use crossbeam_channel::{Receiver, TryRecvError, bounded};

use super::entry::{Entry, plain};

/// Runs that can be overlaid: each, and the watched one, has a marker of its own.
const MOST: usize = LINE_MARKERS - 1;
/// Seconds between two looks at the folder.
const REFRESH: f64 = 3.0;

/// A run whose curves lie over those of the watched one.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Overlaid<'a> {
    /// Its name, as it can be shown.
    pub(crate) name: &'a str,
    /// What is known of it.
    pub(crate) view: &'a RunView,
    /// Whether the others are measured against it.
    pub(crate) baseline: bool,
}

/// The runs beside the watched one.
#[derive(Debug, Default)]
pub(crate) struct Others {
    watched: PathBuf,
    /// The runs of the folder, the newest first.
    pub(crate) entries: Vec<Entry>,
    /// Whether the folder was read.
    pub(crate) known: bool,
    overlaid: Vec<Other>,
    baseline: Option<PathBuf>,
    reading: Option<Receiver<Vec<Entry>>>,
    read_at: Option<f64>,
    /// The viewer's time at the last look.
    pub(crate) now: f64,
}

#[derive(Debug)]
struct Other {
    path: PathBuf,
    name: String,
    source: Source,
}

impl Others {
    /// Says which run is watched.
    pub(crate) fn watch(&mut self, run: &Path) {
        if self.watched.parent() != run.parent() {
            (self.entries, self.known, self.reading) = (Vec::new(), false, None);
        }
        self.watched = run.to_path_buf();
        self.overlaid.retain(|other| other.path != run);
        self.read_at = None;
    }

    /// The folder that is listed.
    pub(crate) fn folder(&self) -> &Path {
        let parent = self.watched.parent().unwrap_or(Path::new("."));
        if parent.as_os_str().is_empty() {
            return Path::new(".");
        }
        parent
    }

    /// Takes what has come since the last call; `looked_at` says whether the list is on the
    /// screen. Says whether there is something new to see.
    pub(crate) fn poll(&mut self, now: f64, looked_at: bool) -> bool {
        self.now = now;
        let mut new = self.take_list(now);
        for other in &mut self.overlaid {
            // A record that cannot be read now is tried again.
            new |= other.source.poll(now).unwrap_or(Change::Nothing) != Change::Nothing;
        }
        let wanted = looked_at || !self.overlaid.is_empty();
        let due = self.read_at.is_none_or(|at| (now - at).abs() >= REFRESH);
        if wanted && due && self.reading.is_none() {
            self.read(now);
        }
        new
    }

    fn take_list(&mut self, now: f64) -> bool {
        let Some(reading) = &self.reading else {
            return false;
        };
        let entries = match reading.try_recv() {
            Ok(entries) => entries,
            Err(TryRecvError::Empty) => return false,
            // The thread died of something; the next one may not.
            Err(TryRecvError::Disconnected) => self.entries.clone(),
        };
        (self.reading, self.read_at) = (None, Some(now));
        let new = !self.known || entries != self.entries;
        (self.entries, self.known) = (entries, true);
        new
    }

    /// Reads the folder on a thread.
    fn read(&mut self, now: f64) {
        let (sender, result) = bounded(1);
        let (folder, known) = (self.folder().to_path_buf(), self.entries.clone());
        thread::spawn(move || {
            // Nobody may wait any longer; then nobody misses it.
            let _unheard = sender.send(list(&folder, &known, now));
        });
        (self.reading, self.read_at) = (Some(result), Some(now));
    }

    /// Waits for the list that is being read.
    #[cfg(test)]
    pub(crate) fn settle(&mut self, now: f64) {
        self.poll(now, true);
        if let Some(entries) = self.reading.take().and_then(|reading| reading.recv().ok()) {
            (self.entries, self.known) = (entries, true);
        }
    }

    /// Lays a run's curves over those of the watched one, or no longer.
    ///
    /// # Errors
    /// Says why it cannot be.
    pub(crate) fn select(&mut self, run: &Path) -> Result<(), String> {
        if run == self.watched {
            return Err("that is the run itself".to_owned());
        }
        if let Some(at) = self.overlaid.iter().position(|other| other.path == run) {
            self.overlaid.remove(at);
            self.baseline.take_if(|baseline| baseline == run);
            return Ok(());
        }
        if self.overlaid.len() == MOST {
            return Err(format!("no more than {MOST} runs fit over this one"));
        }
        let folder = RunFolder::open(run).map_err(|error| error.to_string())?;
        let source = Source::open(&folder.events_path()).map_err(|error| error.to_string())?;
        self.overlaid.push(Other {
            path: run.to_path_buf(),
            name: plain(&folder.name()),
            source,
        });
        Ok(())
    }

    /// Measures the others against a run, which is overlaid then, or no longer.
    ///
    /// # Errors
    /// Those of [`Self::select`].
    pub(crate) fn pin(&mut self, run: &Path) -> Result<(), String> {
        if self.baseline.as_deref() == Some(run) {
            self.baseline = None;
            return Ok(());
        }
        if run != self.watched && self.marker(run).is_none() {
            self.select(run)?;
        }
        self.baseline = Some(run.to_path_buf());
        Ok(())
    }

    /// The run that others are measured against, if it is in the list.
    pub(crate) fn baseline(&self) -> Option<&Entry> {
        let baseline = self.baseline.as_ref()?;
        self.entries.iter().find(|entry| entry.path == *baseline)
    }

    /// Number of the marker of a run with curves, which its curves have too.
    pub(crate) fn marker(&self, run: &Path) -> Option<usize> {
        if run == self.watched {
            return Some(0);
        }
        let at = self.overlaid.iter().position(|other| other.path == run)?;
        Some(at + 1)
    }

    /// The runs that are overlaid, in the order of their markers.
    pub(crate) fn overlaid(&self) -> Vec<Overlaid<'_>> {
        let overlaid = self.overlaid.iter().map(|other| Overlaid {
            name: &other.name,
            view: other.source.view(),
            baseline: self.baseline.as_ref() == Some(&other.path),
        });
        overlaid.collect()
    }
}

/// The runs of a folder, the newest first.
fn list(folder: &Path, known: &[Entry], now: f64) -> Vec<Entry> {
    let known: HashMap<&Path, &Entry> = known.iter().map(|e| (e.path.as_path(), e)).collect();
    let found = fs::read_dir(folder).into_iter().flatten().flatten();
    // Joined anew: `read_dir(".")` gives `./name`, and the watched run's path is without.
    let paths = found.map(|found| match folder.as_os_str().to_str() {
        Some(".") => PathBuf::from(found.file_name()),
        _ => found.path(),
    });
    let entries = paths.filter_map(|path| Entry::look(&path, known.get(&*path).copied(), now));
    let mut entries: Vec<Entry> = entries.collect();
    entries.sort_by(|a, b| {
        b.began
            .total_cmp(&a.began)
            .then_with(|| a.path.cmp(&b.path))
    });
    entries
}
