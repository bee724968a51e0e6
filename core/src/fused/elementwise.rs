//! Loops over elements and rows, on all threads and with the processor's vectors.

use rayon::prelude::*;

use super::buffers::{Buffer, Buffers};
use crate::ops::Segments;
use crate::ops::cpu::{ELEMENTS, ROWS, Real, vectorised};
use crate::ops::dropout::drop_in_place;
use crate::random::Key;

/// `yᵢ ← f(yᵢ)`
pub(super) fn update<T: Real>(y: &mut [T], f: impl Fn(T) -> T + Sync) {
    y.par_chunks_mut(ELEMENTS).for_each(|y| {
        vectorised(
            #[inline(always)]
            || y.iter_mut().for_each(|y| *y = f(*y)),
        );
    });
}

/// `yᵢ ← f(xᵢ)`
pub(super) fn map<T: Real>(y: &mut [T], x: &[T], f: impl Fn(T) -> T + Sync) {
    update2(
        y,
        x,
        #[inline(always)]
        |_, x| f(x),
    );
}

/// `yᵢ ← f(aᵢ, bᵢ)`
pub(super) fn map2<T: Real>(y: &mut [T], (a, b): (&[T], &[T]), f: impl Fn(T, T) -> T + Sync) {
    debug_assert_eq!((y.len(), y.len()), (a.len(), b.len()));
    let blocks = y.par_chunks_mut(ELEMENTS).zip(a.par_chunks(ELEMENTS));
    blocks.zip(b.par_chunks(ELEMENTS)).for_each(|((y, a), b)| {
        vectorised(
            #[inline(always)]
            || {
                for ((y, &a), &b) in y.iter_mut().zip(a).zip(b) {
                    *y = f(a, b);
                }
            },
        );
    });
}

/// `yᵢ ← f(yᵢ, xᵢ)`
pub(super) fn update2<T: Real>(y: &mut [T], x: &[T], f: impl Fn(T, T) -> T + Sync) {
    debug_assert_eq!(y.len(), x.len());
    let blocks = y.par_chunks_mut(ELEMENTS).zip(x.par_chunks(ELEMENTS));
    blocks.for_each(|(y, x)| {
        vectorised(
            #[inline(always)]
            || {
                for (y, &x) in y.iter_mut().zip(x) {
                    *y = f(*y, x);
                }
            },
        );
    });
}

/// `(aᵢ, bᵢ) ← f(aᵢ, bᵢ, xᵢ)`
pub(super) fn update_pair<T: Real>(
    a: &mut [T],
    b: &mut [T],
    x: &[T],
    f: impl Fn(T, T, T) -> (T, T) + Sync,
) {
    debug_assert_eq!((a.len(), b.len()), (x.len(), x.len()));
    let pairs = a.par_chunks_mut(ELEMENTS).zip(b.par_chunks_mut(ELEMENTS));
    pairs.zip(x.par_chunks(ELEMENTS)).for_each(|((a, b), x)| {
        vectorised(
            #[inline(always)]
            || {
                for ((a, b), &x) in a.iter_mut().zip(b.iter_mut()).zip(x) {
                    (*a, *b) = f(*a, *b, x);
                }
            },
        );
    });
}

/// `y ← y + x`
pub(super) fn add<T: Real>(y: &mut [T], x: &[T]) {
    update2(
        y,
        x,
        #[inline(always)]
        |y, x| y + x,
    );
}

/// Multiplies by the factors of a dropout's mask.
pub(super) fn drop<T: Real>(y: &mut [T], noise: (f64, Key)) {
    y.par_chunks_mut(ELEMENTS)
        .enumerate()
        .for_each(|(block, y)| drop_in_place(y, noise, block * ELEMENTS));
}

/// The same, of rows that are some of those that the mask is for.
pub(super) fn drop_rows<T: Real>(y: &mut [T], noise: (f64, Key), rows: &[usize]) {
    let width = y.len() / rows.len().max(1);
    for (y, row) in y.chunks_exact_mut(width.max(1)).zip(rows) {
        drop_in_place(y, noise, row * width);
    }
}

/// The first row of each sequence, of rows `[tokens, width]`: `[b, width]`.
pub(super) fn first_rows<'b, T: Real>(
    x: &[T],
    segments: &Segments,
    buffers: &'b Buffers<T>,
) -> Buffer<'b, T> {
    let width = x.len() / segments.tokens().max(1);
    let mut first = buffers.take(segments.batch() * width);
    let starts = segments.offsets().iter();
    for (first, &start) in first.chunks_exact_mut(width.max(1)).zip(starts) {
        first.copy_from_slice(&x[start * width..][..width]);
    }
    first
}

/// Adds rows `[b, width]` to the first ones of sequences.
pub(super) fn add_to_first_rows<T: Real>(x: &mut [T], first: &[T], segments: &Segments) {
    let width = x.len() / segments.tokens().max(1);
    let starts = segments.offsets().iter();
    for (first, &start) in first.chunks_exact(width.max(1)).zip(starts) {
        let row = &mut x[start * width..][..width];
        row.iter_mut()
            .zip(first)
            .for_each(|(x, &first)| *x += first);
    }
}

/// Adds `bias` to the first columns of rows that are `stride` wide.
pub(super) fn add_to_rows<T: Real>(y: &mut [T], stride: usize, bias: &[T]) {
    y.par_chunks_mut(ROWS * stride).for_each(|rows| {
        vectorised(
            #[inline(always)]
            || {
                for row in rows.chunks_mut(stride) {
                    for (y, &b) in row.iter_mut().zip(bias) {
                        *y += b;
                    }
                }
            },
        );
    });
}

/// Adds the sums over rows, of their first columns, to `total`.
pub(super) fn add_row_sums<T: Real>(x: &[T], stride: usize, total: &mut [T]) {
    let width = total.len();
    let parts: Vec<Vec<T>> = x
        .par_chunks(ROWS * stride)
        .map(|rows| {
            let mut sums = vec![T::zero(); width];
            vectorised(
                #[inline(always)]
                || {
                    for row in rows.chunks(stride) {
                        for (sum, &x) in sums.iter_mut().zip(row) {
                            *sum += x;
                        }
                    }
                },
            );
            sums
        })
        .collect();
    for part in parts {
        total
            .iter_mut()
            .zip(part)
            .for_each(|(sum, part)| *sum += part);
    }
}

/// Gathers rows of a table, each `width` wide, in another number format: `y[i] ← table[ids[i]]`,
/// or adds them.
pub(super) fn gather<T: Real, S: Copy + Sync>(
    y: &mut [T],
    table: &[S],
    ids: &[u32],
    (width, add): (usize, bool),
    convert: impl Fn(S) -> T + Sync,
) {
    let rows = y.par_chunks_mut(width).zip(ids.par_iter());
    rows.with_min_len(ROWS).for_each(|(y, &id)| {
        let row = &table[id as usize * width..][..width];
        if add {
            y.iter_mut().zip(row).for_each(|(y, &x)| *y += convert(x));
        } else {
            y.iter_mut().zip(row).for_each(|(y, &x)| *y = convert(x));
        }
    });
}

/// Adds rows to those of a table that they were gathered from, in order.
pub(super) fn scatter<T: Real>(table: &mut [T], rows: &[T], ids: &[u32], width: usize) {
    for (row, &id) in rows.chunks_exact(width).zip(ids) {
        let sum = &mut table[id as usize * width..][..width];
        sum.iter_mut().zip(row).for_each(|(sum, &x)| *sum += x);
    }
}
