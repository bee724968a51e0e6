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

use std::sync::{Mutex, PoisonError};

use candle_core::{CpuStorage, CustomOp2, CustomOp3, DType, Layout, Result, Shape, Tensor, bail};
use rayon::prelude::*;

use super::geometry::{Geometry, Problem};
use crate::ops::cpu::{
    Matrix, MatrixMut, Real, View, contiguous, largest, product, sum2, vectorised,
};

/// Attention of queries `[q tokens, h·e]` to keys and values, side by side in rows
/// `[k tokens, 2·h·e]`, with or without a bias `[1, h or 1, q, k]` for the longest sequences.
pub(super) struct PackedAttention {
    pub(super) geometry: Geometry,
    /// The probabilities of the forward pass, until the backward pass takes them.
    pub(super) kept: Mutex<Option<CpuStorage>>,
    /// Whether there will be a backward pass.
    pub(super) keep: bool,
}

/// The gradients of queries, of keys and values, and of the bias where one is asked for.
type Gradients<T> = (T, T, Option<T>);

/// Bias rows of the longest sequences, `[h or 1, q, k]`.
#[derive(Clone, Copy)]
struct Bias<'a, T> {
    data: &'a [T],
    heads: usize,
    width: usize,
    height: usize,
}

impl<'a, T> Bias<'a, T> {
    fn new(data: &'a [T], shape: &Shape) -> Result<Self> {
        let (_, heads, height, width) = shape.dims4()?;
        Ok(Self {
            data,
            heads,
            width,
            height,
        })
    }

    /// What is added to the scores of a query with its first `keys` keys.
    #[inline(always)]
    fn row(&self, head: usize, query: usize, keys: usize) -> &'a [T] {
        let head = if self.heads == 1 { 0 } else { head };
        let start = (head * self.height + query) * self.width;
        &self.data[start..start + keys]
    }
}

impl PackedAttention {
    fn probabilities<T: Real>(&self, q: &[T], kv: &[T], bias: Option<Bias<'_, T>>) -> Vec<T> {
        let geometry = &self.geometry;
        let mut all = vec![T::zero(); geometry.scores()];
        geometry
            .split_scores(&mut all)
            .into_par_iter()
            .for_each(|(sequence, mut scores)| {
                for head in 0..geometry.heads {
                    let problem = geometry.problem(sequence, head);
                    let (own, rest) = scores.split_at_mut(problem.scores());
                    scores = rest;
                    let alpha = T::from_f64(geometry.scale);
                    let shape = (problem.queries, problem.keys);
                    let mut target = MatrixMut::new(own, shape, problem.keys);
                    product(alpha, problem.q(q), problem.k(kv).t(), &mut target);
                    vectorised(
                        #[inline(always)]
                        || normalise(own, &problem, bias),
                    );
                }
            });
        all
    }

    /// `M · P` of one problem, or a copy of `P` where nothing is dropped.
    fn dropped<T: Real>(&self, probabilities: &[T], problem: &Problem) -> Vec<T> {
        let mut dropped = probabilities.to_vec();
        self.drop_in_place(&mut dropped, problem);
        dropped
    }

    fn drop_in_place<T: Real>(&self, values: &mut [T], problem: &Problem) {
        let Some((rate, key)) = self.geometry.dropout else {
            return;
        };
        let kept = T::from_f64(1.0 / (1.0 - rate));
        for (query, row) in values.chunks_exact_mut(problem.keys.max(1)).enumerate() {
            for (at, value) in row.iter_mut().enumerate() {
                let element = self.geometry.element(problem, query, at);
                *value = if key.uniform(element) < rate {
                    T::zero()
                } else {
                    *value * kept
                };
            }
        }
    }

    fn forward<T: Real>(&self, q: &[T], kv: &[T], bias: Option<Bias<'_, T>>) -> Vec<T> {
        let geometry = &self.geometry;
        let mut probabilities = self.probabilities(q, kv, bias);
        let mut output = vec![T::zero(); q.len()];
        let rows = geometry.split_queries(&mut output);
        let scores = geometry.split_scores(&mut probabilities);
        rows.into_par_iter()
            .zip(scores)
            .for_each(|(rows, (sequence, scores))| {
                let mut scores = &*scores;
                for head in 0..geometry.heads {
                    let problem = geometry.problem(sequence, head);
                    let (own, rest) = scores.split_at(problem.scores());
                    scores = rest;
                    let weights = self.dropped(own, &problem);
                    let weights =
                        Matrix::new(&weights, (problem.queries, problem.keys), problem.keys);
                    let mut target = problem.head_of(rows);
                    product(T::one(), weights, problem.v(kv), &mut target);
                }
            });
        if self.keep {
            *self.lock() = Some(T::to_cpu_storage_owned(probabilities));
        }
        output
    }

