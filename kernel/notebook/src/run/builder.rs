//! How a run is to start.

use std::fmt;

use compacter_core::cancel::CancelToken;
use compacter_core::config::RunConfig;
use compacter_core::run::{RunFolder, Start};
use compacter_core::train::prepare::Prepared;

use super::config::Given;
use super::thread::{self, Prepare};
use super::{Run, live, place, process};
use crate::error::Result;

/// A run that is not started yet.
pub struct Builder {
    given: Given,
    overrides: Vec<String>,
    how: Start,
    /// Whether a run that is there already will do.
    attaches: bool,
    /// Whether the run is shown.
    shows: bool,
    /// Makes model and data, where the run trains in this process.
    here: Option<Prepare>,
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("overrides", &self.overrides)
            .field("how", &self.how)
            .field("in_process", &self.here.is_some())
            .finish_non_exhaustive()
    }
}

impl Builder {
    pub(super) fn new(given: Given) -> Self {
        Self {
            given,
            overrides: Vec::new(),
            how: Start::New,
            attaches: false,
            shows: true,
            here: None,
        }
    }

    /// Gives the run a name, in place of the configuration's.
    #[must_use]
    pub fn name(self, name: &str) -> Self {
        self.set(&format!("name={}", serde_json::Value::from(name)))
    }

    /// Lays a value over the configuration: `set("train.epochs=3")`.
    #[must_use]
    pub fn set(mut self, key_value: &str) -> Self {
        self.overrides.push(key_value.to_owned());
        self
    }

    /// Starts again where the name is taken; the old run's folder is moved aside.
    #[must_use]
    pub fn fresh(mut self) -> Self {
        self.how = Start::Fresh;
        self
    }

    /// Goes on with the run from its last checkpoint, or starts it where there is none.
    #[must_use]
    pub fn resume(mut self) -> Self {
        self.how = Start::ResumeAuto;
        self
    }

    /// Shows the run that is there, where it has the same configuration and is running or
    /// finished: a notebook that is run once more then starts nothing twice.
    #[must_use]
    pub fn or_attach(mut self) -> Self {
        self.attaches = true;
        self
    }

    /// Shows nothing of the run: for many of them, of which a table is made.
    #[must_use]
    pub fn quiet(mut self) -> Self {
        self.shows = false;
        self
    }

    /// Trains on a thread of this process: the run ends with it, saved or not.
    ///
    /// The number of threads is the process's, not `train.threads`: the tensor library reads
    /// it once, from `RAYON_NUM_THREADS`.
    #[must_use]
    pub fn in_process(self) -> Self {
        self.in_process_with(Prepared::new)
    }

    /// The same with a model, data or objective of the cell's own: `prepare` makes them of
    /// the configuration.
    #[must_use]
    pub fn in_process_with(
        mut self,
        prepare: impl Fn(RunConfig, &CancelToken) -> compacter_core::Result<Prepared> + Send + 'static,
    ) -> Self {
        self.here = Some(Box::new(prepare));
        self
    }

    /// The configuration as it would be started.
    ///
    /// # Errors
    /// When it is refused, with the place and the field.
    pub fn config(&self) -> Result<RunConfig> {
        self.given.load(&self.overrides)
    }

    /// Starts the run, and shows it while it goes on unless it is to be [`Self::quiet`].
    ///
    /// # Errors
    /// When the configuration is refused, the name taken, or the trainer cannot be started.
    pub fn start(self) -> Result<Run> {
        let config = self.config()?;
        if self.attaches && place::is_done(&config)? {
            let path = config.output.directory.join(&config.name);
            return if self.shows {
                Run::attach(path)
            } else {
                Run::open(path)
            };
        }
        if self.how == Start::New {
            place::check_free(&config)?;
        }
        let path = config.output.directory.join(&config.name);
        let local = if let Some(prepare) = self.here {
            Some(thread::start(config, self.how, prepare)?)
        } else {
            process::start(&self.given, &self.overrides, &config, self.how)?;
            None
        };
        let mut run = Run {
            folder: RunFolder::open(&path)?,
            local,
            live: None,
        };
        if self.shows {
            run.live = live::show(&run)?;
        }
        Ok(run)
    }
}
