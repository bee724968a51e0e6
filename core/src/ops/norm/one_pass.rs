//! Both norms in one pass over the rows, forward and backward, on the CPU.
//!
//! With x̂ the normed row, s its standard deviation (root mean square), and g = w · dy:
//!
//! ```text
//! root mean square   dx = (g − x̂ · mean(g x̂)) / s
//! full               dx = (g − mean(g) − x̂ · mean(g x̂)) / s
//! both               dw = Σ dy · x̂,   db = Σ dy           over the rows
//! ```
#![expect(
    clippy::inline_always,
    reason = "loops only use the processor's vectors where they are inlined into `vectorised`"
)]

use candle_core::{CpuStorage, CustomOp2, CustomOp3, DType, Layout, Result, Shape, Tensor, bail};
use rayon::prelude::*;

use crate::ops::cpu::{ROWS, Real, View, Write, contiguous, sum2, sum3, vectorised};

/// Whether the one-pass form can take activations and a parameter.
pub(super) fn fits(x: &Tensor, parameter: &Tensor) -> bool {
    let formats = [DType::F32, DType::F64];
    x.device().is_cpu() && formats.contains(&x.dtype()) && x.dtype() == parameter.dtype()
}

/// `x̂ · w`; arguments `x: [tokens, width]`, `w: [width]`.
pub(super) struct RmsNorm {
    pub(super) epsilon: f64,
}

/// `x̂ · w + b`; arguments `x: [tokens, width]`, `w` and `b: [width]`.
pub(super) struct LayerNorm {
    pub(super) epsilon: f64,
}

/// Mean of a row, which root-mean-square norms take as 0, and 1 / √(mean square + ε).
#[derive(Clone, Copy)]
struct Moments<T> {
    mean: T,
    inverse: T,
}

/// Which moments a norm takes out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    RootMeanSquare,
    Full,
}

impl Form {
    #[inline(always)]
    fn moments<T: Real>(self, x: &[T], epsilon: T) -> Moments<T> {
        let share = T::one() / T::from_f64(x.len() as f64);
        let mean = match self {
            Self::RootMeanSquare => T::zero(),
            Self::Full => share * sum2(x, x, |x, _| x),
        };
        let square = share * sum2(x, x, |x, _| (x - mean) * (x - mean));
        Moments {
            mean,
            inverse: T::one() / (square + epsilon).sqrt(),
        }
    }

    /// Norms rows `x` into `y`.
    pub(crate) fn forward<T: Real>(
        self,
        x: &[T],
        weight: &[T],
        bias: Option<&[T]>,
        epsilon: T,
        y: &mut [T],
    ) {
        let width = weight.len();
        let blocks = y
            .par_chunks_mut(ROWS * width)
            .zip(x.par_chunks(ROWS * width));
        blocks.for_each(|(y, x)| {
            vectorised(
                #[inline(always)]
                || {
                    for (y, x) in y.chunks_exact_mut(width).zip(x.chunks_exact(width)) {
                        let Moments { mean, inverse } = self.moments(x, epsilon);
                        for ((y, &x), &w) in y.iter_mut().zip(x).zip(weight) {
                            *y = (x - mean) * inverse * w;
                        }
                        if let Some(bias) = bias {
                            for (y, &b) in y.iter_mut().zip(bias) {
                                *y += b;
                            }
                        }
                    }
                },
            );
        });
    }

    /// The gradients: of `x` into `dx`, as `write` says, and those of `w` and `b`.
    pub(crate) fn backward<T: Real>(
        self,
        (x, weight, dy): (&[T], &[T], &[T]),
        epsilon: T,
        dx: &mut [T],
        write: Write,
    ) -> (Vec<T>, Vec<T>) {
        let width = weight.len();
        let blocks = dx
            .par_chunks_mut(ROWS * width)
            .zip(x.par_chunks(ROWS * width));
        let parts: Vec<_> = blocks
            .zip(dy.par_chunks(ROWS * width))
            .map(|((dx, x), dy)| {
                let mut sums = (vec![T::zero(); width], vec![T::zero(); width]);
                let kept = match write {
                    Write::Replace => T::zero(),
                    Write::Add => T::one(),
                };
                vectorised(
                    #[inline(always)]
                    || self.backward_rows((dx, kept), (x, weight, dy), epsilon, &mut sums),
                );
                sums
            })
            .collect();
        let mut total = (vec![T::zero(); width], vec![T::zero(); width]);
        for (dw, db) in parts {
            for (sums, part) in [(&mut total.0, dw), (&mut total.1, db)] {
                sums.iter_mut()
                    .zip(part)
                    .for_each(|(sum, part)| *sum += part);
            }
        }
        total
    }

