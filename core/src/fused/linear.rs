//! A linear map, frozen or trained, with or without a low-rank update.
//!
//! ```text
//! y = x Wᵀ + b + α (D(x) Aᵀ) Bᵀ
//! dx = dy W + D'(du A),  du = α dy B       dW = dyᵀ x    db = Σ dy
//! dB = α dyᵀ u,  u = D(x) Aᵀ               dA = duᵀ D(x)
//! ```

use candle_core::Tensor;

use super::buffers::Buffer;
use super::elementwise::{add, add_row_sums, add_to_rows};
use super::matrix::WeightMatrix;
use super::param::{Gradient, Param, Slice};
use super::{Context, Planner};
use crate::model;
use crate::ops::cpu::{Matrix, MatrixMut, Real, Write, wide_product};
use crate::random::Key;
use crate::{Error, Result};

/// A linear map.
#[derive(Debug)]
pub(super) struct Linear {
    weight: WeightMatrix, // [out, in]
    bias: Option<Param>,  // [out]
    update: Option<LowRank>,
}

#[derive(Debug)]
struct LowRank {
    a: Param, // [r, in]
    b: Param, // [out, r]
    rank: usize,
    scale: f64,
    dropout: (f64, String),
}

/// Rows inside wider ones: the elements from row to row, and the first column.
#[derive(Debug, Clone, Copy)]
pub(super) struct Part {
    pub(super) stride: usize,
    pub(super) first: usize,
}

impl Linear {
    pub(super) fn plan(linear: &model::Linear, planner: Planner<'_>) -> Result<Self> {
        let path = &linear.path;
        let update = match linear.module.get() {
            None => None,
            Some(module) => {
                let Some(form) = module.as_low_rank() else {
                    return Err(Error::method(format!(
                        "{path} holds a module, which the hand-written step does not know"
                    )));
                };
                let (rate, site) = form.dropout;
                Some(LowRank {
                    a: Param::tensor(form.a, planner)?,
                    b: Param::tensor(form.b, planner)?,
                    rank: form.a.dim(0)?,
                    scale: form.scale,
                    dropout: (rate, site.to_owned()),
                })
            }
        };
        let bias = linear.bias.as_ref();
        Ok(Self {
            weight: WeightMatrix::of(&linear.weight, path, planner)?,
            bias: bias
                .map(|bias| Param::of(bias, path, planner))
                .transpose()?,
            update,
        })
    }

    /// A map of a method's own.
    pub(super) fn of_tensors(weight: &Tensor, bias: &Tensor, planner: Planner<'_>) -> Result<Self> {
        Ok(Self {
            weight: WeightMatrix::tensor(weight, planner)?,
            bias: Some(Param::tensor(bias, planner)?),
            update: None,
        })
    }

    /// Width of the output.
    pub(super) fn out(&self) -> usize {
        self.weight.size().0
    }

    /// Widths of the output and of the input.
    pub(super) fn size(&self) -> (usize, usize) {
        self.weight.size()
    }

    /// The weight `[out, in]`, where the map is nothing but a product with it, and it is
    /// frozen and kept in the step's own format.
    pub(super) fn frozen<T: Real>(&self) -> Result<Option<Slice<'_, T>>> {
        if self.bias.is_some() || self.update.is_some() {
            return Ok(None);
        }
        self.weight.frozen()
    }

    /// Whether anything here is trained.
    pub(super) fn is_trained(&self) -> bool {
        self.reads_input() || self.bias.as_ref().is_some_and(Param::is_trained)
    }

    /// Whether the backward pass reads the input.
    pub(super) fn reads_input(&self) -> bool {
        self.weight.trained().is_some() || self.update.is_some()
    }

    /// Maps rows `x: [rows, in]` into a part of the rows `y`.
    pub(super) fn forward<T: Real>(
        &self,
        x: &[T],
        (y, part): (&mut [T], Part),
        context: &Context<'_, T>,
    ) -> Result<()> {
        let (out, width) = self.weight.size();
        let rows = x.len() / width;
        if rows == 0 {
            return Ok(());
        }
        let y = &mut y[part.first..];
        let inputs = Matrix::new(x, (rows, width), width);
        let mut target = MatrixMut::new(y, (rows, out), part.stride);
        self.weight
            .forward((T::one(), inputs), &mut target, context)?;
        if let Some(update) = &self.update {
            let (dropped, u) = update.inner(x, (rows, width), context)?;
            std::mem::drop(dropped);
            let b = update.b.read(context.values)?;
            let b = Matrix::new(&b, (out, update.rank), update.rank);
            let u = Matrix::new(&u, (rows, update.rank), update.rank);
            let scale = T::from_f64(update.scale);
            wide_product(scale, u, b.t(), &mut target, Write::Add);
        }
        if let Some(bias) = &self.bias {
            add_to_rows(y, part.stride, &bias.read(context.values)?);
        }
        Ok(())
    }

    /// The gradients, from those of a part of the output rows; that of the input goes into
    /// `dx`, where it is wanted, as [`Write`] says. `x` is needed where
    /// [`Self::reads_input`].
    pub(super) fn backward<T: Real>(
        &self,
        x: Option<&[T]>,
        (dy, part): (&[T], Part),
        dx: Option<(&mut [T], Write)>,
        context: &Context<'_, T>,
        gradient: &mut Gradient<'_, T>,
    ) -> Result<()> {
        let rows = dy.len() / part.stride;
        if rows == 0 {
            return Ok(());
        }
        let (out, width) = self.weight.size();
        let (size, rest) = ((rows, width), &dy[part.first..]);
        let outputs = Matrix::new(rest, (rows, out), part.stride);
        if let Some(sum) = self.weight.trained().and_then(|weight| gradient.of(weight)) {
            let inputs = Matrix::new(needed(x)?, size, width);
            let mut sum = MatrixMut::new(sum, (out, width), width);
            wide_product(T::one(), outputs.t(), inputs, &mut sum, Write::Add);
        }
        if let Some(sum) = self.bias.as_ref().and_then(|bias| gradient.of(bias)) {
            add_row_sums(rest, part.stride, sum);
        }
        let mut dx = dx;
        if let Some((dx, write)) = &mut dx {
            let mut dx = MatrixMut::new(dx, size, width);
            let outputs = (T::one(), outputs);
            self.weight.backward(outputs, (&mut dx, *write), context)?;
        }
        match &self.update {
            Some(update) => update.backward(
                needed(x)?,
                outputs,
                (dx.map(|(dx, _)| dx), (rows, out, width)),
                context,
                gradient,
            ),
            None => Ok(()),
        }
    }
}

