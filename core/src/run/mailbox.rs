//! Commands to a run as files: what reaches it over any file system.
//!
//! ```text
//! runs/<name>/mailbox/01795452065250000000-0001-9f86d081884c7d65.json     one a command
//!
//! sender ─ write, rename ─▶ mailbox/ ─ look, check, hand over, remove ─▶ trainer
//!                                                         └─ event `command` with the number
//! ```
//!
//! The file's name is the command's number; names sort by the time they were sent. Only
//! the owner of the run's folder steers it: a file is obeyed when it belongs to the same
//! user, is a plain file with no other name, not larger than [`LARGEST`], and holds an
//! [`Envelope`]. Anything else is told and taken away, so that it is told once. It is
//! opened without following links, and what is checked is what was opened.
//!
//! A file whose name starts with a dot is one that is still being written.

use std::collections::BTreeSet;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::hash::{BuildHasher, RandomState};
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

#[cfg(unix)]
use super::machine;
use super::request::{Envelope, LARGEST};
use crate::atomic;
use crate::{Error, Result};

/// How the name starts of what was refused and could not be removed.
const SET_ASIDE: &str = ".refused-";

/// The mailbox of a run's folder.
#[derive(Debug, Clone)]
pub struct Mailbox {
    folder: PathBuf,
    /// Names that could not be taken away: told already.
    stuck: BTreeSet<String>,
}

/// A file found in a mailbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Letter {
    /// A command of the run's owner, to be handed over and then taken away.
    Command {
        /// The file's name.
        name: String,
        /// What is in it.
        envelope: Envelope,
    },
    /// Something that is not obeyed.
    Refused {
        /// The file's name.
        name: String,
        /// Why.
        reason: String,
    },
}

/// The number of a new command: later ones sort behind earlier ones, on one machine at
/// least, and no two are the same.
#[must_use]
pub fn new_id() -> String {
    static SENT: AtomicU32 = AtomicU32::new(0);
    let count = SENT.fetch_add(1, Ordering::Relaxed) % 10_000;
    // A clock before 1970 is a clock that was never set.
    let time = SystemTime::now().duration_since(UNIX_EPOCH);
    let nanoseconds = time.map_or(0, |time| time.as_nanos());
    // Keys of the standard library's hash maps come from the system's random numbers.
    let random = RandomState::new().hash_one(count);
    format!("{nanoseconds:020}-{count:04}-{random:016x}")
}

impl Mailbox {
    /// The mailbox of the run in a folder; it need not be there yet.
    #[must_use]
    pub fn of(run: &Path) -> Self {
        Self {
            folder: run.join("mailbox"),
            stuck: BTreeSet::new(),
        }
    }

    /// Where the files are.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Makes the mailbox where there is none, for its owner alone.
    ///
    /// # Errors
    /// [`Error::Io`] when that is refused.
    pub fn make(&self) -> Result<()> {
        let mut builder = DirBuilder::new();
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        match builder.create(&self.folder) {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => {
                Err(Error::io(&self.folder, "create")(error))
            }
            _ => Ok(()),
        }
    }

    /// Checks that this user is the one whose commands the run obeys.
    ///
    /// # Errors
    /// [`Error::Run`] when the run is somebody else's, [`Error::Io`] when it is not there.
    #[cfg(unix)]
    pub fn check_owner(&self) -> Result<()> {
        use std::os::unix::fs::MetadataExt;
        let run = self.run();
        let owner = fs::metadata(run).map_err(Error::io(run, "open"))?.uid();
        // Where the system does not tell, the run will say whether it obeys.
        let Some(user) = machine::user().filter(|user| *user != owner) else {
            return Ok(());
        };
        let message = format!(
            "belongs to user {owner}, and this is user {user}: only its owner steers a run"
        );
        Err(Error::run(run, message))
    }

    /// Checks nothing: this system does not say whose a file is.
    ///
    /// # Errors
    /// None.
    #[cfg(not(unix))]
    pub fn check_owner(&self) -> Result<()> {
        Ok(())
    }

    /// The run's folder.
    fn run(&self) -> &Path {
        self.folder.parent().unwrap_or(&self.folder)
    }

    /// Puts a command into the mailbox; the run has it within a second.
    ///
    /// # Errors
    /// [`Error::Io`] when the file cannot be written.
    pub fn send(&self, envelope: &Envelope) -> Result<()> {
        self.make()?;
        let path = self.folder.join(format!("{}.json", envelope.id));
        let bytes = serde_json::to_vec(envelope)
            .map_err(|error| Error::io(&path, "write")(error.into()))?;
        atomic::write(&path, &bytes)
    }

    /// Takes a command back that the run has not heard yet; says whether it was there.
    #[must_use]
    pub fn take_back(&self, id: &str) -> bool {
        fs::remove_file(self.folder.join(format!("{id}.json"))).is_ok()
    }

