//! A linear map, frozen or trained, with or without a low-rank update.
//!
//! ```text
//! y = x Wᵀ + b + α (D(x) Aᵀ) Bᵀ
//! dx = dy W + D'(du A),  du = α dy B       dW = dyᵀ x    db = Σ dy
//! dB = α dyᵀ u,  u = D(x) Aᵀ               dA = duᵀ D(x)
//! ```

use candle_core::Tensor;

use super::Context;
use super::buffers::Buffer;
use super::elementwise::{add, add_row_sums, add_to_rows, drop};
use super::param::{Gradient, Param};
use crate::model;
use crate::ops::cpu::{Matrix, MatrixMut, Real, Write, wide_product};
use crate::peft::Trainables;
use crate::random::Key;
use crate::{Error, Result};

/// A linear map.
#[derive(Debug)]
pub(super) struct Linear {
    weight: Param,       // [out, in]
    bias: Option<Param>, // [out]
    update: Option<LowRank>,
    out: usize,
    width: usize,
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
    pub(super) fn plan(linear: &model::Linear, trainables: &Trainables) -> Result<Self> {
        let path = &linear.path;
        let (out, width) = linear.weight.stored().dims2()?;
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
                    a: Param::tensor(form.a, trainables)?,
                    b: Param::tensor(form.b, trainables)?,
                    rank: form.a.dim(0)?,
                    scale: form.scale,
                    dropout: (rate, site.to_owned()),
                })
            }
        };
        let bias = linear.bias.as_ref();
        Ok(Self {
            weight: Param::of(&linear.weight, path, trainables)?,
            bias: bias
                .map(|bias| Param::of(bias, path, trainables))
                .transpose()?,
            update,
            out,
            width,
        })
    }

    /// A map of a method's own.
    pub(super) fn of_tensors(
        weight: &Tensor,
        bias: &Tensor,
        trainables: &Trainables,
    ) -> Result<Self> {
        let (out, width) = weight.dims2()?;
        Ok(Self {
            weight: Param::tensor(weight, trainables)?,
            bias: Some(Param::tensor(bias, trainables)?),
            update: None,
            out,
            width,
        })
    }

    /// Width of the output.
    pub(super) fn out(&self) -> usize {
        self.out
    }

    /// Whether anything here is trained.
    pub(super) fn is_trained(&self) -> bool {
        self.reads_input() || self.bias.as_ref().is_some_and(Param::is_trained)
    }

    /// Whether the backward pass reads the input.
    pub(super) fn reads_input(&self) -> bool {
        self.weight.is_trained() || self.update.is_some()
    }

    /// Maps rows `x: [rows, in]` into a part of the rows `y`.
    pub(super) fn forward<T: Real>(
        &self,
        x: &[T],
        (y, part): (&mut [T], Part),
        context: &Context<'_, T>,
    ) -> Result<()> {
        let rows = x.len() / self.width;
        if rows == 0 {
            return Ok(());
        }
        let weight = self.weight.read(context.values)?;
        let weight = Matrix::new(&weight, (self.out, self.width), self.width);
        let y = &mut y[part.first..];
        let inputs = Matrix::new(x, (rows, self.width), self.width);
        let mut target = MatrixMut::new(y, (rows, self.out), part.stride);
        wide_product(T::one(), inputs, weight.t(), &mut target, Write::Replace);
        if let Some(update) = &self.update {
            let (dropped, u) = update.inner(x, (rows, self.width), context)?;
            std::mem::drop(dropped);
            let b = update.b.read(context.values)?;
            let b = Matrix::new(&b, (self.out, update.rank), update.rank);
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
        let (size, rest) = ((rows, self.width), &dy[part.first..]);
        let outputs = Matrix::new(rest, (rows, self.out), part.stride);
        if let Some(sum) = gradient.of(&self.weight) {
            let inputs = Matrix::new(needed(x)?, size, self.width);
            let mut sum = MatrixMut::new(sum, (self.out, self.width), self.width);
            wide_product(T::one(), outputs.t(), inputs, &mut sum, Write::Add);
        }
        if let Some(sum) = self.bias.as_ref().and_then(|bias| gradient.of(bias)) {
            add_row_sums(rest, part.stride, sum);
        }
        let mut dx = dx;
        if let Some((dx, write)) = &mut dx {
            let weight = self.weight.read(context.values)?;
            let weight = Matrix::new(&weight, (self.out, self.width), self.width);
            let mut dx = MatrixMut::new(dx, size, self.width);
            wide_product(T::one(), outputs, weight, &mut dx, *write);
        }
        match &self.update {
            Some(update) => update.backward(
                needed(x)?,
                outputs,
                (dx.map(|(dx, _)| dx), (rows, self.out, self.width)),
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
            drop(&mut dropped, Some(noise));
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
        drop(&mut inner, self.noise(context));
        add(dx, &inner);
        Ok(())
    }
}

fn needed<T>(x: Option<&[T]>) -> Result<&[T]> {
    x.ok_or_else(|| Error::method("the input of a trained map was not kept"))
}
