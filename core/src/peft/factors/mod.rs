//! A projection seen from its factors: norm, cosine and drift, in `f64`, without building it.
//!
//! ```text
//! W = Σᵢ Aᵢ ⊗ Bᵢ,   Bᵢ = sᵢ tᵢ, or whole
//! ⟨W, W'⟩ = Σᵢⱼ ⟨Aᵢ, A'ⱼ⟩ ⟨Bᵢ, B'ⱼ⟩,   ⟨sᵢ tᵢ, s'ⱼ t'ⱼ⟩ = Σₖₗ (sᵢₖ · s'ⱼₗ)(tᵢₖ · t'ⱼₗ)
//! W − W₀ = Σᵢ (Aᵢ − A₀ᵢ) ⊗ sᵢtᵢ + A₀ᵢ ⊗ (sᵢ − s₀ᵢ)tᵢ + A₀ᵢ ⊗ s₀ᵢ(tᵢ − t₀ᵢ)
//! ```
//!
//! | symbol | field | shape |
//! |---|---|---|
//! | `Aᵢ` | `slow` | `[terms(i), n, n]` |
//! | `sᵢ`, `tᵢ` | `left`, `right` | `[terms, in/n, r]`, `[terms, r, out/n]` |
//! | `Bᵢ` (PHM) | `Fast::Dense` | `[terms, in/n, out/n]` |
//!
//! The conventions are those of [`crate::ops::phm`]. Every method's projection is such a
//! sum: `LoRA`'s update has one term with `n = 1`, `A = [α/r]`, `s` and `t` its two
//! factors; a dense adapter has `n = 1`, `A = [1]` and `B` the weight. The change of a sum
//! is a sum with more terms, so that what can be said of a projection can be said of its
//! drift. That change is never the difference of two norms: early in training it is a
//! small difference of large numbers, and 1e-7 of the weight would be lost in rounding.
//!
//! `A`, `s` and `t` are not unique (`(c·s, t/c)` is the same projection): what is shown is
//! either a property of `W`, as here and in `spectrum.rs`, or in the normal form of
//! `component.rs`.

mod block;
mod component;
mod spectrum;
mod svd;
mod view;
mod watch;

pub use block::Block;
pub use component::{Component, shares};
pub use spectrum::{WIDEST_SPECTRUM, effective_rank};
pub use view::{Array, FastPart, SlowPart, View, recorded, views};
pub use watch::{Since, Watch};

use block::{dot, norm};

use crate::{Error, Result};

/// The right factors `Bᵢ` of a [`KroneckerSum`].
#[derive(Debug, Clone, PartialEq)]
pub enum Fast {
    /// `Bᵢ = sᵢ tᵢ`
    Factored {
        /// `s: [terms, in/n, r]`
        left: Block,
        /// `t: [terms, r, out/n]`
        right: Block,
    },
    /// `B: [terms, in/n, out/n]`
    Dense(Block),
}

/// `W = Σᵢ Aᵢ ⊗ Bᵢ`, a matrix `[in, out]` that is never built.
#[derive(Debug, Clone, PartialEq)]
pub struct KroneckerSum {
    slow: Block, // [terms, n, n]
    fast: Fast,
}

impl KroneckerSum {
    /// The sum of `Aᵢ ⊗ Bᵢ` with `slow: [terms, n, n]`.
    ///
    /// # Errors
    /// [`Error::Shape`] when the factors do not fit together.
    pub fn new(slow: Block, fast: Fast) -> Result<Self> {
        let [terms, n, _] = slow.shape;
        fits("slow", &slow, [terms, n, n])?;
        match &fast {
            Fast::Factored { left, right } => {
                let [_, rows, rank] = left.shape;
                fits("left", left, [terms, rows, rank])?;
                fits("right", right, [terms, rank, right.shape[2]])?;
            }
            Fast::Dense(whole) => {
                let [_, rows, columns] = whole.shape;
                fits("fast", whole, [terms, rows, columns])?;
            }
        }
        Ok(Self { slow, fast })
    }

    /// The left factors `A: [terms, n, n]`.
    #[must_use]
    pub fn slow(&self) -> &Block {
        &self.slow
    }

    /// The right factors.
    #[must_use]
    pub fn fast(&self) -> &Fast {
        &self.fast
    }

    /// `[in, out]`, the shape of `W`.
    #[must_use]
    pub fn shape(&self) -> [usize; 2] {
        let [rows, columns] = self.block_shape();
        let n = self.slow.shape[1];
        [n * rows, n * columns]
    }

    /// `[in/n, out/n]`, the shape of each `Bᵢ`.
    fn block_shape(&self) -> [usize; 2] {
        match &self.fast {
            Fast::Factored { left, right } => [left.shape[1], right.shape[2]],
            Fast::Dense(whole) => [whole.shape[1], whole.shape[2]],
        }
    }

