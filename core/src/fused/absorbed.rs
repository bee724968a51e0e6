//! Attention to the encoder that makes no keys and no values.
//!
//! `K = X Wᴷᵀ` and `V = X Wⱽᵀ` are a row for every token of the source, and answers are a
//! few tokens. Products are associative: the weights of each head go to the side of the
//! queries, and all heads look at the encoder's output `X` itself.
//!
//! ```text
//! S = α Q Kᵀ = α R Xᵀ,  R = Q Wᴷ: [q, d]          O = P̃ V = U Wⱽᵀ,  U = P̃ X: [q, d]
//! dQ = dR Wᴷᵀ                                     dU = dO Wⱽ
//! ```
//!
//! The same numbers but for rounding (DeepSeek-V2, arXiv:2405.04434, section 2.1.2, where
//! keys and values are spared in generation). It takes frozen weights without a bias or an
//! update, and sources longer than their answers: [`MultiQuery::pays`].

use super::Context;
use super::attention::Rows;
use super::buffers::Buffer;
use super::linear::Linear;
use super::param::Slice;
use crate::Result;
use crate::ops::Segments;
use crate::ops::attention::MultiQuery;
use crate::ops::cpu::{Matrix, MatrixMut, Real, Write, wide_product};
use crate::random::Key;

/// The weights of keys and values, and how they are made up of heads.
pub(super) struct Absorbed<'a, T> {
    key: Slice<'a, T>,   // [h·e, d]
    value: Slice<'a, T>, // [h·e, d]
    heads: usize,
    head_width: usize, // e
    width: usize,      // d
}

/// What the backward pass reads, beside the probabilities.
pub(super) struct Kept<'s, T> {
    attention: MultiQuery,
    looked_for: Buffer<'s, T>, // R: [q tokens, h·d]
}

impl<'a, T: Real> Absorbed<'a, T> {
    /// Takes the maps of keys and values in, where they are nothing but products with frozen
    /// weights.
    pub(super) fn of((key, value): (&'a Linear, &'a Linear), heads: usize) -> Result<Option<Self>> {
        let (out, width) = key.size();
        let (Some(key), Some(value)) = (key.frozen()?, value.frozen()?) else {
            return Ok(None);
        };
        Ok(Some(Self {
            key,
            value,
            heads,
            head_width: out / heads,
            width,
        }))
    }

    /// Whether this is less work from queries to keys of these lengths.
    pub(super) fn pays(&self, from: &Segments, to: &Segments) -> bool {
        let sizes = (self.heads, self.head_width, self.width);
        MultiQuery::pays(sizes, from.lengths().zip(to.lengths()))
    }

    /// Attends from queries `[q tokens, h·e]`; what heads found goes to `mixed`, of the same
    /// shape. What is kept comes back with the probabilities.
    pub(super) fn forward<'s>(
        &self,
        queries: &[T],
        (from, to): (Rows<'_, T>, Rows<'_, T>),
        noise: (f64, Option<(f64, Key)>),
        mixed: &mut [T],
        context: &Context<'s, T>,
    ) -> (Kept<'s, T>, Buffer<'s, T>) {
        let segments = (from.segments, to.segments);
        let attention = MultiQuery::new((self.width, self.heads), noise, segments);
        let rows = queries.len() / self.inner();
        let mut looked_for = context.buffers.take(rows * self.heads * self.width);
        self.widen(queries, &self.key, &mut looked_for);
        let mut probabilities = context.buffers.take(attention.scores());
        attention.probabilities((&looked_for, to.rows), &mut probabilities);
        let mut found = context.buffers.take(looked_for.len());
        attention.mix(&probabilities, to.rows, &mut found);
        self.narrow(&found, &self.value, mixed);
        let kept = Kept {
            attention,
            looked_for,
        };
        (kept, probabilities)
    }

    /// The gradient of the queries, and, where it is wanted, that of the encoder's output,
    /// which is added.
    pub(super) fn backward<'s>(
        &self,
        kept: &Kept<'s, T>,
        (probabilities, dmixed): (&mut [T], &[T]),
        (memory, dmemory): (&[T], Option<&mut [T]>),
        context: &Context<'s, T>,
    ) -> Buffer<'s, T> {
        let buffers = context.buffers;
        let size = kept.looked_for.len();
        let mut dfound = buffers.take(size);
        self.widen(dmixed, &self.value, &mut dfound);
        let mut dlooked_for = buffers.take(size);
        kept.attention.backward(
            (&kept.looked_for, memory, &dfound),
            probabilities,
            (&mut dlooked_for, dmemory),
        );
        let mut dqueries = buffers.take(dmixed.len());
        self.narrow(&dlooked_for, &self.key, &mut dqueries);
        dqueries
    }

    /// h·e
    fn inner(&self) -> usize {
        self.heads * self.head_width
    }

    /// Multiplies each head's part of rows `[q tokens, h·e]` by its weight, into
    /// `[q tokens, h·d]`.
    fn widen(&self, narrow: &[T], weight: &[T], wide: &mut [T]) {
        let rows = narrow.len() / self.inner();
        let narrow = Matrix::new(narrow, (rows, self.inner()), self.inner());
        let mut wide = MatrixMut::new(
            wide,
            (rows, self.heads * self.width),
            self.heads * self.width,
        );
        for head in 0..self.heads {
            let part = narrow.columns(head * self.head_width, self.head_width);
            let mut target = wide.columns(head * self.width, self.width);
            let weight = self.of_head(weight, head);
            wide_product(T::one(), part, weight, &mut target, Write::Replace);
        }
    }

    /// The other way: `[q tokens, h·d]` into `[q tokens, h·e]`.
    fn narrow(&self, wide: &[T], weight: &[T], narrow: &mut [T]) {
        let rows = narrow.len() / self.inner();
        let wide = Matrix::new(
            wide,
            (rows, self.heads * self.width),
            self.heads * self.width,
        );
        let mut narrow = MatrixMut::new(narrow, (rows, self.inner()), self.inner());
        for head in 0..self.heads {
            let part = wide.columns(head * self.width, self.width);
            let mut target = narrow.columns(head * self.head_width, self.head_width);
            let weight = self.of_head(weight, head).t();
            wide_product(T::one(), part, weight, &mut target, Write::Replace);
        }
    }

    /// `[e, d]` of one head.
    fn of_head<'w>(&self, weight: &'w [T], head: usize) -> Matrix<'w, T> {
        let own = &weight[head * self.head_width * self.width..];
        Matrix::new(own, (self.head_width, self.width), self.width)
    }
}
