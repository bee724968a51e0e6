//! Singular values of a projection, from its factors.
//!
//! ```text
//! [s₁ … sₙ] = Q R,  [t₁ᵀ … tₙᵀ] = Q' R'          Q, Q' with orthonormal columns
//! W = (Iₙ ⊗ Q) C (Iₙ ⊗ Q')ᵀ,   C = Σᵢ Aᵢ ⊗ Rᵢ R'ᵢᵀ
//! ```
//!
//! `W` and the core `C` have the same singular values other than 0, and no side of `C` is
//! longer than `n·terms·r`: 16 where `n = 4` and `r = 1`. So the rank of `W` is at most
//! that. They are also the square roots of the eigenvalues of `(SᵀS)(TTᵀ)` with `W = S T`;
//! `R` is what those products would be taken apart into, without squaring first, which
//! loses half of the digits.
//!
//! A core more than twice as long as wide goes through the product of its shorter side
//! after all: that is exact to about 1e-8 of the largest value.

use super::svd::{Columns, svd, transposed};
use super::{Block, Fast, KroneckerSum, dot};

/// The shorter side of a core whose singular values are still computed.
pub const WIDEST_SPECTRUM: usize = 128;

/// `exp(H(p))` with `pₖ = σₖ² / Σσ²`: how many directions a projection works in (Roy and
/// Vetterli, "The effective rank", EUSIPCO 2007, on squared values). 0 where all are 0.
#[must_use]
pub fn effective_rank(singular_values: &[f64]) -> f64 {
    let total: f64 = singular_values.iter().map(|value| value * value).sum();
    if total == 0.0 {
        return 0.0;
    }
    let shares = singular_values.iter().map(|value| value * value / total);
    let entropy: f64 = shares
        .filter(|&share| share != 0.0)
        .map(|share| -share * share.ln())
        .sum();
    entropy.exp()
}

impl KroneckerSum {
    /// Singular values of `W` that can be other than 0, largest first; `None` where the
    /// core's shorter side is longer than [`WIDEST_SPECTRUM`].
    #[must_use]
    pub fn spectrum(&self) -> Option<Vec<f64>> {
        let [rows, columns] = self.core_shape();
        let (short, long) = (rows.min(columns), rows.max(columns));
        if short > WIDEST_SPECTRUM {
            return None;
        }
        let (columns, rows) = self.core();
        if long <= 2 * short {
            return Some(svd(&columns, rows).values);
        }
        let short_side = if columns.len() == short {
            columns
        } else {
            transposed(&columns, rows)
        };
        let product = |a: &Vec<f64>| short_side.iter().map(|b| dot(a, b)).collect();
        let gram: Columns = short_side.iter().map(product).collect();
        let values = svd(&gram, short).values;
        Some(values.into_iter().map(f64::sqrt).collect())
    }

    /// Rows and columns of the core.
    fn core_shape(&self) -> [usize; 2] {
        let n = self.slow.shape()[1];
        let most = match &self.fast {
            Fast::Dense(_) => usize::MAX,
            Fast::Factored { left, .. } => left.shape()[0] * left.shape()[2],
        };
        self.block_shape().map(|side| n * side.min(most))
    }

    /// The columns of the core, and how many rows it has.
    fn core(&self) -> (Columns, usize) {
        let (blocks, [rows, columns]) = match &self.fast {
            Fast::Dense(whole) => {
                let blocks = (0..whole.shape()[0]).map(|i| whole.matrix(i).to_vec());
                (blocks.collect(), self.block_shape())
            }
            Fast::Factored { left, right } => factored_blocks(left, right),
        };
        (
            self.kronecker(&blocks, [rows, columns]),
            self.slow.shape()[1] * rows,
        )
    }

    /// The columns of `Σᵢ Aᵢ ⊗ blocks[i]`.
    fn kronecker(&self, blocks: &[Vec<f64>], [rows, columns]: [usize; 2]) -> Columns {
        let n = self.slow.shape()[1];
        let mut all = vec![vec![0.0; n * rows]; n * columns];
        for (i, block) in blocks.iter().enumerate() {
            let slow = self.slow.matrix(i);
            for (at, column) in all.iter_mut().enumerate() {
                let (j, q) = (at / columns, at % columns);
                for (at, entry) in column.iter_mut().enumerate() {
                    let (a, p) = (at / rows, at % rows);
                    *entry += slow[a * n + j] * block[p * columns + q];
                }
            }
        }
        all
    }
}

/// `Rᵢ R'ᵢᵀ` for every term, row by row, and their shape.
fn factored_blocks(left: &Block, right: &Block) -> (Vec<Vec<f64>>, [usize; 2]) {
    let [terms, _, rank] = left.shape();
    let (s, t) = (
        reduced(vectors(&left.transposed()), left.shape()[1]),
        reduced(vectors(right), right.shape()[2]),
    );
    let (rows, columns) = (s.first().map_or(0, Vec::len), t.first().map_or(0, Vec::len));
    let block = |i: usize| {
        let mut block = vec![0.0; rows * columns];
        for at in i * rank..(i + 1) * rank {
            for (row, s) in block.chunks_exact_mut(columns.max(1)).zip(&s[at]) {
                for (entry, t) in row.iter_mut().zip(&t[at]) {
                    *entry += s * t;
                }
            }
        }
        block
    };
    ((0..terms).map(block).collect(), [rows, columns])
}

/// All rows of all matrices of a block.
fn vectors(block: &Block) -> Columns {
    let matrices = 0..block.shape()[0];
    matrices
        .flat_map(|i| block.rows(i).map(<[f64]>::to_vec))
        .collect()
}

/// The vectors, of `length` entries each, in the coordinates of an orthonormal basis of
/// what they span: the columns of `R`. As they are where there are too many to gain by it.
pub(super) fn reduced(vectors: Columns, length: usize) -> Columns {
    let count = vectors.len();
    if count >= length {
        return vectors;
    }
    let svd = svd(&vectors, length);
    let column = |at: usize| {
        let entries = svd.values.iter().zip(&svd.right);
        entries.map(|(value, right)| value * right[at]).collect()
    };
    (0..count).map(column).collect()
}
