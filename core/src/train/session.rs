//! Starts or takes up a run: folder, record, model, and the trainer in its place.

use std::collections::VecDeque;

use super::control::Control;
use super::exchange::Alone;
use super::factors::FactorWatch;
use super::optimizer::AdamW;
use super::plan::{Order, Plan};
use super::prepare::Prepared;
use super::take_up::{check_complete, take_up};
use super::trainer::Trainer;
use crate::cancel::CancelToken;
use crate::config::RunConfig;
use crate::data::{Example, fingerprint};
use crate::event::record::Recorder;
#[cfg(feature = "tensorboard")]
use crate::event::tensorboard::TensorBoard;
use crate::event::{self, Bus, Kind};
use crate::model::device;
use crate::peft::factors::Watch;
use crate::peft::{Parameter, count, group};
use crate::run::live::LiveFiles;
use crate::run::{Lock, RunFolder, Start, Started, State, free, machine, start};
use crate::{Error, Result};

/// A run that is ready to train, or needs no more training.
#[derive(Debug)]
pub enum Session {
    /// Call [`Trainer::run`]; the lock must be kept until it returns.
    Ready(Box<Trainer>, Lock),
    /// The run is complete.
    AlreadyFinished(RunFolder),
}

/// Makes what a run trains of its configuration.
pub type Prepare<'a> = dyn Fn(RunConfig, &CancelToken) -> Result<Prepared> + 'a;

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
        Self::open_with(config, how, connections, &Prepared::new)
    }

    /// [`Self::open`] for what is not described by a configuration alone: `prepare` makes
    /// model, data and objective of it.
    ///
    /// # Errors
    /// As [`Self::open`], and passes on what `prepare` fails with.
    pub fn open_with(
        config: RunConfig,
        how: Start,
        connections: Connections,
        prepare: &Prepare<'_>,
    ) -> Result<Self> {
        let directory = config.output.directory.clone();
        let how = match how {
            Start::ResumeAuto if !directory.join(&config.name).exists() => Start::New,
            how => how,
        };
        if how == Start::New {
            free(&directory, &config.name)?;
        }
        // Everything that can be refused is refused before the folder is touched.
        let prepared = match how {
            Start::New | Start::Fresh => Some(prepare(config.clone(), &connections.cancel)?),
            Start::Resume | Start::ResumeAuto => None,
        };
        match start(&directory, &config.name, how)? {
            Started::AlreadyFinished(folder) => {
                check_complete(&folder, config)?;
                Ok(Self::AlreadyFinished(folder))
            }
            Started::New { folder, lock } => {
                let prepared = match prepared {
                    Some(prepared) => prepared,
                    None => prepare(config, &connections.cancel)?,
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
                unheard,
            } => {
                let mut trainer = take_up((config, *resume), folder, connections, prepare)?;
                for message in unheard {
                    trainer.emit(Kind::Warning { message })?;
                }
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

    pub(super) fn assemble(
        mut prepared: Prepared,
        order: Order,
        mut state: State,
        connections: Connections,
    ) -> Result<Self> {
        let Connections {
            bus,
            control,
            cancel,
        } = connections;
        check_examples(&prepared.data.train, &mut state)?;
        let examples = prepared.data.train.iter();
        let lengths = examples.map(|example| example.source.ids.len()).collect();
        let plan = Plan::new(&prepared.config, lengths, order, &mut state);
        let Prepared {
            method,
            trainables,
            model,
            ..
        } = &mut prepared;
        let factors = FactorWatch {
            watch: Watch::new(method, trainables, model)?,
            before: None,
        };
        Ok(Self {
            factors,
            optimizer: AdamW::new(prepared.trainables.values())?,
            exchange: Box::new(Alone),
            prepared,
            plan,
            bus,
            control,
            cancel,
            folder: None,
            edits: VecDeque::new(),
            live: LiveFiles::default(),
            before: Vec::new(),
            refused: None,
            saved: None,
            stepping: None,
            paused: false,
            leaving: false,
            wanted: None,
            state,
        })
    }

    /// The event that says what the run is made of.
    pub(super) fn started(&self) -> Result<Kind> {
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
            .map(Parameter::len)
            .sum();
        Ok(Kind::Started(event::Started {
            config: self.state.config.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            device: device::name(&model.device)?,
            features: machine::processor_features(),
            step_form: Some(self.prepared.objective.form()),
            total_steps: self.state.total_steps,
            groups: planned.groups,
            trainable: trainables.total() - head,
            total: planned.total,
        }))
    }
}

/// Refuses to go on with other examples than those that batches were made of so far.
fn check_examples(examples: &[Example], state: &mut State) -> Result<()> {
    let found = fingerprint(examples);
    match &state.examples {
        Some(known) if *known != found => Err(Error::setting(
            "task",
            format!(
                "the training examples are not those that the run was started with (those were \
                 {known}; these are {found}): put the data back, or start another run"
            ),
        )),
        _ => {
            state.examples = Some(found);
            Ok(())
        }
    }
}

/// Adds the sinks that write into the run's folder.
pub(super) fn with_records(bus: Bus, folder: &RunFolder, config: &RunConfig) -> Result<Bus> {
    let bus = bus.with(Recorder::append(&folder.events_path())?);
    #[cfg(feature = "tensorboard")]
    if config.output.tensorboard {
        return Ok(bus.with(TensorBoard::start(&folder.tensorboard_path())?));
    }
    // Without the feature a configuration that asks for it was refused.
    let _: &RunConfig = config;
    Ok(bus)
}

fn begin(prepared: Prepared, folder: RunFolder, mut connections: Connections) -> Result<Trainer> {
    let text = prepared.config.to_toml();
    folder.write_config(&text)?;
    connections.bus = with_records(connections.bus, &folder, &prepared.config)?;
    let mut trainer = Trainer::assemble(prepared, Order::Seeded, State::new(text), connections)?;
    trainer.live = LiveFiles::of(&folder, &trainer.prepared.config);
    trainer.folder = Some(folder);
    let started = trainer.started()?;
    trainer.emit(started)?;
    Ok(trainer)
}
