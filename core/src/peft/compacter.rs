//! Compacter and the PHM-Adapter: adapters whose weights are sums of Kronecker products.
//!
//! ```text
//! H = Σᵢ Aᵢ ⊗ Bᵢ,   Bᵢ = sᵢ tᵢ          arXiv:2106.04647, PHM and LPHM layers
//! ```
//!
//! | symbol | parameter | shape | owner |
//! |---|---|---|---|
//! | `Aᵢ` | `slow` | `[n, n, n]` | the whole model, or `….slow` of a projection |
//! | `sᵢ`, `tᵢ` | `….left`, `….right` | `[n, in/n, r]`, `[n, r, out/n]` | a projection |
//! | `Bᵢ` (PHM) | `….fast` | `[n, in/n, out/n]` | a projection |
//! | `b` | `….bias` | `[out]` | a projection |
//!
//! The PHM-Adapter (section 3.1 there) is the form in which nothing is shared and nothing
//! factored: slow weights for each projection, fast weights whole.
//!
//! Compacter's slow weights are one tensor for all layers, both positions, encoder and decoder,
//! and for down and up projections alike. They start near 0, so that an adapter starts as
//! the identity. See [`crate::ops::phm`] for the product and [`super::adapter`] for where
//! adapters stand.

use candle_core::Tensor;

use super::adapter::{AdapterProjection, Mapping, add_bias_of, install_with};
use super::group;
use super::init::Distribution;
use super::trainables::Builder;
use crate::Result;
use crate::config::{BottleneckConfig, FastInit, FastWeights, PhmConfig, SlowInit, SlowWeights};
use crate::model::Model;
use crate::model::site::{ProjectionForm, WeightForm};
use crate::ops::phm;

/// A hypercomplex projection with bias: `x H + b`.
#[derive(Debug, Clone)]
pub struct Hypercomplex {
    /// `A: [n, n, n]`
    pub slow: Tensor,
    /// `B`
    pub fast: Fast,
    /// `b: [out]`
    pub bias: Tensor,
}

/// The fast weights of a projection.
#[derive(Debug, Clone)]
pub enum Fast {
    /// `Bᵢ = sᵢ tᵢ`
    Factored {
        /// `s: [n, in/n, r]`
        left: Tensor,
        /// `t: [n, r, out/n]`
        right: Tensor,
    },
    /// `B: [n, in/n, out/n]`
    Dense(Tensor),
}

impl Hypercomplex {
    /// Builds the weight `H: [in, out]` that [`AdapterProjection::forward`] never needs.
    ///
    /// # Errors
    /// Fails where the tensor library does.
    pub fn materialise(&self) -> Result<Tensor> {
        match &self.fast {
            Fast::Factored { left, right } => phm::materialise(&self.slow, &left.matmul(right)?),
            Fast::Dense(whole) => phm::materialise(&self.slow, whole),
        }
    }
}

impl AdapterProjection for Hypercomplex {
    fn product(&self, x: &Tensor) -> Result<Tensor> {
        match &self.fast {
            Fast::Factored { left, right } => phm::factored(x, &self.slow, left, right),
            Fast::Dense(whole) => phm::dense(x, &self.slow, whole),
        }
    }

    fn bias(&self) -> &Tensor {
        &self.bias
    }

    fn form(&self) -> Option<ProjectionForm<'_>> {
        let slow = &self.slow;
        let weight = match &self.fast {
            Fast::Factored { left, right } => WeightForm::LowRankKronecker { slow, left, right },
            Fast::Dense(fast) => WeightForm::Kronecker { slow, fast },
        };
        let bias = &self.bias;
        Some(ProjectionForm { weight, bias })
    }
}

/// Installs Compacter adapters.
///
/// # Errors
/// As [`install_with`]. That `n` divides both widths is for [`super::count::count`] to
/// check, which [`super::install`] calls first.
pub fn install(
    bottleneck: &BottleneckConfig,
    phm: &PhmConfig,
    model: &mut Model,
    builder: &mut Builder,
) -> Result<()> {
    let shared = match phm.slow {
        SlowWeights::Shared => Some(slow_weights(phm, "slow".to_owned(), builder)?),
        SlowWeights::Own => None,
    };
    install_with(bottleneck, model, builder, |builder, mapping| {
        let Mapping { path, width, out } = mapping;
        let slow = match &shared {
            Some(slow) => slow.clone(),
            None => slow_weights(phm, format!("{path}.slow"), builder)?,
        };
        let fast = fast_weights(phm, &path, (width / phm.n, out / phm.n), builder)?;
        let bias = add_bias_of(builder, &path, out)?;
        Ok(Hypercomplex { slow, fast, bias })
    })
}

fn slow_weights(phm: &PhmConfig, name: String, builder: &mut Builder) -> Result<Tensor> {
    let shape = [phm.n; 3];
    let from = match (phm.slow_init, phm.slow) {
        (SlowInit::Normal, _) => Distribution::Normal(phm.init_range),
        (SlowInit::Uniform, SlowWeights::Shared) => Distribution::Uniform(1.0),
        (SlowInit::Uniform, SlowWeights::Own) => Distribution::Uniform(0.01),
    };
    if phm.learn_slow {
        builder.add(name, group::SLOW, &shape, from)
    } else {
        builder.constant(&name, &shape, from)
    }
}

/// Fast weights between blocks of `rows` and `columns`, drawn slice by slice.
fn fast_weights(
    phm: &PhmConfig,
    path: &str,
    (rows, columns): (usize, usize),
    builder: &mut Builder,
) -> Result<Fast> {
    let from = |rows, columns| match phm.fast_init {
        FastInit::GlorotUniform => Distribution::glorot_uniform(rows, columns),
        FastInit::GlorotNormal => Distribution::glorot_normal(rows, columns),
        FastInit::XavierNormal => Distribution::xavier_normal(rows, columns),
        FastInit::Normal => Distribution::Normal(phm.init_range),
    };
    let mut slices = |part: &str, rows, columns| {
        let name = format!("{path}.{part}");
        builder.add(
            name,
            group::FAST,
            &[phm.n, rows, columns],
            from(rows, columns),
        )
    };
    Ok(match phm.fast {
        FastWeights::Factored => Fast::Factored {
            left: slices("left", rows, phm.rank)?,
            right: slices("right", phm.rank, columns)?,
        },
        FastWeights::Dense => Fast::Dense(slices("fast", rows, columns)?),
    })
}
