//! Singular values and vectors of a small matrix, in the form that factors are kept in.
//!
//! Decomposed directly: the symmetric eigenvalue problem of `MᵀM` would lose half of the
//! digits of small singular values.

use nalgebra::{DMatrix, DVector};

#[cfg(test)]
use super::{dot, norm};

/// A matrix as its columns.
pub(super) type Columns = Vec<Vec<f64>>;

/// Iterations after which a matrix counts as one that has no decomposition; some dozens are
/// enough for those there are here.
const MOST_ITERATIONS: usize = 10_000;

/// `M = Σₖ values[k] · left[k] right[k]ᵀ`, largest value first.
#[derive(Debug)]
pub(super) struct Svd {
    /// Unit vectors of as many entries as `M` has rows.
    pub(super) left: Columns,
    /// Singular values, as many as the shorter side of `M`.
    pub(super) values: Vec<f64>,
    /// Unit vectors of as many entries as `M` has columns.
    pub(super) right: Columns,
}

/// Decomposes the matrix with the columns given, of `rows` entries each. What is not finite
/// has no decomposition: then all values are NaN.
pub(super) fn svd(columns: &[Vec<f64>], rows: usize) -> Svd {
    let count = columns.len();
    let short = count.min(rows);
    // The sum overflows before the iterations would, which need products of entries.
    let total: f64 = columns.iter().flatten().map(|x| x * x).sum();
    let unknown = || Svd {
        left: vec![vec![f64::NAN; rows]; short],
        values: vec![f64::NAN; short],
        right: vec![vec![f64::NAN; count]; short],
    };
    if short == 0 || !total.is_finite() {
        return unknown();
    }
    let matrix = DMatrix::from_vec(rows, count, columns.concat());
    // A snapshot may come from anywhere: no number in it makes this go on for ever.
    let Some(found) = matrix.try_svd(true, true, f64::EPSILON, MOST_ITERATIONS) else {
        return unknown();
    };
    let columns = |vectors: &DMatrix<f64>| {
        let column = |column: nalgebra::DVectorView<'_, f64>| column.iter().copied().collect();
        vectors.column_iter().map(column).collect()
    };
    let values: &DVector<f64> = &found.singular_values;
    Svd {
        left: found.u.as_ref().map_or_else(Vec::new, columns),
        values: values.iter().copied().collect(),
        right: found
            .v_t
            .map_or_else(Vec::new, |right| columns(&right.transpose())),
    }
}

/// The columns of the transpose.
pub(super) fn transposed(columns: &[Vec<f64>], rows: usize) -> Columns {
    let row = |r: usize| columns.iter().map(|column| column[r]).collect();
    (0..rows).map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rebuilt(svd: &Svd, rows: usize, columns: usize) -> Columns {
        let entry = |r: usize, c: usize| -> f64 {
            (0..svd.values.len())
                .map(|k| svd.values[k] * svd.left[k][r] * svd.right[k][c])
                .sum()
        };
        (0..columns)
            .map(|c| (0..rows).map(|r| entry(r, c)).collect())
            .collect()
    }

    #[test]
    fn the_parts_make_the_matrix_again_and_are_orthonormal() {
        for (rows, count) in [(5, 3), (3, 5), (4, 4), (1, 6), (6, 1)] {
            let entry = |r: usize, c: usize| ((r * 7 + c * 3) as f64).powi(2).sin();
            let matrix: Columns = (0..count)
                .map(|c| (0..rows).map(|r| entry(r, c)).collect())
                .collect();
            let svd = svd(&matrix, rows);
            assert!(svd.values.is_sorted_by(|a, b| a >= b), "{:?}", svd.values);
            for (found, expected) in rebuilt(&svd, rows, count).iter().zip(&matrix) {
                for (a, b) in found.iter().zip(expected) {
                    assert!((a - b).abs() <= 1e-13, "{a} and {b} of {rows} x {count}");
                }
            }
            for k in 0..svd.values.len() {
                assert!((norm(&svd.right[k]) - 1.0).abs() < 1e-13);
                for l in 0..k {
                    assert!(dot(&svd.right[k], &svd.right[l]).abs() < 1e-13);
                    assert!(dot(&svd.left[k], &svd.left[l]).abs() < 1e-13);
                }
            }
        }
    }

    #[test]
    fn a_matrix_of_low_rank_has_values_that_are_zero_to_rounding() {
        let column = |scale: f64| vec![scale, 2.0 * scale, -scale, 0.5 * scale];
        let svd = svd(&[column(1.0), column(3.0), column(-1e-3)], 4);
        assert!(svd.values[1] <= 1e-14 * svd.values[0], "{:?}", svd.values);
    }

    #[test]
    fn what_is_not_finite_has_no_singular_values() {
        let svd = svd(&[vec![1.0, f64::NAN], vec![0.0, 1.0]], 2);
        assert!(svd.values.iter().all(|value| value.is_nan()));
    }
}
