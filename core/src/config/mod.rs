//! What a run is: the configuration, its defaults and its checks.
//!
//! ```text
//! file ─▶ tree ◀─ --set        every value knows where it was written
//!          │ de                types, unknown keys, missing keys
//!          ▼
//!       RunConfig ─▶ check     ranges, and what excludes each other
//!          │ resolve
//!          ▼
//!        Method                the preset's value where the file is silent
//! ```
//!
//! Whoever finds a fault names only the field; the tree adds line and column.

mod check;
pub(crate) mod complaint;
mod de;
mod diff;
mod edit;
mod eval;
pub(crate) mod hint;
mod load;
mod locate;
pub mod method;
mod model;
mod output;
pub mod schema;
mod task;
pub mod template;
#[cfg(test)]
mod tests;
mod train;
mod tree;
mod value;

pub use diff::Effect;
pub use eval::EvalConfig;
pub use method::{
    BottleneckConfig, Convention, DoraConfig, FastInit, FastWeights, GradientForm, LoraConfig,
    Method, MethodConfig, MethodKind, NonLinearity, PhmConfig, Placement, Positions, PrefixConfig,
    PromptConfig, PromptInit, SaidConfig, SlowInit, SlowWeights,
};
pub use model::{Dtype, ModelConfig, Pooling};
pub use output::{OutputConfig, WatchConfig};
pub use task::{Quirk, SplitRule, TaskConfig, TaskKind};
pub use train::{MixedPrecision, ScheduleKind, StepForm, TrainConfig, UpdateScale};
pub use value::{EvalEvery, Warmup};

pub(crate) use complaint::{Complaint, Outcome};
pub(crate) use de::read;
pub(crate) use edit::rewrite;
pub(crate) use load::read_text;
pub(crate) use locate::UNNAMED;
pub use locate::locate;
pub(crate) use locate::refuse_field;
pub(crate) use tree::{Entry, Node, Tree};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Everything that defines a run.
///
/// `name` has no default on purpose: an empty or half-written file is an error, so an
/// editor that truncates before it writes can never reset a live run to defaults.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RunConfig {
    /// Name of the run; its folder is `<output.directory>/<name>`.
    pub name: String,
    /// The pretrained model.
    pub model: ModelConfig,
    /// The fine-tuning method.
    #[serde(default)]
    pub method: MethodConfig,
    /// The task and its data.
    pub task: TaskConfig,
    /// Optimisation.
    #[serde(default)]
    pub train: TrainConfig,
    /// Evaluation.
    #[serde(default)]
    pub eval: EvalConfig,
    /// What is written, and where.
    #[serde(default)]
    pub output: OutputConfig,
    /// What is recorded for viewers.
    #[serde(default)]
    pub watch: WatchConfig,
}

/// Why writing a configuration cannot fail.
const WRITABLE: &str = "validate() refuses what TOML cannot hold";

impl RunConfig {
    /// Peak learning rate in force: the configuration's, or the method's default.
    #[must_use]
    pub fn learning_rate(&self) -> f64 {
        let default = self.method.kind.default_learning_rate();
        self.train.learning_rate.unwrap_or(default)
    }

    /// The configuration as TOML, every field that is decided written out.
    ///
    /// [`RunConfig::parse`] of it gives the same configuration, in any folder.
    ///
    /// # Panics
    /// When [`RunConfig::validate`] refuses the configuration because of a number or a
    /// path that TOML cannot hold; no configuration that was loaded has one.
    #[must_use]
    pub fn to_toml(&self) -> String {
        toml::to_string(self).expect(WRITABLE)
    }

    /// The configuration as a table, with the panic of [`RunConfig::to_toml`].
    fn table(&self) -> toml::Table {
        toml::Table::try_from(self).expect(WRITABLE)
    }
}
