//! The attention core on packed rows, on the CPU: no token of padding is computed on.
//!
//! Each sequence and head is a small problem of its own. With P the probabilities, P̃ those
//! after dropout, and M the dropout's factors:
//!
//! ```text
//! P = softmax(α Q Kᵀ + bias)     O = P̃ V,  P̃ = M · P
//! dV = P̃ᵀ dO     dP = M · (dO Vᵀ)     dS = P · (dP − Σ P dP)     over keys
//! dQ = α dS K    dK = α dSᵀ Q         dbias = Σ dS               over sequences
//! ```
//!
//! A query that may see no key at all gets zeros, and gives no gradient.
#![expect(
    clippy::inline_always,
    reason = "loops only use the processor's vectors where they are inlined into `vectorised`"
)]

use rayon::prelude::*;

use super::geometry::{Geometry, Gradients, Problem};
use crate::ops::cpu::{Matrix, MatrixMut, Real, largest, product, sum2, vectorised};
use crate::ops::dropout::Mask;

/// Bias rows of the longest sequences, `[h or 1, q, k]`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bias<'a, T> {
    pub(crate) data: &'a [T],
    /// h or 1, q, k
    pub(crate) shape: [usize; 3],
}

impl<'a, T> Bias<'a, T> {
    /// What is added to the scores of a query with its first `keys` keys.
    #[inline(always)]
    fn row(&self, head: usize, query: usize, keys: usize) -> &'a [T] {
        let [heads, height, width] = self.shape;
        let head = if heads == 1 { 0 } else { head };
        let start = (head * height + query) * width;
        &self.data[start..start + keys]
    }
}

impl Geometry {
    /// `P` of all sequences and heads, into `[scores]`; inputs are rows as arranged.
    pub(crate) fn probabilities<T: Real>(
        &self,
        (q, kv): (&[T], &[T]),
        bias: Option<Bias<'_, T>>,
        all: &mut [T],
    ) {
        let alpha = T::from_f64(self.scale);
        self.each_head(all, |problem, own| {
            let shape = (problem.queries, problem.keys);
            let mut target = MatrixMut::new(own, shape, problem.keys);
            product(alpha, problem.q(q), problem.k(kv).t(), &mut target);
            vectorised(
                #[inline(always)]
                || normalise(own, problem, bias),
            );
        });
    }

    /// `O = P̃ V`, into rows `[q tokens, h·e]`.
    pub(crate) fn mix<T: Real>(&self, probabilities: &[T], kv: &[T], output: &mut [T]) {
        let rows = self.split_output(output).into_par_iter().enumerate();
        rows.for_each(|(sequence, rows)| {
            let mut dropped = Vec::new();
            for head in 0..self.heads {
                let problem = self.problem(sequence, head);
                let weights =
                    self.dropped(&probabilities[self.range(&problem)], &problem, &mut dropped);
                let weights = Matrix::new(weights, (problem.queries, problem.keys), problem.keys);
                product(T::one(), weights, problem.v(kv), &mut problem.o_of(rows));
            }
        });
    }

    /// The gradients of queries, keys and values; `P` becomes `dS`.
    pub(crate) fn backward<T: Real>(
        &self,
        (q, kv, dy): (&[T], &[T], &[T]),
        scores: &mut [T],
        gradients: Gradients<'_, T>,
    ) {
        let parts = self.split_scores(scores).into_par_iter();
        let rows = self.split_gradients(gradients);
        parts
            .zip(rows)
            .for_each(|((sequence, mut scores), mut rows)| {
                let (mut dropped, mut dp) = (Vec::new(), Vec::new());
                for head in 0..self.heads {
                    let problem = self.problem(sequence, head);
                    let (own, rest) = scores.split_at_mut(problem.scores());
                    scores = rest;
                    let shape = (problem.queries, problem.keys);
                    let weights = self.dropped(own, &problem, &mut dropped);
                    let weights = Matrix::new(weights, shape, problem.keys).t();
                    product(T::one(), weights, problem.o(dy), &mut rows.v(&problem));

                    dp.resize(own.len(), T::zero());
                    let mut target = MatrixMut::new(&mut dp, shape, problem.keys);
                    product(T::one(), problem.o(dy), problem.v(kv).t(), &mut target);
                    self.drop_in_place(&mut dp, &problem);
                    vectorised(
                        #[inline(always)]
                        || unnormalise(own, &dp, problem.keys.max(1)),
                    );
                    let ds = Matrix::new(own, shape, problem.keys);
                    let alpha = T::from_f64(self.scale);
                    product(alpha, ds, problem.k(kv), &mut rows.q(&problem));
                    product(alpha, ds.t(), problem.q(q), &mut rows.k(&problem));
                }
            });
    }

