//! A run that starts from another library's adapter.

use std::fs;

use super::optimizer::AdamW;
use super::prepare::Prepared;
use crate::cancel::CancelToken;
use crate::config::RunConfig;
use crate::interop::{Adapter, Head};
use crate::run::{Checkpoint, Keep, RunFolder, State, free};
use crate::{Error, Result};

/// A run that was made of an adapter.
#[derive(Debug)]
pub struct Imported {
    /// Its folder.
    pub run: RunFolder,
    /// Whether the model has a task head that did not come with the adapter.
    pub has_new_head: bool,
}

/// Makes a run whose checkpoint at step 0 holds the adapter's values: it can be measured,
/// asked, and resumed, which trains it further.
///
/// `config` says which model and task it is for; its method becomes the adapter's, and an
/// encoder's states become one vector as the adapter's task head reads them.
///
/// # Errors
/// Fails if the adapter does not belong to the model, its task head tells other classes than
/// the task's, there is a run of that name, or it cannot be written; no run is left then.
pub fn import(adapter: &Adapter, mut config: RunConfig, cancel: &CancelToken) -> Result<Imported> {
    let directory = config.output.directory.clone();
    free(&directory, &config.name)?;
    config.method = adapter.method.clone();
    if let Head::Linear { pooling, .. } = adapter.head {
        config.model.pooling = pooling;
    }
    let prepared = Prepared::new(config, cancel)?;
    check_head(adapter, &prepared)?;
    let trainables = &prepared.trainables;
    adapter.restore(&prepared.method, &prepared.model, trainables)?;
    let run = RunFolder::create(&directory, &prepared.config.name)?;
    if let Err(error) = fill(&run, &prepared) {
        // Best effort: the error is the one to tell.
        let _leftover = fs::remove_dir_all(run.path());
        return Err(error);
    }
    let has_new_head = prepared.model.head.is_some() && adapter.head.outputs().is_none();
    Ok(Imported { run, has_new_head })
}

/// Writes the configuration, and a checkpoint before the first step.
fn fill(run: &RunFolder, prepared: &Prepared) -> Result<()> {
    let trainables = &prepared.trainables;
    let optimizer = AdamW::new(trainables.values())?;
    let (moments, _) = optimizer.state();
    let moments = moments.map(|(name, tensor)| (name.to_owned(), tensor.clone()));
    let text = prepared.config.to_toml();
    let checkpoint = Checkpoint {
        state: State::new(text.clone()),
        trained: trainables.named(trainables.values())?,
        optimizer: moments.to_vec(),
    };
    run.write_config(&text)?;
    run.checkpoints().save(&checkpoint, Keep::All)?;
    Ok(())
}

/// Refuses a head for other answers than the task's.
fn check_head(adapter: &Adapter, prepared: &Prepared) -> Result<()> {
    let Head::Linear {
        outputs, labels, ..
    } = &adapter.head
    else {
        return Ok(());
    };
    let refuse = |message: String| Err(Error::model(adapter.folder(), message));
    let ours = prepared.data.task.labels();
    let Some(wanted) = prepared.model.head_outputs() else {
        return refuse("it has a task head, but the model answers in text".to_owned());
    };
    // What `transformers` calls classes that nobody has named.
    let named = labels.iter().any(|label| !label.starts_with("LABEL_"));
    if wanted != *outputs || named && !ours.is_empty() && labels != ours {
        let theirs = if labels.is_empty() {
            format!("{outputs} outputs")
        } else {
            format!("the classes {}", labels.join(", "))
        };
        let asked = if ours.is_empty() {
            format!("{wanted}")
        } else {
            ours.join(", ")
        };
        return refuse(format!(
            "its task head has {theirs}, in this order; the task asks for {asked}: write \
             task.labels as the head has them, or leave the head (--without-head)"
        ));
    }
    Ok(())
}
