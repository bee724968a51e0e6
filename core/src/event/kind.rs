//! The kinds of event and what each of them carries.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value};

use super::refusal::Refusal;
use super::{Factors, number};

/// The kinds of event.
//
// `remote = "Self"` makes the derived functions inherent: the trait implementations below
// add `Other` to them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", remote = "Self")]
#[non_exhaustive]
pub enum Kind {
    /// The run's first event of a process that starts it.
    Started(Started),
    /// One optimizer step was done, or skipped.
    Step(Step),
    /// A split was evaluated.
    Eval(Eval),
    /// The method's factors were looked at.
    Factors(Factors),
    /// An edit of the configuration came into force.
    ConfigApplied(ConfigApplied),
    /// An edit of the configuration was refused; the old one stays.
    ConfigRefused(Refusal),
    /// Files that were refused mean what is in force again.
    ConfigAgreed,
    /// A checkpoint was written.
    Checkpoint {
        /// Its folder, relative to the run's.
        path: String,
        /// Whether it is the best so far.
        best: bool,
    },
    /// A command that came from outside was heard, and done or refused.
    Command {
        /// The command's number, which whoever sent it knows.
        id: String,
        /// The command, such as `step 10`.
        command: String,
        /// Who sent it, such as `ctl alice@login1`: as they say themselves.
        from: String,
        /// Whether it was done, or begun where it takes long.
        accepted: bool,
        /// Why it was refused, or what came of it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        message: Option<String>,
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
        /// Step of the checkpoint it went on from; 0 when there was none.
        from_step: u64,
    },
    /// The process was told to end before the run did; the run can be resumed.
    Interrupted {
        /// Why, for people.
        reason: String,
    },
    /// The run is complete.
    Finished {
        /// Why it ended.
        reason: Ending,
        /// The best evaluation, if there was one.
        #[serde(
            default,
            skip_serializing_if = "Option::is_none",
            with = "number::optional_map"
        )]
        best: Option<BTreeMap<String, f64>>,
    },
    /// The run ended with an error.
    Failed {
        /// The error.
        message: String,
    },
    /// An event of a kind that this program does not know, kept as it is.
    #[serde(skip)]
    Other {
        /// The kind's name.
        kind: String,
        /// The event's other fields.
        fields: Map<String, Value>,
    },
}

/// Names of the known kinds, as they are written.
const KNOWN: [&str; 16] = [
    "started",
    "step",
    "eval",
    "factors",
    "config_applied",
    "config_refused",
    "config_agreed",
    "checkpoint",
    "command",
    "warning",
    "paused",
    "continued",
    "resumed",
    "interrupted",
    "finished",
    "failed",
];

impl Kind {
    /// Whether the record is forced to the disk before the run goes on.
    #[must_use]
    pub fn is_durable(&self) -> bool {
        !matches!(
            self,
            Self::Step(_) | Self::Eval(_) | Self::Factors(_) | Self::Other { .. }
        )
    }

    /// Whether a viewer that is behind can do without it: another one follows.
    #[must_use]
    pub fn is_measurement(&self) -> bool {
        matches!(self, Self::Step(_) | Self::Factors(_))
    }
}

impl Serialize for Kind {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self::Other { kind, fields } = self else {
            return Self::serialize(self, serializer);
        };
        let tag = Value::String(kind.clone());
        serializer.collect_map(std::iter::once(("kind", &tag)).chain(as_strs(fields)))
    }
}

fn as_strs(fields: &Map<String, Value>) -> impl Iterator<Item = (&str, &Value)> {
    fields.iter().map(|(name, value)| (name.as_str(), value))
}

impl<'de> Deserialize<'de> for Kind {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut fields = Map::deserialize(deserializer)?;
        let name = fields.get("kind").and_then(Value::as_str);
        let name = name
            .ok_or_else(|| D::Error::missing_field("kind"))?
            .to_owned();
        if KNOWN.contains(&name.as_str()) {
            return Self::deserialize(Value::Object(fields)).map_err(D::Error::custom);
        }
        fields.remove("kind");
        Ok(Self::Other { kind: name, fields })
    }
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
    /// How the gradient of a step is computed: `fused`, or `composed` and why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step_form: Option<String>,
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
    #[serde(with = "number")]
    pub loss: f64,
    /// Learning rate of the step.
    #[serde(with = "number")]
    pub learning_rate: f64,
    /// Norm of the gradient before clipping.
    #[serde(with = "number")]
    pub gradient_norm: f64,
    /// Passes over the training data done, with the fraction of the present one.
    #[serde(with = "number")]
    pub epoch: f64,
    /// Optimizer steps planned, with the configuration in force.
    pub total_steps: u64,
    /// Tokens that the step worked on, inputs and answers.
    pub tokens: usize,
    /// Wall time of the step in seconds.
    #[serde(with = "number")]
    pub seconds: f64,
    /// Resident memory in bytes, where the system tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory: Option<u64>,
    /// Most memory of the process that was resident so far, in bytes, where the system tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peak_memory: Option<u64>,
    /// Whether the update was left out because loss or gradient was not finite.
    pub skipped: bool,
}

/// Metrics of one split.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Eval {
    /// `validation` or `test`.
    pub split: String,
    /// Values by name; `loss` is always among them.
    #[serde(with = "number::map")]
    pub metrics: BTreeMap<String, f64>,
    /// Whether it is the best of the run so far.
    pub best: bool,
    /// Wall time in seconds.
    #[serde(with = "number")]
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
    /// Whether a resumed run repeats an edit that an earlier process applied at this step.
    #[serde(default)]
    pub repeated: bool,
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

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |value: &str| match value {
            "" => "its default".to_owned(),
            value => value.to_owned(),
        };
        let (old, new) = (shown(&self.old), shown(&self.new));
        write!(f, "{} was {old} and is {new}", self.field)
    }
}

/// Why a run is complete.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Ending {
    /// All steps are done.
    Steps,
    /// Evaluations did not improve for as long as the configuration allows.
    Patience,
    /// A command ended it.
    Stopped,
    /// A reason that this program does not know.
    #[serde(other)]
    Unknown,
}

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Steps => "all steps done",
            Self::Patience => "no improvement",
            Self::Stopped => "stopped",
            Self::Unknown => "unknown reason",
        })
    }
}
