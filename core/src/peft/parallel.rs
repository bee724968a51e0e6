//! Parallel adapters: bottlenecks beside a sub-layer, which read what it reads.
//!
//! ```text
//! h' = h + D(y) + s · A(x)          He et al., arXiv:2110.04366, section 3.3
//! ```
//!
//! `A` is the bottleneck of [`super::adapter`], `y` the raw output of the sub-layer, `D` its
//! dropout and `s` a fixed factor. `x` is the sub-layer's input, which in T5 is normed;
//! `AdapterHub` hands over the residual `h` there. BERT's sub-layers read `h` itself.
//! The down projection starts as `LoRA`'s first factor does, the up projection from 0, so
//! that an adapter starts as nothing.

use candle_core::Tensor;

use super::adapter::{Bottleneck, Dense, place};
use super::init::Distribution;
use super::trainables::Builder;
use crate::Result;
use crate::config::{BottleneckConfig, Placement};
use crate::model::Model;
use crate::model::site::{SubLayer, SubLayerModule};

struct Parallel {
    bottleneck: Bottleneck<Dense>,
    scale: f64,
    placement: Placement,
}

impl SubLayerModule for Parallel {
    fn forward(&self, at: &SubLayer<'_>) -> Result<Tensor> {
        let read = match self.placement {
            Placement::Paper | Placement::Peft => at.input,
            Placement::Adapterhub => at.residual,
        };
        let beside = (self.bottleneck.branch(read)? * self.scale)?;
        Ok((at.plain()? + beside)?)
    }
}

/// Installs parallel adapters whose output is multiplied by `scale`.
///
/// # Errors
/// Fails if a site is taken by another module.
pub fn install(
    config: &BottleneckConfig,
    scale: f64,
    model: &mut Model,
    builder: &mut Builder,
) -> Result<()> {
    let placement = config.placement;
    place(
        config,
        (model, builder),
        |builder, mapping| {
            let from = if mapping.path.rsplit('.').next() == Some("up") {
                Distribution::Zero
            } else {
                Distribution::kaiming_uniform(mapping.width)
            };
            Dense::add(builder, &mapping, from)
        },
        |bottleneck| {
            Box::new(Parallel {
                bottleneck,
                scale,
                placement,
            })
        },
    )
}
