//! Non-linearities, with derivatives exact to the working precision.
//!
//! candle's own `gelu` and `gelu_erf` differentiate with six-digit constants. Both are
//! composed here from operations whose derivatives are exact; on the CPU, one pass over
//! the elements computes the same value, and another the same derivative.

mod one_pass;

use candle_core::{DType, Tensor};

use crate::Result;
use crate::config::NonLinearity;
use one_pass::{Gated, Gelu};
pub(crate) use one_pass::{Unit, unit, with_unit};

/// Applies a non-linearity element by element.
///
/// # Errors
/// Fails where the tensor library does.
pub fn activation(x: &Tensor, kind: NonLinearity) -> Result<Tensor> {
    match Gelu::of(kind) {
        Some(gelu) if one_pass(x) => Ok(x.contiguous()?.apply_op1(gelu)?),
        _ => composed(x, kind),
    }
}

/// `f(gate) · up`: the first half of a gated feed-forward (Shazeer, arXiv:2002.05202).
///
/// # Errors
/// Fails where the tensor library does.
pub fn gated(gate: &Tensor, up: &Tensor, kind: NonLinearity) -> Result<Tensor> {
    match Gelu::of(kind) {
        Some(gelu) if one_pass(gate) && gate.dtype() == up.dtype() => {
            let (gate, up) = (gate.contiguous()?, up.contiguous()?);
            Ok(gate.apply_op2(&up, Gated(gelu))?)
        }
        _ => Ok((activation(gate, kind)? * up)?),
    }
}

fn one_pass(x: &Tensor) -> bool {
    x.device().is_cpu() && [DType::F32, DType::F64].contains(&x.dtype())
}

/// The reference: tensor operations that candle differentiates exactly.
fn composed(x: &Tensor, kind: NonLinearity) -> Result<Tensor> {
    let inner = match kind {
        NonLinearity::Relu => return Ok(x.relu()?),
        NonLinearity::Swish => return Ok(x.silu()?),
        NonLinearity::Gelu => (x * f64::SQRT_HALF)?.erf()?,
        NonLinearity::GeluNew => ((x + (x.powf(3.0)? * f64::CUBIC)?)? * f64::SCALE)?.tanh()?,
    };
    Ok(((x * 0.5)? * (inner + 1.0)?)?)
}

/// The constants of both forms of the Gaussian error linear unit.
trait Constants {
    /// Weight of the cubic term in the tanh form.
    const CUBIC: Self;
    /// √½
    const SQRT_HALF: Self;
    /// √(2/π)
    const SCALE: Self;
}

impl Constants for f64 {
    const CUBIC: Self = 0.044_715;
    const SQRT_HALF: Self = std::f64::consts::FRAC_1_SQRT_2;
    const SCALE: Self = std::f64::consts::FRAC_2_SQRT_PI * Self::SQRT_HALF;
}

#[cfg(test)]
mod tests;
