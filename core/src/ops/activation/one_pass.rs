//! The Gaussian error linear unit in one pass, plain and gated, on the CPU.
#![expect(
    clippy::inline_always,
    reason = "loops only use the processor's vectors where they are inlined into `vectorised`"
)]

use candle_core::{CpuStorage, CustomOp1, CustomOp2, DType, Layout, Result, Shape, Tensor, bail};
use rayon::prelude::*;

use super::Constants;
use crate::config::NonLinearity;
use crate::ops::cpu::{ELEMENTS, Real, View, contiguous, vectorised};

/// The two forms of the Gaussian error linear unit (Hendrycks and Gimpel, arXiv:1606.08415).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Gelu {
    /// `x · Φ(x)` with the normal distribution function (section 2).
    Exact,
    /// `x/2 · (1 + tanh u)`, `u = √(2/π) (x + 0.044715 x³)` (the same section); it is
    /// `x · sigmoid(2u)`.
    Tanh,
}

impl Gelu {
    pub(super) fn of(kind: NonLinearity) -> Option<Self> {
        match kind {
            NonLinearity::Gelu => Some(Self::Exact),
            NonLinearity::GeluNew => Some(Self::Tanh),
            NonLinearity::Relu | NonLinearity::Swish => None,
        }
    }

    /// Value and derivative at `x`.
    #[inline(always)]
    fn at<T: Real>(self, x: T) -> (T, T) {
        let (half, one) = (T::from_f64(0.5), T::one());
        let scale = T::from_f64(f64::SCALE);
        match self {
            Self::Exact => {
                let distribution = half * (one + (x * T::from_f64(f64::SQRT_HALF)).erf());
                let density = half * scale * (-half * x * x).exp();
                (x * distribution, distribution + x * density)
            }
            Self::Tanh => {
                let (cubic, two) = (T::from_f64(f64::CUBIC), T::from_f64(2.0));
                let square = x * x;
                let share = (two * scale * x * (one + cubic * square)).sigmoid();
                let slope = two * scale * (one + T::from_f64(3.0) * cubic * square);
                (x * share, share + x * share * (one - share) * slope)
            }
        }
    }

    fn forward<T: Real>(self, x: &[T]) -> Vec<T> {
        map2(x, x, |x, _| self.at(x).0)
    }
}

/// `f(aᵢ, bᵢ)` for all elements.
fn map2<T: Real>(a: &[T], b: &[T], f: impl Fn(T, T) -> T + Sync) -> Vec<T> {
    let mut y = vec![T::zero(); a.len()];
    let blocks = y.par_chunks_mut(ELEMENTS).zip(a.par_chunks(ELEMENTS));
    blocks.zip(b.par_chunks(ELEMENTS)).for_each(|((y, a), b)| {
        vectorised(
            #[inline(always)]
            || {
                for ((y, &a), &b) in y.iter_mut().zip(a).zip(b) {
                    *y = f(a, b);
                }
            },
        );
    });
    y
}

impl CustomOp1 for Gelu {
    fn name(&self) -> &'static str {
        "gelu"
    }

    fn cpu_fwd(&self, x: &CpuStorage, at: &Layout) -> Result<(CpuStorage, Shape)> {
        let range = contiguous(at)?;
        let y = match x {
            CpuStorage::F32(x) => CpuStorage::F32(self.forward(&x[range])),
            CpuStorage::F64(x) => CpuStorage::F64(self.forward(&x[range])),
            _ => bail!("gelu: unsupported number format"),
        };
        Ok((y, at.shape().clone()))
    }

    fn bwd(&self, x: &Tensor, _y: &Tensor, dy: &Tensor) -> Result<Option<Tensor>> {
        fn gradient<T: Real>(gelu: Gelu, x: &Tensor, dy: &Tensor) -> Result<Tensor> {
            let dy = dy.contiguous()?;
            let (slice, dy) = (View::<T>::of(x)?, View::<T>::of(&dy)?);
            let dx = map2(&slice, &dy, |x, dy| gelu.at(x).1 * dy);
            Tensor::from_vec(dx, x.shape(), x.device())
        }
        Ok(Some(match x.dtype() {
            DType::F64 => gradient::<f64>(*self, x, dy)?,
            _ => gradient::<f32>(*self, x, dy)?,
        }))
    }
}

/// `f(gate) · up`
pub(super) struct Gated(pub(super) Gelu);

impl Gated {
    /// The gradients of gate and up.
    fn gradients<T: Real>(
        &self,
        gate: &Tensor,
        up: &Tensor,
        dy: &Tensor,
    ) -> Result<(Tensor, Tensor)> {
        let dy = dy.contiguous()?;
        let (gates, ups, dys) = (
            View::<T>::of(gate)?,
            View::<T>::of(up)?,
            View::<T>::of(&dy)?,
        );
        let mut dgate = vec![T::zero(); gates.len()];
        let mut dup = vec![T::zero(); gates.len()];
        let outputs = dgate
            .par_chunks_mut(ELEMENTS)
            .zip(dup.par_chunks_mut(ELEMENTS));
        let inputs = gates.par_chunks(ELEMENTS).zip(ups.par_chunks(ELEMENTS));
        let all = outputs.zip(inputs).zip(dys.par_chunks(ELEMENTS));
        all.for_each(|(((dgate, dup), (gates, ups)), dys)| {
            vectorised(
                #[inline(always)]
                || {
                    let outputs = dgate.iter_mut().zip(dup.iter_mut());
                    let inputs = gates.iter().zip(ups).zip(dys);
                    for ((dgate, dup), ((&gate, &up), &dy)) in outputs.zip(inputs) {
                        let (value, slope) = self.0.at(gate);
                        *dgate = slope * up * dy;
                        *dup = value * dy;
                    }
                },
            );
        });
        let tensor = |values| Tensor::from_vec(values, gate.shape(), gate.device());
        Ok((tensor(dgate)?, tensor(dup)?))
    }
}

impl CustomOp2 for Gated {
    fn name(&self) -> &'static str {
        "gated-gelu"
    }

    fn cpu_fwd(
        &self,
        gate: &CpuStorage,
        gate_at: &Layout,
        up: &CpuStorage,
        up_at: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (gates, ups) = (contiguous(gate_at)?, contiguous(up_at)?);
        let y = match (gate, up) {
            (CpuStorage::F32(gate), CpuStorage::F32(up)) => {
                let f = |gate: f32, up: f32| self.0.at(gate).0 * up;
                CpuStorage::F32(map2(&gate[gates], &up[ups], f))
            }
            (CpuStorage::F64(gate), CpuStorage::F64(up)) => {
                let f = |gate: f64, up: f64| self.0.at(gate).0 * up;
                CpuStorage::F64(map2(&gate[gates], &up[ups], f))
            }
            _ => bail!("gated-gelu: unsupported number format"),
        };
        Ok((y, gate_at.shape().clone()))
    }

    fn bwd(
        &self,
        gate: &Tensor,
        up: &Tensor,
        _y: &Tensor,
        dy: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let (dgate, dup) = match gate.dtype() {
            DType::F64 => self.gradients::<f64>(gate, up, dy)?,
            _ => self.gradients::<f32>(gate, up, dy)?,
        };
        Ok((Some(dgate), Some(dup)))
    }
}
