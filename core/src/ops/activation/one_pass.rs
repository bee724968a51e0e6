//! Non-linearities in one pass, plain and gated, on the CPU.
#![expect(
    clippy::inline_always,
    reason = "loops only use the processor's vectors where they are inlined into `vectorised`"
)]

use candle_core::{CpuStorage, CustomOp1, CustomOp2, DType, Layout, Result, Shape, Tensor, bail};
use rayon::prelude::*;

use super::Constants;
use crate::config::NonLinearity;
use crate::ops::cpu::{ELEMENTS, Real, View, contiguous, vectorised};

/// A non-linearity as a type, so that loops are compiled for each of them.
///
/// | type | value |
/// |---|---|
/// | `Relu` | max(x, 0); its derivative at 0 is 0 |
/// | `Swish` | `x · sigmoid(x)` |
/// | `Gelu` | `x · Φ(x)` with the normal distribution function (Hendrycks and Gimpel, arXiv:1606.08415, section 2) |
/// | `GeluNew` | `x/2 · (1 + tanh u)`, `u = √(2/π) (x + 0.044715 x³)` (the same section); it is `x · sigmoid(2u)` |
pub(crate) trait Unit: Copy + Sync {
    /// Value and derivative at `x`.
    fn at<T: Real>(self, x: T) -> (T, T);
}

/// The types of [`Unit`].
pub(crate) mod unit {
    #[derive(Clone, Copy)]
    pub(crate) struct Relu;
    #[derive(Clone, Copy)]
    pub(crate) struct Swish;
    #[derive(Clone, Copy)]
    pub(crate) struct Gelu;
    #[derive(Clone, Copy)]
    pub(crate) struct GeluNew;
}

/// Evaluates `$body` with `$unit` standing for the [`Unit`] of a `NonLinearity`.
macro_rules! with_unit {
    ($kind:expr, $unit:ident => $body:expr) => {{
        use $crate::config::NonLinearity;
        #[allow(unused_imports, reason = "bodies may hand the unit on")]
        use $crate::ops::activation::{Unit as _, unit};
        match $kind {
            NonLinearity::Relu => {
                let $unit = unit::Relu;
                $body
            }
            NonLinearity::Swish => {
                let $unit = unit::Swish;
                $body
            }
            NonLinearity::Gelu => {
                let $unit = unit::Gelu;
                $body
            }
            NonLinearity::GeluNew => {
                let $unit = unit::GeluNew;
                $body
            }
        }
    }};
}
pub(crate) use with_unit;

impl Unit for unit::Relu {
    #[inline(always)]
    fn at<T: Real>(self, x: T) -> (T, T) {
        // Written so that NaN stays NaN.
        let off = x <= T::zero();
        (
            if off { T::zero() } else { x },
            if off { T::zero() } else { T::one() },
        )
    }
}

impl Unit for unit::Swish {
    #[inline(always)]
    fn at<T: Real>(self, x: T) -> (T, T) {
        let share = x.sigmoid();
        (x * share, share + x * share * (T::one() - share))
    }
}

impl Unit for unit::Gelu {
    #[inline(always)]
    fn at<T: Real>(self, x: T) -> (T, T) {
        let half = T::from_f64(0.5);
        let distribution = half * (T::one() + (x * T::from_f64(f64::SQRT_HALF)).erf());
        let density = half * T::from_f64(f64::SCALE) * (-half * x * x).exp();
        (x * distribution, distribution + x * density)
    }
}

impl Unit for unit::GeluNew {
    #[inline(always)]
    fn at<T: Real>(self, x: T) -> (T, T) {
        let (one, scale) = (T::one(), T::from_f64(2.0 * f64::SCALE));
        let cubic = T::from_f64(f64::CUBIC);
        let square = x * x;
        let share = (scale * x * (one + cubic * square)).sigmoid();
        let slope = scale * (one + T::from_f64(3.0) * cubic * square);
        (x * share, share + x * share * (one - share) * slope)
    }
}

/// The Gaussian error linear unit, in either of its forms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Gelu(NonLinearity);

impl Gelu {
    pub(super) fn of(kind: NonLinearity) -> Option<Self> {
        match kind {
            NonLinearity::Gelu | NonLinearity::GeluNew => Some(Self(kind)),
            NonLinearity::Relu | NonLinearity::Swish => None,
        }
    }

    fn forward<T: Real>(self, x: &[T]) -> Vec<T> {
        with_unit!(self.0, unit => map2(x, x, #[inline(always)] |x, _| unit.at(x).0))
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
            let dx = with_unit!(gelu.0, unit => map2(&slice, &dy, #[inline(always)] |x, dy| unit.at(x).1 * dy));
            Tensor::from_vec(dx, x.shape(), x.device())
        }
        Ok(Some(match x.dtype() {
            DType::F64 => gradient::<f64>(*self, x, dy)?,
            _ => gradient::<f32>(*self, x, dy)?,
        }))
    }
}

/// The gradients of gate and up in `f(gate) · up`.
fn both<T: Real>(
    unit: impl Unit,
    (gates, ups, dys): (&[T], &[T], &[T]),
    (dgate, dup): (&mut [T], &mut [T]),
) {
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
                    let (value, slope) = unit.at(gate);
                    *dgate = slope * up * dy;
                    *dup = value * dy;
                }
            },
        );
    });
}

/// `f(gate) · up`
pub(super) struct Gated(pub(super) Gelu);

impl Gated {
    fn forward<T: Real>(&self, gate: &[T], up: &[T]) -> Vec<T> {
        with_unit!(self.0.0, unit => map2(gate, up, #[inline(always)] |gate, up| unit.at(gate).0 * up))
    }

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
        with_unit!(self.0.0, unit => both(unit, (&gates, &ups, &dys), (&mut dgate, &mut dup)));
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
                CpuStorage::F32(self.forward(&gate[gates], &up[ups]))
            }
            (CpuStorage::F64(gate), CpuStorage::F64(up)) => {
                CpuStorage::F64(self.forward(&gate[gates], &up[ups]))
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
