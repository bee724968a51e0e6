//! Non-linearities, with derivatives exact to the working precision.
//!
//! candle's own `gelu` and `gelu_erf` differentiate with six-digit constants. Both are
//! composed here from operations whose derivatives are exact; on the CPU, one pass over
//! the elements computes the same value, and another the same derivative.

use std::ops::Mul;

use candle_core::{CpuStorage, CustomOp1, CustomOp2, Layout, Shape, Tensor};
use rayon::prelude::*;

use crate::Result;
use crate::config::NonLinearity;

/// Applies a non-linearity element by element.
///
/// # Errors
/// Fails where the tensor library does.
pub fn activation(x: &Tensor, kind: NonLinearity) -> Result<Tensor> {
    let gelu = match kind {
        NonLinearity::Relu => return Ok(x.relu()?),
        NonLinearity::Swish => return Ok(x.silu()?),
        NonLinearity::Gelu => Gelu::Exact,
        NonLinearity::GeluNew => Gelu::Tanh,
    };
    if x.device().is_cpu() {
        return Ok(x.contiguous()?.apply_op1(gelu)?);
    }
    composed(x, gelu)
}

/// The two forms of the Gaussian error linear unit (Hendrycks and Gimpel, arXiv:1606.08415).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Gelu {
    /// `x · Φ(x)` with the normal distribution function (section 2).
    Exact,
    /// `x/2 · (1 + tanh(√(2/π) (x + 0.044715 x³)))` (the same section).
    Tanh,
}

/// The reference: tensor operations that candle differentiates exactly.
fn composed(x: &Tensor, gelu: Gelu) -> Result<Tensor> {
    let inner = match gelu {
        Gelu::Exact => (x * f64::SQRT_HALF)?.erf()?,
        Gelu::Tanh => ((x + (x.powf(3.0)? * f64::CUBIC)?)? * f64::SCALE)?.tanh()?,
    };
    Ok(((x * 0.5)? * (inner + 1.0)?)?)
}

/// A number format that the one-pass form computes in.
trait Real: Copy + Send + Sync + Mul<Output = Self> {
    fn value(self, gelu: Gelu) -> Self;
    fn derivative(self, gelu: Gelu) -> Self;
}

macro_rules! real {
    ($float:ident, $erf:path) => {
        impl Real for $float {
            fn value(self, gelu: Gelu) -> Self {
                let inner = match gelu {
                    Gelu::Exact => $erf(self * $float::SQRT_HALF),
                    Gelu::Tanh => {
                        ($float::SCALE * (self + $float::CUBIC * self * self * self)).tanh()
                    }
                };
                0.5 * self * (1.0 + inner)
            }

            fn derivative(self, gelu: Gelu) -> Self {
                let square = self * self;
                match gelu {
                    Gelu::Exact => {
                        let distribution = 0.5 * (1.0 + $erf(self * $float::SQRT_HALF));
                        let density = 0.5 * $float::SCALE * (-0.5 * square).exp();
                        distribution + self * density
                    }
                    Gelu::Tanh => {
                        let inner = ($float::SCALE * self * (1.0 + $float::CUBIC * square)).tanh();
                        let slope = $float::SCALE * (1.0 + 3.0 * $float::CUBIC * square);
                        0.5 * (1.0 + inner) + 0.5 * self * (1.0 - inner * inner) * slope
                    }
                }
            }
        }

        impl Constants for $float {
            const CUBIC: Self = 0.044_715;
            const SQRT_HALF: Self = std::$float::consts::FRAC_1_SQRT_2;
            const SCALE: Self = std::$float::consts::FRAC_2_SQRT_PI * Self::SQRT_HALF;
        }
    };
}

/// The constants of both forms.
trait Constants {
    /// Weight of the cubic term in the tanh form.
    const CUBIC: Self;
    /// √½
    const SQRT_HALF: Self;
    /// √(2/π)
    const SCALE: Self;
}

real!(f32, libm::erff);
real!(f64, libm::erf);

/// Elements that a thread takes at a time.
const CHUNK: usize = 4096;

fn map<T: Real>(x: &[T], f: impl Fn(T) -> T + Send + Sync) -> Vec<T> {
    x.par_iter().with_min_len(CHUNK).map(|&x| f(x)).collect()
}

fn map_both<T: Real>(x: &[T], y: &[T], f: impl Fn(T, T) -> T + Send + Sync) -> Vec<T> {
    x.par_iter()
        .zip(y)
        .with_min_len(CHUNK)
        .map(|(&x, &y)| f(x, y))
        .collect()
}

