//! `BitFit`: nothing but biases is trained.
//!
//! ```text
//! y = W x + b      LN(x) = w ⊙ x̂ + b          Ben Zaken et al., arXiv:2106.10199
//! ```
//!
//! Every bias that the backbone has is trained, that of BERT's norm on its embeddings
//! included. T5 has none, so, as in the reference implementation of Compacter's comparison,
//! each of its linear maps, each norm inside a block and the output layer get one that starts
//! from 0. Norms at the end of a stack get none there. Tables of relative positions are no
//! biases of this kind and stay frozen.
//!
//! A bias on keys moves all scores of a query alike, which softmax does not see: it has no
//! gradient, and is counted as the reference counts it.

use candle_core::Tensor;

use super::group;
use super::init::Distribution;
use super::trainables::Builder;
use crate::Result;
use crate::model::site::{Activations, Backbone, HiddenModule, NormModule, Site, SiteSlot};
use crate::model::{Linear, Model, Norm, Weight};
use crate::ops::linear::cast;

/// A bias on activations: of a norm, or on the logits.
struct Shift(Tensor); // [width]

impl Shift {
    fn apply(&self, x: &Tensor) -> Result<Tensor> {
        Ok(x.broadcast_add(&cast(&self.0, x.dtype())?)?)
    }
}

impl NormModule for Shift {
    fn forward(&self, normed: &Tensor) -> Result<Tensor> {
        self.apply(normed)
    }

    fn as_shift(&self) -> Option<&Tensor> {
        Some(&self.0)
    }
}

impl HiddenModule for Shift {
    fn forward(&self, hidden: &Tensor) -> Result<Tensor> {
        self.apply(hidden)
    }

    fn as_shift(&self) -> Option<&Tensor> {
        Some(&self.0)
    }
}

/// Trains every bias, and adds those that T5 lacks.
///
/// # Errors
/// Fails if a site is taken by another module.
pub fn install(model: &mut Model, builder: &mut Builder) -> Result<()> {
    model.visit_weights(&mut |name, weight| {
        if name.rsplit('.').next() == Some("bias") {
            builder.unfreeze(name.to_owned(), group::OWN_BIASES, weight)
        } else {
            Ok(())
        }
    })?;
    let vocab = model.shape.vocab;
    // A sub-layer has one norm; a second at the same place is that at the end of a stack.
    let mut normed = None;
    model.visit_sites(&mut |site, slot| match slot {
        SiteSlot::Linear(_, map) if map.bias.is_none() => of_map(map, builder),
        SiteSlot::Norm(norm) => {
            let place = Some((site.stack, site.block, site.branch));
            let first = std::mem::replace(&mut normed, place) != place;
            if first && norm.bias.is_none() {
                of_norm(norm, site, builder)
            } else {
                Ok(())
            }
        }
        SiteSlot::Hidden(Activations::Logits, slot) => {
            let shift = Shift(bias(builder, site.path, vocab)?);
            slot.install(Box::new(shift), site)
        }
        _ => Ok(()),
    })
}

fn of_map(map: &mut Linear, builder: &mut Builder) -> Result<()> {
    let out = map.weight.stored().dim(0)?;
    map.bias = Some(Weight::Trained(bias(builder, &map.path, out)?));
    Ok(())
}

fn of_norm(norm: &mut Norm, site: &Site<'_>, builder: &mut Builder) -> Result<()> {
    let width = norm.weight.stored().dim(0)?;
    let shift = Shift(bias(builder, &norm.path, width)?);
    norm.module.install(Box::new(shift), site)
}

fn bias(builder: &mut Builder, path: &str, width: usize) -> Result<Tensor> {
    let name = format!("{path}.bias");
    builder.add(name, group::BIAS, &[width], Distribution::Zero)
}
