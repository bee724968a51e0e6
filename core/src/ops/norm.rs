//! Layer normalisation: T5's root-mean-square form and BERT's full form.
//!
//! Statistics are taken in `f32` where the activations are narrower, as the pretrained
//! models were trained.

use candle_core::{D, DType, Tensor};

use crate::Result;

/// `w · x / √(mean(x²) + ε)` over the last axis (Zhang and Sennrich, arXiv:1910.07467).
///
/// `x: [tokens, width]`, `weight: [width]`.
///
/// # Errors
/// Fails where the tensor library does.
pub fn rms_norm(x: &Tensor, weight: &Tensor, epsilon: f64) -> Result<Tensor> {
    let wide = widen(x)?;
    let scale = (wide.sqr()?.mean_keepdim(D::Minus1)? + epsilon)?.sqrt()?; // [tokens, 1]
    let normal = wide.broadcast_div(&scale)?;
    Ok(normal
        .broadcast_mul(&weight.to_dtype(normal.dtype())?)?
        .to_dtype(x.dtype())?)
}

/// `w · (x − mean) / √(variance + ε) + b` over the last axis (Ba et al., arXiv:1607.06450).
///
/// `x: [tokens, width]`, `weight` and `bias: [width]`.
///
/// # Errors
/// Fails where the tensor library does.
pub fn layer_norm(x: &Tensor, weight: &Tensor, bias: &Tensor, epsilon: f64) -> Result<Tensor> {
    let wide = widen(x)?;
    let centred = wide.broadcast_sub(&wide.mean_keepdim(D::Minus1)?)?;
    let scale = (centred.sqr()?.mean_keepdim(D::Minus1)? + epsilon)?.sqrt()?; // [tokens, 1]
    let normal = centred.broadcast_div(&scale)?;
    let scaled = normal.broadcast_mul(&weight.to_dtype(normal.dtype())?)?;
    Ok(scaled
        .broadcast_add(&bias.to_dtype(normal.dtype())?)?
        .to_dtype(x.dtype())?)
}

fn widen(x: &Tensor) -> Result<Tensor> {
    Ok(match x.dtype() {
        DType::F16 | DType::BF16 => x.to_dtype(DType::F32)?,
        _ => x.clone(),
    })
}
