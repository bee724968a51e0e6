//! Prefix tuning: trained rows stand before the keys and values of every attention.
//!
//! ```text
//! H = tanh(P Wᵀ + b)      keys = H Wₖᵀ + bₖ      values = H W_vᵀ + b_v
//!                                   Li and Liang, arXiv:2101.00190, sections 4.2 and 4.3
//! ```
//!
//! | symbol | parameter | shape | owner |
//! |---|---|---|---|
//! | `P` | `….prefix.rows` | `[rows, d_model]` | a kind of attention |
//! | `W`, `b` | `….prefix.down.weight`, `….bias` | `[m, d_model]`, `[m]` | a kind of attention |
//! | `Wₖ`, `bₖ` | `….prefix.keys.weight`, `….bias` | `[h·e, m]`, `[h·e]` | an attention |
//! | `W_v`, `b_v` | `….prefix.values.weight`, `….bias` | `[h·e, m]`, `[h·e]` | an attention |
//!
//! There are three kinds of attention in T5: the encoder's, the decoder's to itself and to
//! the encoder. With `bottleneck = 0` keys and values are trained themselves. As in
//! `AdapterHub`, `P` and such rows start standard normal and maps as PyTorch's linear
//! layers do; there the maps of all layers are one, of which these are the parts.
//!
//! Departures: `AdapterHub` counts a prefix among T5's relative positions of keys and not of
//! queries, which moves all tokens apart by its length. Here a prefix has no position: T5's
//! bias for it is 0, and tokens stand where they stood.

use candle_core::Tensor;

use super::group;
use super::init::Distribution;
use super::trainables::Builder;
use crate::Result;
use crate::config::PrefixConfig;
use crate::model::Model;
use crate::model::site::{Backbone, Branch, KeyValueModule, Site, SiteSlot, Stack};
use crate::ops::linear::linear;

/// What makes the keys and values of one attention.
enum Prefix {
    /// `[rows, h·e]` each.
    Rows(Tensor, Tensor),
    /// Two maps of what a pool makes of its rows.
    Made { pool: Pool, keys: Map, values: Map },
}

/// What all attentions of a kind share.
#[derive(Clone)]
struct Pool {
    rows: Tensor, // [rows, d_model]
    down: Map,
}

/// `x Wᵀ + b`
#[derive(Clone)]
struct Map {
    weight: Tensor, // [out, in]
    bias: Tensor,   // [out]
}

impl KeyValueModule for Prefix {
    fn rows(&self) -> Result<(Tensor, Tensor)> {
        match self {
            Self::Rows(keys, values) => Ok((keys.clone(), values.clone())),
            Self::Made { pool, keys, values } => {
                let hidden = pool.down.forward(&pool.rows)?.tanh()?; // [rows, m]
                Ok((keys.forward(&hidden)?, values.forward(&hidden)?))
            }
        }
    }
}

impl Map {
    fn add(builder: &mut Builder, path: &str, (out, width): (usize, usize)) -> Result<Self> {
        let from = Distribution::kaiming_uniform(width);
        let weight = builder.add(format!("{path}.weight"), group::PREFIX, &[out, width], from)?;
        let bias = builder.add(format!("{path}.bias"), group::PREFIX, &[out], from)?;
        Ok(Self { weight, bias })
    }

    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        Ok(linear(x, &self.weight)?.broadcast_add(&self.bias)?)
    }
}

/// Puts rows before the keys and values of every attention.
///
/// # Errors
/// Fails if a site is taken by another module.
pub fn install(config: &PrefixConfig, model: &mut Model, builder: &mut Builder) -> Result<()> {
    let (width, inner) = (model.shape.d_model, model.shape.inner());
    let normal = Distribution::Normal(1.0);
    let mut pools: Vec<((Stack, Branch), Pool)> = Vec::new();
    model.visit_sites(&mut |site, slot| {
        let SiteSlot::KeyValue(slot) = slot else {
            return Ok(());
        };
        let path = format!("{}.prefix", site.path);
        let sizes = [config.length, inner];
        let prefix = if config.bottleneck == 0 {
            let mut rows =
                |part| builder.add(format!("{path}.{part}"), group::PREFIX, &sizes, normal);
            Prefix::Rows(rows("keys")?, rows("values")?)
        } else {
            let place = (site.stack, site.branch);
            let known = pools.iter().find(|(of, _)| *of == place);
            let pool = if let Some((_, pool)) = known {
                pool.clone()
            } else {
                let pool = pool(config, width, site, builder)?;
                pools.push((place, pool.clone()));
                pool
            };
            let mut map = |part| {
                let sizes = (inner, config.bottleneck);
                Map::add(builder, &format!("{path}.{part}"), sizes)
            };
            Prefix::Made {
                pool,
                keys: map("keys")?,
                values: map("values")?,
            }
        };
        slot.install(Box::new(prefix), site)
    })
}

fn pool(
    config: &PrefixConfig,
    width: usize,
    site: &Site<'_>,
    builder: &mut Builder,
) -> Result<Pool> {
    let path = match (site.stack, site.branch) {
        (Stack::Encoder, _) => "encoder.prefix",
        (Stack::Decoder, Branch::CrossAttention) => "decoder.cross_prefix",
        (Stack::Decoder, _) => "decoder.prefix",
    };
    let normal = Distribution::Normal(1.0);
    let sizes = [config.length, width];
    Ok(Pool {
        rows: builder.add(format!("{path}.rows"), group::PREFIX, &sizes, normal)?,
        down: Map::add(builder, &format!("{path}.down"), (config.bottleneck, width))?,
    })
}
