//! Non-linearities, with derivatives exact to the working precision.
//!
//! candle's own `gelu` and `gelu_erf` differentiate with six-digit constants, so both are
//! composed here from operations whose derivatives are exact.

use candle_core::Tensor;

use crate::Result;
use crate::config::NonLinearity;

/// Applies a non-linearity element by element.
///
/// # Errors
/// Fails where the tensor library does.
pub fn activation(x: &Tensor, kind: NonLinearity) -> Result<Tensor> {
    match kind {
        NonLinearity::Relu => Ok(x.relu()?),
        NonLinearity::Swish => Ok(x.silu()?),
        NonLinearity::Gelu => gelu(x),
        NonLinearity::GeluNew => gelu_new(x),
    }
}

/// `x · Φ(x)` with the exact normal distribution function (Hendrycks and Gimpel, arXiv:1606.08415).
fn gelu(x: &Tensor) -> Result<Tensor> {
    let phi = ((x * std::f64::consts::FRAC_1_SQRT_2)?.erf()? + 1.0)?;
    Ok(((x * 0.5)? * phi)?)
}

/// The tanh approximation of [`gelu`] (the same paper, section 2).
fn gelu_new(x: &Tensor) -> Result<Tensor> {
    let inner = ((x + (x.powf(3.0)? * 0.044_715)?)? * (2.0 / std::f64::consts::PI).sqrt())?;
    Ok(((x * 0.5)? * (inner.tanh()? + 1.0)?)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::{Device, Var};

    #[test]
    fn derivatives_agree_with_central_differences() -> Result<()> {
        let points: Vec<f64> = (-30..=30).map(|i| f64::from(i) * 0.1 + 0.013).collect();
        for kind in [
            NonLinearity::Gelu,
            NonLinearity::GeluNew,
            NonLinearity::Swish,
        ] {
            let value = |shift: f64| -> Result<Vec<f64>> {
                let moved: Vec<f64> = points.iter().map(|x| x + shift).collect();
                let x = Tensor::new(moved.as_slice(), &Device::Cpu)?;
                Ok(activation(&x, kind)?.to_vec1()?)
            };
            let x = Var::from_tensor(&Tensor::new(points.as_slice(), &Device::Cpu)?)?;
            let gradients = activation(&x, kind)?.sum_all()?.backward()?;
            let exact: Vec<f64> = match gradients.get(&x) {
                Some(gradient) => gradient.to_vec1()?,
                None => return Err(crate::Error::method("no gradient")),
            };
            let h = 1e-5;
            for ((up, down), exact) in value(h)?.iter().zip(value(-h)?).zip(exact) {
                let numeric = (up - down) / (2.0 * h);
                assert!(
                    (numeric - exact).abs() < 1e-9,
                    "{kind:?}: {numeric} against {exact}"
                );
            }
        }
        Ok(())
    }
}
