//! Singular values and vectors of a small matrix, by one-sided Jacobi rotations.
//!
//! ```text
//! M = U Σ Vᵀ:   rotate pairs of columns of M until all are orthogonal; then M V = U Σ
//! ```
//!
//! Hestenes' method (Golub and Van Loan, "Matrix Computations", 4th edition, section
//! 8.6.3): small, and accurate to rounding in every singular value that matters here. The
//! symmetric eigenvalue problem of `MᵀM` would lose half of the digits of small ones, and
//! nalgebra 0.35's decomposition is wrong in the third digit and worse where a matrix has less
//! than full rank, as many projections have.

use super::{dot, norm};

/// A matrix as its columns.
pub(super) type Columns = Vec<Vec<f64>>;

/// Sweeps over all pairs of columns at most; eight or so are enough.
const MOST_SWEEPS: usize = 40;

/// `M = Σₖ values[k] · left[k] right[k]ᵀ`, largest value first.
#[derive(Debug)]
pub(super) struct Svd {
    /// Unit vectors of as many entries as `M` has rows; 0 where the value is.
    pub(super) left: Columns,
    /// Singular values, as many as the shorter side of `M`.
    pub(super) values: Vec<f64>,
    /// Unit vectors of as many entries as `M` has columns.
    pub(super) right: Columns,
}

/// Decomposes the matrix with the columns given, of `rows` entries each. What is not finite
/// has no decomposition: then all values are NaN.
pub(super) fn svd(columns: &[Vec<f64>], rows: usize) -> Svd {
    if columns.len() <= rows {
        return tall(columns.to_vec());
    }
    let Svd {
        left,
        values,
        right,
    } = tall(transposed(columns, rows));
    Svd {
        left: right,
        values,
        right: left,
    }
}

/// The columns of the transpose.
pub(super) fn transposed(columns: &[Vec<f64>], rows: usize) -> Columns {
    let row = |r: usize| columns.iter().map(|column| column[r]).collect();
    (0..rows).map(row).collect()
}

fn tall(mut columns: Columns) -> Svd {
    let count = columns.len();
    let unit = |at| (0..count).map(|k| f64::from(u8::from(k == at))).collect();
    let mut right: Columns = (0..count).map(unit).collect();
    let total: f64 = columns.iter().map(|column| dot(column, column)).sum();
    if !total.is_finite() {
        return Svd {
            values: vec![f64::NAN; count],
            left: columns,
            right,
        };
    }
    for _ in 0..MOST_SWEEPS {
        let mut rotated = false;
        for q in 1..count {
            for p in 0..q {
                if let Some(rotation) = rotation(&columns[p], &columns[q], total) {
                    rotate(&mut columns, p, q, rotation);
                    rotate(&mut right, p, q, rotation);
                    rotated = true;
                }
            }
        }
        if !rotated {
            break;
        }
    }
    sorted(columns, right)
}

/// Cosine and sine of the rotation that makes two columns orthogonal; `None` where they are.
fn rotation(p: &[f64], q: &[f64], total: f64) -> Option<(f64, f64)> {
    let (pp, qq, pq) = (dot(p, p), dot(q, q), dot(p, q));
    // The second bound keeps columns that are rounding errors from turning for ever.
    if pq.abs() <= 1e-15 * (pp * qq).sqrt() || pq.abs() <= 1e-30 * total {
        return None;
    }
    let zeta = (qq - pp) / (2.0 * pq);
    let tangent = zeta.signum() / (zeta.abs() + zeta.hypot(1.0));
    let cosine = 1.0 / tangent.hypot(1.0);
    Some((cosine, cosine * tangent))
}

fn rotate(columns: &mut [Vec<f64>], p: usize, q: usize, (cosine, sine): (f64, f64)) {
    let (before, after) = columns.split_at_mut(q);
    for (a, b) in before[p].iter_mut().zip(&mut after[0]) {
        (*a, *b) = (cosine * *a - sine * *b, sine * *a + cosine * *b);
    }
}

fn sorted(columns: Columns, right: Columns) -> Svd {
    let mut triples: Vec<(f64, Vec<f64>, Vec<f64>)> = columns
        .into_iter()
        .zip(right)
        .map(|(left, right)| (norm(&left), left, right))
        .collect();
    triples.sort_by(|a, b| b.0.total_cmp(&a.0));
    let mut svd = Svd {
        left: Vec::new(),
        values: Vec::new(),
        right: Vec::new(),
    };
    for (value, mut left, right) in triples {
        if value > 0.0 {
            for x in &mut left {
                *x /= value;
            }
        }
        svd.left.push(left);
        svd.values.push(value);
        svd.right.push(right);
    }
    svd
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

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

    proptest! {
        #[test]
        fn a_matrix_of_rank_one_has_the_product_of_its_vectors_lengths(
            left in prop::collection::vec(-1.0..1.0, 1..8),
            right in prop::collection::vec(-1.0..1.0, 1..8),
            digits in -8i32..8,
        ) {
            let scale = 10f64.powi(digits);
            let columns: Columns = right
                .iter()
                .map(|r: &f64| left.iter().map(|l: &f64| scale * l * r).collect())
                .collect();
            let values = svd(&columns, left.len()).values;
            let expected = scale * norm(&left) * norm(&right);
            prop_assert!((values[0] - expected).abs() <= 1e-13 * expected, "{values:?}, {expected}");
            prop_assert!(values[1..].iter().all(|value| *value <= 1e-13 * expected));
        }
    }

    #[test]
    fn what_is_not_finite_has_no_singular_values() {
        let svd = svd(&[vec![1.0, f64::NAN], vec![0.0, 1.0]], 2);
        assert!(svd.values.iter().all(|value| value.is_nan()));
    }
}