    /// `⟨W, W'⟩`, the sum of products of entries; NaN where the two are not of one form.
    ///
    /// Costs `O(terms²·r²·(in + out)/n)`.
    #[must_use]
    pub fn inner(&self, other: &Self) -> f64 {
        if self.shape() != other.shape() || self.slow.shape[1] != other.slow.shape[1] {
            return f64::NAN;
        }
        let right_products: Box<dyn Fn(usize, usize) -> f64> = match (&self.fast, &other.fast) {
            (Fast::Dense(a), Fast::Dense(b)) => Box::new(move |i, j| dot(a.matrix(i), b.matrix(j))),
            (
                Fast::Factored { left, right },
                Fast::Factored {
                    left: other_left,
                    right: other_right,
                },
            ) => {
                let (s, others) = (left.transposed(), other_left.transposed()); // [i, k, in/n]
                Box::new(move |i, j| product_of_products((&s, right), (&others, other_right), i, j))
            }
            _ => return f64::NAN,
        };
        let mut sum = 0.0;
        for i in 0..self.slow.shape[0] {
            for j in 0..other.slow.shape[0] {
                let slow = dot(self.slow.matrix(i), other.slow.matrix(j));
                sum += slow * right_products(i, j);
            }
        }
        sum
    }

    /// `‖W‖`, the square root of the sum of squared entries.
    #[must_use]
    pub fn norm(&self) -> f64 {
        let square = self.inner(self);
        // Rounding can make the square of a norm of 0 a little less than that.
        if square < 0.0 { 0.0 } else { square.sqrt() }
    }

    /// The cosine of the angle between two projections; NaN where one is 0 or the two are
    /// not of one form.
    #[must_use]
    pub fn cosine(&self, other: &Self) -> f64 {
        self.inner(other) / (self.norm() * other.norm())
    }

    /// `W − W₀` as a sum of Kronecker products, exact up to the rounding of each factor's
    /// own difference.
    ///
    /// # Errors
    /// [`Error::Shape`] when the factors of the two are of different shapes.
    pub fn minus(&self, start: &Self) -> Result<Self> {
        let (now, was) = (&self.slow, &start.slow);
        fits("slow", now, was.shape)?;
        let slow = now.minus(was);
        match (&self.fast, &start.fast) {
            (
                Fast::Factored { left, right },
                Fast::Factored {
                    left: left_was,
                    right: right_was,
                },
            ) => {
                fits("left", left, left_was.shape)?;
                fits("right", right, right_was.shape)?;
                let lefts = [left, &left.minus(left_was), left_was];
                let rights = [right, right, &right.minus(right_was)];
                let fast = Fast::Factored {
                    left: Block::concat(&lefts),
                    right: Block::concat(&rights),
                };
                Self::new(Block::concat(&[&slow, was, was]), fast)
            }
            (Fast::Dense(whole), Fast::Dense(whole_was)) => {
                fits("fast", whole, whole_was.shape)?;
                let fast = Block::concat(&[whole, &whole.minus(whole_was)]);
                Self::new(Block::concat(&[&slow, was]), Fast::Dense(fast))
            }
            _ => Err(Error::method("factored and whole fast weights do not mix")),
        }
    }

    /// `‖W − W₀‖`.
    ///
    /// # Errors
    /// Those of [`Self::minus`].
    pub fn drift(&self, start: &Self) -> Result<f64> {
        Ok(self.minus(start)?.norm())
    }
}

/// Cosines of all pairs, `[layers, layers]` row by row; NaN where two projections are of
/// different shapes.
#[must_use]
pub fn cosines(layers: &[KroneckerSum]) -> Vec<f64> {
    let norms: Vec<f64> = layers.iter().map(KroneckerSum::norm).collect();
    let count = layers.len();
    let mut all = vec![f64::NAN; count * count];
    for a in 0..count {
        for b in a..count {
            let cosine = layers[a].inner(&layers[b]) / (norms[a] * norms[b]);
            (all[a * count + b], all[b * count + a]) = (cosine, cosine);
        }
    }
    all
}

/// `⟨sᵢ tᵢ, s'ⱼ t'ⱼ⟩` of `s: [terms, r, in/n]` and `t: [terms, r, out/n]`.
fn product_of_products(
    (s, t): (&Block, &Block),
    (s_other, t_other): (&Block, &Block),
    i: usize,
    j: usize,
) -> f64 {
    let mut sum = 0.0;
    for (s, t) in s.rows(i).zip(t.rows(i)) {
        for (s_other, t_other) in s_other.rows(j).zip(t_other.rows(j)) {
            sum += dot(s, s_other) * dot(t, t_other);
        }
    }
    sum
}

fn fits(what: &str, block: &Block, expected: [usize; 3]) -> Result<()> {
    if block.shape == expected {
        return Ok(());
    }
    Err(Error::Shape {
        what: what.to_owned(),
        expected: expected.to_vec(),
        found: block.shape.to_vec(),
    })
}

#[cfg(test)]
mod tests;