    /// The gradients of `q`, `kv` and, where `bias_shape` is given, of the bias.
    fn backward<T: Real>(
        &self,
        (q, kv, dy): (&[T], &[T], &[T]),
        mut scores: Vec<T>,
        bias_shape: Option<&Shape>,
    ) -> Result<Gradients<Vec<T>>> {
        let geometry = &self.geometry;
        let (mut dq, mut dkv) = (vec![T::zero(); q.len()], vec![T::zero(); kv.len()]);
        let parts = geometry.split_scores(&mut scores);
        let rows = geometry.split_queries(&mut dq).into_par_iter();
        let memory = geometry.split_keys(&mut dkv);
        rows.zip(memory)
            .zip(parts)
            .for_each(|((dq, dkv), (sequence, mut scores))| {
                for head in 0..geometry.heads {
                    let problem = geometry.problem(sequence, head);
                    let (own, rest) = scores.split_at_mut(problem.scores());
                    scores = rest;
                    self.backward_head(&problem, own, (q, kv, dy), (&mut *dq, &mut *dkv));
                }
            });
        let dbias = bias_shape
            .map(|shape| self.bias_gradient(&scores, shape))
            .transpose()?;
        Ok((dq, dkv, dbias))
    }

    /// Turns the probabilities of one problem into the gradient of its scores.
    fn backward_head<T: Real>(
        &self,
        problem: &Problem,
        p: &mut [T],
        (q, kv, dy): (&[T], &[T], &[T]),
        (dq, dkv): (&mut [T], &mut [T]),
    ) {
        let shape = (problem.queries, problem.keys);
        let dropped = self.dropped(p, problem);
        let weights = Matrix::new(&dropped, shape, problem.keys).t();
        product(T::one(), weights, problem.q(dy), &mut problem.v_of(dkv));
        let mut dp = dropped;
        let mut target = MatrixMut::new(&mut dp, shape, problem.keys);
        product(T::one(), problem.q(dy), problem.v(kv).t(), &mut target);
        self.drop_in_place(&mut dp, problem);
        vectorised(
            #[inline(always)]
            || {
                let width = problem.keys.max(1);
                for (p, dp) in p.chunks_exact_mut(width).zip(dp.chunks_exact(width)) {
                    let mean = sum2(p, dp, |p, dp| p * dp);
                    for (p, &dp) in p.iter_mut().zip(dp) {
                        *p *= dp - mean;
                    }
                }
            },
        );
        let ds = Matrix::new(p, shape, problem.keys);
        let alpha = T::from_f64(self.geometry.scale);
        product(alpha, ds, problem.k(kv), &mut problem.head_of(dq));
        product(alpha, ds.t(), problem.q(q), &mut problem.k_of(dkv));
    }

    /// Adds up the gradients of all scores that a bias `[1, h or 1, q, k]` was added to.
    fn bias_gradient<T: Real>(&self, scores: &[T], shape: &Shape) -> Result<Vec<T>> {
        let geometry = &self.geometry;
        let (_, heads, height, width) = shape.dims4()?;
        let mut total = vec![T::zero(); shape.elem_count()];
        total
            .par_chunks_mut(height * width)
            .enumerate()
            .for_each(|(at, total)| {
                for sequence in 0..geometry.batch() {
                    for head in (0..geometry.heads).filter(|&head| heads == 1 || head == at) {
                        let problem = geometry.problem(sequence, head);
                        let own = &scores[geometry.range(&problem)];
                        let rows = own.chunks_exact(problem.keys.max(1));
                        for (sum, row) in total.chunks_exact_mut(width).zip(rows) {
                            sum.iter_mut().zip(row).for_each(|(sum, &row)| *sum += row);
                        }
                    }
                }
            });
        Ok(total)
    }

