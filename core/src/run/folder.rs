//! The folder of one run: where its parts are, and how a process comes to write in it.

use std::fs;
use std::io::ErrorKind;
use std::path::{Component, Path, PathBuf};

use super::seal::{is_sealed, sealed, unsealed};
use super::{Checkpoints, Lock, Mailbox, Resume};
use crate::atomic;
use crate::config::{self, RunConfig};
use crate::event::{History, replay};
use crate::{Error, Result};

/// The folder of one run. Anyone may read; to write takes a [`Lock`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunFolder {
    path: PathBuf,
}

/// What to do when the run's name is taken, or is not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Start {
    /// Start a run; a name that is taken is refused.
    #[default]
    New,
    /// Start a run; one of the same name is moved aside, not removed.
    Fresh,
    /// Go on with a run; one that is not there is refused.
    Resume,
    /// Go on with a run, or start it where there is none.
    ResumeAuto,
}

/// How a run begins in this process.
#[derive(Debug)]
pub enum Started {
    /// From the beginning, in an empty folder.
    New {
        /// The run.
        folder: RunFolder,
        /// The right to write to it.
        lock: Lock,
    },
    /// From where an earlier process left it.
    Resume {
        /// The run.
        folder: RunFolder,
        /// The right to write to it.
        lock: Lock,
        /// Where it goes on from.
        resume: Box<Resume>,
        /// What to tell about commands that were sent while no process was at work.
        unheard: Vec<String>,
    },
    /// Not at all: the run is complete.
    AlreadyFinished(RunFolder),
}

/// Begins or takes up the run `name` in `directory`.
///
/// # Errors
/// [`Error::Run`] when the name is taken or there is no such run, naming the options that
/// help, or when another process writes to it; [`Error::Checkpoint`] when what is there is
/// damaged; [`Error::Io`] when the disk refuses.
pub fn start(directory: &Path, name: &str, how: Start) -> Result<Started> {
    let path = directory.join(checked(directory, name)?);
    match (how, path.exists()) {
        (Start::Resume, false) => Err(Error::run(
            path,
            "there is no such run to resume: leave --resume out to start it, or use `--resume auto`",
        )),
        (Start::Resume | Start::ResumeAuto, true) => take_up(RunFolder { path }),
        (Start::Fresh, true) => {
            move_aside(&path)?;
            begin(directory, name)
        }
        (Start::New, true) | (_, false) => begin(directory, name),
    }
}

/// Checks that there is no run `name` in `directory`, before work that would be in vain.
///
/// # Errors
/// [`Error::Run`] when the name is taken, naming the options that help, or is none.
pub fn free(directory: &Path, name: &str) -> Result<()> {
    let path = directory.join(checked(directory, name)?);
    if path.exists() {
        return Err(taken(&path));
    }
    Ok(())
}

fn begin(directory: &Path, name: &str) -> Result<Started> {
    let folder = RunFolder::create(directory, name)?;
    let lock = Lock::take(folder.path())?;
    Ok(Started::New { folder, lock })
}

fn take_up(folder: RunFolder) -> Result<Started> {
    let lock = Lock::take(folder.path())?;
    // Only now: leftovers may have been another process's work in progress.
    atomic::recover(folder.path())?;
    folder.checkpoints().recover()?;
    let events = match replay::read(&folder.events_path()) {
        Err(Error::Io { source, .. }) if source.kind() == ErrorKind::NotFound => Vec::new(),
        events => events?,
    };
    let history: History = events.iter().cloned().collect();
    if history.finished().is_some() {
        return Ok(Started::AlreadyFinished(folder));
    }
    let resume = Box::new(Resume::find(&folder.checkpoints(), &events)?);
    // As soon as the lock is ours: whoever sends a command later has seen it held.
    let unheard = Mailbox::of(folder.path()).clear()?;
    Ok(Started::Resume {
        folder,
        lock,
        resume,
        unheard,
    })
}

/// Renames a run to the first free `<name>.old-1`, `<name>.old-2` …
fn move_aside(path: &Path) -> Result<()> {
    // Held over the renaming, so that no running process loses its folder.
    let _lock = Lock::take(path)?;
    let mut number = 1_u64;
    let free = loop {
        let mut name = path.as_os_str().to_owned();
        name.push(format!(".old-{number}"));
        let candidate = PathBuf::from(name);
        if !candidate.exists() {
            break candidate;
        }
        number += 1;
    };
    fs::rename(path, &free).map_err(Error::io(path, "move aside"))
}

/// A name that is one plain folder name.
pub(super) fn checked<'a>(directory: &Path, name: &'a str) -> Result<&'a str> {
    let mut parts = Path::new(name).components();
    let plain = matches!(parts.next(), Some(Component::Normal(part)) if part == name);
    if !plain || parts.next().is_some() || name.starts_with('.') {
        let message = format!("`{name}` is no name for a run: it has to be a plain folder name");
        return Err(Error::run(directory, message));
    }
    Ok(name)
}

