//! Loss and gradient in one pass over the logits each, on the CPU.
//!
//! ```text
//! loss = mean (log Σ eᶻ − z[class])          dz = (softmax(z) − onehot(class)) / rows
//! ```

use std::sync::{Mutex, PoisonError};

use candle_core::{CpuStorage, CustomOp1, DType, Layout, Result, Shape, Tensor, WithDType, bail};
use rayon::prelude::*;

use crate::ops::cpu::{Real, View, contiguous, largest, sum2, vectorised};

/// The mean loss of logits `[rows, classes]`.
pub(super) struct CrossEntropy {
    classes: Vec<u32>, // [rows]
    /// log Σ eᶻ of each row, from the forward pass.
    normalisers: Mutex<Vec<f64>>,
}

impl CrossEntropy {
    pub(super) fn new(classes: Vec<u32>) -> Self {
        Self {
            classes,
            normalisers: Mutex::default(),
        }
    }

    fn forward<T: Real>(&self, logits: &[T], width: usize) -> T {
        let classes = self.classes.par_iter();
        let (normalisers, losses): (Vec<f64>, Vec<T>) = classes
            .zip(logits.par_chunks(width))
            .with_min_len(4)
            .map(|(&class, logits)| {
                let normaliser = vectorised(
                    #[inline(always)]
                    || {
                        let top = largest(logits);
                        top + sum2(logits, logits, |z, _| (z - top).exp()).ln()
                    },
                );
                (normaliser.to_f64(), normaliser - logits[class as usize])
            })
            .unzip();
        let rows = T::from_f64(losses.len() as f64);
        let loss = losses.into_iter().fold(T::zero(), |sum, loss| sum + loss) / rows;
        *self
            .normalisers
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = normalisers;
        loss
    }

    fn gradient<T: Real>(&self, logits: &Tensor, dy: &Tensor) -> Result<Tensor> {
        let width = logits.dim(1)?;
        let slice = View::<T>::of(logits)?;
        let share = dy.to_scalar::<T>()? / T::from_f64(self.classes.len() as f64);
        let normalisers = self
            .normalisers
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let mut gradient = vec![T::zero(); slice.len()];
        let rows = gradient.par_chunks_mut(width).zip(slice.par_chunks(width));
        rows.zip(self.classes.par_iter().zip(normalisers.par_iter()))
            .with_min_len(4)
            .for_each(|((gradient, logits), (&class, &normaliser))| {
                let normaliser = T::from_f64(normaliser);
                vectorised(
                    #[inline(always)]
                    || {
                        for (gradient, &z) in gradient.iter_mut().zip(logits) {
                            *gradient = share * (z - normaliser).exp();
                        }
                    },
                );
                gradient[class as usize] -= share;
            });
        drop(slice);
        Tensor::from_vec(gradient, logits.shape(), logits.device())
    }
}

/// Turns logits `[rows, classes]` into the gradient of `share · Σ loss`, and returns `Σ loss`.
pub(crate) fn into_gradient<T: Real>(logits: &mut [T], classes: &[u32], share: T) -> T {
    let width = logits.len() / classes.len().max(1);
    let rows = logits.par_chunks_mut(width.max(1)).zip(classes);
    let losses: Vec<T> = rows
        .with_min_len(4)
        .map(|(logits, &class)| {
            let class = class as usize;
            let loss = vectorised(
                #[inline(always)]
                || {
                    let top = largest(logits);
                    let chosen = logits[class] - top;
                    for z in logits.iter_mut() {
                        *z = (*z - top).exp();
                    }
                    let sum = sum2(logits, logits, |power, _| power);
                    let factor = share / sum;
                    for power in logits.iter_mut() {
                        *power *= factor;
                    }
                    sum.ln() - chosen
                },
            );
            logits[class] -= share;
            loss
        })
        .collect();
    losses.into_iter().fold(T::zero(), |sum, loss| sum + loss)
}

impl CustomOp1 for CrossEntropy {
    fn name(&self) -> &'static str {
        "cross-entropy"
    }

    fn cpu_fwd(&self, logits: &CpuStorage, at: &Layout) -> Result<(CpuStorage, Shape)> {
        let (rows, width) = at.shape().dims2()?;
        if rows != self.classes.len() {
            bail!(
                "cross-entropy: {rows} rows of logits, {} classes",
                self.classes.len()
            );
        }
        if let Some(class) = self.classes.iter().find(|&&class| class as usize >= width) {
            bail!("cross-entropy: class {class} of {width} does not exist");
        }
        let range = contiguous(at)?;
        let loss = match logits {
            CpuStorage::F32(logits) => f32::to_cpu_storage(&[self.forward(&logits[range], width)]),
            CpuStorage::F64(logits) => f64::to_cpu_storage(&[self.forward(&logits[range], width)]),
            _ => bail!("cross-entropy: unsupported number format"),
        };
        Ok((loss, Shape::from(())))
    }

    fn bwd(&self, logits: &Tensor, _loss: &Tensor, dy: &Tensor) -> Result<Option<Tensor>> {
        Ok(Some(match logits.dtype() {
            DType::F64 => self.gradient::<f64>(logits, dy)?,
            _ => self.gradient::<f32>(logits, dy)?,
        }))
    }
}
