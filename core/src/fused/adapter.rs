//! The bottleneck adapter `A(x) = Up(act(Down(x)))`, added to what stands there.
//!
//! ```text
//! z = x Wdᵀ + b     y += act(z) Wuᵀ + b
//! da = dy Wu        dz = act'(z) da        dx += dz Wd
//! ```

use super::buffers::Buffer;
use super::elementwise::{add_to_rows, map, update2};
use super::param::Gradient;
use super::projection::Projection;
use super::{Context, Planner};
use crate::Result;
use crate::config::NonLinearity;
use crate::model::site::{AdapterForm, Reads};
use crate::ops::activation::with_unit;
use crate::ops::cpu::{Matrix, MatrixMut, Real, Write, wide_product};

/// An adapter.
#[derive(Debug)]
pub(super) struct Adapter {
    down: Projection,
    up: Projection,
    non_linearity: NonLinearity,
    pub(super) reads: Reads,
}

impl Adapter {
    pub(super) fn plan(form: &AdapterForm<'_>, planner: Planner<'_>) -> Result<Self> {
        Ok(Self {
            down: Projection::plan(&form.down, planner)?,
            up: Projection::plan(&form.up, planner)?,
            non_linearity: form.non_linearity,
            reads: form.reads,
        })
    }

    /// Adds `A(x)` to `y`, both `[tokens, d_model]`; `z: [tokens, bottleneck]` comes back for
    /// the backward pass.
    pub(super) fn forward<'s, T: Real>(
        &'s self,
        x: &[T],
        y: &mut [T],
        context: &Context<'s, T>,
    ) -> Result<Buffer<'s, T>> {
        let (width, narrow) = (self.down.width, self.down.out);
        let rows = x.len() / width;
        let down = self.down.build(context)?;
        let down = Matrix::new(&down, (narrow, width), width);
        let x = Matrix::new(x, (rows, width), width);
        let mut z = context.buffers.take(rows * narrow);
        let mut target = MatrixMut::new(&mut z, (rows, narrow), narrow);
        wide_product(T::one(), x, down.t(), &mut target, Write::Replace);
        add_to_rows(&mut z, narrow, &self.down.bias.read(context.values)?);
        let a = self.activated(&z, context);
        let up = self.up.build(context)?;
        let up = Matrix::new(&up, (width, narrow), narrow);
        let a = Matrix::new(&a, (rows, narrow), narrow);
        let mut target = MatrixMut::new(y, (rows, width), width);
        wide_product(T::one(), a, up.t(), &mut target, Write::Add);
        add_to_rows(y, width, &self.up.bias.read(context.values)?);
        Ok(z)
    }

    fn activated<'s, T: Real>(&self, z: &[T], context: &Context<'s, T>) -> Buffer<'s, T> {
        let mut a = context.buffers.take(z.len());
        let kind = self.non_linearity;
        with_unit!(kind, unit => map(&mut a, z, #[inline(always)] |z| unit.at(z).0));
        a
    }

    /// From the gradient of `y`, that of `x`: added to `dx` where it is wanted.
    pub(super) fn backward<T: Real>(
        &self,
        (x, z, dy): (&[T], &[T], &[T]),
        dx: Option<&mut [T]>,
        context: &Context<'_, T>,
        gradient: &mut Gradient<'_, T>,
    ) -> Result<()> {
        let (width, narrow) = (self.down.width, self.down.out);
        let rows = x.len() / width;
        let a = self.activated(z, context);
        self.up.add_gradient((&a, dy), context, gradient)?;
        let mut dz = a;
        let up = self.up.build(context)?;
        let up = Matrix::new(&up, (width, narrow), narrow);
        let mut target = MatrixMut::new(&mut dz, (rows, narrow), narrow);
        let dy = Matrix::new(dy, (rows, width), width);
        wide_product(T::one(), dy, up, &mut target, Write::Replace);
        let kind = self.non_linearity;
        with_unit!(kind, unit => update2(&mut dz, z, #[inline(always)] |da, z| da * unit.at(z).1));
        self.down.add_gradient((x, &dz), context, gradient)?;
        if let Some(dx) = dx {
            let down = self.down.build(context)?;
            let down = Matrix::new(&down, (narrow, width), width);
            let dz = Matrix::new(&dz, (rows, narrow), narrow);
            let mut target = MatrixMut::new(dx, (rows, width), width);
            wide_product(T::one(), dz, down, &mut target, Write::Add);
        }
        Ok(())
    }
}