impl RunFolder {
    /// Makes the folder of a new run.
    ///
    /// # Errors
    /// [`Error::Run`] when the name is taken, naming the options that help;
    /// [`Error::Io`] when the folder cannot be made.
    pub fn create(directory: &Path, name: &str) -> Result<Self> {
        let path = directory.join(checked(directory, name)?);
        fs::create_dir_all(directory).map_err(Error::io(directory, "create"))?;
        let folder = Self::make(path)?;
        atomic::sync_folder(directory)?;
        Ok(folder)
    }

    /// Makes an empty run of any name.
    pub(super) fn make(path: PathBuf) -> Result<Self> {
        match fs::create_dir(&path) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => return Err(taken(&path)),
            made => made.map_err(Error::io(&path, "create"))?,
        }
        let folder = Self { path };
        folder.checkpoints().recover()?;
        Ok(folder)
    }

    /// Opens the folder of a run to read from.
    ///
    /// # Errors
    /// [`Error::Run`] when there is no run in it.
    pub fn open(path: &Path) -> Result<Self> {
        let folder = Self {
            path: path.to_path_buf(),
        };
        if !folder.checkpoints().path().is_dir() {
            return Err(Error::run(
                path,
                "there is no run here: name the folder that holds its config.toml and events.jsonl",
            ));
        }
        Ok(folder)
    }

    /// The folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The run's name, which is the folder's.
    #[must_use]
    pub fn name(&self) -> String {
        let name = self.path.file_name().unwrap_or(self.path.as_os_str());
        name.to_string_lossy().into_owned()
    }

    /// The configuration in force.
    #[must_use]
    pub fn config_path(&self) -> PathBuf {
        self.path.join("config.toml")
    }

    /// Where the configuration in force of the run that `config` names is, or will be.
    #[must_use]
    pub fn config_path_of(config: &RunConfig) -> PathBuf {
        let path = config.output.directory.join(&config.name);
        Self { path }.config_path()
    }

    /// The record of events.
    #[must_use]
    pub fn events_path(&self) -> PathBuf {
        self.path.join("events.jsonl")
    }

    /// The folder that TensorBoard reads, where the configuration asks for one.
    #[must_use]
    pub fn tensorboard_path(&self) -> PathBuf {
        self.path.join("tensorboard")
    }

    /// The checkpoints.
    #[must_use]
    pub fn checkpoints(&self) -> Checkpoints {
        Checkpoints::new(self.path.join("checkpoints"))
    }

    /// Writes the configuration in force, marked as the program's own writing. Comments
    /// that somebody wrote into the file stay.
    ///
    /// # Errors
    /// [`Error::Io`]; the old one is then still there.
    pub fn write_config(&self, toml: &str) -> Result<()> {
        let kept = self.with_comments(toml);
        let text = kept.as_deref().unwrap_or(toml);
        atomic::write(&self.config_path(), sealed(text).as_bytes())
    }

    /// The text of the file with the values of `toml`; `None` where that cannot be had.
    fn with_comments(&self, toml: &str) -> Option<String> {
        let path = self.config_path();
        let parse = |text: &str| RunConfig::parse(&path, text, &[]).ok();
        let text = config::read_text(&path).ok()?;
        let (now, wanted) = (parse(&text)?, parse(toml)?);
        let changes = now.diff(&wanted).into_iter();
        let fields: Vec<(String, String)> = changes.map(|(c, _)| (c.field, c.new)).collect();
        let new = config::rewrite(unsealed(&text), &fields).ok()?;
        (parse(&new)? == wanted).then_some(new)
    }

    /// The configuration as somebody other than the run left it; `None` where the run
    /// itself wrote it last, or nobody did.
    ///
    /// # Errors
    /// [`Error::Config`] when it cannot be used, [`Error::Io`] when it cannot be read.
    pub fn edited_config(&self) -> Result<Option<RunConfig>> {
        let path = self.config_path();
        if !path.exists() {
            return Ok(None);
        }
        let text = config::read_text(&path)?;
        if is_sealed(&text) {
            return Ok(None);
        }
        RunConfig::parse(&path, &text, &[]).map(Some)
    }

    /// Reads the events that count.
    ///
    /// # Errors
    /// Those of [`History::read`].
    pub fn history(&self) -> Result<History> {
        History::read(&self.events_path())
    }
}

pub(super) fn taken(path: &Path) -> Error {
    Error::run(
        path,
        "there is a run of this name: go on with it (--resume), start over and keep it beside the new one (--fresh), or choose another name (--name)",
    )
}

#[cfg(test)]
mod tests;
