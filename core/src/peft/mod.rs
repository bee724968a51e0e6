//! Fine-tuning methods: what they add, where they attach, how many parameters they train.
//!
//! [`install`] puts a [`Method`] into a model and returns its [`Trainables`].

pub mod adapter;
pub mod bitfit;
pub mod compacter;
pub mod count;
pub mod dora;
pub mod factors;
pub mod ia3;
pub mod init;
pub mod lora;
pub mod low_rank;
pub mod merge;
pub mod parallel;
pub mod prefix;
pub mod prompt;
pub mod said;
pub mod trainables;
pub mod unfreeze;

use crate::Result;
use crate::config::Method;
use crate::model::Model;
use crate::random::Key;

pub use trainables::{Builder, Parameter, Trainables};

/// Names of the groups that parameters are counted in.
pub mod group {
    /// Factors or whole fast weights of hypercomplex projections.
    pub const FAST: &str = "fast weights";
    /// Slow weights of hypercomplex projections.
    pub const SLOW: &str = "slow weights";
    /// Weights of dense adapter projections.
    pub const ADAPTER: &str = "projections";
    /// Biases that a method adds: of adapter projections, or of maps and norms of T5.
    pub const BIAS: &str = "biases";
    /// Biases that the backbone has.
    pub const OWN_BIASES: &str = "model's biases";
    /// Factors of low-rank adapter projections.
    pub const FACTORS: &str = "low-rank factors";
    /// Layer norms of the backbone.
    pub const NORM: &str = "layer norms";
    /// Factors of low-rank updates.
    pub const LORA: &str = "low-rank updates";
    /// Lengths of the rows of updated weights.
    pub const MAGNITUDES: &str = "magnitudes";
    /// Factors of activations.
    pub const SCALES: &str = "scales";
    /// Rows before every input.
    pub const PROMPT: &str = "prompt";
    /// Rows before keys and values, and what makes them.
    pub const PREFIX: &str = "prefixes";
    /// Coordinates in a subspace of all weights, and the weights' scales there.
    pub const INTRINSIC: &str = "intrinsic vector";
    /// Embedding tables of the backbone, and BERT's norm on them.
    pub const EMBEDDINGS: &str = "embeddings";
    /// All weights of the backbone's encoder.
    pub const ENCODER: &str = "encoder";
    /// All weights of the backbone's decoder.
    pub const DECODER: &str = "decoder";
    /// An output layer that is not the embedding table.
    pub const OUTPUT: &str = "output layer";
    /// BERT's dense layer on the first token's state.
    pub const POOLER: &str = "pooler";
    /// The task head; counted apart.
    pub const HEAD: &str = "task head";
}

/// Installs a method, and the task head that an encoder needs; `seed` decides every
/// initial value.
///
/// # Errors
/// Fails if the method does not fit the model, saying what would.
pub fn install(method: &Method, model: &mut Model, seed: u64) -> Result<Trainables> {
    install_with(method, model, seed, |_| Ok(()))
}

/// [`install`], and what else is to be trained: `add` gets the builder last.
///
/// # Errors
/// As [`install`], and passes on what `add` fails with.
pub fn install_with(
    method: &Method,
    model: &mut Model,
    seed: u64,
    add: impl FnOnce(&mut Builder) -> Result<()>,
) -> Result<Trainables> {
    // Counting first says in the user's terms what does not fit.
    count::count(method, &model.shape)?;
    let mut builder = Builder::new(model, Key::new(seed).named("initial values"));
    match method {
        Method::Full => unfreeze::everything(model, &mut builder)?,
        Method::Head => {} // every method trains the head
        Method::Adapter {
            bottleneck,
            init_std,
        } => {
            adapter::install(bottleneck, *init_std, model, &mut builder)?;
        }
        Method::Compacter { bottleneck, phm } => {
            compacter::install(bottleneck, phm, model, &mut builder)?;
        }
        Method::LowRank { bottleneck, rank } => {
            low_rank::install(bottleneck, *rank, model, &mut builder)?;
        }
        Method::Parallel { bottleneck, scale } => {
            parallel::install(bottleneck, *scale, model, &mut builder)?;
        }
        Method::Lora(config) => lora::install(config, model, &mut builder)?,
        Method::Dora(config) => dora::install(config, model, &mut builder)?,
        Method::BitFit => bitfit::install(model, &mut builder)?,
        Method::LayerNorm => unfreeze::layer_norms(model, &mut builder)?,
        Method::Ia3 { placement } => ia3::install(*placement, model, &mut builder)?,
        Method::Prompt(config) => prompt::install(config, model, &mut builder)?,
        Method::Prefix(config) => prefix::install(config, model, &mut builder)?,
        Method::Said(config) => said::install(config, model, &mut builder)?,
    }
    if let Some(outputs) = model.head_outputs() {
        unfreeze::add_head(outputs, model, &mut builder)?;
    }
    add(&mut builder)?;
    builder.finish()
}

#[cfg(test)]
mod tests;
