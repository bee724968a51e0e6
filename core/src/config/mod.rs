//! What a run is: the configuration, its defaults and its checks.

pub mod method;

pub use method::{
    BottleneckConfig, Convention, FastInit, FastWeights, LoraConfig, Method, MethodKind,
    NonLinearity, PhmConfig, Placement, Positions, SlowInit, SlowWeights,
};

use std::path::PathBuf;

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
    pub method: method::MethodConfig,
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

/// The pretrained model and how it is held.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ModelConfig {
    /// A folder, a hub id (`t5-small`, `org/name@revision`), or `embedded:…`.
    pub path: String,
    /// Number format of the frozen weights and activations.
    #[serde(default)]
    pub dtype: Dtype,
    /// `auto`, `cpu` or `cuda:0`.
    #[serde(default = "auto")]
    pub device: String,
    /// How an encoder's hidden states become one vector.
    #[serde(default)]
    pub pooling: Pooling,
}

fn auto() -> String {
    "auto".to_owned()
}

/// Number format of frozen weights and activations; trained tensors are `f32`
/// (`f64` when the model is).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Dtype {
    /// 32-bit floats.
    #[default]
    F32,
    /// 16-bit brain floats.
    Bf16,
    /// 64-bit floats, for checks against other implementations.
    F64,
}

/// How an encoder's hidden states become one vector per sequence.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Pooling {
    /// Mean over the real tokens.
    #[default]
    Mean,
    /// The first token's state.
    Cls,
    /// The first token's state through the pretrained pooler (dense and tanh).
    Pooler,
}

/// What kind of answer a task asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum TaskKind {
    /// One of a list of labels.
    Classification,
    /// A number.
    Regression,
    /// Any text; needs an encoder-decoder.
    TextToText,
}

/// The task: a known one by `name`, or files described here.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TaskConfig {
    /// A task that the program knows, such as `lesson:sentiment`.
    pub name: Option<String>,
    /// What kind of answer is asked for; needed without `name`.
    pub kind: Option<TaskKind>,
    /// Training file: `.jsonl`, `.csv`, `.tsv` or `.parquet`.
    pub train: Option<PathBuf>,
    /// Validation file; without one, `validation_fraction` of the training rows.
    pub validation: Option<PathBuf>,
    /// Test file.
    pub test: Option<PathBuf>,
    /// Share of the training rows held out where no validation file is given, 0 to 1.
    pub validation_fraction: Option<f64>,
    /// Columns that make up the input, in order.
    pub text: Vec<String>,
    /// Input template with `{column}` in it; replaces the default joining of columns.
    pub template: Option<String>,
    /// Column that holds the answer.
    pub label: Option<String>,
    /// Names of the classes, in the order of their numbers.
    pub labels: Vec<String>,
    /// Use only the first rows of a seeded permutation of the training rows.
    pub max_train_samples: Option<usize>,
    /// Longest input in tokens; longer ones are cut.
    pub max_length: Option<usize>,
    /// Longest answer in tokens, for text-to-text tasks.
    pub max_target_length: Option<usize>,
}

/// Optimisation settings.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TrainConfig {
    /// Seed that every random choice of the run derives from.
    pub seed: u64,
    /// Passes over the training data; `max_steps` overrides it.
    pub epochs: f64,
    /// Optimizer steps.
    pub max_steps: Option<u64>,
    /// Examples per forward pass.
    pub batch_size: usize,
    /// Peak learning rate; the method's default when left out.
    pub learning_rate: Option<f64>,
    /// Shape of the learning rate after the warm-up.
    pub schedule: ScheduleKind,
    /// Warm-up in steps, or as a share of all steps such as `"10%"`.
    pub warmup: Warmup,
    /// AdamW's decoupled weight decay, per step and unit of learning rate.
    pub weight_decay: f64,
    /// Largest norm of the whole gradient; 0 turns clipping off.
    pub clip_norm: f64,
    /// Dropout probability; the model's own when left out.
    pub dropout: Option<f64>,
    /// Forward passes per optimizer step.
    pub accumulation: usize,
    /// Optimizer steps between checkpoints.
    pub checkpoint_every: u64,
    /// Steps in a row without a finite loss after which the run stops.
    pub max_skipped: usize,
    /// Threads; 0 means all.
    pub threads: usize,
    /// Whether batches gather inputs of similar length.
    pub length_buckets: bool,
}

impl Default for TrainConfig {
    fn default() -> Self {
        Self {
            seed: 42,
            epochs: 20.0,
            max_steps: None,
            batch_size: 32,
            learning_rate: None,
            schedule: ScheduleKind::Linear,
            warmup: Warmup::Percent(10.0),
            weight_decay: 0.0,
            clip_norm: 1.0,
            dropout: None,
            accumulation: 1,
            checkpoint_every: 200,
            max_skipped: 10,
            threads: 0,
            length_buckets: true,
        }
    }
}

/// Shape of the learning rate after the warm-up.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ScheduleKind {
    /// Falls in a straight line to 0 at the last step.
    #[default]
    Linear,
    /// Falls along half a cosine to 0 at the last step.
    Cosine,
    /// Stays at its peak.
    Constant,
}

/// Length of the warm-up.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Warmup {
    /// Optimizer steps.
    Steps(u64),
    /// Percent of all optimizer steps, 0 to 100.
    Percent(f64),
}

/// When to evaluate, and when to give up.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct EvalConfig {
    /// `"epoch"`, or a number of optimizer steps.
    pub every: EvalEvery,
    /// Evaluations in a row without a new best after which training stops; 0 means never.
    pub patience: usize,
    /// Examples per forward pass; the training batch size when left out.
    pub batch_size: Option<usize>,
    /// Metric that decides what is best; the task's main metric when left out.
    pub metric: Option<String>,
}

impl Default for EvalConfig {
    fn default() -> Self {
        Self {
            every: EvalEvery::Epoch,
            patience: 0,
            batch_size: None,
            metric: None,
        }
    }
}

/// How often the validation set is evaluated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum EvalEvery {
    /// After each pass over the training data.
    Epoch,
    /// After so many optimizer steps.
    Steps(u64),
}

/// What a run writes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct OutputConfig {
    /// Folder that holds the runs.
    pub directory: PathBuf,
    /// Optimizer steps between lines of plain output.
    pub log_every: u64,
}

impl Default for OutputConfig {
    fn default() -> Self {
        Self {
            directory: PathBuf::from("runs"),
            log_every: 10,
        }
    }
}

/// What is recorded for viewers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct WatchConfig {
    /// Optimizer steps between snapshots of the factors; 0 turns them off.
    pub factors_every: u64,
}

impl Default for WatchConfig {
    fn default() -> Self {
        Self { factors_every: 20 }
    }
}