    /// What is in the mailbox, oldest first.
    ///
    /// # Errors
    /// [`Error::Io`] when it cannot be listed; one that is not there is empty.
    pub fn look(&self) -> Result<Vec<Letter>> {
        let names = self.names()?;
        let new = names
            .into_iter()
            .filter(|name| !name.starts_with('.') && !self.stuck.contains(name));
        Ok(new.filter_map(|name| self.open(name)).collect())
    }

    /// Takes a file away, in order that it is not found again.
    pub fn remove(&mut self, name: &str) {
        let path = self.folder.join(name);
        let gone = match fs::remove_file(&path) {
            Ok(()) => true,
            Err(error) if error.kind() == ErrorKind::NotFound => true,
            // A folder, which may have anything in it: out of the way is enough.
            Err(_) => {
                let aside = self.folder.join(format!("{SET_ASIDE}{}", new_id()));
                fs::rename(&path, aside).is_ok()
            }
        };
        if !gone {
            self.stuck.insert(name.to_owned());
        }
    }

    /// Empties the mailbox of a run that nobody has been running: what was asked of an
    /// earlier process is not done by this one. Returns what to tell about it.
    ///
    /// # Errors
    /// [`Error::Io`] when the mailbox cannot be listed or made.
    pub fn clear(&mut self) -> Result<Vec<String>> {
        self.make()?;
        let letters = self.look()?;
        for name in self.names()? {
            if name.starts_with(SET_ASIDE) {
                // Best effort: it is out of the way already.
                let _kept = fs::remove_dir_all(self.folder.join(&name));
            } else {
                self.remove(&name);
            }
        }
        let told = letters.into_iter().map(|letter| match letter {
            Letter::Command { name, envelope } => format!(
                "mailbox/{name}: not obeyed: `{}` of {} was sent before this process began",
                envelope.command, envelope.from
            ),
            Letter::Refused { name, reason } => refusal(&name, &reason),
        });
        Ok(told.collect())
    }

    fn names(&self) -> Result<Vec<String>> {
        let entries = match fs::read_dir(&self.folder) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.map_err(Error::io(&self.folder, "list"))?,
        };
        let mut names = Vec::new();
        for entry in entries {
            let name = entry.map_err(Error::io(&self.folder, "list"))?.file_name();
            names.push(name.to_string_lossy().into_owned());
        }
        names.sort_unstable();
        Ok(names)
    }

    fn open(&self, name: String) -> Option<Letter> {
        match read(self.run(), &self.folder.join(&name), &name) {
            Ok(Some(envelope)) => Some(Letter::Command { name, envelope }),
            Ok(None) => None,
            Err(reason) => Some(Letter::Refused { name, reason }),
        }
    }
}

/// How a refused file is told about.
#[must_use]
pub fn refusal(name: &str, reason: &str) -> String {
    format!("mailbox/{name}: not obeyed: {reason}")
}

/// The command in a file; `None` when it was taken away in between.
fn read(run: &Path, path: &Path, name: &str) -> Result<Option<Envelope>, String> {
    let file = match open_itself(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(format!("it cannot be opened as a file ({error})")),
        Ok(file) => file,
    };
    check(&file, run)?;
    let mut bytes = Vec::new();
    file.take(LARGEST as u64 + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| format!("it cannot be read ({error})"))?;
    let envelope = Envelope::parse(&bytes)?;
    if name != format!("{}.json", envelope.id) {
        return Err(format!("its number is {}", envelope.id));
    }
    Ok(Some(envelope))
}

/// Opens a file, not what it links to, and without waiting as for the writer of a pipe.
fn open_itself(path: &Path) -> std::io::Result<File> {
    let mut options = OpenOptions::new();
    #[cfg(unix)]
    {
        use rustix::fs::OFlags;
        let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
        std::os::unix::fs::OpenOptionsExt::custom_flags(&mut options, flags.bits().cast_signed());
    }
    options.read(true).open(path)
}

/// Whether an open file is one that the owner of the run may have put there.
fn check(file: &File, run: &Path) -> Result<(), String> {
    let unknown = |error: std::io::Error| format!("its owner is not known ({error})");
    let found = file.metadata().map_err(unknown)?;
    if !found.is_file() {
        return Err("it is no plain file".to_owned());
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        let owner = fs::metadata(run).map_err(unknown)?.uid();
        if found.uid() != owner {
            return Err(format!(
                "it belongs to user {}, the run to user {owner}",
                found.uid()
            ));
        }
        if found.nlink() > 1 {
            return Err("it has another name elsewhere".to_owned());
        }
    }
    #[cfg(not(unix))]
    let _whose = run;
    if found.len() > LARGEST as u64 {
        return Err(format!("it is longer than {LARGEST} bytes"));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
