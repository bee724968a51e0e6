//! (IA)³: keys, values and the feed-forward's intermediate are rescaled.
//!
//! ```text
//! softmax(q (lₖ ⊙ kᵀ) / √e) (l_v ⊙ v)      (l_ff ⊙ γ(W₁ x)) W₂      Liu et al., arXiv:2205.05638, section 3.3
//! ```
//!
//! | symbol | parameter | shape | starts |
//! |---|---|---|---|
//! | `lₖ`, `l_v` | `….ia3_keys`, `….ia3_values` of every attention | `[h·e]` | 1 |
//! | `l_ff` | `….ia3_intermediate` of every feed-forward | `[d_ff]` | 1 |
//!
//! In T5 the decoder's attention to the encoder is among the attentions, and a gated
//! intermediate is scaled after the gate. `AdapterHub` scales what goes into the
//! non-linearity; on its gated feed-forward it scales the gate's factor, which is the same as
//! after the gate.

use candle_core::{DType, Tensor};

use super::group;
use super::trainables::Builder;
use crate::Result;
use crate::config::Placement;
use crate::model::site::{Activations, Backbone, HiddenModule, LinearModule, Projection, SiteSlot};
use crate::model::{Linear, Model, Pass, Weight};
use crate::ops::linear::cast;

/// Factors of activations.
struct Scale(Tensor); // [width]

impl Scale {
    fn add(builder: &mut Builder, path: &str, part: &str, width: usize) -> Result<Self> {
        let ones = Tensor::ones(width, DType::F32, &candle_core::Device::Cpu)?;
        let name = format!("{path}.ia3_{part}");
        Ok(Self(builder.add_from(name, group::SCALES, &ones)?))
    }

    fn apply(&self, x: &Tensor) -> Result<Tensor> {
        Ok(x.broadcast_mul(&cast(&self.0, x.dtype())?)?)
    }
}

impl HiddenModule for Scale {
    fn forward(&self, hidden: &Tensor) -> Result<Tensor> {
        self.apply(hidden)
    }

    fn as_scale(&self) -> Option<&Tensor> {
        Some(&self.0)
    }
}

impl LinearModule for Scale {
    fn forward(&self, x: &Tensor, linear: &Linear, _: &Pass) -> Result<Tensor> {
        self.apply(&linear.plain(x)?)
    }

    fn merged(&self, linear: &Linear) -> Result<Option<(Tensor, Option<Tensor>)>> {
        let scale = &self.0;
        let wide = |weight: &Weight| cast(&weight.tensor()?, scale.dtype());
        let bias = match &linear.bias {
            Some(bias) => Some((wide(bias)? * scale)?),
            None => None,
        };
        let weight = wide(&linear.weight)?;
        Ok(Some((weight.broadcast_mul(&scale.unsqueeze(1)?)?, bias)))
    }
}

/// Installs factors of 1; `placement` says on which side of the non-linearity the
/// intermediate is scaled.
///
/// # Errors
/// Fails if a site is taken by another module.
pub fn install(placement: Placement, model: &mut Model, builder: &mut Builder) -> Result<()> {
    let (inner, d_ff) = (model.shape.inner(), model.shape.d_ff);
    let before = placement == Placement::Adapterhub && !model.shape.gated;
    model.visit_sites(&mut |site, slot| match slot {
        SiteSlot::Linear(Projection::In, map) if before => {
            let scale = Scale::add(builder, &map.path, "intermediate", d_ff)?;
            map.module.install(Box::new(scale), site)
        }
        SiteSlot::Hidden(activations, slot) => {
            let (part, width) = match activations {
                Activations::Keys => ("keys", inner),
                Activations::Values => ("values", inner),
                Activations::Intermediate if before => return Ok(()),
                Activations::Intermediate => ("intermediate", d_ff),
                Activations::Logits => return Ok(()),
            };
            let scale = Scale::add(builder, site.path, part, width)?;
            slot.install(Box::new(scale), site)
        }
        _ => Ok(()),
    })
}
