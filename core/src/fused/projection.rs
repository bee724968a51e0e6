//! An adapter's map: dense, or a sum of Kronecker products.
//!
//! A bottleneck is narrow, so the weight `W: [out, in]` of a sum of Kronecker products is
//! built (`out · in` elements, no `n` times that) and multiplied by as if it were dense. Its
//! gradient is taken back to the factors:
//!
//! ```text
//! W[(j,q),(a,p)] = Σᵢ A[i,a,j] B[i,p,q]           B[i,p,q] = Σᵣ s[i,p,r] t[i,r,q]
//! dB[i,p,q] = Σ A[i,a,j] dW[(j,q),(a,p)] over a, j      ds = dB tᵀ,  dt = sᵀ dB
//! dA[i,a,j] = Σ B[i,p,q] dW[(j,q),(a,p)] over p, q
//! ```

use candle_core::Tensor;

use super::buffers::Buffer;
use super::param::{Gradient, Param, Slice};
use super::{Context, Planner};
use crate::Result;
use crate::model::site::{ProjectionForm, WeightForm};
use crate::ops::cpu::{Matrix, MatrixMut, Real, Write, product, sum2, wide_product};

/// A map with bias.
#[derive(Debug)]
pub(super) struct Projection {
    weight: Weight,
    pub(super) bias: Param, // [out]
    pub(super) out: usize,
    pub(super) width: usize,
}

#[derive(Debug)]
enum Weight {
    Dense(Param), // [out, in]
    Kronecker { slow: Param, fast: Fast, n: usize },
}

#[derive(Debug)]
enum Fast {
    Whole(Param), // [n, in/n, out/n]
    Factored {
        left: Param,  // [n, in/n, r]
        right: Param, // [n, r, out/n]
        rank: usize,
    },
}

/// A weight `[out, in]` to multiply by.
pub(super) enum Built<'a, T> {
    Read(Slice<'a, T>),
    Made(Buffer<'a, T>),
}

impl<T: Real> std::ops::Deref for Built<'_, T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        match self {
            Self::Read(slice) => slice,
            Self::Made(buffer) => buffer,
        }
    }
}

/// Sizes of the blocks of a sum of Kronecker products.
#[derive(Clone, Copy)]
struct Blocks {
    n: usize,
    p: usize, // in/n
    q: usize, // out/n
}

impl Projection {
    pub(super) fn plan(form: &ProjectionForm<'_>, planner: Planner<'_>) -> Result<Self> {
        let param = |tensor: &Tensor| Param::tensor(tensor, planner);
        let (weight, width, out) = match form.weight {
            WeightForm::Dense(weight) => {
                let (out, width) = weight.dims2()?;
                (Weight::Dense(param(weight)?), width, out)
            }
            WeightForm::LowRank { left, right } => {
                let ((width, rank), (_, out)) = (left.dims2()?, right.dims2()?);
                // One term whose slow weight is the number 1.
                let one = Tensor::ones((1, 1, 1), left.dtype(), left.device())?;
                let slow = param(&one)?;
                let (left, right) = (param(left)?, param(right)?);
                let fast = Fast::Factored { left, right, rank };
                (Weight::Kronecker { slow, fast, n: 1 }, width, out)
            }
            WeightForm::Kronecker { slow, fast } => {
                let (n, p, q) = fast.dims3()?;
                let slow = param(slow)?;
                let fast = Fast::Whole(param(fast)?);
                (Weight::Kronecker { slow, fast, n }, n * p, n * q)
            }
            WeightForm::LowRankKronecker { slow, left, right } => {
                let ((n, p, rank), (_, _, q)) = (left.dims3()?, right.dims3()?);
                let slow = param(slow)?;
                let (left, right) = (param(left)?, param(right)?);
                let fast = Fast::Factored { left, right, rank };
                (Weight::Kronecker { slow, fast, n }, n * p, n * q)
            }
        };
        Ok(Self {
            weight,
            bias: param(form.bias)?,
            out,
            width,
        })
    }

    fn blocks(&self, n: usize) -> Blocks {
        let (p, q) = (self.width / n, self.out / n);
        Blocks { n, p, q }
    }

    /// The weight `W: [out, in]`.
    pub(super) fn build<'s, T: Real>(&'s self, context: &Context<'s, T>) -> Result<Built<'s, T>> {
        let (slow, fast, n) = match &self.weight {
            Weight::Dense(weight) => return Ok(Built::Read(weight.read(context.values)?)),
            Weight::Kronecker { slow, fast, n } => (slow, fast, *n),
        };
        let Blocks { n, p, q } = self.blocks(n);
        let (slow, fast) = (slow.read(context.values)?, fast.build((n, p, q), context)?);
        let mut weight = context.buffers.zeros(self.out * self.width);
        for (i, fast) in fast.chunks_exact(p * q).enumerate() {
            for a in 0..n {
                for j in 0..n {
                    let factor = slow[(i * n + a) * n + j];
                    for at in 0..q {
                        let row = &mut weight[(j * q + at) * self.width + a * p..][..p];
                        for (w, b) in row.iter_mut().zip(fast[at..].iter().step_by(q)) {
                            *w += factor * *b;
                        }
                    }
                }
            }
        }
        Ok(Built::Made(weight))
    }

