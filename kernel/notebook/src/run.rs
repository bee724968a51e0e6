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
//! | `ask.rs`        | commands, and their acknowledgement                       |
//! | `wait.rs`       | waits for a run's end                                     |
//! | `parameters.rs` | [`Parameters`]: what is trained                           |
//! | `factors.rs`    | [`Factors`]: one projection, taken apart                  |
//! | `predict.rs`    | answers of the best checkpoint                            |
//! | `compare.rs`    | [`Comparison`]: several runs over one axis                |

mod ask;
mod builder;
mod card;
mod compare;
mod config;
mod factors;
mod live;
mod parameters;
mod place;
mod predict;
mod process;
mod thread;
mod wait;

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use compacter_core::config::RunConfig;
use compacter_core::event::Kind;
use compacter_core::event::replay::History;
use compacter_core::run::{Request, RunFolder, fork, lock};
use compacter_core::view::Source;

pub use builder::Builder;
pub use compare::{Comparison, compare};
pub use config::{Given, IntoConfig};
pub use factors::{Factors, Layer};
pub use parameters::Parameters;
pub use predict::Row;
pub use wait::Outcome;

use crate::error::Result;
use crate::show::{Bundle, Cell, Rich, Table};
use thread::Local;

/// A run: a folder that is read, and a trainer that is asked.
///
/// Dropping it ends nothing: the run and its display go on.
#[derive(Clone)]
pub struct Run {
    folder: RunFolder,
    /// The trainer, where it is in this process.
    local: Option<Arc<Local>>,
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
        let run = Self::open(run)?;
        live::show(&run)?;
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

    /// Has the run do so many steps, then wait.
    ///
    /// # Errors
    /// As [`Self::pause`].
    pub fn step(&self, steps: u64) -> Result<()> {
        self.ask(&Request::Step(steps))
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

    /// Has the validation split measured now.
    ///
    /// # Errors
    /// As [`Self::pause`].
    pub fn evaluate(&self) -> Result<()> {
        self.ask(&Request::Evaluate)
    }

    /// Has a checkpoint written now.
    ///
    /// # Errors
    /// As [`Self::pause`].
    pub fn checkpoint(&self) -> Result<()> {
        self.ask(&Request::Checkpoint)
    }

    /// Ends the run as complete after its present step.
    ///
    /// # Errors
    /// As [`Self::pause`].
    pub fn stop(&self) -> Result<()> {
        self.ask(&Request::Stop)
    }

    /// Every evaluation: step, split, the metrics, and whether it was the best so far.
    ///
    /// # Errors
    /// When the record cannot be read.
    pub fn metrics(&self) -> Result<Table> {
        let source = self.source()?;
        let evals = &source.view().evals;
        let mut names: Vec<&str> = evals
            .iter()
            .flat_map(|e| e.metrics.keys())
            .map(String::as_str)
            .collect();
        names.sort_unstable();
        names.dedup();
        let head = ["step", "split"].into_iter().chain(names.iter().copied());
        let mut table = Table::new(head.chain(["best"]));
        for eval in evals {
            let metrics = names
                .iter()
                .map(|name| eval.metrics.get(*name).copied().into());
            let best = Cell::from(if eval.best { "best" } else { "" });
            let start = [Cell::from(eval.step), Cell::from(eval.split.as_str())];
            table.push(start.into_iter().chain(metrics).chain([best]));
        }
        Ok(table)
    }

    /// The loss of every step in force, with the steps; not finite where it was not.
    ///
    /// # Errors
    /// When the record cannot be read.
    pub fn losses(&self) -> Result<Vec<(u64, f64)>> {
        let history = History::read(&self.folder.events_path())?;
        let losses = history
            .events()
            .iter()
            .filter_map(|event| match &event.kind {
                Kind::Step(step) => Some((event.step, step.loss)),
                _ => None,
            });
        Ok(losses.collect())
    }

    /// The configuration in force.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn config(&self) -> Result<RunConfig> {
        let mut config = RunConfig::load(&self.folder.config_path(), &[])?;
        // The run may have been named by a path from elsewhere.
        if let Some(directory) = self.path().parent() {
            config.output.directory = directory.to_path_buf();
        }
        Ok(config)
    }

    /// What is trained, group by group.
    ///
    /// # Errors
    /// When the record cannot be read, or nothing is in it yet.
    pub fn parameters(&self) -> Result<Parameters> {
        Parameters::of(&self.source()?, self.path())
    }

    /// A projection of the newest snapshot, by its place or by a name such as
    /// `enc.1 attn down`.
    ///
    /// # Errors
    /// When the method has no factors, no snapshot was taken yet, or there is no such layer.
    pub fn factors(&self, layer: impl Into<Layer>) -> Result<Factors> {
        factors::of(self, &layer.into())
    }

    /// Starts a run beside this one from its checkpoint of a step, or with `None` from its
    /// last; its name is this one's with `-fork` behind it.
    ///
    /// It trains where this one does: in a process of its own, or here.
    ///
    /// # Errors
    /// When there is no checkpoint of that step, or the trainer cannot be started.
    pub fn fork(&self, at: impl Into<Option<u64>>) -> Result<Self> {
        let name = place::fork_name(&self.folder);
        let folder = fork(&self.folder, at.into(), &name)?;
        let forked = Self {
            folder,
            local: None,
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

    /// The record as it is now, read to its end.
    fn source(&self) -> Result<Source> {
        let mut source = Source::open(&self.folder.events_path())?;
        source.settle()?;
        Ok(source)
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
