//! How a weight lies in memory for the kernel.
//!
//! ```text
//! panel     48 columns, the last ones of a weight 32 or 16: three vectors or fewer
//!   pair    two elements k, k + 1 of a column, the first one in the low half: one u32
//!   order   for each pair of k: all columns
//! ```
//!
//! An odd last element has a zero beside it, and columns that no weight has are zeros.

use half::bf16;
use rayon::prelude::*;

/// Columns of a vector: 32-bit lanes of 512 bits.
pub(super) const LANES: usize = 16;
/// Vectors of a panel. With 8 rows they make 24 sums, which with what they are made of fit
/// the 32 registers.
pub(super) const VECTORS: usize = 3;

/// A matrix `[inner, columns]` in panels.
#[derive(Debug)]
pub(super) struct Panels {
    inner: usize,
    columns: usize,
    pairs: Vec<u32>,
}

/// One panel.
#[derive(Debug, Clone, Copy)]
pub(super) struct Panel<'a> {
    /// `[⌈inner / 2⌉, LANES · vectors]`
    pub(super) pairs: &'a [u32],
    /// Vectors beside each other.
    pub(super) vectors: usize,
    /// Its first column.
    pub(super) first: usize,
    /// Its columns that the matrix has.
    pub(super) columns: usize,
}

impl Panels {
    /// Lays out a matrix whose elements `at(k, column)` gives.
    pub(super) fn new(
        (inner, columns): (usize, usize),
        at: impl Fn(usize, usize) -> bf16 + Sync,
    ) -> Self {
        let height = inner.div_ceil(2);
        let width = columns.next_multiple_of(LANES);
        let mut pairs = vec![0; height * width];
        let element = |k: usize, column: usize| {
            let inside = k < inner && column < columns;
            u32::from(if inside { at(k, column).to_bits() } else { 0 })
        };
        pairs
            .par_chunks_mut((height * LANES * VECTORS).max(1))
            .enumerate()
            .for_each(|(panel, pairs)| {
                let (first, width) = (panel * LANES * VECTORS, pairs.len() / height);
                for (pair, row) in pairs.chunks_mut(width).enumerate() {
                    for (column, place) in row.iter_mut().enumerate() {
                        let column = first + column;
                        let (low, high) =
                            (element(2 * pair, column), element(2 * pair + 1, column));
                        *place = low | high << 16;
                    }
                }
            });
        Self {
            inner,
            columns,
            pairs,
        }
    }

    /// Elements that a sum is over.
    pub(super) fn inner(&self) -> usize {
        self.inner
    }

    /// Columns of the matrix.
    pub(super) fn columns(&self) -> usize {
        self.columns
    }

    /// The panels in the order of their columns.
    pub(super) fn iter(&self) -> impl Iterator<Item = Panel<'_>> {
        let height = self.inner.div_ceil(2);
        let panels = self.pairs.chunks((height * LANES * VECTORS).max(1));
        panels.enumerate().map(move |(at, pairs)| {
            let first = at * LANES * VECTORS;
            let vectors = pairs.len() / height / LANES;
            Panel {
                pairs,
                vectors,
                first,
                columns: (LANES * vectors).min(self.columns - first),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_element_lies_in_its_pair_and_nothing_else_does() {
        for (inner, columns) in [(1, 1), (2, 16), (5, 17), (4, 48), (7, 100)] {
            let value = |k: usize, column: usize| bf16::from_f32((1 + k + 10 * column) as f32);
            let panels = Panels::new((inner, columns), value);
            let (mut seen, mut next) = (0, 0);
            for panel in panels.iter() {
                assert_eq!(panel.first, next);
                next += panel.columns;
                let width = panel.vectors * LANES;
                for (at, &pair) in panel.pairs.iter().enumerate() {
                    let (k, column) = (at / width * 2, panel.first + at % width);
                    for (k, half) in [(k, pair & 0xFFFF), (k + 1, pair >> 16)] {
                        let inside = k < inner && column < columns;
                        let expected = if inside {
                            value(k, column).to_bits()
                        } else {
                            0
                        };
                        assert_eq!(
                            half,
                            u32::from(expected),
                            "{inner}×{columns} at {k}, {column}"
                        );
                        seen += usize::from(inside);
                    }
                }
            }
            assert_eq!((seen, next), (inner * columns, columns));
        }
    }
}
