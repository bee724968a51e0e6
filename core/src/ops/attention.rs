//! Scaled dot-product attention over heads, of a padded or a packed batch.
//!
//! ```text
//! softmax(α · Q Kᵀ + bias + mask) V          Vaswani et al., arXiv:1706.03762, section 3.2
//! ```
//!
//! α is 1 in T5 (the scale is in its weights) and 1/√e in BERT. The padded form is composed
//! of tensor operations: the reference, and what runs where the packed one does not.

mod geometry;
mod heads;
mod multi_query;
mod packed;

use std::sync::Mutex;

use candle_core::{D, DType, Tensor};

pub(crate) use self::geometry::{Arrangement, Geometry, Gradients};
pub(crate) use self::heads::Bias;
pub(crate) use self::multi_query::MultiQuery;
use self::packed::PackedAttention;
use super::Segments;
use super::dropout::dropout;
use crate::Result;
use crate::random::Key;

/// What attention is computed from; every tensor but `bias` has a batch axis.
#[derive(Debug)]
pub struct Attention<'a> {
    /// Queries. `[b, h, q, e]`
    pub queries: &'a Tensor,
    /// Keys. `[b, h, k, e]`
    pub keys: &'a Tensor,
    /// Values. `[b, h, k, e]`
    pub values: &'a Tensor,
    /// Factor α of the scores.
    pub scale: f64,
    /// Added to the scores; may hold −∞ where a query must not look. `[1, h or 1, q, k]`
    pub bias: Option<&'a Tensor>,
    /// Added to the scores: −∞ for padded keys. `[b, 1, 1, k]`
    pub mask: Option<&'a Tensor>,
    /// Dropout on the probabilities: rate and mask.
    pub dropout: Option<(f64, Key)>,
}

impl Attention<'_> {
    /// Weighs the values by how well their keys match each query. `[b, h, q, e]`
    ///
    /// # Errors
    /// Fails where the tensor library does.
    pub fn forward(&self) -> Result<Tensor> {
        let keys = self.keys.transpose(2, 3)?.contiguous()?; // [b, h, e, k]
        let scores = self.queries.contiguous()?.matmul(&keys)?; // [b, h, q, k]
        let mut weights = self.probabilities(scores)?;
        if let Some((rate, key)) = self.dropout {
            weights = dropout(&weights, rate, key)?;
        }
        Ok(weights.matmul(&self.values.contiguous()?)?)
    }

    /// The softmax of raw scores `[b, h, q, k]` with scale, bias and mask.
    #[expect(clippy::float_cmp, reason = "T5's 1 is stored, not computed")]
    fn probabilities(&self, mut scores: Tensor) -> Result<Tensor> {
        #[cfg(feature = "cuda")]
        if super::cuda::take(&scores) {
            return super::cuda::softmax(&scores, self.scale, (self.bias, self.mask));
        }
        if self.scale != 1.0 {
            scores = (scores * self.scale)?;
        }
        for added in [self.bias, self.mask].into_iter().flatten() {
            scores = scores.broadcast_add(added)?;
        }
        softmax(&scores)
    }
}

/// What attention on packed rows is computed from.
#[derive(Debug)]
pub struct Packed<'a> {
    /// Queries. `[q tokens, h·e]`
    pub queries: &'a Tensor,
    /// Keys. `[k tokens, h·e]`
    pub keys: &'a Tensor,
    /// Values. `[k tokens, h·e]`
    pub values: &'a Tensor,
    /// Sequences of the queries, and those of the keys.
    pub segments: (&'a Segments, &'a Segments),
    /// Number of heads.
    pub heads: usize,
    /// Factor α of the scores.
    pub scale: f64,
    /// Added to the scores; may hold −∞ where a query must not look. `[1, h or 1, q, k]`
    /// for the longest sequences, shorter ones use its first rows and columns.
    pub bias: Option<&'a Tensor>,
    /// Dropout on the probabilities: rate and mask, the same as in the padded form.
    pub dropout: Option<(f64, Key)>,
}

impl Packed<'_> {
    /// Whether rows of this kind can be attended to in packed form.
    #[must_use]
    pub fn fits(rows: &Tensor) -> bool {
        rows.device().is_cpu() && [DType::F32, DType::F64].contains(&rows.dtype())
    }

    /// Weighs the values by how well their keys match each query. `[q tokens, h·e]`
    ///
    /// # Errors
    /// Fails where the tensor library does.
    pub fn forward(&self) -> Result<Tensor> {
        let width = self.queries.dim(1)?;
        let op = PackedAttention {
            geometry: Geometry::new(
                (width, self.heads),
                Arrangement::apart(width),
                (self.scale, self.dropout),
                self.segments,
            ),
            kept: Mutex::default(),
            keep: [self.queries, self.keys, self.values]
                .iter()
                .any(|t| t.track_op()),
        };
        let queries = self.queries.contiguous()?;
        let memory = Tensor::cat(&[self.keys, self.values], 1)?.contiguous()?; // [k tokens, 2·h·e]
        Ok(match self.bias {
            Some(bias) => queries.apply_op3(&memory, &bias.contiguous()?, op)?,
            None => queries.apply_op2(&memory, op)?,
        })
    }
}

/// Softmax over the last axis, in `f32` where the input is narrower.
///
/// # Errors
/// Fails where the tensor library does.
pub fn softmax(scores: &Tensor) -> Result<Tensor> {
    let wide = match scores.dtype() {
        DType::F16 | DType::BF16 => scores.to_dtype(DType::F32)?,
        _ => scores.clone(),
    };
    // The maximum only keeps exp in range; the result does not depend on it.
    let powers = wide
        .broadcast_sub(&wide.max_keepdim(D::Minus1)?.detach())?
        .exp()?;
    let weights = powers.broadcast_div(&powers.sum_keepdim(D::Minus1)?)?;
    Ok(weights.to_dtype(scores.dtype())?)
}

/// Splits rows of a padded batch into heads: `[b, l, h·e]` to `[b, h, l, e]`.
///
/// # Errors
/// Fails where the tensor library does.
pub fn split_heads(padded: &Tensor, heads: usize) -> Result<Tensor> {
    let (batch, length, width) = padded.dims3()?;
    Ok(padded
        .reshape((batch, length, heads, width / heads))?
        .transpose(1, 2)?)
}

/// Joins heads again: `[b, h, l, e]` to `[b, l, h·e]`.
///
/// # Errors
/// Fails where the tensor library does.
pub fn join_heads(split: &Tensor) -> Result<Tensor> {
    let (batch, heads, length, width) = split.dims4()?;
    Ok(split
        .transpose(1, 2)?
        .reshape((batch, length, heads * width))?)
}

#[cfg(test)]
mod tests;
