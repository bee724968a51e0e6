//! The update and the gradient's norm in one pass each, on all threads of the CPU.
#![expect(
    clippy::inline_always,
    reason = "loops only use the processor's vectors where they are inlined into `vectorised`"
)]

use std::cell::Cell;

use candle_core::{CpuStorage, DType, InplaceOp1, Layout, Result, Tensor, bail};
use rayon::prelude::*;

use super::{BETA1, BETA2, EPSILON, Step};
use crate::ops::cpu::{ELEMENTS, Real, View, contiguous, sum2, vectorised};

/// Clips the gradient by `factor`, takes it into the moments, and moves the values.
pub(super) fn update(
    values: &Tensor,
    moments: (&Tensor, &Tensor),
    gradient: (&Tensor, f64),
    step: Step,
) -> Result<()> {
    match values.dtype() {
        DType::F64 => update_as::<f64>(values, moments, gradient, step),
        _ => update_as::<f32>(values, moments, gradient, step),
    }
}

fn update_as<T: Real>(
    values: &Tensor,
    (first, second): (&Tensor, &Tensor),
    (gradient, factor): (&Tensor, f64),
    step: Step,
) -> Result<()> {
    let gradient = View::<T>::of(gradient)?;
    borrow(values, |values: &mut [T]| {
        borrow(first, |first: &mut [T]| {
            borrow(second, |second: &mut [T]| {
                let blocks = values
                    .par_chunks_mut(ELEMENTS)
                    .zip(gradient.par_chunks(ELEMENTS));
                let moments = first
                    .par_chunks_mut(ELEMENTS)
                    .zip(second.par_chunks_mut(ELEMENTS));
                blocks.zip(moments).for_each(|(block, moments)| {
                    vectorised(
                        #[inline(always)]
                        || update_block(block, moments, factor, step),
                    );
                });
                Ok(())
            })
        })
    })
}

#[inline(always)]
fn update_block<T: Real>(
    (values, gradient): (&mut [T], &[T]),
    (first, second): (&mut [T], &mut [T]),
    factor: f64,
    step: Step,
) {
    let number = T::from_f64;
    let (kept, taken) = (number(BETA1), number(1.0 - BETA1));
    let (kept2, taken2) = (number(BETA2), number(1.0 - BETA2));
    let (keep, size, root) = (number(step.keep), number(step.size), number(step.root));
    let (factor, epsilon) = (number(factor), number(EPSILON));
    let moments = first.iter_mut().zip(second);
    for ((x, &g), (m, v)) in values.iter_mut().zip(gradient).zip(moments) {
        let g = g * factor;
        *m = *m * kept + g * taken;
        *v = *v * kept2 + g * g * taken2;
        *x = *x * keep - size * *m / (v.sqrt() * root + epsilon);
    }
}

/// Euclidean norm of a flat tensor, summed in `f64` block by block.
pub(super) fn norm<T: Real>(gradient: &Tensor) -> Result<f64> {
    let gradient = View::<T>::of(gradient)?;
    let blocks = gradient.par_chunks(ELEMENTS).map(|block| {
        vectorised(
            #[inline(always)]
            || {
                let mut wide = [0f64; 256];
                let mut sum = 0.0;
                for part in block.chunks(wide.len()) {
                    let wide = &mut wide[..part.len()];
                    for (wide, &g) in wide.iter_mut().zip(part) {
                        *wide = g.to_f64();
                    }
                    sum += sum2(wide, wide, |a, b| a * b);
                }
                sum
            },
        )
    });
    let blocks: Vec<f64> = blocks.collect();
    Ok(blocks.into_iter().sum::<f64>().sqrt())
}

/// Lets `work` write to the elements of a contiguous tensor on the CPU.
fn borrow<T: Real>(tensor: &Tensor, work: impl FnOnce(&mut [T]) -> Result<()>) -> Result<()> {
    tensor.inplace_op1(&Borrow(Cell::new(Some((
        work,
        std::marker::PhantomData::<T>,
    )))))
}

/// Work on a tensor's elements, until it is done.
struct Borrow<F, T>(Cell<Option<(F, std::marker::PhantomData<T>)>>);

impl<T: Real, F: FnOnce(&mut [T]) -> Result<()>> InplaceOp1 for Borrow<F, T> {
    fn name(&self) -> &'static str {
        "adamw"
    }

    fn cpu_fwd(&self, storage: &mut CpuStorage, layout: &Layout) -> Result<()> {
        let range = contiguous(layout)?;
        match (self.0.take(), T::of_storage(storage)) {
            (Some((work, _)), Some(elements)) => work(&mut elements[range]),
            _ => bail!("adamw: values, moments and gradient must all be f32 or all f64"),
        }
    }
}