    /// Adds the gradients of weight and bias: `dyᵀ x` taken back to the factors, and `Σ dy`.
    ///
    /// `x: [rows, in]`, `dy: [rows, out]`.
    pub(super) fn add_gradient<T: Real>(
        &self,
        (x, dy): (&[T], &[T]),
        context: &Context<'_, T>,
        gradient: &mut Gradient<'_, T>,
    ) -> Result<()> {
        if let Some(sum) = gradient.of(&self.bias) {
            super::elementwise::add_row_sums(dy, self.out, sum);
        }
        let rows = x.len() / self.width;
        let (x, dy) = (
            Matrix::new(x, (rows, self.width), self.width),
            Matrix::new(dy, (rows, self.out), self.out),
        );
        match &self.weight {
            Weight::Dense(weight) => {
                if let Some(sum) = gradient.of(weight) {
                    let mut sum = MatrixMut::new(sum, (self.out, self.width), self.width);
                    wide_product(T::one(), dy.t(), x, &mut sum, Write::Add);
                }
                Ok(())
            }
            Weight::Kronecker { slow, fast, n } => {
                let mut whole = context.buffers.take(self.out * self.width);
                let mut target = MatrixMut::new(&mut whole, (self.out, self.width), self.width);
                wide_product(T::one(), dy.t(), x, &mut target, Write::Replace);
                self.pull_back(&whole, (slow, fast, self.blocks(*n)), context, gradient)
            }
        }
    }

    /// Takes `dW` back to slow and fast weights.
    fn pull_back<T: Real>(
        &self,
        whole: &[T],
        (slow, fast, Blocks { n, p, q }): (&Param, &Fast, Blocks),
        context: &Context<'_, T>,
        gradient: &mut Gradient<'_, T>,
    ) -> Result<()> {
        let values = slow.read(context.values)?;
        let built = fast.build((n, p, q), context)?;
        let mut dfast = context.buffers.zeros(n * p * q);
        let mut dslow = vec![T::zero(); n * n * n];
        // Fast weights turned round, [n, q, p], so that inner loops run along rows of dW.
        let mut turned = context.buffers.take(n * p * q);
        turn(&built, &mut turned, (p, q));
        let mut dturned = context.buffers.zeros(n * p * q);
        for i in 0..n {
            for a in 0..n {
                for j in 0..n {
                    let at = (i * n + a) * n + j;
                    let factor = values[at];
                    let mut sum = T::zero();
                    for row in 0..q {
                        let part = &whole[(j * q + row) * self.width + a * p..][..p];
                        let place = (i * q + row) * p;
                        sum += sum2(part, &turned[place..place + p], |w, b| w * b);
                        let d = &mut dturned[place..place + p];
                        d.iter_mut().zip(part).for_each(|(d, &w)| *d += factor * w);
                    }
                    dslow[at] = sum;
                }
            }
        }
        turn(&dturned, &mut dfast, (q, p));
        gradient.add(slow, &dslow);
        fast.add_gradient(&dfast, (n, p, q), context, gradient)
    }
}

/// Transposes each `[rows, columns]` of a stack of matrices.
fn turn<T: Real>(from: &[T], to: &mut [T], (rows, columns): (usize, usize)) {
    let size = rows * columns;
    for (from, to) in from.chunks_exact(size).zip(to.chunks_exact_mut(size)) {
        for (row, from) in from.chunks_exact(columns).enumerate() {
            for (x, place) in from.iter().zip(to[row..].iter_mut().step_by(rows)) {
                *place = *x;
            }
        }
    }
}

impl Fast {
    /// `B: [n, in/n, out/n]`
    fn build<'s, T: Real>(
        &'s self,
        (n, p, q): (usize, usize, usize),
        context: &Context<'s, T>,
    ) -> Result<Built<'s, T>> {
        let (left, right, rank) = match self {
            Self::Whole(fast) => return Ok(Built::Read(fast.read(context.values)?)),
            Self::Factored { left, right, rank } => (left, right, *rank),
        };
        let (left, right) = (left.read(context.values)?, right.read(context.values)?);
        let mut fast = context.buffers.take(n * p * q);
        for (i, fast) in fast.chunks_exact_mut(p * q).enumerate() {
            let left = Matrix::new(&left[i * p * rank..], (p, rank), rank);
            let right = Matrix::new(&right[i * rank * q..], (rank, q), q);
            product(T::one(), left, right, &mut MatrixMut::new(fast, (p, q), q));
        }
        Ok(Built::Made(fast))
    }

    fn add_gradient<T: Real>(
        &self,
        dfast: &[T],
        (n, p, q): (usize, usize, usize),
        context: &Context<'_, T>,
        gradient: &mut Gradient<'_, T>,
    ) -> Result<()> {
        let (left, right, rank) = match self {
            Self::Whole(fast) => {
                gradient.add(fast, dfast);
                return Ok(());
            }
            Self::Factored { left, right, rank } => (left, right, *rank),
        };
        let (s, t) = (left.read(context.values)?, right.read(context.values)?);
        let (mut ds, mut dt) = (
            context.buffers.take(n * p * rank),
            context.buffers.take(n * rank * q),
        );
        for (i, dfast) in dfast.chunks_exact(p * q).enumerate() {
            let (from_s, from_t) = (i * p * rank, i * rank * q);
            let s = Matrix::new(&s[from_s..], (p, rank), rank);
            let t = Matrix::new(&t[from_t..], (rank, q), q);
            let dfast = Matrix::new(dfast, (p, q), q);
            let mut target = MatrixMut::new(&mut ds[from_s..], (p, rank), rank);
            product(T::one(), dfast, t.t(), &mut target);
            let mut target = MatrixMut::new(&mut dt[from_t..], (rank, q), q);
            product(T::one(), s.t(), dfast, &mut target);
        }
        gradient.add(left, &ds);
        gradient.add(right, &dt);
        Ok(())
    }
}
