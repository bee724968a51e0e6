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
//! With `placement = "peft"` rows take the first positions, and tokens come after them: of BERT
//! the absolute ones, of T5 the relative ones. T5 has them in the decoder's attention to itself
//! only, and several blocks can share a layer's rows ([`layer_of`]): Hugging Face's `peft` hands
//! the model a cache of past keys and values, and takes the encoder's part back out of it.
//!
//! With `placement = "adapterhub"` a prefix counts among T5's relative positions of keys and
//! not of queries, which moves all tokens apart by its length, as in that library. In the
//! paper's it has no position: T5's bias for it is 0, and tokens stand where they stood.

use std::collections::BTreeMap;

use candle_core::Tensor;

use super::group;
use super::init::Distribution;
use super::trainables::Builder;
use crate::config::{Placement, PrefixConfig};
use crate::model::site::{Backbone, Branch, KeyValueModule, Site, SiteSlot, Stack};
use crate::model::{Family, Model, ModelShape};
use crate::ops::linear::linear;
use crate::{Error, Result};

/// The rows of one attention.
struct Prefix {
    source: Source,
    positions: usize,
    moves_queries: bool,
}

/// What makes keys and values.
#[derive(Clone)]
enum Source {
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
        match &self.source {
            Source::Rows(keys, values) => Ok((keys.clone(), values.clone())),
            Source::Made { pool, keys, values } => {
                let hidden = pool.hidden()?;
                Ok((keys.forward(&hidden)?, values.forward(&hidden)?))
            }
        }
    }

    fn positions(&self) -> usize {
        self.positions
    }

    fn moves_queries(&self) -> bool {
        self.moves_queries
    }
}

