//! Runs: started, shown while they go on, asked, and compared.
//!
//! | file            | what                                                      |
//! |-----------------|-----------------------------------------------------------|
//! | `builder.rs`    | [`Builder`]: how a run is to start                        |
//! | `config.rs`     | [`IntoConfig`]: what a configuration may be given as      |
//! | `place.rs`      | the folders of runs, and why a name cannot be used        |
//! | `process.rs`    | a trainer in a process of its own                         |
//! | `thread.rs`     | a trainer on a thread of this process                     |
//! | `live.rs`       | the display that moves while the run does                 |
//! | `card.rs`       | what is drawn of a run                                    |
//! | `read.rs`       | what a run's record holds                                 |
//! | `ask.rs`        | commands, and their acknowledgement                       |
//! | `wait.rs`       | waits for a run's end                                     |
//! | `parameters.rs` | [`Parameters`]: what is trained                           |
//! | `factors.rs`    | [`Factors`]: one projection, taken apart                  |
//! | `history.rs`    | what was recorded of every projection, over the steps     |
//! | `trained.rs`    | [`Trained`]: the best checkpoint, measured and taken apart |
//! | `predict.rs`    | texts as rows of a task, and answers as a table           |
//! | `compare.rs`    | [`Comparison`]: several runs over one axis                |
//! | `sweep.rs`      | [`Sweeping`]: a grid of runs, and a table that moves      |

mod ask;
mod builder;
mod card;
mod compare;
mod config;
mod factors;
mod history;
mod live;
mod parameters;
mod place;
mod predict;
mod process;
mod read;
mod sweep;
mod thread;
mod trained;
mod wait;

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;

use compacter_core::event::Kind;
use compacter_core::run::find::fork_name;
use compacter_core::run::{Request, RunFolder, fork, lock};

pub use builder::Builder;
pub use compare::{Comparison, compare};
pub use config::{Given, IntoConfig};
pub use factors::{Factors, Layer};
pub use parameters::Parameters;
pub use predict::Row;
pub use sweep::{Sweeping, sweep};
pub use trained::Trained;
pub use wait::Outcome;

use crate::error::Result;
use crate::show::{Bundle, Rich, Table};
use thread::Local;

/// A run: a folder that is read, and a trainer that is asked.
///
/// Dropping it ends nothing: the run and its display go on.
#[derive(Clone)]
pub struct Run {
    folder: RunFolder,
    /// The trainer, where it is in this process.
    local: Option<Arc<Local>>,
    /// What draws the display that moves, where this value has one.
    live: Option<Arc<JoinHandle<()>>>,
}

impl fmt::Debug for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Run({})", self.folder.path().display())
    }
}

impl Run {
    /// Trains a configuration in a process of its own, and shows it while it goes on.
    ///
    /// The run outlives the notebook's process: [`Self::attach`] finds it again.
    ///
    /// # Errors
    /// When the configuration is refused, the name taken, or the trainer cannot be started.
    pub fn start(config: impl IntoConfig) -> Result<Self> {
        Self::builder(config).start()
    }

    /// A run to be started with more than a configuration.
    pub fn builder(config: impl IntoConfig) -> Builder {
        Builder::new(config.given())
    }

    /// Shows a run that is there, with its whole history, and goes on while it does.
    ///
    /// # Errors
    /// When there is no run in the folder, or under that name in `runs`.
    pub fn attach(run: impl AsRef<Path>) -> Result<Self> {
        let mut run = Self::open(run)?;
        run.live = live::show(&run)?;
        Ok(run)
    }

    /// A run that is there, without a display.
    ///
    /// # Errors
    /// As [`Self::attach`].
    pub fn open(run: impl AsRef<Path>) -> Result<Self> {
        Ok(Self {
            folder: place::find(run.as_ref())?,
            local: None,
            live: None,
        })
    }

    /// The run's folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// The run's name.
    #[must_use]
    pub fn name(&self) -> String {
        self.folder.name()
    }

    /// Whether a process works on the run.
    ///
    /// # Errors
    /// When the lock cannot be looked at.
    pub fn is_running(&self) -> Result<bool> {
        Ok(lock::holder(self.path())?.is_some())
    }

    /// Has the run wait after its present step.
    ///
    /// # Errors
    /// For this and every other command: when the run is over, refuses, or does not answer.
    pub fn pause(&self) -> Result<()> {
        self.ask(&Request::Pause)
    }

    /// Has a paused run go on.
    ///
    /// # Errors
    /// As [`Self::pause`].
    pub fn resume(&self) -> Result<()> {
        self.ask(&Request::Resume)
    }

    /// Has the run do so many steps, then wait; returns once they are done.
    ///
    /// # Errors
    /// As [`Self::pause`].
    pub fn step(&self, steps: u64) -> Result<()> {
        self.ask_until(&Request::Step(steps), |kind| {
            matches!(kind, Kind::Paused { .. })
        })
    }

    /// Changes the peak learning rate from the next step on.
    ///
    /// # Errors
    /// As [`Self::pause`].
    pub fn set_learning_rate(&self, value: f64) -> Result<()> {
        self.ask(&Request::learning_rate(value))
    }

    /// Changes a setting while the run goes on: `set("train.weight_decay", 0.1)`.
    ///
    /// # Errors
    /// As [`Self::pause`].
    pub fn set(&self, key: &str, value: impl fmt::Display) -> Result<()> {
        let (key, value) = (key.to_owned(), value.to_string());
        self.ask(&Request::Set { key, value })
    }

    /// Has the validation split measured now; returns once it is.
    ///
    /// # Errors
    /// As [`Self::pause`].
    pub fn evaluate(&self) -> Result<()> {
        self.ask_until(&Request::Evaluate, |kind| matches!(kind, Kind::Eval(_)))
    }

    /// Has a checkpoint written now; returns once it is.
    ///
    /// # Errors
    /// As [`Self::pause`].
    pub fn checkpoint(&self) -> Result<()> {
        self.ask_until(&Request::Checkpoint, |kind| {
            matches!(kind, Kind::Checkpoint { .. })
        })
    }

    /// Ends the run as complete after its present step.
    ///
    /// # Errors
    /// As [`Self::pause`].
    pub fn stop(&self) -> Result<()> {
        self.ask(&Request::Stop)
    }

    /// Starts a run beside this one from its checkpoint of a step, or with `None` from its
    /// last; its name is this one's with `-fork` behind it.
    ///
    /// It trains where this one does: in a process of its own, or here.
    ///
    /// # Errors
    /// When there is no checkpoint of that step, or the trainer cannot be started.
    pub fn fork(&self, at: impl Into<Option<u64>>) -> Result<Self> {
        let name = fork_name(&self.folder);
        let folder = fork(&self.folder, at.into(), &name)?;
        let forked = Self {
            folder,
            local: None,
            live: None,
        };
        let builder = Self::builder(forked.config()?).resume();
        if self.local.is_some() {
            builder.in_process().start()
        } else {
            builder.start()
        }
    }

    /// What the best checkpoint answers to texts, which are read in this process.
    ///
    /// # Errors
    /// When there is no checkpoint yet, or a text does not fit the task.
    pub fn predict<R: Row>(&self, rows: &[R]) -> Result<Table> {
        predict::predict(self, rows)
    }
}

impl Rich for Run {
    fn bundle(&self) -> Bundle {
        match self
            .source()
            .and_then(|source| Ok((source, self.is_running()?)))
        {
            Ok((source, is_running)) => card::bundle(source.view(), is_running, self.path()),
            Err(error) => error.bundle(),
        }
    }
}
