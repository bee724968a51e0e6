//! Intrinsic SAID: all weights move in one random subspace of few dimensions.
//!
//! ```text
//! θᵢ = θᵢ⁰ + λᵢ · Pᵢ(z)          Aghajanyan et al., arXiv:2012.13255, section 3
//! ```
//!
//! | symbol | parameter | shape | starts |
//! |---|---|---|---|
//! | `z` | `said.vector` | `[dimension − weights]` | 0 |
//! | `λ` | `said.scale` | `[weights]`, one for each tensor of the backbone | 1 |
//!
//! `Pᵢ` is the Fastfood map of [`crate::ops::fastfood`], from `z` to as many values as the
//! weight has. The maps are functions of the weights' names alone, the same in every run: a
//! checkpoint needs `z` and `λ` only.
//!
//! Every weight is computed anew at each use, which costs `O(N log N)` for `N` elements, and
//! 4 bytes are kept for each element, rounded up to a power of two a weight.
//!
//! Departures from the reference implementation of Compacter's comparison: it has one `λ`
//! more, which nothing uses, and so one element less in `z`; and it divides the gradient that
//! `z` gets from a weight by the padded number of its elements, a factor that its forward
//! pass does not have. `gradient = "released"` does so too.

use std::sync::Arc;

use candle_core::{DType, Device, Tensor};

use super::group;
use super::init::Distribution;
use super::trainables::Builder;
use crate::config::{GradientForm, SaidConfig};
use crate::model::site::Backbone;
use crate::model::weight::Reparametrisation;
use crate::model::{Model, Weight};
use crate::ops::fastfood::Fastfood;
use crate::ops::linear::cast;
use crate::random::Key;
use crate::{Error, Result};

/// One weight's part in the subspace.
struct Subspace {
    vector: Tensor, // [dimension − weights], one for the whole model
    scales: Tensor, // [weights], likewise
    at: usize,
    map: Fastfood,
}

impl Reparametrisation for Subspace {
    fn apply(&self, frozen: &Tensor) -> Result<Tensor> {
        let scale = self.scales.narrow(0, self.at, 1)?;
        let offset = self.map.forward(&self.vector)?.broadcast_mul(&scale)?;
        let offset = offset.reshape(frozen.shape())?;
        // Not rounded to what the weight is kept in: offsets are small.
        Ok((cast(frozen, offset.dtype())? + offset)?)
    }
}

/// Puts every weight of the backbone into the subspace.
///
/// # Errors
/// Fails if the dimension is not more than the model has weights, and on another device
/// than the CPU.
pub fn install(config: &SaidConfig, model: &mut Model, builder: &mut Builder) -> Result<()> {
    if !model.device.is_cpu() {
        return Err(Error::method("said runs on the CPU only"));
    }
    let mut weights = 0;
    model.visit_weights(&mut |_, _| {
        weights += 1;
        Ok(())
    })?;
    let dimension = config.dimension.checked_sub(weights).filter(|&d| d > 0);
    let dimension = dimension.ok_or_else(|| too_small(config.dimension, weights))?;
    let vector = builder.add(
        "said.vector".to_owned(),
        group::INTRINSIC,
        &[dimension],
        Distribution::Zero,
    )?;
    let ones = Tensor::ones(weights, DType::F32, &Device::Cpu)?;
    let scales = builder.add_from("said.scale".to_owned(), group::INTRINSIC, &ones)?;
    let key = Key::new(0).named("said");
    let mut at = 0;
    model.visit_weights(&mut |name, weight| {
        let frozen = weight.stored().clone();
        let map = Fastfood::new(frozen.elem_count(), key.named(name));
        let map = match config.gradient {
            GradientForm::Exact => map,
            GradientForm::Released => map.with_released_gradient(),
        };
        let subspace = Subspace {
            vector: vector.clone(),
            scales: scales.clone(),
            at,
            map,
        };
        at += 1;
        *weight = Weight::Derived(frozen, Arc::new(subspace));
        Ok(())
    })
}

/// Why a subspace has too few dimensions.
pub(super) fn too_small(dimension: usize, weights: usize) -> Error {
    Error::method(format!(
        "dimension {dimension} leaves nothing to train: the model has {weights} weights, each \
         with a scale of its own; choose more"
    ))
}
