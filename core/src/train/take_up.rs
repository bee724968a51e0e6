//! Takes a run up where an earlier process left it.

use candle_core::Tensor;

use super::factors::SNAPSHOT;
use super::plan::Order;
use super::session::{Connections, Prepare, with_records};
use super::trainer::{Saved, Trainer};
use crate::config::RunConfig;
use crate::event::Kind;
use crate::run::live::LiveFiles;
use crate::run::{Checkpoint, Resume, RunFolder, State};
use crate::{Error, Result};

/// A trainer in the place where `resume` says that the run goes on. `given` is the
/// configuration that the user names now.
pub(super) fn take_up(
    (given, resume): (RunConfig, Resume),
    folder: RunFolder,
    mut connections: Connections,
    prepare: &Prepare<'_>,
) -> Result<Trainer> {
    let path = folder.config_path();
    let parse = |text: &str| RunConfig::parse(&path, text, &[]);
    let recorded = match &resume.config {
        Some(text) => parse(text)?,
        None => given.clone(),
    };
    let latest = match resume.edits.last() {
        Some(edit) => parse(&edit.applied.config)?,
        None => recorded.clone(),
    };
    let first = first_config(&folder)?;
    let wanted = match &first {
        Some(text) => edited_meanwhile(&folder, &latest, (&parse(text)?, given))?,
        // A fork has no record of its own yet: it was made from the checkpoint's.
        None => edited_meanwhile(&folder, &latest, (&recorded, given))?,
    };
    let wanted = edited_in_folder(&folder, &latest, wanted)?;
    let prepared = prepare(recorded, &connections.cancel)?;
    connections.bus = with_records(connections.bus, &folder, &prepared.config)?;
    let state = match &resume.checkpoint {
        Some(checkpoint) => checkpoint.state.clone(),
        None => State::new(prepared.config.to_toml()),
    };
    let mut trainer = Trainer::assemble(prepared, Order::Seeded, state, connections)?;
    if let Some(checkpoint) = &resume.checkpoint {
        trainer.restore(checkpoint, &folder)?;
    }
    // Edits that are still to be repeated are not in force yet.
    folder.write_config(&trainer.state.config)?;
    trainer.live = LiveFiles::of(&folder, &trainer.prepared.config);
    trainer.folder = Some(folder);
    trainer.wanted = wanted;
    trainer.tell_resumed(&resume)?;
    if first.is_none() {
        let started = trainer.started()?;
        trainer.emit(started)?;
    }
    trainer.edits = resume.edits.into();
    Ok(trainer)
}

impl Trainer {
    /// Puts the values and moments of a checkpoint in place; the state is there already.
    fn restore(&mut self, checkpoint: &Checkpoint, folder: &RunFolder) -> Result<()> {
        let state = &checkpoint.state;
        let path = folder.checkpoints().folder(state.step);
        let misfit = |error: Error| {
            let message = format!("does not fit the run's configuration: {error}");
            Error::checkpoint(&path, message)
        };
        let trainables = &self.prepared.trainables;
        trainables.restore(&checkpoint.trained).map_err(misfit)?;
        let (Some(first), Some(second)) =
            (moment(checkpoint, "first"), moment(checkpoint, "second"))
        else {
            return Err(Error::checkpoint(
                &path,
                "holds no optimizer state: resume from another checkpoint",
            ));
        };
        let restored = self.optimizer.restore(first, second, state.updates);
        restored.map_err(misfit)?;
        let seen = moment(checkpoint, SNAPSHOT);
        self.restore_factors(seen).map_err(misfit)?;
        self.saved = Some(Saved {
            step: state.step,
            proved: false,
        });
        Ok(())
    }

    fn tell_resumed(&mut self, resume: &Resume) -> Result<()> {
        let from_step = resume.from_step();
        self.emit(Kind::Resumed { from_step })?;
        for message in resume.warnings() {
            self.emit(Kind::Warning { message })?;
        }
        Ok(())
    }
}

fn moment<'a>(checkpoint: &'a Checkpoint, name: &str) -> Option<&'a Tensor> {
    let mut moments = checkpoint.optimizer.iter();
    moments
        .find(|(found, _)| found == name)
        .map(|(_, tensor)| tensor)
}

/// The configuration in the run's first event, as TOML.
fn first_config(folder: &RunFolder) -> Result<Option<String>> {
    let history = folder.history()?;
    let mut events = history.events().iter();
    Ok(events.find_map(|event| match &event.kind {
        Kind::Started(started) => Some(started.config.clone()),
        _ => None,
    }))
}

/// Adds what somebody wrote into the run's `config.toml` while no process was at work.
fn edited_in_folder(
    folder: &RunFolder,
    latest: &RunConfig,
    wanted: Option<Box<RunConfig>>,
) -> Result<Option<Box<RunConfig>>> {
    let Some(edited) = folder.edited_config()? else {
        return Ok(wanted);
    };
    let base = wanted.as_deref().unwrap_or(latest);
    merged(folder, latest, base.carry(latest, &edited)?)
}

/// Refuses a configuration that asks more of a complete run than the one that it was started
/// with.
pub(super) fn check_complete(folder: &RunFolder, mut given: RunConfig) -> Result<()> {
    let Some(first) = first_config(folder)? else {
        return Ok(());
    };
    let first = RunConfig::parse(&folder.config_path(), &first, &[])?;
    given.output.directory.clone_from(&first.output.directory);
    let changes = first.diff(&given);
    if changes.is_empty() {
        return Ok(());
    }
    let told: Vec<String> = changes
        .iter()
        .map(|(change, _)| change.to_string())
        .collect();
    let path = folder.path();
    let message = format!(
        "the run is complete and takes no changes ({}): go on from its last checkpoint with \
         `compacter fork {} --set …`, or use --name or --fresh to start another run",
        told.join("; "),
        path.display()
    );
    Err(Error::run(path, message))
}

/// What the configuration given now asks for beyond the one that the run was started with,
/// laid over the `latest` one in force; `None` where that is nothing.
fn edited_meanwhile(
    folder: &RunFolder,
    latest: &RunConfig,
    (first, mut given): (&RunConfig, RunConfig),
) -> Result<Option<Box<RunConfig>>> {
    // A folder of runs that was moved is still the same run.
    given.output.directory.clone_from(&first.output.directory);
    merged(folder, latest, latest.carry(first, &given)?)
}

/// The configuration to bring into force, unless it is in force or cannot be.
fn merged(
    folder: &RunFolder,
    latest: &RunConfig,
    merged: RunConfig,
) -> Result<Option<Box<RunConfig>>> {
    let fixed = latest.fixed_changes(&merged);
    if !fixed.is_empty() {
        return Err(Error::run(
            folder.path(),
            format!(
                "cannot go on with another configuration ({}): use --name or --fresh to start another run",
                fixed.join("; ")
            ),
        ));
    }
    Ok((!latest.diff(&merged).is_empty()).then(|| Box::new(merged)))
}
