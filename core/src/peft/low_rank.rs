//! Low-rank adapters: both projections are products of two factors.
//!
//! ```text
//! y = x S T + b          Adapter-LowRank of Compacter's comparison, arXiv:2106.04647
//! ```
//!
//! | symbol | parameter | shape | starts |
//! |---|---|---|---|
//! | `S` | `….left` | `[in, r]` | Glorot uniform, gain √2 |
//! | `T` | `….right` | `[r, out]` | Glorot uniform, gain √2 |
//! | `b` | `….bias` | `[out]` | 0 |
//!
//! A token costs `r · (in + out)` multiplications. See [`super::adapter`] for where
//! adapters stand.
//!
//! Departures: the reference multiplies its factors element by element with broadcasting,
//! which is this product for `r = 1` and fails for any other; here every rank works.

use candle_core::Tensor;

use super::adapter::{AdapterProjection, Mapping, add_bias_of, install_with};
use super::group;
use super::init::Distribution;
use super::trainables::Builder;
use crate::Result;
use crate::config::BottleneckConfig;
use crate::model::Model;
use crate::model::site::{ProjectionForm, WeightForm};
use crate::ops::linear::cast;

/// A projection `x S T + b`.
struct LowRank {
    left: Tensor,  // [in, r]
    right: Tensor, // [r, out]
    bias: Tensor,  // [out]
}

impl AdapterProjection for LowRank {
    fn product(&self, x: &Tensor) -> Result<Tensor> {
        let narrow = x.matmul(&cast(&self.left, x.dtype())?)?; // [tokens, r]
        Ok(narrow.matmul(&cast(&self.right, x.dtype())?)?) // [tokens, out]
    }

    fn bias(&self) -> &Tensor {
        &self.bias
    }

    fn form(&self) -> Option<ProjectionForm<'_>> {
        let weight = WeightForm::LowRank {
            left: &self.left,
            right: &self.right,
        };
        let bias = &self.bias;
        Some(ProjectionForm { weight, bias })
    }
}

/// Installs low-rank adapters.
///
/// # Errors
/// As [`install_with`].
pub fn install(
    config: &BottleneckConfig,
    rank: usize,
    model: &mut Model,
    builder: &mut Builder,
) -> Result<()> {
    install_with(config, model, builder, |builder, mapping| {
        let Mapping { path, width, out } = mapping;
        let mut factor = |part: &str, rows, columns| {
            let from = Distribution::glorot_uniform(rows, columns);
            let name = format!("{path}.{part}");
            builder.add(name, group::FACTORS, &[rows, columns], from)
        };
        let left = factor("left", width, rank)?;
        let right = factor("right", rank, out)?;
        let bias = add_bias_of(builder, &path, out)?;
        Ok(LowRank { left, right, bias })
    })
}
