//! What a run came to.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::event::{Ending, Kind, number};
use crate::run::{Checkpoint, RunFolder};
use crate::{Error, Result};

/// How a run of a sweep ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum Outcome {
    /// It was trained and measured.
    Measured(Measured),
    /// It failed, or was refused.
    Failed {
        /// Why, for people.
        message: String,
    },
}

/// What was measured of a run's best checkpoint.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Measured {
    /// The metric that decided which checkpoint is best.
    pub metric: String,
    /// The validation split, by name of the metric.
    #[serde(with = "number::map")]
    pub validation: BTreeMap<String, f64>,
    /// The test split, by name of the metric.
    #[serde(with = "number::map")]
    pub test: BTreeMap<String, f64>,
    /// Step of the checkpoint.
    pub step: u64,
    /// Trained parameters without the task head.
    pub trainable: usize,
    /// Parameters of the plain model.
    pub total: usize,
}

impl Measured {
    /// Puts together what a finished run recorded and what its best checkpoint makes of the
    /// test split.
    ///
    /// # Errors
    /// [`Error::Run`] when the run was not evaluated or says nothing of its parameters;
    /// [`Error::Checkpoint`] when record or checkpoint cannot be read.
    pub fn of(run: &RunFolder, test: BTreeMap<String, f64>) -> Result<Self> {
        let checkpoints = run.checkpoints();
        let missing =
            |what: &str| Error::run(run.path(), format!("{what}: it was ended too early"));
        let last = checkpoints.last()?;
        let last = last.ok_or_else(|| missing("there is no checkpoint"))?;
        let best = Checkpoint::load_state(&checkpoints.folder(last))?.best;
        let best = best.ok_or_else(|| missing("the validation split was never measured"))?;
        let history = run.history()?;
        let mut events = history.events().iter();
        let started = events.find_map(|event| match &event.kind {
            Kind::Started(started) => Some(started),
            _ => None,
        });
        let started = started.ok_or_else(|| missing("it does not say what it trains"))?;
        if let Some(Kind::Finished { reason, .. }) = history.finished().map(|event| &event.kind)
            && *reason == Ending::Stopped
        {
            let message = "was stopped by a command before its end: remove its folder to train \
                           it whole";
            return Err(Error::run(run.path(), message));
        }
        if !test.contains_key(&best.metric) {
            let message = format!("the test split has no `{}`", best.metric);
            return Err(Error::run(run.path(), message));
        }
        Ok(Self {
            metric: best.metric,
            validation: best.metrics,
            test,
            step: best.step,
            trainable: started.trainable,
            total: started.total,
        })
    }

    /// The deciding metric on the validation split; NaN where it is not there.
    #[must_use]
    pub fn on_validation(&self) -> f64 {
        self.validation
            .get(&self.metric)
            .copied()
            .unwrap_or(f64::NAN)
    }

    /// The deciding metric on the test split; NaN where it is not there.
    #[must_use]
    pub fn on_test(&self) -> f64 {
        self.test.get(&self.metric).copied().unwrap_or(f64::NAN)
    }
}
