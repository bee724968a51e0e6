//! Starts or takes up a run: folder, record, model, and the trainer in its place.

use std::collections::VecDeque;

use super::control::Control;
use super::optimizer::AdamW;
use super::plan::{Order, Plan};
use super::prepare::Prepared;
use super::trainer::Trainer;
use crate::cancel::CancelToken;
use crate::config::{Effect, RunConfig};
use crate::event::record::Recorder;
use crate::event::{self, Bus, Kind};
use crate::model::device;
use crate::peft::{count, group};
use crate::run::{Lock, Resume, RunFolder, Start, Started, State, machine, start};
use crate::{Error, Result};

/// A run that is ready to train, or needs no more training.
#[derive(Debug)]
pub enum Session {
    /// Call [`Trainer::run`]; the lock must be kept until it returns.
    Ready(Box<Trainer>, Lock),
    /// The run is complete.
    AlreadyFinished(RunFolder),
}

/// What a run is connected to.
#[derive(Debug)]
pub struct Connections {
    /// The bus with its viewers; the recorder is added to it.
    pub bus: Bus,
    /// Where commands come from.
    pub control: Control,
    /// Tells the run to save and end.
    pub cancel: CancelToken,
}

impl Session {
    /// Starts the run of a configuration, or takes it up where it stands.
    ///
    /// A run that is taken up goes on with the configuration it has in force. Where `config`
    /// differs from that, the difference is an edit, if it can be made while a run goes on.
    ///
    /// # Errors
    /// Fails if the run's name is taken or it is written by another process, if model or
    /// data cannot be used, or if `config` differs in what a run cannot change.
    pub fn open(config: RunConfig, how: Start, connections: Connections) -> Result<Self> {
        // Everything that can be refused is refused before the folder is touched.
        let directory = config.output.directory.clone();
        let prepared = match how {
            Start::New | Start::Fresh => Some(Prepared::new(config.clone(), &connections.cancel)?),
            Start::Resume | Start::ResumeAuto => None,
        };
        match start(&directory, &config.name, how)? {
            Started::AlreadyFinished(folder) => Ok(Self::AlreadyFinished(folder)),
            Started::New { folder, lock } => {
                let prepared = match prepared {
                    Some(prepared) => prepared,
                    None => Prepared::new(config, &connections.cancel)?,
                };
                Ok(Self::Ready(
                    Box::new(begin(prepared, folder, connections)?),
                    lock,
                ))
            }
            Started::Resume {
                folder,
                lock,
                resume,
            } => {
                let trainer = take_up(config, *resume, folder, connections)?;
                Ok(Self::Ready(Box::new(trainer), lock))
            }
        }
    }
}

impl Trainer {
    /// A trainer of a run that is kept in memory only, with batches in the order given.
    ///
    /// # Errors
    /// Fails where the tensor library does.
    pub fn in_memory(prepared: Prepared, order: Order, connections: Connections) -> Result<Self> {
        let state = State::new(prepared.config.to_toml());
        Self::assemble(prepared, order, state, connections)
    }

    fn assemble(
        prepared: Prepared,
        order: Order,
        mut state: State,
        connections: Connections,
    ) -> Result<Self> {
        let Connections {
            bus,
            control,
            cancel,
        } = connections;
        let plan = Plan::new(&prepared, order, &mut state);
        Ok(Self {
            optimizer: AdamW::new(prepared.trainables.values())?,
            prepared,
            plan,
            bus,
            control,
            cancel,
            folder: None,
            edits: VecDeque::new(),
            saved: None,
            stepping: None,
            paused: false,
            best_metrics: None,
            wanted: None,
            state,
        })
    }

    fn started(&self) -> Result<Kind> {
        let Prepared {
            model,
            method,
            trainables,
            ..
        } = &self.prepared;
        let mut planned = count::count(method, &model.shape)?;
        if let Some(outputs) = model.head_outputs() {
            planned = planned.with_head(&model.shape, outputs)?;
        }
        let head: usize = trainables
            .parameters()
            .iter()
            .filter(|p| p.group == group::HEAD)
            .map(|p| p.len())
            .sum();
        Ok(Kind::Started(event::Started {
            config: self.state.config.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            device: device::describe(&model.device),
            features: machine::processor_features(),
            total_steps: self.state.total_steps,
            groups: planned.groups,
            trainable: trainables.total() - head,
            total: planned.total,
        }))
    }
}

