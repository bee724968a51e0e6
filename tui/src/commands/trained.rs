//! Takes up a run's trained model, to measure it or to ask it.

use std::path::Path;

use compacter_core::cancel::CancelToken;
use compacter_core::config::RunConfig;
use compacter_core::run::{Checkpoint, RunFolder, find};
use compacter_core::train::prepare::Prepared;
use compacter_core::{Error, Result};

use crate::args::Which;
use crate::{signals, threads};

/// A run's trained model.
pub(crate) struct Trained {
    pub(crate) folder: RunFolder,
    pub(crate) prepared: Prepared,
    /// Raised by signals.
    pub(crate) cancel: CancelToken,
}

/// Loads the model of a run with the values of one of its checkpoints, on as many threads as
/// the run was trained on.
pub(crate) fn load(run: &Path, which: Which) -> Result<Trained> {
    let folder = find(run)?;
    let checkpoints = folder.checkpoints();
    let step = match which {
        Which::Best => match checkpoints.best()? {
            Some(step) => Some(step),
            None => checkpoints.last()?,
        },
        Which::Last => checkpoints.last()?,
        Which::Step(step) => Some(step),
    };
    let Some(step) = step else {
        return Err(Error::run(
            run,
            "there is no checkpoint yet: train the run first",
        ));
    };
    if !checkpoints.steps()?.contains(&step) {
        let steps: Vec<String> = checkpoints.steps()?.iter().map(u64::to_string).collect();
        return Err(Error::run(
            run,
            format!(
                "there is no checkpoint of step {step}; there are those of {}",
                steps.join(", ")
            ),
        ));
    }
    let path = checkpoints.folder(step);
    let (state, trained) = Checkpoint::load_trained(&path)?;
    let config = RunConfig::parse(&path.join("state.json"), &state.config, &[])?;
    threads::limit(config.train.threads);
    let cancel = CancelToken::default();
    signals::install(&cancel)?;
    let prepared = Prepared::new(config, &cancel)?;
    prepared.trainables.restore(&trained).map_err(|e| {
        Error::checkpoint(&path, format!("does not fit the run's configuration: {e}"))
    })?;
    Ok(Trained {
        folder,
        prepared,
        cancel,
    })
}