    #[inline(always)]
    fn backward_rows<T: Real>(
        self,
        (dx, kept): (&mut [T], T),
        (x, weight, dy): (&[T], &[T], &[T]),
        epsilon: T,
        (dw, db): &mut (Vec<T>, Vec<T>),
    ) {
        let width = weight.len();
        let share = T::one() / T::from_f64(width as f64);
        let rows = dx.chunks_exact_mut(width).zip(x.chunks_exact(width));
        for ((dx, x), dy) in rows.zip(dy.chunks_exact(width)) {
            let Moments { mean, inverse } = self.moments(x, epsilon);
            let along = inverse * share * sum3(x, weight, dy, |x, w, dy| (x - mean) * w * dy);
            let level = match self {
                Self::RootMeanSquare => T::zero(),
                Self::Full => share * sum2(weight, dy, |w, dy| w * dy),
            };
            for (((dx, &x), &w), &dy) in dx.iter_mut().zip(x).zip(weight).zip(dy) {
                let own = (w * dy - level - (x - mean) * inverse * along) * inverse;
                // What stands there may be anything where it is not to be kept.
                *dx = if kept == T::zero() { own } else { *dx + own };
            }
            for ((dw, &x), &dy) in dw.iter_mut().zip(x).zip(dy) {
                *dw += (x - mean) * inverse * dy;
            }
            for (db, &dy) in db.iter_mut().zip(dy) {
                *db += dy;
            }
        }
    }

    /// A normed copy of rows.
    fn normed<T: Real>(self, x: &[T], weight: &[T], bias: Option<&[T]>, epsilon: f64) -> Vec<T> {
        let mut y = vec![T::zero(); x.len()];
        self.forward(x, weight, bias, T::from_f64(epsilon), &mut y);
        y
    }

    /// The gradients as tensors; those of `w` and `b` together where both are asked for.
    fn gradients<T: Real>(
        self,
        (x, weight, dy): (&Tensor, &Tensor, &Tensor),
        epsilon: f64,
    ) -> Result<[Tensor; 3]> {
        let dy = dy.contiguous()?;
        let given = (View::of(x)?, View::of(weight)?, View::of(&dy)?);
        let slices: (&[T], &[T], &[T]) = (&given.0, &given.1, &given.2);
        let mut dx = vec![T::zero(); slices.0.len()];
        let epsilon = T::from_f64(epsilon);
        let (dw, db) = self.backward(slices, epsilon, &mut dx, Write::Replace);
        let device = x.device();
        Ok([
            Tensor::from_vec(dx, x.shape(), device)?,
            Tensor::from_vec(dw, weight.shape(), device)?,
            Tensor::from_vec(db, weight.shape(), device)?,
        ])
    }
}

impl CustomOp2 for RmsNorm {
    fn name(&self) -> &'static str {
        "rms-norm"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_at: &Layout,
        weight: &CpuStorage,
        weight_at: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (rows, row) = (contiguous(x_at)?, contiguous(weight_at)?);
        let form = Form::RootMeanSquare;
        let y = match (x, weight) {
            (CpuStorage::F32(x), CpuStorage::F32(w)) => {
                CpuStorage::F32(form.normed(&x[rows], &w[row], None, self.epsilon))
            }
            (CpuStorage::F64(x), CpuStorage::F64(w)) => {
                CpuStorage::F64(form.normed(&x[rows], &w[row], None, self.epsilon))
            }
            _ => bail!("rms-norm: unsupported number format"),
        };
        Ok((y, x_at.shape().clone()))
    }

    fn bwd(
        &self,
        x: &Tensor,
        weight: &Tensor,
        _y: &Tensor,
        dy: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let form = Form::RootMeanSquare;
        let [dx, dw, _] = match x.dtype() {
            DType::F64 => form.gradients::<f64>((x, weight, dy), self.epsilon)?,
            _ => form.gradients::<f32>((x, weight, dy), self.epsilon)?,
        };
        Ok((Some(dx), weight.track_op().then_some(dw)))
    }
}

impl CustomOp3 for LayerNorm {
    fn name(&self) -> &'static str {
        "layer-norm"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_at: &Layout,
        weight: &CpuStorage,
        weight_at: &Layout,
        bias: &CpuStorage,
        bias_at: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (rows, row, shift) = (
            contiguous(x_at)?,
            contiguous(weight_at)?,
            contiguous(bias_at)?,
        );
        let form = Form::Full;
        let y = match (x, weight, bias) {
            (CpuStorage::F32(x), CpuStorage::F32(w), CpuStorage::F32(b)) => {
                CpuStorage::F32(form.normed(&x[rows], &w[row], Some(&b[shift]), self.epsilon))
            }
            (CpuStorage::F64(x), CpuStorage::F64(w), CpuStorage::F64(b)) => {
                CpuStorage::F64(form.normed(&x[rows], &w[row], Some(&b[shift]), self.epsilon))
            }
            _ => bail!("layer-norm: unsupported number format"),
        };
        Ok((y, x_at.shape().clone()))
    }

    fn bwd(
        &self,
        x: &Tensor,
        weight: &Tensor,
        bias: &Tensor,
        _y: &Tensor,
        dy: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let form = Form::Full;
        let [dx, dw, db] = match x.dtype() {
            DType::F64 => form.gradients::<f64>((x, weight, dy), self.epsilon)?,
            _ => form.gradients::<f32>((x, weight, dy), self.epsilon)?,
        };
        Ok((
            Some(dx),
            weight.track_op().then_some(dw),
            bias.track_op().then_some(db),
        ))
    }
}
