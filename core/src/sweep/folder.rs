//! The folder of a sweep: what is there of each run.
//!
//! ```text
//! runs/<sweep>/
//!   configs/<run>.toml     what each run was started with
//!   runs/<run>/            the runs themselves, as any other
//!   logs/<run>.log         what their processes said
//!   locks/<run>            held by whoever works on a run
//!   results/<run>.json     what they came to
//!   table.md, …            made of the results
//! ```
//!
//! The results are all there is of a sweep's state: a run without one is still to be done,
//! from its last checkpoint where it has one.

use std::fs::{self, File, TryLockError};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::plan::{Planned, Sweep};
use super::result::Outcome;
use crate::config::RunConfig;
use crate::run::{Lock, lock};
use crate::{Error, Result, atomic};

/// The folder of a sweep.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SweepFolder {
    path: PathBuf,
}

/// How a run of a sweep stands.
#[derive(Debug, Clone, PartialEq)]
pub enum Standing {
    /// It is to be trained, or to be gone on with, or only to be measured.
    Open,
    /// It has come to something.
    Done(Outcome),
    /// It was made with a configuration that is not the one that the sweep asks for now.
    Changed {
        /// Where they differ and what to do, for people.
        message: String,
    },
}

impl SweepFolder {
    /// The folder of a sweep, which need not be there yet.
    #[must_use]
    pub fn of(sweep: &Sweep) -> Self {
        Self {
            path: sweep.folder.clone(),
        }
    }

    /// The folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What a run is started with.
    #[must_use]
    pub fn config_path(&self, run: &str) -> PathBuf {
        self.path.join("configs").join(format!("{run}.toml"))
    }

    /// A run's own folder.
    #[must_use]
    pub fn run_path(&self, run: &str) -> PathBuf {
        self.path.join("runs").join(run)
    }

    /// What the processes of a run said.
    #[must_use]
    pub fn log_path(&self, run: &str) -> PathBuf {
        self.path.join("logs").join(format!("{run}.log"))
    }

    fn result_path(&self, run: &str) -> PathBuf {
        self.path.join("results").join(format!("{run}.json"))
    }

    /// Makes the folder, where it is not there.
    ///
    /// # Errors
    /// [`Error::Run`] when a run has its name, [`Error::Io`] when it cannot be made.
    pub fn create(&self) -> Result<()> {
        if self.path.join("events.jsonl").exists() {
            let message = "is a run, and no sweep: choose another `name` in the sweep's file";
            return Err(Error::run(&self.path, message));
        }
        for part in ["configs", "runs", "logs", "locks", "results"] {
            let path = self.path.join(part);
            fs::create_dir_all(&path).map_err(Error::io(&path, "create"))?;
        }
        Ok(())
    }

    /// The right to start runs of the sweep; what a dead process left half made goes.
    ///
    /// # Errors
    /// [`Error::Run`] when another process has it.
    pub fn lock(&self) -> Result<Lock> {
        if let Some(holder) = lock::holder(&self.path)? {
            let (pid, host) = (holder.pid, holder.host);
            let message = format!("in use by process {pid} on {host}: wait for it, or stop it");
            return Err(Error::run(&self.path, message));
        }
        let lock = Lock::take(&self.path)?;
        // Not `configs` and `results`: tasks of a job array may be writing there.
        atomic::recover(&self.path)?;
        Ok(lock)
    }

    /// The right to work on a run, where nobody has it. It goes with the last process that
    /// has the file open: handed on to a child, it outlives the process that took it.
    ///
    /// # Errors
    /// [`Error::Io`] when the file cannot be used.
    pub fn claim(&self, run: &str) -> Result<Option<File>> {
        let path = self.path.join("locks").join(run);
        let mut options = File::options();
        let file = options.read(true).write(true).create(true).truncate(false);
        let file = file.open(&path).map_err(Error::io(&path, "open"))?;
        match file.try_lock() {
            Ok(()) => Ok(Some(file)),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(Error::io(&path, "lock")(error)),
        }
    }

    /// Writes down what a run is to be started with; returns the file.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn write_config(&self, run: &Planned) -> Result<PathBuf> {
        let path = self.config_path(&run.name);
        if !path.exists() {
            atomic::write(&path, run.config.to_toml().as_bytes())?;
        }
        Ok(path)
    }

    /// Writes down what a run came to.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn write_result(&self, run: &str, outcome: &Outcome) -> Result<()> {
        let path = self.result_path(run);
        let text = serde_json::to_string_pretty(outcome)
            .map_err(|error| Error::io(&path, "write")(error.into()))?;
        atomic::write(&path, format!("{text}\n").as_bytes())
    }

    /// Forgets that a run failed, so that it is tried again.
    ///
    /// # Errors
    /// [`Error::Io`] when the result cannot be read or removed.
    pub fn forget_failure(&self, run: &str) -> Result<()> {
        let path = self.result_path(run);
        if matches!(self.result(run)?, Some(Outcome::Failed { .. })) {
            fs::remove_file(&path).map_err(Error::io(&path, "remove"))?;
        }
        Ok(())
    }

    fn result(&self, run: &str) -> Result<Option<Outcome>> {
        let path = self.result_path(run);
        let text = match fs::read_to_string(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            text => text.map_err(Error::io(&path, "read"))?,
        };
        let outcome = serde_json::from_str(&text);
        outcome.map(Some).map_err(|error| {
            let message =
                format!("is no result of a run ({error}): remove it to measure the run again");
            Error::checkpoint(&path, message)
        })
    }

    /// How a run stands.
    ///
    /// # Errors
    /// [`Error::Checkpoint`] when its result cannot be read, [`Error::Config`] when what it
    /// was started with cannot.
    pub fn standing(&self, run: &Planned) -> Result<Standing> {
        let path = self.config_path(&run.name);
        if !path.exists() {
            return Ok(Standing::Open);
        }
        let mut made = RunConfig::load(&path, &[])?;
        // Where the folder stands is no matter of what was computed.
        made.output = run.config.output.clone();
        if let Some((change, _)) = made.diff(&run.config).first() {
            let told = |value: &str| {
                if value.is_empty() {
                    "its default".to_owned()
                } else {
                    value.to_owned()
                }
            };
            let message = format!(
                "was made with {} = {}, and the sweep says {}: give it the --set that it had, another name, or remove {} and the run's folder",
                change.field,
                told(&change.old),
                told(&change.new),
                path.display()
            );
            return Ok(Standing::Changed { message });
        }
        Ok(self
            .result(&run.name)?
            .map_or(Standing::Open, Standing::Done))
    }
}
