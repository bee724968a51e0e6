//! Where a step reads its weights, and where their gradients go.

use std::ops::{Deref, Range};

use candle_core::{DType, Tensor};
use half::bf16;

use super::Planner;
use super::elementwise::gather;
use crate::model::Weight;
use crate::ops::cpu::{Real, View};
use crate::{Error, Result};

/// A weight: frozen, or part of the flat buffer of trainables.
#[derive(Debug, Clone)]
pub(super) enum Param {
    Frozen(Tensor),
    Trained(Range<usize>),
}

impl Param {
    /// A weight of the backbone.
    pub(super) fn of(weight: &Weight, path: &str, planner: Planner<'_>) -> Result<Self> {
        match weight {
            Weight::Frozen(tensor) => Self::frozen(tensor),
            Weight::Trained(tensor) => Self::tensor(tensor, planner),
            Weight::Derived(..) => Err(Error::method(format!(
                "{path} is computed from other weights, which the hand-written step does not know"
            ))),
        }
    }

    /// A tensor of a method: trained, or a constant.
    pub(super) fn tensor(tensor: &Tensor, planner: Planner<'_>) -> Result<Self> {
        match planner.trainables.range_of(tensor) {
            Some(range) => Ok(Self::Trained(range)),
            None => Self::frozen(tensor),
        }
    }

    fn frozen(tensor: &Tensor) -> Result<Self> {
        Ok(Self::Frozen(tensor.contiguous()?))
    }

    pub(super) fn is_trained(&self) -> bool {
        matches!(self, Self::Trained(_))
    }

    /// Its elements, row by row; `values` are those of all trainables.
    pub(super) fn read<'a, T: Real>(&'a self, values: &'a [T]) -> Result<Slice<'a, T>> {
        Ok(match self {
            Self::Frozen(tensor) => Slice::Frozen(View::of(tensor)?),
            Self::Trained(range) => Slice::Trained(&values[range.clone()]),
        })
    }

    /// Gathers rows of a table, each `width` wide: `y[i] ← table[ids[i]]`, or adds them.
    pub(super) fn gather<T: Real>(
        &self,
        (y, add): (&mut [T], bool),
        ids: &[u32],
        width: usize,
        values: &[T],
    ) -> Result<()> {
        match self {
            Self::Frozen(tensor) if tensor.dtype() == DType::BF16 => {
                let table = View::<bf16>::of(tensor)?;
                gather(y, &table, ids, (width, add), T::of_bf16);
            }
            _ => gather(y, &self.read(values)?, ids, (width, add), |x| x),
        }
        Ok(())
    }
}

/// A weight's elements.
pub(super) enum Slice<'a, T> {
    Frozen(View<'a, T>),
    Trained(&'a [T]),
}

impl<T: Real> Deref for Slice<'_, T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        match self {
            Self::Frozen(view) => view,
            Self::Trained(values) => values,
        }
    }
}

/// The gradient of all trainables, which pieces add theirs to.
pub(super) struct Gradient<'g, T>(&'g mut [T]);

impl<'g, T: Real> Gradient<'g, T> {
    pub(super) fn new(flat: &'g mut [T]) -> Self {
        Self(flat)
    }

    /// Where the gradient of a weight is added; `None` where it is frozen.
    pub(super) fn of(&mut self, param: &Param) -> Option<&mut [T]> {
        match param {
            Param::Frozen(_) => None,
            Param::Trained(range) => Some(&mut self.0[range.clone()]),
        }
    }

    /// Adds `part` to the gradient of a weight, if it is trained.
    pub(super) fn add(&mut self, param: &Param, part: &[T]) {
        if let Some(sum) = self.of(param) {
            sum.iter_mut()
                .zip(part)
                .for_each(|(sum, &part)| *sum += part);
        }
    }
}
