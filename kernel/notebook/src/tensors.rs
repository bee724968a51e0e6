//! What lessons need of tensors and candle does not have: values that a seed decides, and
//! singular values.

use candle_core::{DType, Device, Shape, Tensor};
use compacter_core::peft::factors::{Block, Fast, KroneckerSum, WIDEST_SPECTRUM};
use compacter_core::peft::init::Distribution;
use compacter_core::random::Key;

use crate::error::{NotebookError, Result};

/// Standard normal numbers that the seed decides, `f32` on the CPU.
///
/// candle's own cannot be seeded on the CPU, and a lesson should show the same numbers twice.
///
/// # Errors
/// Fails where the tensor library does.
///
/// # Examples
/// ```
/// use compacter_notebook::prelude::*;
///
/// # fn main() -> Result<()> {
/// let (once, again) = (normal((2, 3), 7)?, normal((2, 3), 7)?);
/// assert_eq!(once.to_vec2::<f32>()?, again.to_vec2::<f32>()?);
/// # Ok(())
/// # }
/// ```
pub fn normal(shape: impl Into<Shape>, seed: u64) -> Result<Tensor> {
    let (shape, key) = (shape.into(), Key::new(seed));
    let values = Distribution::Normal(1.0).tensor(key, shape.dims(), DType::F32, &Device::Cpu)?;
    Ok(values)
}

/// The singular values of a matrix, largest first: how much it stretches in each direction.
///
/// # Errors
/// [`NotebookError::Argument`] when the shorter side is longer than 128 or 0.
///
/// # Examples
/// ```
/// use compacter_notebook::prelude::*;
///
/// # fn main() -> Result<()> {
/// let stretch = Tensor::new(&[[0f32, 3.0], [2.0, 0.0]], &Device::Cpu)?;
/// let values = singular_values(&stretch)?;
/// assert!((values[0] - 3.0).abs() < 1e-9 && (values[1] - 2.0).abs() < 1e-9);
/// # Ok(())
/// # }
/// ```
pub fn singular_values(matrix: &Tensor) -> Result<Vec<f64>> {
    let (rows, columns) = matrix.dims2()?;
    let refused = |message: String| NotebookError::Argument {
        message,
        hint: format!("give a matrix whose shorter side is 1 to {WIDEST_SPECTRUM}"),
    };
    let shape = || format!("singular values of a {rows} × {columns} matrix");
    if rows == 0 || columns == 0 {
        return Err(refused(format!("{}: it has no entries", shape())));
    }
    let values = matrix.detach().flatten_all()?.to_dtype(DType::F64)?;
    // A matrix is a sum with one term: 1 ⊗ B.
    let one = Block::new([1, 1, 1], vec![1.0])?;
    let whole = Block::new([1, rows, columns], values.to_vec1()?)?;
    let sum = KroneckerSum::new(one, Fast::Dense(whole))?;
    sum.spectrum()
        .ok_or_else(|| refused(format!("{} would take long", shape())))
}
