//! Factors whose columns lie far apart, laid out anew.
//!
//! A GEMM library copies its factors into panels before it multiplies. With AVX-512 these are
//! of 64 rows, and where the rows are a multiple of a kilobyte apart in memory, as those of a
//! weight `[out, 512]` that is multiplied from the other side, the lines that are read fall on
//! so few sets of the first-level cache that each is fetched again for every element: a tenth
//! of a training step of T5-small. Here sixteen rows at a time are read once each. Panels for
//! shorter vectors are of 16 rows, whose lines stay where they are.

use rayon::prelude::*;

use super::product::Matrix;
use super::{Real, vectorised};

/// Rows and columns of the blocks that are turned: the elements of a cache line, in `f32`.
const BLOCK: usize = 16;

/// Distances, in bytes, whose multiples fall on few sets of a first-level cache.
const CROWDED: usize = 1024;

/// Elements of an `f32` vector from which on panels are so high.
const LONG_VECTOR: usize = 16;

/// Elements that are laid out at a time, to be still in the second-level cache when they are
/// multiplied.
const ELEMENTS: usize = 1 << 16;

/// The least columns that are laid out at a time: those that a product takes in one go.
const COLUMNS: usize = 64;

/// Elements that make threads worth while.
const WIDE: usize = 1 << 14;

/// Whether it pays to lay out a right factor before it is multiplied with so many rows.
pub(super) fn pays<T>(factor: &Matrix<'_, T>, rows: usize) -> bool {
    let crowded = (factor.column_stride * size_of::<T>()).is_multiple_of(CROWDED);
    let worth = factor.columns > BLOCK && rows >= BLOCK;
    factor.row_stride == 1 && crowded && worth && vector() >= LONG_VECTOR
}

/// Elements of the widest `f32` vector that the processor and the program have.
fn vector() -> usize {
    struct Lanes;
    impl pulp::WithSimd for Lanes {
        type Output = usize;

        fn with_simd<S: pulp::Simd>(self, _: S) -> usize {
            S::F32_LANES
        }
    }
    pulp::Arch::new().dispatch(Lanes)
}

/// Shows the columns of a factor, whose own elements are next to each other, some at a time:
/// the first one's number, and a matrix in which rows are next to each other.
pub(super) fn by_columns<T: Real>(
    factor: Matrix<'_, T>,
    wide: bool,
    mut see: impl FnMut(usize, Matrix<'_, T>),
) {
    let depth = factor.rows;
    let most = (ELEMENTS / depth.max(1) / COLUMNS).max(1) * COLUMNS;
    let most = most.min(factor.columns);
    // Its own rows are not to be a crowded distance apart.
    let stride = most.next_multiple_of(BLOCK) + BLOCK;
    // Taken out of its place for as long as it is used: while a product waits for other
    // threads, this one may be given another.
    let mut room = T::room().take();
    room.resize(room.len().max(depth * stride), T::zero());
    for first in (0..factor.columns).step_by(most) {
        let columns = factor.columns(first, most.min(factor.columns - first));
        let rows = &mut room[..depth * stride];
        let parts = if wide && depth * columns.columns >= WIDE {
            rayon::current_num_threads()
        } else {
            1
        };
        let part = depth.div_ceil(parts).next_multiple_of(BLOCK);
        if parts > 1 {
            let parts = rows.par_chunks_mut(part * stride).enumerate();
            parts.for_each(|(at, rows)| turn(&columns, at * part, rows, stride));
        } else {
            turn(&columns, 0, rows, stride);
        }
        see(first, Matrix::new(rows, (depth, columns.columns), stride));
    }
    T::room().set(room);
}

/// Lays out rows of a factor from the first on, as many as there is room for. Each of the
/// sixteen columns that are read together is read from end to end.
fn turn<T: Real>(factor: &Matrix<'_, T>, first: usize, into: &mut [T], stride: usize) {
    vectorised(
        #[inline(always)]
        || {
            for start in (0..factor.columns).step_by(BLOCK) {
                let width = BLOCK.min(factor.columns - start);
                let from = &factor.data[start * factor.column_stride + first..];
                for (block, into) in into.chunks_mut(BLOCK * stride).enumerate() {
                    let (from, into) = (&from[block * BLOCK..], &mut into[start..]);
                    let depth = (into.len() + start) / stride;
                    if (width, depth) == (BLOCK, BLOCK) {
                        turn_block(from, factor.column_stride, into, stride);
                    } else {
                        for (at, column) in
                            from.chunks(factor.column_stride).take(width).enumerate()
                        {
                            for (row, &element) in column[..depth].iter().enumerate() {
                                into[row * stride + at] = element;
                            }
                        }
                    }
                }
            }
        },
    );
}

#[inline(always)]
fn turn_block<T: Real>(from: &[T], from_stride: usize, into: &mut [T], stride: usize) {
    let mut block = [[T::zero(); BLOCK]; BLOCK];
    for (column, block) in block.iter_mut().enumerate() {
        block.copy_from_slice(&from[column * from_stride..][..BLOCK]);
    }
    for row in 0..BLOCK {
        let into = &mut into[row * stride..][..BLOCK];
        for (into, block) in into.iter_mut().zip(&block) {
            *into = block[row];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_laid_out_as_they_are() {
        for (depth, columns, distance) in [
            (1, 17, 256),
            (16, 64, 256),
            (37, 131, 512),
            (700, 150, 1024),
        ] {
            let data: Vec<f32> = (0..columns * distance).map(|at| at as f32).collect();
            let factor = Matrix::new(&data[..], (columns, depth), distance).t();
            assert_eq!(pays(&factor, 16), vector() >= LONG_VECTOR);
            for wide in [false, true] {
                let mut seen = 0;
                by_columns(factor, wide, |first, part| {
                    assert_eq!(
                        (first, part.rows, part.row_stride % 256 == 0),
                        (seen, depth, false)
                    );
                    for row in 0..depth {
                        for column in 0..part.columns {
                            let expected = data[(first + column) * distance + row];
                            let found = part.data[row * part.row_stride + column];
                            assert_eq!(found.to_bits(), expected.to_bits());
                        }
                    }
                    seen += part.columns;
                });
                assert_eq!(seen, columns);
            }
        }
    }
}