impl Pool {
    /// `[rows, m]`
    fn hidden(&self) -> Result<Tensor> {
        Ok(self.down.forward(&self.rows)?.tanh()?)
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

/// Puts rows before the keys and values of every attention, or of those that `peft` would.
///
/// # Errors
/// Fails if a site is taken by another module.
pub fn install(config: &PrefixConfig, model: &mut Model, builder: &mut Builder) -> Result<()> {
    let placed = config.placement == Placement::Peft;
    let positions = match config.placement {
        Placement::Peft => config.length,
        Placement::Adapterhub if model.shape.has_decoder() => config.length,
        Placement::Adapterhub | Placement::Paper => 0,
    };
    let moves_queries = config.placement != Placement::Adapterhub;
    let shape = model.shape.clone();
    let mut pools: Vec<((Stack, Branch), Pool)> = Vec::new();
    let mut layers: Vec<(usize, Source)> = Vec::new();
    model.visit_sites(&mut |site, slot| {
        let SiteSlot::KeyValue(slot) = slot else {
            return Ok(());
        };
        let layer = match placed.then(|| layer_at(site, &shape)) {
            None => None, // rows of its own
            Some(None) => return Ok(()),
            Some(layer) => layer,
        };
        let shared = layers.iter().find(|(known, _)| Some(*known) == layer);
        let source = match shared {
            Some((_, source)) => source.clone(),
            None => source(config, &shape, site, &mut pools, builder)?,
        };
        if let Some(layer) = layer {
            layers.push((layer, source.clone()));
        }
        let prefix = Prefix {
            source,
            positions,
            moves_queries,
        };
        slot.install(Box::new(prefix), site)
    })
}

/// Adds what makes the keys and values of an attention.
fn source(
    config: &PrefixConfig,
    shape: &ModelShape,
    site: &Site<'_>,
    pools: &mut Vec<((Stack, Branch), Pool)>,
    builder: &mut Builder,
) -> Result<Source> {
    let path = format!("{}.prefix", site.path);
    if config.bottleneck == 0 {
        let (sizes, normal) = ([config.length, shape.inner()], Distribution::Normal(1.0));
        let mut rows = |part| builder.add(format!("{path}.{part}"), group::PREFIX, &sizes, normal);
        return Ok(Source::Rows(rows("keys")?, rows("values")?));
    }
    let place = (site.stack, site.branch);
    let known = pools.iter().find(|(of, _)| *of == place);
    let pool = if let Some((_, pool)) = known {
        pool.clone()
    } else {
        let pool = pool(config, shape.d_model, site, builder)?;
        pools.push((place, pool.clone()));
        pool
    };
    let mut map = |part| {
        let sizes = (shape.inner(), config.bottleneck);
        Map::add(builder, &format!("{path}.{part}"), sizes)
    };
    Ok(Source::Made {
        pool,
        keys: map("keys")?,
        values: map("values")?,
    })
}

/// The layer whose rows `peft` hands to an attention; `None` where it hands over none.
fn layer_at(site: &Site<'_>, shape: &ModelShape) -> Option<usize> {
    match (site.stack, site.branch) {
        (Stack::Encoder, _) if shape.has_decoder() => None,
        (Stack::Decoder, Branch::CrossAttention) => None,
        (Stack::Encoder, _) => Some(site.block),
        (Stack::Decoder, _) => Some(layer_of(site.block - shape.encoder_layers, shape)),
    }
}

/// The layer whose rows `peft` hands to a block of the stack that has a prefix.
///
/// A T5 gets all rows twice, for attention to itself and to the encoder, in groups of four of
/// which it reads the first two: block `i` of `L` layers reads those of layer `2i mod L`.
#[must_use]
pub fn layer_of(block: usize, shape: &ModelShape) -> usize {
    match shape.family {
        Family::T5 => 2 * block % shape.encoder_layers,
        Family::Bert | Family::Roberta => block,
    }
}

/// Trained tensors by name, with the rows in place of what makes them: `….prefix.keys` and
/// `….prefix.values` of every attention, `[rows, h·e]` each.
///
/// # Errors
/// Fails if a part of what makes them is missing.
pub fn made(named: &BTreeMap<String, Tensor>) -> Result<BTreeMap<String, Tensor>> {
    let part = |name: String| {
        let found = named.get(&name).cloned();
        found.ok_or_else(|| Error::method(format!("{name} is not trained")))
    };
    let map = |path: &str| -> Result<Map> {
        Ok(Map {
            weight: part(format!("{path}.weight"))?,
            bias: part(format!("{path}.bias"))?,
        })
    };
    let mut made = BTreeMap::new();
    for (name, tensor) in named {
        let path = name.strip_suffix(".weight").unwrap_or(name);
        let of = ["keys", "values"]
            .iter()
            .find_map(|part| path.strip_suffix(part));
        match of.and_then(|site| site.strip_suffix(".prefix.")) {
            Some(site) if path.len() < name.len() => {
                let pool = pool_path(site);
                let down = map(&format!("{pool}.down"))?;
                let rows = part(format!("{pool}.rows"))?;
                let rows = map(path)?.forward(&Pool { rows, down }.hidden()?)?;
                made.insert(path.to_owned(), rows);
            }
            _ => {
                made.insert(name.clone(), tensor.clone());
            }
        }
    }
    Ok(made)
}

/// Where the pool of an attention's kind is kept.
fn pool_path(attention: &str) -> &'static str {
    match attention.split('.').next() {
        Some("encoder") => "encoder.prefix",
        _ if attention.ends_with("EncDecAttention") => "decoder.cross_prefix",
        _ => "decoder.prefix",
    }
}

fn pool(
    config: &PrefixConfig,
    width: usize,
    site: &Site<'_>,
    builder: &mut Builder,
) -> Result<Pool> {
    let path = pool_path(site.path);
    let normal = Distribution::Normal(1.0);
    let sizes = [config.length, width];
    Ok(Pool {
        rows: builder.add(format!("{path}.rows"), group::PREFIX, &sizes, normal)?,
        down: Map::add(builder, &format!("{path}.down"), (config.bottleneck, width))?,
    })
}
