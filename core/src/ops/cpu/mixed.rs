//! Products with a frozen weight in mixed precision: both factors are rounded to bf16, and
//! what they come to is added up in f32.
//!
//! A bf16 has the exponent of an f32 and 8 significant bits, so nothing overflows that did not
//! before, and a product of two is exact in f32. Processors with AVX512-BF16 multiply and add
//! 32 pairs of them in the time of 16 of f32. It is the one general numeric kernel written
//! here: no library that is kept up has it.
//!
//! A weight is rounded and laid out once, for products from both sides:
//!
//! ```text
//! y  = x Wᵀ   x: [rows, in]    sums over `in`
//! dx = dy W   dy: [rows, out]  sums over `out`
//! ```
//!
//! | file | what |
//! |---|---|
//! | `panels.rs` | how a weight lies in memory |
//! | `kernel.rs` | the innermost loop, in vectors |

#[cfg(target_arch = "x86_64")]
mod kernel;
mod panels;

#[cfg(target_arch = "x86_64")]
use std::cell::RefCell;

use half::bf16;
use rayon::prelude::*;

use super::{Matrix, MatrixMut, Real, Write};
use panels::Panels;

/// Rows that a thread rounds and multiplies at a time: a multiple of what the kernel takes,
/// few enough that they and a panel stay in the second cache.
const BLOCK: usize = 64;

/// A frozen weight `[out, in]` in bf16, laid out for products from both sides.
#[derive(Debug)]
pub(crate) struct PackedWeight {
    forward: Panels,  // sums over `in`
    backward: Panels, // sums over `out`
}

/// Whether this processor can multiply so.
pub(crate) fn is_available() -> bool {
    #[cfg(target_arch = "x86_64")]
    return kernel::is_available();
    #[cfg(not(target_arch = "x86_64"))]
    false
}

impl PackedWeight {
    /// Rounds a weight `[out, in]`, given row by row, to the nearest bf16 (ties to even).
    ///
    /// `None` where the processor cannot multiply so.
    pub(crate) fn new(
        (out, width): (usize, usize),
        element: impl Fn(usize) -> bf16 + Sync,
    ) -> Option<Self> {
        is_available().then(|| Self {
            forward: Panels::new((width, out), |k, column| element(column * width + k)),
            backward: Panels::new((out, width), |k, column| element(k * width + column)),
        })
    }

    /// `y ← α x Wᵀ`, on all threads of the pool that it is called in. The result does not depend
    /// on their number.
    ///
    /// # Panics
    /// If the shapes do not fit together, or the numbers are not `f32`.
    pub(crate) fn map<T: Real>(&self, alpha: T, x: Matrix<'_, T>, y: &mut MatrixMut<'_, T>) {
        multiply(alpha, x, &self.forward, (y, Write::Replace));
    }

    /// `dx ← α dy W` or `dx ← dx + α dy W`, like [`Self::map`].
    ///
    /// # Panics
    /// If the shapes do not fit together, or the numbers are not `f32`.
    pub(crate) fn map_back<T: Real>(
        &self,
        alpha: T,
        dy: Matrix<'_, T>,
        (dx, write): (&mut MatrixMut<'_, T>, Write),
    ) {
        multiply(alpha, dy, &self.backward, (dx, write));
    }
}

fn multiply<T: Real>(
    alpha: T,
    a: Matrix<'_, T>,
    panels: &Panels,
    (c, write): (&mut MatrixMut<'_, T>, Write),
) {
    const FORMAT: &str = "mixed precision is that of f32 and bf16";
    let alpha = T::as_f32(&[alpha]).expect(FORMAT)[0];
    let a = Matrix {
        data: T::as_f32(a.data).expect(FORMAT),
        rows: a.rows,
        columns: a.columns,
        row_stride: a.row_stride,
        column_stride: a.column_stride,
    };
    assert!(
        a.columns == panels.inner() && a.column_stride == 1,
        "the factor has rows of {} elements",
        panels.inner()
    );
    assert!(
        a.rows == c.rows && c.columns == panels.columns(),
        "outer sizes agree"
    );
    if c.rows == 0 || c.columns == 0 {
        return;
    }
    let stride = c.row_stride;
    let elements = T::as_f32_mut(c.data).expect(FORMAT);
    // What lies behind the last row's last element belongs to nobody here.
    let reach = (c.rows - 1) * stride + c.columns;
    let block = |(at, part): (usize, &mut [f32])| {
        let first = at * BLOCK;
        let count = BLOCK.min(a.rows - first);
        let rows = Matrix {
            data: &a.data[first * a.row_stride..],
            rows: count,
            ..a
        };
        multiply_block(alpha, rows, panels, (part, stride, write));
    };
    let data = &mut elements[..reach];
    data.par_chunks_mut(BLOCK * stride)
        .enumerate()
        .for_each(block);
}

/// Up to [`BLOCK`] rows, on the calling thread.
#[cfg(target_arch = "x86_64")]
fn multiply_block(
    alpha: f32,
    a: Matrix<'_, f32>,
    panels: &Panels,
    (c, stride, write): (&mut [f32], usize, Write),
) {
    thread_local! {
        /// Room for rounded rows, used again from product to product.
        static ROUNDED: RefCell<Vec<u32>> = const { RefCell::new(Vec::new()) };
    }
    ROUNDED.with_borrow_mut(|room| {
        let rounded = kernel::round(a, room);
        for panel in panels.iter() {
            kernel::multiply(alpha, rounded, panel, (c, stride, write));
        }
    });
}

/// No weight is ever packed for such a processor.
#[cfg(not(target_arch = "x86_64"))]
fn multiply_block(
    _alpha: f32,
    _a: Matrix<'_, f32>,
    _panels: &Panels,
    _c: (&mut [f32], usize, Write),
) {
    unreachable!("`PackedWeight::new` refuses")
}

#[cfg(test)]
mod tests;
