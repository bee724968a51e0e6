//! `DoRA`: a low-rank update turns the rows of a weight, their lengths are trained apart.
//!
//! ```text
//! y = g ⊙ (x Wᵀ + α/r · (x Aᵀ) Bᵀ) + b,   g = m / ‖W + α/r · B A‖      Liu et al., arXiv:2402.09353, equation 5
//! ```
//!
//! | symbol | parameter | shape | starts |
//! |---|---|---|---|
//! | `A` | `….lora_a` | `[r, in]` | uniform in ±1/√in |
//! | `B` | `….lora_b` | `[out, r]` | 0 |
//! | `m` | `….magnitude` | `[out]` | the lengths of the rows of `W` |
//!
//! Lengths are those of rows, one for each output. By default the gradient takes the lengths
//! in `g` for constants, as section 4.3 proposes and Hugging Face's `peft` does;
//! `gradient = "exact"` sees that they depend on `A` and `B`.
//!
//! Departures: `AdapterHub` scales the map's bias too and leaves `α/r` out of the length,
//! which here belongs to what is measured.

use candle_core::{D, Tensor};

use super::group;
use super::init::Distribution;
use super::lora::targets;
use super::trainables::Builder;
use crate::Result;
use crate::config::{DoraConfig, GradientForm};
use crate::model::site::{Backbone, LinearModule, SiteSlot};
use crate::model::{Linear, Model, Pass, Weight};
use crate::ops::linear::{cast, linear};

struct Dora {
    a: Tensor,         // [r, in]
    b: Tensor,         // [out, r]
    magnitude: Tensor, // [out]
    scale: f64,
    dropout: f64,
    gradient: GradientForm,
    site: String,
}

impl Dora {
    /// `W + α/r · B A: [out, in]`
    fn moved(&self, weight: &Tensor, a: &Tensor, b: &Tensor) -> Result<Tensor> {
        Ok((cast(weight, a.dtype())? + (b.matmul(a)? * self.scale)?)?)
    }

    /// `g: [out]`
    fn factor(&self, weight: &Tensor) -> Result<Tensor> {
        let moved = match self.gradient {
            GradientForm::Exact => self.moved(weight, &self.a, &self.b)?,
            GradientForm::Released => self.moved(weight, &self.a.detach(), &self.b.detach())?,
        };
        Ok((&self.magnitude / lengths(&moved)?)?)
    }
}

impl LinearModule for Dora {
    fn forward(&self, x: &Tensor, frozen: &Linear, pass: &Pass) -> Result<Tensor> {
        let input = pass.dropout_at(self.dropout, x, &self.site)?;
        let update = linear(&linear(&input, &self.a)?, &self.b)?; // [tokens, out]
        let y = (frozen.product(x)? + (update * self.scale)?)?;
        let factor = self.factor(&frozen.weight.tensor()?)?;
        frozen.shift(&y.broadcast_mul(&cast(&factor, y.dtype())?)?)
    }

    fn merged(&self, linear: &Linear) -> Result<Option<(Tensor, Option<Tensor>)>> {
        let weight = linear.weight.tensor()?;
        let moved = self.moved(&weight, &self.a, &self.b)?;
        let merged = moved.broadcast_mul(&self.factor(&weight)?.unsqueeze(1)?)?;
        let bias = linear.bias.as_ref().map(Weight::tensor).transpose()?;
        Ok(Some((merged, bias)))
    }
}

/// Euclidean lengths of the rows of `[out, in]`: `[out]`.
fn lengths(weight: &Tensor) -> Result<Tensor> {
    Ok(weight.sqr()?.sum(D::Minus1)?.sqrt()?)
}

/// Installs updates of directions and trained magnitudes.
///
/// # Errors
/// Fails if a target is none of `q`, `k`, `v`, `o`, or a site is taken by another module.
pub fn install(config: &DoraConfig, model: &mut Model, builder: &mut Builder) -> Result<()> {
    let update = &config.update;
    let targets = targets(&update.targets)?;
    model.visit_sites(&mut |site, slot| {
        let SiteSlot::Linear(role, map) = slot else {
            return Ok(());
        };
        if !targets.contains(&role) {
            return Ok(());
        }
        let (out, width) = map.weight.stored().dims2()?;
        let path = map.path.clone();
        let mut factor = |part: &str, shape: &[usize], from| {
            builder.add(format!("{path}.{part}"), group::LORA, shape, from)
        };
        let from = Distribution::kaiming_uniform(width);
        let a = factor("lora_a", &[update.rank, width], from)?;
        let b = factor("lora_b", &[out, update.rank], Distribution::Zero)?;
        let start = lengths(&builder.widened(map.weight.stored())?)?;
        let name = format!("{path}.magnitude");
        let module = Dora {
            a,
            b,
            magnitude: builder.add_from(name, group::MAGNITUDES, &start)?,
            scale: update.alpha / update.rank as f64,
            dropout: update.dropout,
            gradient: config.gradient,
            site: format!("{path}.lora"),
        };
        map.module.install(Box::new(module), site)
    })
}
