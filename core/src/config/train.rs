//! The `[train]` table: how the trained tensors are optimised.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Warmup;

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
    /// `AdamW`'s decoupled weight decay, per step and unit of learning rate.
    pub weight_decay: f64,
    /// What `AdamW`'s updates are measured in.
    pub update_scale: UpdateScale,
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
    /// How the gradient of a step is computed.
    pub step: StepForm,
    /// Whether the backward pass computes activations again instead of keeping them: a third
    /// more time for less memory. The hand-written form does so.
    pub gradient_checkpointing: bool,
    /// The number format of products with frozen weights on the CPU.
    pub mixed_precision: MixedPrecision,
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
            update_scale: UpdateScale::Absolute,
            clip_norm: 1.0,
            dropout: None,
            accumulation: 1,
            checkpoint_every: 200,
            max_skipped: 10,
            threads: 0,
            length_buckets: true,
            step: StepForm::Auto,
            gradient_checkpointing: false,
            mixed_precision: MixedPrecision::No,
        }
    }
}

/// What the size of an update is measured in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum UpdateScale {
    /// The learning rate alone, as everywhere.
    #[default]
    Absolute,
    /// The learning rate times the root mean square of the tensor that is updated, as in
    /// Adafactor: for training a whole T5, whose queries start a hundred times smaller than
    /// its embedding.
    Rms,
}

/// How the gradient of a step is computed. Both forms agree to rounding.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum StepForm {
    /// Hand-written where there is such a form for model, method and device, else composed.
    #[default]
    Auto,
    /// Hand-written, on the CPU; refused where there is no such form.
    Fused,
    /// Composed of tensor operations that the tensor library differentiates.
    Composed,
}

impl fmt::Display for StepForm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Auto => "auto",
            Self::Fused => "fused",
            Self::Composed => "composed",
        })
    }
}

/// The number format of products with frozen weights on the CPU, as `accelerate` calls the
/// choice. All else, what is trained above all, stays in the model's format.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum MixedPrecision {
    /// The model's.
    #[default]
    No,
    /// Both factors are rounded to bf16, and the products summed in f32: twice as fast on
    /// processors with AVX512-BF16, and refused on others. Evaluation rounds nothing.
    Bf16,
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
