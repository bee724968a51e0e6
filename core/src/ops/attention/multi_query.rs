//! Attention of all heads to the same rows, which are keys and values at once
//! (Shazeer, arXiv:1911.02150).
//!
//! The queries of a token, one for each head, are rows next to each other: all heads of a
//! sequence are one product. With `R: [q·h, d]` the queries and `X: [k, d]` what they look at:
//!
//! ```text
//! P = softmax(α R Xᵀ)     U = P̃ X,  P̃ = M · P
//! dP = M · (dU Xᵀ)        dS = P · (dP − Σ P dP)     over keys
//! dR = α dS X             dX = α dSᵀ R + P̃ᵀ dU
//! ```

use std::borrow::Cow;

use rayon::prelude::*;

use super::geometry::{Arrangement, Geometry, Problem};
use super::heads::{normalise, unnormalise};
use crate::ops::Segments;
use crate::ops::cpu::{Matrix, MatrixMut, Real, add_product, product, vectorised};
use crate::random::Key;

/// The shape of such an attention, from one packed batch to another.
#[derive(Debug)]
pub(crate) struct MultiQuery {
    geometry: Geometry,
    width: usize, // d
}

impl MultiQuery {
    /// `heads` queries of each token, `width` wide, look at rows of that width; the scores
    /// have a factor, and dropout is the same as where heads have keys of their own.
    pub(crate) fn new(
        (width, heads): (usize, usize),
        noise: (f64, Option<(f64, Key)>),
        segments: (&Segments, &Segments),
    ) -> Self {
        let arrangement = Arrangement::shared(width, heads);
        let geometry = Geometry::new((heads * width, heads), arrangement, noise, segments);
        Self { geometry, width }
    }

    /// Whether it is less work to multiply queries by the weights of keys and values than to
    /// make those: forward and backward, `heads` heads, `head_width` wide, of rows `width`
    /// wide, from queries to keys of the lengths given.
    pub(crate) fn pays(
        (heads, head_width, width): (usize, usize, usize),
        lengths: impl Iterator<Item = (usize, usize)>,
    ) -> bool {
        let inner = heads * head_width;
        let (mut made, mut absorbed) = (0, 0);
        for (queries, keys) in lengths {
            made += 4 * keys * inner * width + 6 * queries * keys * inner;
            absorbed += 4 * queries * inner * width + 6 * queries * keys * heads * width;
        }
        // Its products are smaller, so they run a little slower.
        absorbed + absorbed / 4 < made
    }

    /// Number of scores of all sequences.
    pub(crate) fn scores(&self) -> usize {
        self.geometry.scores()
    }

    /// `P` of all sequences, each `[q·h, k]`, from queries `[q tokens, h·d]` and the rows
    /// `[k tokens, d]` that they look at.
    pub(crate) fn probabilities<T: Real>(&self, (r, x): (&[T], &[T]), all: &mut [T]) {
        let alpha = T::from_f64(self.geometry.scale);
        let sequences = self.geometry.split_scores(all).into_par_iter();
        sequences.for_each(|(sequence, own)| {
            let problem = self.geometry.problem(sequence, 0);
            let mut scores = MatrixMut::new(own, self.shape(&problem), problem.keys);
            product(
                alpha,
                self.queries(&problem, r),
                problem.k(x).t(),
                &mut scores,
            );
            vectorised(
                #[inline(always)]
                || normalise(own, &problem, None),
            );
        });
    }

    /// `U = P̃ X`, into rows `[q tokens, h·d]`.
    pub(crate) fn mix<T: Real>(&self, probabilities: &[T], x: &[T], output: &mut [T]) {
        let rows = self.geometry.split_output(output).into_par_iter();
        rows.enumerate().for_each(|(sequence, rows)| {
            let problem = self.geometry.problem(sequence, 0);
            let own = self.geometry.sequence(sequence);
            let weights = self.dropped(&probabilities[own], sequence);
            let weights = Matrix::new(&weights, self.shape(&problem), problem.keys);
            let size = (self.shape(&problem).0, self.width);
            let mut target = MatrixMut::new(rows, size, self.width);
            product(T::one(), weights, problem.k(x), &mut target);
        });
    }

    /// The gradient of the queries, and, where it is wanted, that of the rows, which is
    /// added; `P` becomes `dS`.
    pub(crate) fn backward<T: Real>(
        &self,
        (r, x, du): (&[T], &[T], &[T]),
        scores: &mut [T],
        (dr, dx): (&mut [T], Option<&mut [T]>),
    ) {
        let alpha = T::from_f64(self.geometry.scale);
        let dx = match dx {
            Some(dx) => self.geometry.split_keys(dx).into_iter().map(Some).collect(),
            None => (0..self.geometry.batch()).map(|_| None).collect::<Vec<_>>(),
        };
        let parts = self.geometry.split_scores(scores).into_par_iter();
        let rows = self.geometry.split_output(dr).into_par_iter().zip(dx);
        parts.zip(rows).for_each(|((sequence, own), (dr, dx))| {
            let problem = self.geometry.problem(sequence, 0);
            let shape = self.shape(&problem);
            let (r, du) = (self.queries(&problem, r), self.queries(&problem, du));
            let mut dx = dx.map(|dx| MatrixMut::new(dx, (problem.keys, self.width), self.width));
            if let Some(dx) = &mut dx {
                let weights = self.dropped(own, sequence);
                let weights = Matrix::new(&weights, shape, problem.keys);
                add_product(T::one(), weights.t(), du, dx);
            }
            let mut dp = vec![T::zero(); own.len()];
            let mut target = MatrixMut::new(&mut dp, shape, problem.keys);
            product(T::one(), du, problem.k(x).t(), &mut target);
            self.drop_in_place(&mut dp, sequence);
            vectorised(
                #[inline(always)]
                || unnormalise(own, &dp, problem.keys.max(1)),
            );
            let ds = Matrix::new(own, shape, problem.keys);
            let mut target = MatrixMut::new(dr, (shape.0, self.width), self.width);
            product(alpha, ds, problem.k(x), &mut target);
            if let Some(dx) = &mut dx {
                add_product(alpha, ds.t(), r, dx);
            }
        });
    }

    /// q·h and k of a sequence.
    fn shape(&self, problem: &Problem) -> (usize, usize) {
        (problem.queries * self.geometry.heads, problem.keys)
    }

    /// A sequence's rows `[q·h, d]` of all `[q tokens, h·d]`.
    fn queries<'a, T>(&self, problem: &Problem, all: &'a [T]) -> Matrix<'a, T> {
        let heads = self.geometry.heads;
        let own = &all[problem.first.0 * heads * self.width..];
        Matrix::new(own, (problem.queries * heads, self.width), self.width)
    }

    /// `P̃` of a sequence.
    fn dropped<'a, T: Real>(&self, probabilities: &'a [T], sequence: usize) -> Cow<'a, [T]> {
        let mut dropped = Cow::Borrowed(probabilities);
        if self.geometry.dropout.is_some() {
            self.drop_in_place(dropped.to_mut(), sequence);
        }
        dropped
    }

    fn drop_in_place<T: Real>(&self, values: &mut [T], sequence: usize) {
        let heads = self.geometry.heads;
        let keys = self.geometry.problem(sequence, 0).keys;
        for (row, values) in values.chunks_exact_mut(keys.max(1)).enumerate() {
            let problem = self.geometry.problem(sequence, row % heads);
            self.geometry.drop_row(values, &problem, row / heads);
        }
    }
}
