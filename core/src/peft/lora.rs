//! `LoRA`: a low-rank update beside a frozen linear map.
//!
//! ```text
//! y = x Wᵀ + (α/r) · (x Aᵀ) Bᵀ          Hu et al., arXiv:2106.09685, section 4.1
//! ```
//!
//! | symbol | parameter | shape | starts |
//! |---|---|---|---|
//! | `A` | `….lora_a` | `[r, in]` | uniform in ±1/√in (Kaiming with a = √5) |
//! | `B` | `….lora_b` | `[out, r]` | 0 |
//!
//! Targets are projections of every attention, in T5 also the decoder's attention to the
//! encoder, as in Hugging Face's `peft`.

use candle_core::Tensor;

use super::group;
use super::init::Distribution;
use super::trainables::Builder;
use crate::config::LoraConfig;
use crate::model::site::{Backbone, LinearModule, LowRankForm, Projection, SiteSlot};
use crate::model::{Linear, Model, Pass, Weight};
use crate::ops::linear::{cast, linear};
use crate::{Error, Result};

struct Lora {
    a: Tensor, // [r, in]
    b: Tensor, // [out, r]
    scale: f64,
    dropout: f64,
    site: String,
}

impl LinearModule for Lora {
    fn forward(&self, x: &Tensor, frozen: &Linear, pass: &Pass) -> Result<Tensor> {
        let input = pass.dropout_at(self.dropout, x, &self.site)?;
        let update = linear(&linear(&input, &self.a)?, &self.b)?; // [tokens, out]
        Ok((frozen.plain(x)? + (update * self.scale)?)?)
    }

    fn as_low_rank(&self) -> Option<LowRankForm<'_>> {
        Some(LowRankForm {
            a: &self.a,
            b: &self.b,
            scale: self.scale,
            dropout: (self.dropout, &self.site),
        })
    }

    fn merged(&self, linear: &Linear) -> Result<Option<(Tensor, Option<Tensor>)>> {
        let weight = linear.weight.tensor()?;
        let update = (self.b.matmul(&self.a)? * self.scale)?;
        let merged = (cast(&weight, update.dtype())? + update)?;
        let bias = linear.bias.as_ref().map(Weight::tensor).transpose()?;
        Ok(Some((merged, bias)))
    }
}

/// Installs low-rank updates.
///
/// # Errors
/// Fails if a target is none of `q`, `k`, `v`, `o`.
pub fn install(config: &LoraConfig, model: &mut Model, builder: &mut Builder) -> Result<()> {
    let targets = targets(&config.targets)?;
    let scale = config.alpha / config.rank as f64;
    model.visit_sites(&mut |site, slot| {
        let SiteSlot::Linear(role, map) = slot else {
            return Ok(());
        };
        if !targets.contains(&role) {
            return Ok(());
        }
        let (out, width) = map.weight.stored().dims2()?;
        let path = map.path.clone();
        let bound = Distribution::kaiming_uniform(width);
        let a = builder.add(
            format!("{path}.lora_a"),
            group::LORA,
            &[config.rank, width],
            bound,
        )?;
        let zero = Distribution::Zero;
        let b = builder.add(
            format!("{path}.lora_b"),
            group::LORA,
            &[out, config.rank],
            zero,
        )?;
        let site_name = format!("{path}.lora");
        let module = Lora {
            a,
            b,
            scale,
            dropout: config.dropout,
            site: site_name,
        };
        map.module.install(Box::new(module), site)
    })
}

/// The projections of that names.
///
/// # Errors
/// Fails if one is none of `q`, `k`, `v`, `o`.
pub(super) fn targets(names: &[String]) -> Result<Vec<Projection>> {
    names.iter().map(|name| target(name)).collect()
}

fn target(name: &str) -> Result<Projection> {
    match name {
        "q" => Ok(Projection::Query),
        "k" => Ok(Projection::Key),
        "v" => Ok(Projection::Value),
        "o" => Ok(Projection::Output),
        _ => Err(Error::method(format!(
            "target {name:?} is none of q, k, v, o"
        ))),
    }
}
