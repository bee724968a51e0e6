//! The `[method]` table and the methods it resolves to.
//!
//! `kind` and `convention` choose a preset; every other key overrides one of its fields.
//! A key that the chosen kind does not have is an error, never ignored.

mod check;
mod kind;
mod preset;
#[cfg(test)]
mod tests;

pub use kind::MethodKind;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The `[method]` table as written: a preset and what overrides it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MethodConfig {
    /// The method.
    #[serde(default)]
    pub kind: MethodKind,
    /// Whose defaults the preset takes.
    #[serde(default)]
    pub convention: Convention,
    /// Hypercomplex division `n`: slow weights are `n` matrices of `n × n`.
    pub n: Option<usize>,
    /// Rank: of the fast weights (Compacter) or of the update (`LoRA`).
    pub rank: Option<usize>,
    /// Bottleneck width is the model's width divided by this, rounded down.
    pub reduction_factor: Option<usize>,
    /// Non-linearity of the bottleneck.
    pub non_linearity: Option<NonLinearity>,
    /// Where in a sub-layer the adapter acts.
    pub placement: Option<Placement>,
    /// After which sub-layers adapters stand.
    pub positions: Option<Positions>,
    /// Whether every layer shares one set of slow weights.
    pub slow: Option<SlowWeights>,
    /// Whether the slow weights are trained.
    pub learn_slow: Option<bool>,
    /// Whether fast weights are products of two factors.
    pub fast: Option<FastWeights>,
    /// Distribution that fast weights start from.
    pub fast_init: Option<FastInit>,
    /// Distribution that slow weights start from.
    pub slow_init: Option<SlowInit>,
    /// Standard deviation of every initial distribution that is called `normal`.
    pub init_range: Option<f64>,
    /// Whether the backbone's layer norms are trained too.
    pub train_layer_norms: Option<bool>,
    /// Blocks without adapters, counted from 0, the encoder's first.
    pub leave_out: Option<Vec<usize>>,
    /// `LoRA`'s numerator: the update is scaled by `alpha / rank`.
    pub alpha: Option<f64>,
    /// `LoRA`'s projections, of `q`, `k`, `v`, `o`.
    pub targets: Option<Vec<String>>,
    /// Dropout on `LoRA`'s input.
    pub dropout: Option<f64>,
}

/// Whose defaults a preset takes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Convention {
    /// The paper's reference implementation.
    #[default]
    Paper,
    /// `AdapterHub`'s `adapters` 1.3.0.
    Adapterhub,
}

/// Non-linearity of a bottleneck.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum NonLinearity {
    /// Gaussian error linear unit, tanh approximation.
    GeluNew,
    /// Gaussian error linear unit, exact.
    Gelu,
    /// Rectified linear unit.
    Relu,
    /// `x · sigmoid(x)`, also called `SiLU`.
    Swish,
}

/// Where in a sub-layer an adapter acts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Placement {
    /// On the raw sub-layer output, before dropout, residual and norm.
    Paper,
    /// After dropout; with feed-forward-only adapters on the sum with the residual
    /// (T5) or on its norm (BERT).
    Adapterhub,
}

/// After which sub-layers adapters stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Positions {
    /// After self-attention and after the feed-forward.
    Both,
    /// After self-attention only.
    SelfAttention,
    /// After the feed-forward only.
    FeedForward,
}

/// Who owns the slow weights.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum SlowWeights {
    /// One set for the whole model.
    Shared,
    /// One set for each projection.
    Own,
}

/// How fast weights are held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum FastWeights {
    /// `Bᵢ = sᵢ tᵢ`, of the rank given (LPHM).
    Factored,
    /// `Bᵢ` whole (PHM).
    Dense,
}

/// Distribution that fast weights start from, per slice `i`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum FastInit {
    /// Uniform with bound `√2·√(6/(rows+columns))`.
    GlorotUniform,
    /// Normal with standard deviation `√2·√(2/(rows+columns))`.
    GlorotNormal,
    /// Normal with standard deviation `√(2/(rows+columns))`: what `AdapterHub` does.
    XavierNormal,
    /// Normal with standard deviation `init_range`.
    Normal,
}

/// Distribution that slow weights start from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum SlowInit {
    /// Normal with standard deviation `init_range`.
    Normal,
    /// Uniform in `±1` (shared) or `±0.01` (own).
    Uniform,
}

/// A method with every field decided.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub enum Method {
    /// Every weight is trained.
    Full,
    /// Only the task head is trained.
    Head,
    /// Adapters with dense projections.
    Adapter {
        /// The bottleneck and where it stands.
        bottleneck: BottleneckConfig,
        /// Standard deviation that the projections' weights start with.
        init_std: f64,
    },
    /// Adapters with hypercomplex projections: Compacter and Compacter++.
    Compacter {
        /// The bottleneck and where it stands.
        bottleneck: BottleneckConfig,
        /// The projections.
        phm: PhmConfig,
    },
    /// Low-rank updates.
    Lora(LoraConfig),
}

/// A bottleneck adapter's shape and place.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct BottleneckConfig {
    /// Bottleneck width is `⌊width / reduction_factor⌋`.
    pub reduction_factor: usize,
    /// Non-linearity between the projections.
    pub non_linearity: NonLinearity,
    /// Where in a sub-layer the adapter acts.
    pub placement: Placement,
    /// After which sub-layers adapters stand.
    pub positions: Positions,
    /// Whether the backbone's layer norms are trained too.
    pub train_layer_norms: bool,
    /// Blocks without adapters, counted from 0, the encoder's first.
    pub leave_out: Vec<usize>,
}

/// Hypercomplex projections.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PhmConfig {
    /// Number of Kronecker terms, and width of the slow matrices.
    pub n: usize,
    /// Rank of factored fast weights.
    pub rank: usize,
    /// Who owns the slow weights.
    pub slow: SlowWeights,
    /// Whether the slow weights are trained.
    pub learn_slow: bool,
    /// How fast weights are held.
    pub fast: FastWeights,
    /// Distribution that fast weights start from.
    pub fast_init: FastInit,
    /// Distribution that slow weights start from.
    pub slow_init: SlowInit,
    /// Standard deviation of the normal distributions.
    pub init_range: f64,
}

/// Low-rank updates of attention projections.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LoraConfig {
    /// Rank of the update.
    pub rank: usize,
    /// The update is scaled by `alpha / rank`.
    pub alpha: f64,
    /// Projections that are updated, of `q`, `k`, `v`, `o`.
    pub targets: Vec<String>,
    /// Dropout on the update's input.
    pub dropout: f64,
}
