//! The `[method]` table and the methods it resolves to.
//!
//! `kind` and `convention` choose a preset; every other key overrides one of its fields.
//! A key that the chosen kind does not have is an error, never ignored.

mod check;
mod kind;
mod preset;
mod resolved;
#[cfg(test)]
mod tests;

pub use kind::MethodKind;
pub use resolved::{
    BottleneckConfig, DoraConfig, LoraConfig, Method, PhmConfig, PrefixConfig, PromptConfig,
    SaidConfig,
};

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
    /// Rank: of the fast weights (Compacter), of both projections (low-rank adapters) or of
    /// the update (`LoRA`, `DoRA`).
    pub rank: Option<usize>,
    /// Bottleneck width is the model's width divided by this, rounded down.
    pub reduction_factor: Option<usize>,
    /// Non-linearity of the bottleneck.
    pub non_linearity: Option<NonLinearity>,
    /// Where in a sub-layer the adapter acts, and where rows stand.
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
    /// `AdapterDrop`: how many blocks of each stack, from the lowest, have no adapters.
    pub drop_first: Option<usize>,
    /// Factor of a parallel adapter's output.
    pub scale: Option<f64>,
    /// Numerator of `LoRA` and `DoRA`: the update is scaled by `alpha / rank`.
    pub alpha: Option<f64>,
    /// Projections that `LoRA` and `DoRA` update, of `q`, `k`, `v`, `o`.
    pub targets: Option<Vec<String>>,
    /// Dropout on the input of the update of `LoRA` and `DoRA`.
    pub dropout: Option<f64>,
    /// Rows that prompt or prefix tuning puts before every sequence.
    pub length: Option<usize>,
    /// What the rows of a prompt start from.
    pub prompt_init: Option<PromptInit>,
    /// Prefix tuning: width of the network that makes the rows; 0 trains the rows themselves.
    pub bottleneck: Option<usize>,
    /// Intrinsic SAID: number of trained values.
    pub dimension: Option<usize>,
    /// Whether gradients are exact, or those of the method's released code.
    pub gradient: Option<GradientForm>,
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

/// Where in a model a method acts, where its paper and libraries differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Placement {
    /// Adapters: on the raw sub-layer output, before dropout, residual and norm. Parallel
    /// adapters: on the sub-layer's input. (IA)³: after the feed-forward's non-linearity.
    /// Prefixes: in every attention, without positions.
    Paper,
    /// Adapters: after dropout; at one position only, on the sum with the residual (T5) or on
    /// its norm (BERT). Parallel adapters: on the residual. (IA)³: before the non-linearity.
    /// Prompts: after BERT's norm on its embeddings, without positions. Prefixes: T5's take
    /// the first positions among keys, which moves all keys away from all queries.
    Adapterhub,
    /// Prompts: before BERT's positions are added, the first of which they take. Prefixes: the
    /// same positions, and in T5 in the decoder's attention to itself only. Tokens stand after
    /// them: what Hugging Face's `peft` does.
    Peft,
}

impl Placement {
    /// The name in a configuration.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Paper => "paper",
            Self::Adapterhub => "adapterhub",
            Self::Peft => "peft",
        }
    }
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

/// What the rows of a prompt start from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum PromptInit {
    /// Uniform in ±0.5.
    Uniform,
    /// Normal with standard deviation 1.
    Normal,
    /// The first rows of the token embedding.
    Vocab,
}

/// Which gradient is computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum GradientForm {
    /// That of the loss.
    Exact,
    /// That of the method's released code: `DoRA` takes norms for constants, and SAID
    /// divides what reaches its vector from a weight by the padded size of the weight.
    Released,
}
