//! Scaled dot-product attention over the heads of a padded batch.
//!
//! ```text
//! softmax(α · Q Kᵀ + bias + mask) V          Vaswani et al., arXiv:1706.03762, section 3.2
//! ```
//!
//! α is 1 in T5 (the scale is in its weights) and 1/√e in BERT.

use candle_core::{D, DType, Tensor};

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
    #[expect(clippy::float_cmp, reason = "T5's 1 is stored, not computed")]
    pub fn forward(&self) -> Result<Tensor> {
        let keys = self.keys.transpose(2, 3)?.contiguous()?; // [b, h, e, k]
        let mut scores = self.queries.contiguous()?.matmul(&keys)?; // [b, h, q, k]
        if self.scale != 1.0 {
            scores = (scores * self.scale)?;
        }
        for added in [self.bias, self.mask].into_iter().flatten() {
            scores = scores.broadcast_add(added)?;
        }
        let mut weights = softmax(&scores)?;
        if let Some((rate, key)) = self.dropout {
            weights = dropout(&weights, rate, key)?;
        }
        Ok(weights.matmul(&self.values.contiguous()?)?)
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