fn begin(prepared: Prepared, folder: RunFolder, mut connections: Connections) -> Result<Trainer> {
    let text = prepared.config.to_toml();
    folder.write_config(&text)?;
    connections.bus = connections
        .bus
        .with(Recorder::append(&folder.events_path())?);
    let mut trainer = Trainer::assemble(prepared, Order::Seeded, State::new(text), connections)?;
    trainer.folder = Some(folder);
    let started = trainer.started()?;
    trainer.emit(started)?;
    Ok(trainer)
}

fn take_up(
    wanted: RunConfig,
    resume: Resume,
    folder: RunFolder,
    mut connections: Connections,
) -> Result<Trainer> {
    let recorded = match &resume.config {
        Some(text) => RunConfig::parse(&folder.config_path(), text, &[])?,
        None => wanted.clone(),
    };
    let (from_step, warnings) = (resume.from_step(), resume.warnings());
    let recorded_start = first_config(&folder)?.is_some();
    let prepared = Prepared::new(recorded.clone(), &connections.cancel)?;
    connections.bus = connections
        .bus
        .with(Recorder::append(&folder.events_path())?);
    let state = match &resume.checkpoint {
        Some(checkpoint) => checkpoint.state.clone(),
        None => State::new(recorded.to_toml()),
    };
    let updates = state.updates;
    let mut trainer = Trainer::assemble(prepared, Order::Seeded, state, connections)?;
    if let Some(checkpoint) = &resume.checkpoint {
        let path = folder.checkpoints().folder(from_step);
        let damaged = |e: Error| {
            Error::checkpoint(&path, format!("does not fit the run's configuration: {e}"))
        };
        trainer
            .prepared
            .trainables
            .restore(&checkpoint.trained)
            .map_err(damaged)?;
        let moment = |name: &str| {
            checkpoint
                .optimizer
                .iter()
                .find(|(n, _)| n == name)
                .map(|(_, t)| t)
        };
        let (Some(first), Some(second)) = (moment("first"), moment("second")) else {
            return Err(Error::checkpoint(
                &path,
                "holds no optimizer state: resume from another checkpoint",
            ));
        };
        trainer
            .optimizer
            .restore(first, second, updates)
            .map_err(damaged)?;
        trainer.saved = Some(from_step);
    }
    trainer.wanted = edited_meanwhile(&folder, &recorded, &resume, wanted)?;
    trainer.folder = Some(folder);
    trainer.edits = resume.edits.into();
    trainer.emit(Kind::Resumed { from_step })?;
    for message in warnings {
        trainer.emit(Kind::Warning { message })?;
    }
    if !recorded_start {
        let started = trainer.started()?;
        trainer.emit(started)?;
    }
    Ok(trainer)
}

/// The configuration in the run's first event, as TOML.
fn first_config(folder: &RunFolder) -> Result<Option<String>> {
    Ok(folder
        .history()?
        .events()
        .iter()
        .find_map(|event| match &event.kind {
            Kind::Started(started) => Some(started.config.clone()),
            _ => None,
        }))
}

/// What the configuration given now asks for beyond the one that the run was started with,
/// laid over the one last in force; `None` where that is nothing.
fn edited_meanwhile(
    folder: &RunFolder,
    recorded: &RunConfig,
    resume: &Resume,
    mut wanted: RunConfig,
) -> Result<Option<Box<RunConfig>>> {
    let path = folder.config_path();
    let first = first_config(folder)?;
    // A fork has no record of its own yet: its first configuration is the checkpoint's.
    let first = match first {
        Some(text) => RunConfig::parse(&path, &text, &[])?,
        None => recorded.clone(),
    };
    // A folder of runs that was moved is still the same run.
    wanted
        .output
        .directory
        .clone_from(&recorded.output.directory);
    let latest = match resume.edits.last() {
        Some(edit) => RunConfig::parse(&path, &edit.applied.config, &[])?,
        None => recorded.clone(),
    };
    let merged = latest.carry(&first, &wanted)?;
    let changes = latest.diff(&merged);
    let fixed: Vec<String> = changes
        .iter()
        .filter(|(_, effect)| *effect == Effect::Restart)
        .map(|(change, _)| format!("{} was {} and is {}", change.field, change.old, change.new))
        .collect();
    if !fixed.is_empty() {
        return Err(Error::run(
            folder.path(),
            format!(
                "cannot go on with another configuration ({}): use --name or --fresh to start another run",
                fixed.join("; ")
            ),
        ));
    }
    Ok((!changes.is_empty()).then(|| Box::new(merged)))
}
