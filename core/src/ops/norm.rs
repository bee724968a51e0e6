//! Layer normalisation: T5's root-mean-square form and BERT's full form.
//!
//! Statistics are taken in `f32` where the activations are narrower, as the pretrained
//! models were trained. On the CPU, `f32` and `f64` run in one pass over the rows in either
//! direction; the composed forms are the reference and serve everything else, but for CUDA
//! devices that our kernels are switched on for.

mod one_pass;

use candle_core::{D, DType, Tensor};

use crate::Result;
#[cfg(feature = "cuda")]
use crate::ops::cuda;
pub(crate) use one_pass::Form;
use one_pass::{LayerNorm, RmsNorm};

/// `w · x / √(mean(x²) + ε)` over the last axis (Zhang and Sennrich, arXiv:1910.07467).
///
/// `x: [tokens, width]`, `weight: [width]`.
///
/// # Errors
/// Fails where the tensor library does.
pub fn rms_norm(x: &Tensor, weight: &Tensor, epsilon: f64) -> Result<Tensor> {
    #[cfg(feature = "cuda")]
    if cuda::take(x) {
        return cuda::rms_norm(x, weight, epsilon);
    }
    if one_pass::fits(x, weight) {
        let op = RmsNorm { epsilon };
        return Ok(x.contiguous()?.apply_op2(&weight.contiguous()?, op)?);
    }
    composed_rms_norm(x, weight, epsilon)
}

/// `w · (x − mean) / √(variance + ε) + b` over the last axis (Ba et al., arXiv:1607.06450).
///
/// `x: [tokens, width]`, `weight` and `bias: [width]`.
///
/// # Errors
/// Fails where the tensor library does.
pub fn layer_norm(x: &Tensor, weight: &Tensor, bias: &Tensor, epsilon: f64) -> Result<Tensor> {
    #[cfg(feature = "cuda")]
    if cuda::take(x) {
        return cuda::layer_norm(x, (weight, bias), epsilon);
    }
    if one_pass::fits(x, weight) && one_pass::fits(x, bias) {
        let op = LayerNorm { epsilon };
        let (weight, bias) = (weight.contiguous()?, bias.contiguous()?);
        return Ok(x.contiguous()?.apply_op3(&weight, &bias, op)?);
    }
    composed_layer_norm(x, weight, bias, epsilon)
}

/// The reference for [`rms_norm`]: tensor operations that candle differentiates.
///
/// # Errors
/// Fails where the tensor library does.
pub fn composed_rms_norm(x: &Tensor, weight: &Tensor, epsilon: f64) -> Result<Tensor> {
    let wide = widen(x)?;
    let scale = (wide.sqr()?.mean_keepdim(D::Minus1)? + epsilon)?.sqrt()?; // [tokens, 1]
    let normal = wide.broadcast_div(&scale)?;
    Ok(normal
        .broadcast_mul(&weight.to_dtype(normal.dtype())?)?
        .to_dtype(x.dtype())?)
}

/// The reference for [`layer_norm`]: tensor operations that candle differentiates.
///
/// # Errors
/// Fails where the tensor library does.
pub fn composed_layer_norm(
    x: &Tensor,
    weight: &Tensor,
    bias: &Tensor,
    epsilon: f64,
) -> Result<Tensor> {
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

#[cfg(test)]
mod tests;
