//! What a run tells the world: typed events, one JSON object a line.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Version of the event format, the `v` of every line.
pub const SCHEMA: u32 = 1;

/// Something that happened in a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// Version of the format.
    pub v: u32,
    /// Name of the run.
    pub run: String,
    /// Optimizer steps done when it happened.
    pub step: u64,
    /// Wall time, seconds since 1970.
    pub t: f64,
    /// Seconds since this process started the run, from a clock that never goes back.
    pub elapsed: f64,
    /// What happened.
    #[serde(flatten)]
    pub kind: Kind,
}

/// The kinds of event.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Kind {
    /// The run's first event of a process that starts it.
    Started(Started),
    /// One optimizer step was done, or skipped.
    Step(Step),
    /// A split was evaluated.
    Eval(Eval),
    /// An edit of the configuration came into force.
    ConfigApplied(ConfigApplied),
    /// An edit of the configuration was refused; the old one stays.
    ConfigRefused {
        /// Why, with file, line and field.
        message: String,
    },
    /// A checkpoint was written.
    Checkpoint {
        /// Its folder, relative to the run's.
        path: String,
        /// Whether it is the best so far.
        best: bool,
    },
    /// Something that deserves attention and did not stop the run.
    Warning {
        /// What.
        message: String,
    },
    /// Training waits for a command.
    Paused {
        /// Why, for people.
        reason: String,
    },
    /// Training goes on after a pause.
    Continued,
    /// A process took the run up again; steps after `from_step` seen so far are void.
    Resumed {
        /// Step of the checkpoint it went on from.
        from_step: u64,
    },
    /// The run is complete.
    Finished {
        /// Why it ended: `steps`, `patience` or `stopped`.
        reason: String,
        /// The best evaluation, if there was one.
        best: Option<BTreeMap<String, f64>>,
    },
    /// The run ended with an error.
    Failed {
        /// The error.
        message: String,
    },
}

/// What a run is made of.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Started {
    /// The configuration in force, as TOML.
    pub config: String,
    /// Version of the program.
    pub version: String,
    /// The device in words.
    pub device: String,
    /// Processor features that results depend on.
    pub features: Vec<String>,
    /// Optimizer steps planned.
    pub total_steps: u64,
    /// Trained parameters by group, the task head among them.
    pub groups: Vec<Group>,
    /// Trained parameters without the task head.
    pub trainable: usize,
    /// Parameters of the plain model.
    pub total: usize,
}

/// A group of trained parameters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Group {
    /// What they are, such as `fast weights`.
    pub name: String,
    /// How their number comes about, such as `48 · 2 · (768 + 24)`.
    pub formula: String,
    /// Their number.
    pub count: usize,
}

/// Measurements of one optimizer step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// Mean loss over the step's examples.
    pub loss: f64,
    /// Learning rate of the step.
    pub learning_rate: f64,
    /// Norm of the gradient before clipping.
    pub gradient_norm: f64,
    /// Passes over the training data done, with the fraction of the present one.
    pub epoch: f64,
    /// Tokens that the step worked on, inputs and answers.
    pub tokens: usize,
    /// Wall time of the step in seconds.
    pub seconds: f64,
    /// Resident memory in bytes.
    pub memory: u64,
    /// Whether the update was left out because loss or gradient was not finite.
    pub skipped: bool,
}

/// Metrics of one split.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Eval {
    /// `validation` or `test`.
    pub split: String,
    /// Values by name; `loss` is always among them.
    pub metrics: BTreeMap<String, f64>,
    /// Whether it is the best of the run so far.
    pub best: bool,
    /// Wall time in seconds.
    pub seconds: f64,
}

/// An edit that came into force.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ConfigApplied {
    /// Number of the configuration: 1 at the start, one more with each edit.
    pub version: u32,
    /// The whole configuration now in force, as TOML.
    pub config: String,
    /// What changed.
    pub changes: Vec<Change>,
}

/// One changed field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// Dotted path of the field.
    pub field: String,
    /// Value before, as TOML.
    pub old: String,
    /// Value after, as TOML.
    pub new: String,
}
