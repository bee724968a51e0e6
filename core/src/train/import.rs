//! A run that starts from another library's adapter.

use std::path::Path;

use super::optimizer::AdamW;
use super::prepare::Prepared;
use crate::cancel::CancelToken;
use crate::config::RunConfig;
use crate::interop::{Adapter, Head};
use crate::run::{Checkpoint, Keep, RunFolder, State, free};
use crate::{Error, Result};

/// Makes a run whose checkpoint at step 0 holds the adapter's values: it can be measured,
/// asked, and resumed, which trains it further.
///
/// `config` says which model and task it is for; its method becomes the adapter's, and an
/// encoder's states become one vector as the adapter's task head reads them.
///
/// # Errors
/// Fails if the adapter does not belong to the model, the task asks for a head of another
/// size, or there is a run of that name; then nothing is made.
pub fn import(adapter: &Adapter, mut config: RunConfig, cancel: &CancelToken) -> Result<RunFolder> {
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
    let optimizer = AdamW::new(trainables.values())?;
    let (moments, _) = optimizer.state();
    let text = prepared.config.to_toml();
    let checkpoint = Checkpoint {
        state: State::new(text.clone()),
        trained: trainables.named(trainables.values())?,
        optimizer: moments
            .into_iter()
            .map(|(name, tensor)| (name.to_owned(), tensor.clone()))
            .collect(),
    };
    let folder = RunFolder::create(&directory, &prepared.config.name)?;
    folder.write_config(&text)?;
    folder.checkpoints().save(&checkpoint, Keep::All)?;
    Ok(folder)
}

/// Refuses a head for other answers than the task's.
fn check_head(adapter: &Adapter, prepared: &Prepared) -> Result<()> {
    let Head::Linear {
        outputs, labels, ..
    } = &adapter.head
    else {
        return Ok(());
    };
    let wanted = prepared.model.head_outputs();
    if wanted.is_some_and(|wanted| wanted == *outputs) {
        return Ok(());
    }
    let told = if labels.is_empty() {
        String::new()
    } else {
        format!(" ({})", labels.join(", "))
    };
    let asked = match wanted {
        Some(wanted) => format!("the task asks for {wanted}"),
        None => "the model answers in text".to_owned(),
    };
    let message = format!(
        "its task head has {outputs} outputs{told}, {asked}: name the classes of its task, in \
         their order, as task.labels"
    );
    let path: &Path = adapter.folder();
    Err(Error::model(path, message))
}