impl CustomOp1 for Gelu {
    fn name(&self) -> &'static str {
        "gelu"
    }

    fn cpu_fwd(&self, x: &CpuStorage, at: &Layout) -> candle_core::Result<(CpuStorage, Shape)> {
        let range = span(at)?;
        let y = match x {
            CpuStorage::F32(x) => CpuStorage::F32(map(&x[range], |x| x.value(*self))),
            CpuStorage::F64(x) => CpuStorage::F64(map(&x[range], |x| x.value(*self))),
            CpuStorage::BF16(x) => {
                let narrow = |&x: &half::bf16| half::bf16::from_f32(x.to_f32().value(*self));
                CpuStorage::BF16(x[range].iter().map(narrow).collect())
            }
            _ => candle_core::bail!("gelu: unsupported number format"),
        };
        Ok((y, at.shape().clone()))
    }

    fn bwd(&self, x: &Tensor, _y: &Tensor, grad: &Tensor) -> candle_core::Result<Option<Tensor>> {
        Ok(Some(
            x.contiguous()?
                .apply_op2_no_bwd(&grad.contiguous()?, &Slope(*self))?,
        ))
    }
}

/// `f′(x) · gradient`
struct Slope(Gelu);

impl CustomOp2 for Slope {
    fn name(&self) -> &'static str {
        "gelu-slope"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_at: &Layout,
        grad: &CpuStorage,
        grad_at: &Layout,
    ) -> candle_core::Result<(CpuStorage, Shape)> {
        let (x_range, grad_range) = (span(x_at)?, span(grad_at)?);
        let y = match (x, grad) {
            (CpuStorage::F32(x), CpuStorage::F32(g)) => {
                let f = |x: f32, g: f32| x.derivative(self.0) * g;
                CpuStorage::F32(map_both(&x[x_range], &g[grad_range], f))
            }
            (CpuStorage::F64(x), CpuStorage::F64(g)) => {
                let f = |x: f64, g: f64| x.derivative(self.0) * g;
                CpuStorage::F64(map_both(&x[x_range], &g[grad_range], f))
            }
            (CpuStorage::BF16(x), CpuStorage::BF16(g)) => {
                let both = x[x_range].iter().zip(&g[grad_range]);
                let f = |(x, g): (&half::bf16, &half::bf16)| {
                    half::bf16::from_f32(x.to_f32().derivative(self.0) * g.to_f32())
                };
                CpuStorage::BF16(both.map(f).collect())
            }
            _ => candle_core::bail!("gelu: input and gradient differ in number format"),
        };
        Ok((y, x_at.shape().clone()))
    }
}

fn span(layout: &Layout) -> candle_core::Result<std::ops::Range<usize>> {
    match layout.contiguous_offsets() {
        Some((start, end)) => Ok(start..end),
        None => candle_core::bail!("gelu: the input is not contiguous"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::{Device, Var};

    fn points() -> Vec<f64> {
        (-60..=60).map(|i| f64::from(i) * 0.1 + 0.013).collect()
    }

    fn value_and_gradient(f: &dyn Fn(&Tensor) -> Result<Tensor>) -> Result<(Vec<f64>, Vec<f64>)> {
        let x = Var::from_tensor(&Tensor::new(points(), &Device::Cpu)?)?;
        let y = f(&x)?;
        let gradients = y.sum_all()?.backward()?;
        let gradient = gradients.get(&x).map(Tensor::to_vec1::<f64>).transpose()?;
        Ok((y.to_vec1()?, gradient.unwrap_or_default()))
    }

    #[test]
    fn derivatives_agree_with_central_differences() -> Result<()> {
        for kind in [
            NonLinearity::Gelu,
            NonLinearity::GeluNew,
            NonLinearity::Swish,
        ] {
            let (_, exact) = value_and_gradient(&|x| activation(x, kind))?;
            let h = 1e-5;
            let at = |shift: f64| value_and_gradient(&|x| activation(&(x + shift)?, kind));
            let ((up, _), (down, _)) = (at(h)?, at(-h)?);
            for ((up, down), exact) in up.iter().zip(down).zip(&exact) {
                let numeric = (up - down) / (2.0 * h);
                assert!(
                    (numeric - exact).abs() < 1e-9,
                    "{kind:?}: {numeric} against {exact}"
                );
            }
            assert_eq!(exact.len(), points().len());
        }
        Ok(())
    }

    #[test]
    fn the_one_pass_form_equals_the_composed_form() -> Result<()> {
        for gelu in [Gelu::Exact, Gelu::Tanh] {
            let (value, gradient) = value_and_gradient(&|x| Ok(x.apply_op1(gelu)?))?;
            let (expected, expected_gradient) = value_and_gradient(&|x| composed(x, gelu))?;
            let found = value.iter().chain(&gradient);
            for (a, b) in found.zip(expected.iter().chain(&expected_gradient)) {
                assert!(
                    (a - b).abs() <= 1e-14 * b.abs().max(1e-3),
                    "{gelu:?}: {a} against {b}"
                );
            }
        }
        Ok(())
    }
}
