//! Fine-tuning methods: what they add, where they attach, how many parameters they train.
//!
//! [`install`] puts a [`Method`] into a model and returns its [`Trainables`].

pub mod adapter;
pub mod compacter;
pub mod count;
pub mod factors;
pub mod init;
pub mod lora;
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
    /// Biases of adapter projections.
    pub const BIAS: &str = "biases";
    /// Layer norms of the backbone.
    pub const NORM: &str = "layer norms";
    /// Factors of low-rank updates.
    pub const LORA: &str = "low-rank updates";
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
        Method::Lora(config) => lora::install(config, model, &mut builder)?,
    }
    if let Some(outputs) = model.head_outputs() {
        unfreeze::add_head(outputs, model, &mut builder)?;
    }
    add(&mut builder)?;
    builder.finish()
}

#[cfg(test)]
mod tests;
