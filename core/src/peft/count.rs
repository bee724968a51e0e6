//! How many parameters a method trains, in closed form: no weights are needed.
//!
//! With `k` the model's width, `d = ⌊k / reduction⌋` the bottleneck's, `a` adapters,
//! `n` the hypercomplex division and `r` a rank:
//!
//! | group            | count                                         | trained by            |
//! |------------------|-----------------------------------------------|-----------------------|
//! | projections      | `a · 2 · k · d`                               | dense adapters        |
//! | low-rank factors | `a · 2 · r · (k + d)`                         | low-rank              |
//! | fast weights     | `a · 2 · r · (k + d)`, dense `a · 2 · k·d/n`  | compacter, phm        |
//! | slow weights     | shared `n³`, own `a · 2 · n³`                 | compacter, phm        |
//! | biases           | `a · (k + d)`; of T5's maps, norms and logits | adapters; bitfit      |
//! | model's biases   | of an encoder's maps and norms                | bitfit                |
//! | layer norms      | `norms · k`, with biases `norms · 2 · k`      | adapters, layer-norm  |
//! | low-rank updates | `attentions · targets · r · (k + h·e)`        | lora, dora            |
//! | magnitudes       | `attentions · outputs of targets`             | dora                  |
//! | scales           | `attentions · 2 · h·e + blocks · d_ff`        | ia3                   |
//! | prompt           | `rows · k`                                    | prompt, prompt-vocab  |
//! | prefixes         | rows, and the maps that make keys and values  | prefix                |
//! | intrinsic vector | `dimension`                                   | said                  |
//! | the whole model  | [`ModelShape::total_parameters`]              | full                  |
//!
//! The paper's tables count biases and layer norms (Compacter, arXiv:2106.04647, with
//! `d = 24` for its column of percentages); the formulas of its text count neither.

mod bottleneck;
mod formula;
mod plain;
mod sites;

use serde::Serialize;

use crate::config::Method;
use crate::event::Group;
use crate::model::{Family, ModelShape};
use crate::peft::group;
use crate::{Error, Result};
use formula::n;

pub use bottleneck::{adapted_blocks, bottleneck_width};

/// What a method trains on a model.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Count {
    /// Trained parameters without the task head.
    pub trainable: usize,
    /// Parameters of the plain model.
    pub total: usize,
    /// `trainable` in percent of `total`.
    pub percent: f64,
    /// Trained parameters by group, the task head among them when it was added.
    pub groups: Vec<Group>,
}

/// Counts the parameters that a method trains on a model of the shape given.
///
/// # Errors
/// [`Error::Method`] when the method does not fit the model (`n` does not divide a width,
/// no block is left to adapt, a head on a model that generates text) or its own settings
/// contradict one another.
pub fn count(method: &Method, shape: &ModelShape) -> Result<Count> {
    let groups = match method {
        Method::Full => plain::groups(shape)?,
        Method::Head => {
            needs_a_head(shape)?;
            Vec::new()
        }
        Method::Adapter { bottleneck, .. } | Method::Parallel { bottleneck, .. } => {
            bottleneck::dense(bottleneck, shape)?
        }
        Method::LowRank { bottleneck, rank } => bottleneck::low_rank(bottleneck, *rank, shape)?,
        Method::Compacter { bottleneck, phm } => bottleneck::hypercomplex(bottleneck, phm, shape)?,
        Method::Lora(update) => vec![sites::low_rank(update, shape)?],
        Method::Dora(dora) => sites::directions(&dora.update, shape)?,
        Method::BitFit => vec![sites::biases(shape)?],
        Method::LayerNorm => vec![bottleneck::norms(shape)?],
        Method::Ia3 { .. } => vec![sites::scales(shape)?],
        Method::Prompt(prompt) => vec![sites::prompt(prompt, shape)?],
        Method::Prefix(prefix) => vec![sites::prefixes(prefix, shape)?],
        Method::Said(said) => vec![sites::subspace(said, shape)?],
    };
    let trainable = groups
        .iter()
        .try_fold(0, |sum: usize, group| sum.checked_add(group.count))
        .ok_or_else(|| Error::method("the parameters are too many to count"))?;
    let total = shape.total_parameters();
    Ok(Count {
        groups,
        trainable,
        total,
        percent: 100.0 * trainable as f64 / total as f64,
    })
}

impl Count {
    /// Adds the group of a linear task head with so many outputs; `trainable` and
    /// `percent` stay those of the method.
    ///
    /// # Errors
    /// [`Error::Method`] for a model that generates text, which has no such head.
    pub fn with_head(mut self, shape: &ModelShape, outputs: usize) -> Result<Self> {
        needs_a_head(shape)?;
        let head = n(shape.d_model) * n(outputs) + n(outputs);
        self.groups.push(head.group(group::HEAD)?);
        Ok(self)
    }
}

fn needs_a_head(shape: &ModelShape) -> Result<()> {
    match shape.family {
        Family::Bert | Family::Roberta => Ok(()),
        Family::T5 => Err(Error::method(
            "T5 writes its answers and has no task head to train; choose another method.kind",
        )),
    }
}

#[cfg(test)]
mod tests;
