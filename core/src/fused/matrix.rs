//! A matrix of weights that rows are multiplied by, in the number format that it is kept in.
//!
//! ```text
//! y ← α x Wᵀ    dx ← α dy W        W: [out, in]
//! ```
//!
//! | kept as | the product |
//! |---|---|
//! | the step's own format, frozen or trained | of the GEMM library |
//! | bf16, frozen | the same, of some rows widened at a time |
//! | bf16 in panels, frozen (mixed precision) | of factors rounded to bf16, summed in f32 |

use candle_core::{DType, Tensor};
use half::bf16;

use super::param::{Param, Slice};
use super::{Context, Planner};
use crate::model::Weight;
use crate::ops::cpu::{Matrix, MatrixMut, PackedWeight, Real, View, Write, wide_product};
use crate::{Error, Result};

/// Elements of a weight that are widened at a time.
const WIDENED: usize = 1 << 18;

/// A matrix of weights `[out, in]`.
#[derive(Debug)]
pub(super) struct WeightMatrix {
    form: Form,
    out: usize,
    width: usize,
}

#[derive(Debug)]
enum Form {
    Plain(Param),
    Half(Tensor),
    Packed(Box<PackedWeight>),
}

impl WeightMatrix {
    /// A weight of the backbone.
    pub(super) fn of(weight: &Weight, path: &str, planner: Planner<'_>) -> Result<Self> {
        let size = weight.stored().dims2()?;
        Self::new(Param::of(weight, path, planner)?, size, planner)
    }

    /// A tensor of a method.
    pub(super) fn tensor(tensor: &Tensor, planner: Planner<'_>) -> Result<Self> {
        Self::new(Param::tensor(tensor, planner)?, tensor.dims2()?, planner)
    }

    /// A parameter `[out, in]`.
    pub(super) fn new(
        param: Param,
        (out, width): (usize, usize),
        planner: Planner<'_>,
    ) -> Result<Self> {
        let form = match param {
            Param::Frozen(tensor) if planner.mixed => {
                Form::Packed(Box::new(pack(&tensor, (out, width))?))
            }
            Param::Frozen(tensor) if tensor.dtype() == DType::BF16 => Form::Half(tensor),
            param => Form::Plain(param),
        };
        Ok(Self { form, out, width })
    }

    /// Rows and columns.
    pub(super) fn size(&self) -> (usize, usize) {
        (self.out, self.width)
    }

    /// The parameter behind it, where it is trained.
    pub(super) fn trained(&self) -> Option<&Param> {
        match &self.form {
            Form::Plain(param) if param.is_trained() => Some(param),
            _ => None,
        }
    }

    /// Its elements, where it is frozen and kept in the step's own format.
    pub(super) fn frozen<T: Real>(&self) -> Result<Option<Slice<'_, T>>> {
        match &self.form {
            Form::Plain(param) if !param.is_trained() => Ok(Some(param.read(&[])?)),
            _ => Ok(None),
        }
    }

    /// `y ← α x Wᵀ`
    pub(super) fn forward<T: Real>(
        &self,
        (alpha, x): (T, Matrix<'_, T>),
        y: &mut MatrixMut<'_, T>,
        context: &Context<'_, T>,
    ) -> Result<()> {
        match &self.form {
            Form::Plain(param) => {
                let weight = param.read(context.values)?;
                let weight = Matrix::new(&weight, self.size(), self.width);
                wide_product(alpha, x, weight.t(), y, Write::Replace);
            }
            Form::Half(tensor) => self.widened(tensor, context, |first, rows| {
                let y = &mut y.columns(first, rows.rows());
                wide_product(alpha, x, rows.t(), y, Write::Replace);
            })?,
            Form::Packed(packed) => packed.map(alpha, x, y),
        }
        Ok(())
    }

    /// `dx ← α dy W`, or `dx ← dx + α dy W`
    pub(super) fn backward<T: Real>(
        &self,
        (alpha, dy): (T, Matrix<'_, T>),
        (dx, write): (&mut MatrixMut<'_, T>, Write),
        context: &Context<'_, T>,
    ) -> Result<()> {
        match &self.form {
            Form::Plain(param) => {
                let weight = param.read(context.values)?;
                let weight = Matrix::new(&weight, self.size(), self.width);
                wide_product(alpha, dy, weight, dx, write);
            }
            Form::Half(tensor) => self.widened(tensor, context, |first, rows| {
                let write = if first == 0 { write } else { Write::Add };
                let dy = dy.columns(first, rows.rows());
                wide_product(alpha, dy, rows, dx, write);
            })?,
            Form::Packed(packed) => packed.map_back(alpha, dy, (dx, write)),
        }
        Ok(())
    }

    /// Shows the rows to `see` some at a time, widened, with the number of the first one.
    fn widened<T: Real>(
        &self,
        tensor: &Tensor,
        context: &Context<'_, T>,
        mut see: impl FnMut(usize, Matrix<'_, T>),
    ) -> Result<()> {
        let stored = View::<bf16>::of(tensor)?;
        let width = self.width.max(1);
        let rows = (WIDENED / width).clamp(1, self.out.max(1));
        let mut room = context.buffers.take(rows * width);
        for (at, stored) in stored.chunks(rows * width).enumerate() {
            let room = &mut room[..stored.len()];
            let pairs = room.iter_mut().zip(stored);
            pairs.for_each(|(room, &stored)| *room = T::of_bf16(stored));
            let size = (stored.len() / width, width);
            see(at * rows, Matrix::new(room, size, width));
        }
        Ok(())
    }
}

/// Lays a frozen weight out for mixed precision, from whatever it is kept in.
fn pack(tensor: &Tensor, size: (usize, usize)) -> Result<PackedWeight> {
    let packed = if tensor.dtype() == DType::BF16 {
        let stored = View::<bf16>::of(tensor)?;
        let stored: &[bf16] = &stored;
        PackedWeight::new(size, |at| stored[at])
    } else {
        let stored = View::<f32>::of(tensor)?;
        let stored: &[f32] = &stored;
        PackedWeight::new(size, |at| bf16::from_f32(stored[at]))
    };
    packed.ok_or_else(|| {
        Error::method(
            "train.mixed_precision = \"bf16\" needs a processor with AVX512-BF16, which this one \
             has not: leave it out",
        )
    })
}