    /// Adds the gradients of all scores to the bias `[h or 1, q, k]` that was added to them.
    pub(crate) fn add_bias_gradient<T: Real>(
        &self,
        scores: &[T],
        [heads, height, width]: [usize; 3],
        total: &mut [T],
    ) {
        total
            .par_chunks_mut(height * width)
            .enumerate()
            .for_each(|(at, total)| {
                for sequence in 0..self.batch() {
                    for head in (0..self.heads).filter(|&head| heads == 1 || head == at) {
                        let problem = self.problem(sequence, head);
                        let own = &scores[self.range(&problem)];
                        let rows = own.chunks_exact(problem.keys.max(1));
                        for (sum, row) in total.chunks_exact_mut(width).zip(rows) {
                            sum.iter_mut().zip(row).for_each(|(sum, &row)| *sum += row);
                        }
                    }
                }
            });
    }

    fn each_head<T: Real>(&self, all: &mut [T], work: impl Fn(&Problem, &mut [T]) + Sync) {
        let sequences = self.split_scores(all).into_par_iter();
        sequences.for_each(|(sequence, mut scores)| {
            for head in 0..self.heads {
                let problem = self.problem(sequence, head);
                let (own, rest) = scores.split_at_mut(problem.scores());
                scores = rest;
                work(&problem, own);
            }
        });
    }

    /// `M · P` of one problem, in `room`; `P` itself where nothing is dropped.
    fn dropped<'a, T: Real>(
        &self,
        probabilities: &'a [T],
        problem: &Problem,
        room: &'a mut Vec<T>,
    ) -> &'a [T] {
        if self.dropout.is_none() {
            return probabilities;
        }
        room.clear();
        room.extend_from_slice(probabilities);
        self.drop_in_place(room, problem);
        room
    }

    fn drop_in_place<T: Real>(&self, values: &mut [T], problem: &Problem) {
        for (query, row) in values.chunks_exact_mut(problem.keys.max(1)).enumerate() {
            self.drop_row(row, problem, query);
        }
    }

    /// Applies the dropout to what belongs to the scores of one query.
    pub(super) fn drop_row<T: Real>(&self, row: &mut [T], problem: &Problem, query: usize) {
        let Some((rate, key)) = self.dropout else {
            return;
        };
        let (mask, kept) = (Mask::new(rate, key), T::from_f64(1.0 / (1.0 - rate)));
        for (at, value) in row.iter_mut().enumerate() {
            let element = self.element(problem, query, at);
            *value = if mask.drops(element) {
                T::zero()
            } else {
                *value * kept
            };
        }
    }
}

/// `dS = P · (dP − Σ P dP)` of each row, in place of `P`.
#[inline(always)]
pub(super) fn unnormalise<T: Real>(p: &mut [T], dp: &[T], width: usize) {
    for (p, dp) in p.chunks_exact_mut(width).zip(dp.chunks_exact(width)) {
        let mean = sum2(p, dp, |p, dp| p * dp);
        for (p, &dp) in p.iter_mut().zip(dp) {
            *p *= dp - mean;
        }
    }
}

/// Adds the bias to scores `[queries, keys]` and takes the softmax of each row.
#[inline(always)]
pub(super) fn normalise<T: Real>(scores: &mut [T], problem: &Problem, bias: Option<Bias<'_, T>>) {
    for (query, row) in scores.chunks_exact_mut(problem.keys.max(1)).enumerate() {
        if let Some(bias) = &bias {
            let added = bias.row(problem.head, query, problem.keys);
            row.iter_mut()
                .zip(added)
                .for_each(|(score, &added)| *score += added);
        }
        let top = largest(row);
        if top == T::NEG_INFINITY {
            row.fill(T::zero());
            continue;
        }
        for score in row.iter_mut() {
            *score = (*score - top).exp();
        }
        let share = T::one() / sum2(row, row, |power, _| power);
        for power in row.iter_mut() {
            *power *= share;
        }
    }
}
