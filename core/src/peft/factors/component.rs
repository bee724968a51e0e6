//! The normal form of a projection's components, for showing them.
//!
//! ```text
//! Bᵢ = Σₖ σₖ ŝₖ t̂ₖᵀ,   ‖ŝₖ‖ = ‖t̂ₖ‖ = 1,   strength ‖Aᵢ‖·σₖ
//! ```
//!
//! `sᵢ` and `tᵢ` themselves say nothing: `(c·s, t/c)` and `(c·A, s/c)` are the same
//! projection. With `r = 1` there is one component a term, `ŝ = s/‖s‖`. With more, any
//! `s M` and `M⁻¹ t` are the same `Bᵢ` again, so the components are those of its singular
//! value decomposition, which is unique but for signs. The sign is chosen so that the
//! entry of `ŝ` with the largest magnitude, the first of several, is positive.

use super::svd::{Columns, Svd, svd};
use super::{Block, Fast, KroneckerSum};

/// One rank-one component of a projection, `Aᵢ ⊗ σ ŝ t̂ᵀ`.
#[derive(Debug, Clone, PartialEq)]
pub struct Component {
    /// Number `i` of the term it belongs to.
    pub term: usize,
    /// `σ`
    pub sigma: f64,
    /// `ŝ: [in/n]`, of norm 1; 0 where `σ` is.
    pub left: Vec<f64>,
    /// `t̂: [out/n]`, of norm 1; 0 where `σ` is.
    pub right: Vec<f64>,
    /// `‖Aᵢ‖`
    pub slow_norm: f64,
}

impl Component {
    /// `‖Aᵢ‖·σ`, the norm of the component.
    #[must_use]
    pub fn strength(&self) -> f64 {
        self.slow_norm * self.sigma
    }
}

/// Each component's part of the sum of all strengths. The components are not orthogonal, so
/// these are no parts of the norm. All 0 where the projection is.
#[must_use]
pub fn shares(components: &[Component]) -> Vec<f64> {
    let total: f64 = components.iter().map(Component::strength).sum();
    let share = |component: &Component| {
        if total == 0.0 {
            0.0
        } else {
            component.strength() / total
        }
    };
    components.iter().map(share).collect()
}

impl KroneckerSum {
    /// The components in normal form, term by term, within a term the strongest first:
    /// `r` of each, or as many as the shorter side of `Bᵢ` where that is fewer.
    #[must_use]
    pub fn components(&self) -> Vec<Component> {
        let terms = self.slow.shape()[0];
        (0..terms).flat_map(|i| self.components_of(i)).collect()
    }

    fn components_of(&self, term: usize) -> Vec<Component> {
        let parts = match &self.fast {
            Fast::Dense(whole) => {
                // Rows are the columns of the transpose.
                let transpose = svd(&rows_of(whole, term), whole.shape()[2]);
                Svd {
                    left: transpose.right,
                    values: transpose.values,
                    right: transpose.left,
                }
            }
            Fast::Factored { left, right } => product(
                (rows_of(&left.transposed(), term), left.shape()[1]),
                (rows_of(right, term), right.shape()[2]),
            ),
        };
        let slow_norm = super::norm(self.slow.matrix(term));
        let vectors = parts.left.into_iter().zip(parts.right);
        vectors
            .zip(parts.values)
            .map(|((left, right), sigma)| normal(term, slow_norm, (left, sigma, right)))
            .collect()
    }
}

fn normal(
    term: usize,
    slow_norm: f64,
    (mut left, sigma, mut right): (Vec<f64>, f64, Vec<f64>),
) -> Component {
    if sigma == 0.0 {
        left.fill(0.0);
        right.fill(0.0);
    }
    let largest = left
        .iter()
        .fold(0.0f64, |top, x| if x.abs() > top.abs() { *x } else { top });
    if largest < 0.0 {
        let negate = |vector: &mut Vec<f64>| vector.iter_mut().for_each(|x| *x = -*x);
        negate(&mut left);
        negate(&mut right);
    }
    Component {
        term,
        sigma,
        left,
        right,
        slow_norm,
    }
}

fn rows_of(block: &Block, i: usize) -> Columns {
    block.rows(i).map(<[f64]>::to_vec).collect()
}

/// The decomposition of `s tᵀ` from those of `s` and `t`, given as columns with their
/// length: `U₁ (Σ₁V₁ᵀ V₂Σ₂) U₂ᵀ`, whose middle is small.
fn product((s, s_length): (Columns, usize), (t, t_length): (Columns, usize)) -> Svd {
    let rank = s.len();
    let (first, second) = (svd(&s, s_length), svd(&t, t_length));
    let scaled = |svd: &Svd, k: usize, at: usize| svd.values[k] * svd.right[k][at];
    let entry = |a: usize, b: usize| -> f64 {
        (0..rank)
            .map(|at| scaled(&first, a, at) * scaled(&second, b, at))
            .sum()
    };
    let rows = first.values.len();
    let middle: Columns = (0..second.values.len())
        .map(|b| (0..rows).map(|a| entry(a, b)).collect())
        .collect();
    let middle = svd(&middle, rows);
    Svd {
        left: expanded(&first.left, &middle.left, s_length),
        right: expanded(&second.left, &middle.right, t_length),
        values: middle.values,
    }
}

/// Vectors in the coordinates of a basis, written out.
fn expanded(basis: &[Vec<f64>], vectors: &[Vec<f64>], length: usize) -> Columns {
    let expand = |vector: &Vec<f64>| {
        let mut sum = vec![0.0; length];
        for (scale, direction) in vector.iter().zip(basis) {
            for (entry, x) in sum.iter_mut().zip(direction) {
                *entry += scale * x;
            }
        }
        sum
    };
    vectors.iter().map(expand).collect()
}
