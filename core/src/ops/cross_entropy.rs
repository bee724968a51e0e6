//! Cross-entropy between logits and class numbers.

use candle_core::{D, DType, Tensor};

use crate::Result;

/// Mean over rows of `−log softmax(logits)[class]`.
///
/// `logits: [rows, classes]`, `classes: [rows]` of `u32`; a scalar comes back.
///
/// # Errors
/// Fails where the tensor library does, as on a class number out of range.
pub fn cross_entropy(logits: &Tensor, classes: &Tensor) -> Result<Tensor> {
    let logits = match logits.dtype() {
        DType::F16 | DType::BF16 => logits.to_dtype(DType::F32)?,
        _ => logits.clone(),
    };
    let chosen = log_softmax(&logits)?.gather(&classes.unsqueeze(1)?, 1)?; // [rows, 1]
    Ok(chosen.neg()?.mean_all()?)
}

/// Logarithm of the softmax over the last axis.
///
/// # Errors
/// Fails where the tensor library does.
pub fn log_softmax(logits: &Tensor) -> Result<Tensor> {
    // The maximum only keeps exp in range; the result does not depend on it.
    let shifted = logits.broadcast_sub(&logits.max_keepdim(D::Minus1)?.detach())?;
    let normaliser = shifted.exp()?.sum_keepdim(D::Minus1)?.log()?;
    Ok(shifted.broadcast_sub(&normaliser)?)
}