    fn gradients<T: Real>(
        &self,
        (q, kv, bias, dy): (&Tensor, &Tensor, Option<&Tensor>, &Tensor),
    ) -> Result<Gradients<Tensor>> {
        let dy = dy.contiguous()?;
        let (q_view, kv_view, dy_view) =
            (View::<T>::of(q)?, View::<T>::of(kv)?, View::<T>::of(&dy)?);
        let kept = self.lock().take().map(T::cpu_storage_data).transpose()?;
        let probabilities = match (kept, bias) {
            (Some(kept), _) => kept,
            // A second backward pass over the same graph.
            (None, Some(bias)) => {
                let view = View::<T>::of(bias)?;
                self.probabilities(&q_view, &kv_view, Some(Bias::new(&view, bias.shape())?))
            }
            (None, None) => self.probabilities(&q_view, &kv_view, None),
        };
        let wanted = bias.filter(|bias| bias.track_op());
        let (dq, dkv, dbias) = self.backward(
            (&q_view, &kv_view, &dy_view),
            probabilities,
            wanted.map(Tensor::shape),
        )?;
        let device = q.device();
        let dbias = wanted
            .zip(dbias)
            .map(|(bias, values)| Tensor::from_vec(values, bias.shape(), device));
        Ok((
            Tensor::from_vec(dq, q.shape(), device)?,
            Tensor::from_vec(dkv, kv.shape(), device)?,
            dbias.transpose()?,
        ))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<CpuStorage>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Adds the bias to scores `[queries, keys]` and takes the softmax of each row.
#[inline(always)]
fn normalise<T: Real>(scores: &mut [T], problem: &Problem, bias: Option<Bias<'_, T>>) {
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

impl CustomOp2 for PackedAttention {
    fn name(&self) -> &'static str {
        "packed-attention"
    }

    fn cpu_fwd(
        &self,
        q: &CpuStorage,
        q_at: &Layout,
        kv: &CpuStorage,
        kv_at: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (rows, memory) = (contiguous(q_at)?, contiguous(kv_at)?);
        let y = match (q, kv) {
            (CpuStorage::F32(q), CpuStorage::F32(kv)) => {
                CpuStorage::F32(self.forward(&q[rows], &kv[memory], None))
            }
            (CpuStorage::F64(q), CpuStorage::F64(kv)) => {
                CpuStorage::F64(self.forward(&q[rows], &kv[memory], None))
            }
            _ => bail!("packed-attention: unsupported number format"),
        };
        Ok((y, q_at.shape().clone()))
    }

    fn bwd(
        &self,
        q: &Tensor,
        kv: &Tensor,
        _y: &Tensor,
        dy: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let (dq, dkv, _) = match q.dtype() {
            DType::F64 => self.gradients::<f64>((q, kv, None, dy))?,
            _ => self.gradients::<f32>((q, kv, None, dy))?,
        };
        Ok((Some(dq), Some(dkv)))
    }
}

impl CustomOp3 for PackedAttention {
    fn name(&self) -> &'static str {
        "packed-attention-with-bias"
    }

    fn cpu_fwd(
        &self,
        q: &CpuStorage,
        q_at: &Layout,
        kv: &CpuStorage,
        kv_at: &Layout,
        bias: &CpuStorage,
        bias_at: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (rows, memory, added) = (contiguous(q_at)?, contiguous(kv_at)?, contiguous(bias_at)?);
        let y = match (q, kv, bias) {
            (CpuStorage::F32(q), CpuStorage::F32(kv), CpuStorage::F32(bias)) => {
                let bias = Bias::new(&bias[added], bias_at.shape())?;
                CpuStorage::F32(self.forward(&q[rows], &kv[memory], Some(bias)))
            }
            (CpuStorage::F64(q), CpuStorage::F64(kv), CpuStorage::F64(bias)) => {
                let bias = Bias::new(&bias[added], bias_at.shape())?;
                CpuStorage::F64(self.forward(&q[rows], &kv[memory], Some(bias)))
            }
            _ => bail!("packed-attention: unsupported number format"),
        };
        Ok((y, q_at.shape().clone()))
    }

    fn bwd(
        &self,
        q: &Tensor,
        kv: &Tensor,
        bias: &Tensor,
        _y: &Tensor,
        dy: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let (dq, dkv, dbias) = match q.dtype() {
            DType::F64 => self.gradients::<f64>((q, kv, Some(bias), dy))?,
            _ => self.gradients::<f32>((q, kv, Some(bias), dy))?,
        };
        Ok((Some(dq), Some(dkv), dbias))
    }
}
