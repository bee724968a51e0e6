//! Bottleneck adapters: their width, their number, and what they train.

use super::formula::{Formula, n};
use crate::config::{BottleneckConfig, FastWeights, PhmConfig, Positions, SlowWeights};
use crate::event::Group;
use crate::model::{Family, ModelShape};
use crate::peft::group;
use crate::{Error, Result};

/// Width of the bottleneck, `⌊width / reduction_factor⌋`.
///
/// # Errors
/// [`Error::Method`] when that is 0 or the factor is.
pub fn bottleneck_width(config: &BottleneckConfig, width: usize) -> Result<usize> {
    let factor = config.reduction_factor;
    match width.checked_div(factor) {
        Some(bottleneck) if bottleneck > 0 => Ok(bottleneck),
        _ => Err(Error::method(format!(
            "reduction_factor {factor} leaves no bottleneck: choose 1 to {width}, \
             the model's width"
        ))),
    }
}

/// The blocks that get adapters, counted from 0 with the encoder's first.
///
/// # Errors
/// [`Error::Method`] when `leave_out` names a block that the model does not have, or when it
/// and `drop_first` leave none.
pub fn adapted_blocks(config: &BottleneckConfig, shape: &ModelShape) -> Result<Vec<usize>> {
    let blocks = shape.layers();
    if let Some(block) = config.leave_out.iter().find(|block| **block >= blocks) {
        return Err(Error::method(format!(
            "leave_out names block {block}; the model has blocks 0 to {}",
            blocks - 1
        )));
    }
    let dropped = |block: usize| {
        let first = if block < shape.encoder_layers {
            0
        } else {
            shape.encoder_layers
        };
        block - first < config.drop_first
    };
    let adapted: Vec<usize> = (0..blocks)
        .filter(|block| !config.leave_out.contains(block) && !dropped(*block))
        .collect();
    if adapted.is_empty() && config.drop_first > 0 {
        let deepest = shape.encoder_layers.max(shape.decoder_layers);
        return Err(Error::method(format!(
            "drop_first = {} leaves no block with an adapter: a stack of this model has \
             {deepest} blocks; choose fewer",
            config.drop_first
        )));
    }
    if adapted.is_empty() {
        return Err(Error::method("leave_out leaves no block with an adapter"));
    }
    Ok(adapted)
}

/// Adapters with dense projections.
pub(super) fn dense(config: &BottleneckConfig, shape: &ModelShape) -> Result<Vec<Group>> {
    let sizes = Sizes::of(config, shape)?;
    let projections = n(sizes.adapters) * n(2) * n(sizes.k) * n(sizes.d);
    let mut groups = vec![projections.group(group::ADAPTER)?, sizes.biases()?];
    groups.extend(layer_norms(config, shape)?);
    Ok(groups)
}

/// Adapters with low-rank projections.
pub(super) fn low_rank(
    config: &BottleneckConfig,
    rank: usize,
    shape: &ModelShape,
) -> Result<Vec<Group>> {
    if rank == 0 {
        return Err(Error::method("rank cannot be 0"));
    }
    let sizes = Sizes::of(config, shape)?;
    let factors = n(sizes.adapters) * n(2) * n(rank) * (n(sizes.k) + n(sizes.d));
    let mut groups = vec![factors.group(group::FACTORS)?, sizes.biases()?];
    groups.extend(layer_norms(config, shape)?);
    Ok(groups)
}

/// Adapters with hypercomplex projections.
pub(super) fn hypercomplex(
    config: &BottleneckConfig,
    phm: &PhmConfig,
    shape: &ModelShape,
) -> Result<Vec<Group>> {
    let sizes = Sizes::of(config, shape)?;
    check_division(phm.n, &sizes)?;
    let projections = || n(sizes.adapters) * n(2);
    let fast = match phm.fast {
        FastWeights::Factored if phm.rank == 0 => {
            return Err(Error::method("rank cannot be 0"));
        }
        FastWeights::Factored => projections() * n(phm.rank) * (n(sizes.k) + n(sizes.d)),
        FastWeights::Dense => projections() * n(phm.n) * n(sizes.k / phm.n) * n(sizes.d / phm.n),
    };
    let mut groups = vec![fast.group(group::FAST)?];
    if phm.learn_slow {
        let set = cube(phm.n);
        let slow = match phm.slow {
            SlowWeights::Shared => set,
            SlowWeights::Own => projections() * set,
        };
        groups.push(slow.group(group::SLOW)?);
    }
    groups.push(sizes.biases()?);
    groups.extend(layer_norms(config, shape)?);
    Ok(groups)
}

/// `n` matrices of `n × n`.
fn cube(division: usize) -> Formula {
    n(division) * n(division) * n(division)
}

/// Widths and number of a model's adapters.
struct Sizes {
    /// The model's width.
    k: usize,
    /// The bottleneck's width.
    d: usize,
    adapters: usize,
}

impl Sizes {
    fn of(config: &BottleneckConfig, shape: &ModelShape) -> Result<Self> {
        let a_block = match config.positions {
            Positions::Both => 2,
            Positions::SelfAttention | Positions::FeedForward => 1,
        };
        Ok(Self {
            k: shape.d_model,
            d: bottleneck_width(config, shape.d_model)?,
            adapters: a_block * adapted_blocks(config, shape)?.len(),
        })
    }

    /// Each projection has one, as wide as its output.
    fn biases(&self) -> Result<Group> {
        (n(self.adapters) * (n(self.k) + n(self.d))).group(group::BIAS)
    }
}

fn check_division(division: usize, sizes: &Sizes) -> Result<()> {
    let (k, d) = (sizes.k, sizes.d);
    let fits = |n: &usize| k.is_multiple_of(*n) && d.is_multiple_of(*n);
    if division > 0 && fits(&division) {
        return Ok(());
    }
    let fitting: Vec<String> = (1..=d).filter(fits).map(|n| n.to_string()).collect();
    Err(Error::method(format!(
        "n = {division} must divide both the model's width {k} and the bottleneck's {d}; \
         those that do: {}",
        fitting.join(", ")
    )))
}

/// The backbone's own norms, when they are trained too.
fn layer_norms(config: &BottleneckConfig, shape: &ModelShape) -> Result<Option<Group>> {
    config.train_layer_norms.then(|| norms(shape)).transpose()
}

/// The backbone's own norms.
pub(super) fn norms(shape: &ModelShape) -> Result<Group> {
    let norms = match shape.family {
        // One before each attention and each feed-forward, one after each stack; no biases.
        Family::T5 => n(2 * shape.encoder_layers + 3 * shape.decoder_layers + 2),
        // One after each sub-layer and one on the embeddings, with biases.
        Family::Bert | Family::Roberta => n(2 * shape.encoder_layers + 1) * n(2),
    };
    (norms * n(shape.d_model)).group(group::NORM)
}
