//! Methods with every field decided, which is what installs and counts them.

use serde::Serialize;

use super::{
    FastInit, FastWeights, GradientForm, NonLinearity, Placement, Positions, PromptInit, SlowInit,
    SlowWeights,
};

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
    /// Adapters with low-rank projections.
    LowRank {
        /// The bottleneck and where it stands.
        bottleneck: BottleneckConfig,
        /// Rank of both projections.
        rank: usize,
    },
    /// Adapters with dense projections beside a sub-layer.
    Parallel {
        /// The bottleneck and where it stands.
        bottleneck: BottleneckConfig,
        /// Factor of the adapter's output.
        scale: f64,
    },
    /// Low-rank updates.
    Lora(LoraConfig),
    /// Low-rank updates of directions, and trained magnitudes.
    Dora(DoraConfig),
    /// Biases.
    BitFit,
    /// The backbone's layer norms.
    LayerNorm,
    /// Factors of keys, values and the feed-forward's intermediate.
    Ia3 {
        /// Where the intermediate is scaled.
        placement: Placement,
    },
    /// Rows before every input.
    Prompt(PromptConfig),
    /// Rows before the keys and values of every attention.
    Prefix(PrefixConfig),
    /// A random subspace of all weights.
    Said(SaidConfig),
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
    /// How many blocks of each stack, from the lowest, have no adapters.
    pub drop_first: usize,
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

/// Low-rank updates of directions, and trained magnitudes.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DoraConfig {
    /// The update.
    pub update: LoraConfig,
    /// Whether the gradient sees that a norm depends on the update.
    pub gradient: GradientForm,
}

/// Rows before every input.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PromptConfig {
    /// Number of rows.
    pub length: usize,
    /// What they start from.
    pub init: PromptInit,
    /// Whether they stand before BERT's positions or after its norm.
    pub placement: Placement,
}

/// Rows before the keys and values of attentions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PrefixConfig {
    /// Number of rows.
    pub length: usize,
    /// Width of the network that makes them; 0 where they are trained themselves.
    pub bottleneck: usize,
    /// Whether they have positions, and in which attentions of T5 they stand.
    pub placement: Placement,
}

/// A random subspace of all weights.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SaidConfig {
    /// Number of trained values.
    pub dimension: usize,
    /// Whether the gradient is that of the loss.
    pub gradient: GradientForm,
}