impl LowRank {
    fn noise<T>(&self, context: &Context<'_, T>) -> Option<(f64, Key)> {
        context.pass.noise_at(self.dropout.0, &self.dropout.1)
    }

    /// `D(x)`, where anything is dropped, and `u = D(x) Aᵀ: [rows, r]`.
    fn inner<'s, T: Real>(
        &self,
        x: &[T],
        (rows, width): (usize, usize),
        context: &Context<'s, T>,
    ) -> Result<(Option<Buffer<'s, T>>, Buffer<'s, T>)> {
        let dropped = self.noise(context).map(|noise| {
            let mut dropped = context.buffers.copy(x);
            context.drop(&mut dropped, Some(noise));
            dropped
        });
        let a = self.a.read(context.values)?;
        let a = Matrix::new(&a, (self.rank, width), width);
        let input = Matrix::new(dropped.as_deref().unwrap_or(x), (rows, width), width);
        let mut u = context.buffers.take(rows * self.rank);
        let mut target = MatrixMut::new(&mut u, (rows, self.rank), self.rank);
        wide_product(T::one(), input, a.t(), &mut target, Write::Replace);
        Ok((dropped, u))
    }

    fn backward<T: Real>(
        &self,
        x: &[T],
        dy: Matrix<'_, T>,
        (dx, (rows, out, width)): (Option<&mut [T]>, (usize, usize, usize)),
        context: &Context<'_, T>,
        gradient: &mut Gradient<'_, T>,
    ) -> Result<()> {
        let (scale, rank) = (T::from_f64(self.scale), self.rank);
        let (dropped, u) = self.inner(x, (rows, width), context)?;
        if let Some(sum) = gradient.of(&self.b) {
            let u = Matrix::new(&u, (rows, rank), rank);
            let mut sum = MatrixMut::new(sum, (out, rank), rank);
            wide_product(scale, dy.t(), u, &mut sum, Write::Add);
        }
        let mut du = u;
        let b = self.b.read(context.values)?;
        let b = Matrix::new(&b, (out, rank), rank);
        let mut target = MatrixMut::new(&mut du, (rows, rank), rank);
        wide_product(scale, dy, b, &mut target, Write::Replace);
        let du = Matrix::new(&du, (rows, rank), rank);
        if let Some(sum) = gradient.of(&self.a) {
            let input = Matrix::new(dropped.as_deref().unwrap_or(x), (rows, width), width);
            let mut sum = MatrixMut::new(sum, (rank, width), width);
            wide_product(T::one(), du.t(), input, &mut sum, Write::Add);
        }
        let Some(dx) = dx else { return Ok(()) };
        let a = self.a.read(context.values)?;
        let a = Matrix::new(&a, (rank, width), width);
        let Some(mut inner) = dropped else {
            let mut target = MatrixMut::new(dx, (rows, width), width);
            wide_product(T::one(), du, a, &mut target, Write::Add);
            return Ok(());
        };
        let mut target = MatrixMut::new(&mut inner, (rows, width), width);
        wide_product(T::one(), du, a, &mut target, Write::Replace);
        context.drop(&mut inner, self.noise(context));
        add(dx, &inner);
        Ok(())
    }
}

fn needed<T>(x: Option<&[T]>) -> Result<&[T]> {
    x.ok_or_else(|| Error::method("the input of a trained map was not kept"))
}
