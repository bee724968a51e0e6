//! The task head of an encoder: one vector per sequence, then a linear map.

use candle_core::Tensor;

use super::Pass;
use crate::Result;
use crate::ops::linear::{cast, linear};
use crate::ops::{Segments, index};

/// A linear map from pooled states to classes, or to one number.
#[derive(Debug)]
pub struct Head {
    /// `[outputs, d_model]`, trained.
    pub weight: Tensor,
    /// `[outputs]`, trained.
    pub bias: Tensor,
}

impl Head {
    /// Name of the dropout on its input.
    pub const DROPOUT: &'static str = "head.dropout";

    /// Maps pooled states `[b, d_model]` to `[b, outputs]`, in the head's number format.
    ///
    /// # Errors
    /// Fails where the tensor library does.
    pub fn forward(&self, pooled: &Tensor, pass: &Pass) -> Result<Tensor> {
        let pooled = pass.dropout(&cast(pooled, self.weight.dtype())?, Self::DROPOUT)?;
        Ok(linear(&pooled, &self.weight)?.broadcast_add(&self.bias)?)
    }
}

/// The mean of each sequence's rows: `[tokens, d_model]` to `[b, d_model]`.
///
/// # Errors
/// Fails where the tensor library does.
pub fn mean_pool(hidden: &Tensor, segments: &Segments) -> Result<Tensor> {
    // One product with a [b, tokens] matrix of 1/length: batches are small.
    let (batch, tokens) = (segments.batch(), segments.tokens());
    let mut share = vec![0f64; batch * tokens];
    for (sequence, window) in segments.offsets().windows(2).enumerate() {
        let length = (window[1] - window[0]) as f64;
        for row in window[0]..window[1] {
            share[sequence * tokens + row] = 1.0 / length;
        }
    }
    let share = Tensor::from_vec(share, (batch, tokens), hidden.device())?;
    Ok(share.to_dtype(hidden.dtype())?.matmul(hidden)?)
}

/// The first row of each sequence: `[tokens, d_model]` to `[b, d_model]`.
///
/// # Errors
/// Fails where the tensor library does.
pub fn first_rows(hidden: &Tensor, segments: &Segments) -> Result<Tensor> {
    let starts: Vec<u32> = segments.offsets()[..segments.batch()]
        .iter()
        .map(|&at| index(at))
        .collect();
    Ok(hidden
        .contiguous()?
        .index_select(&Tensor::new(starts, hidden.device())?, 0)?)
}
