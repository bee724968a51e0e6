//! Where the sequences and heads of a packed attention lie.

use std::ops::Range;

use crate::ops::Segments;
use crate::ops::cpu::{Matrix, MatrixMut};
use crate::random::Key;

/// Columns of rows: how wide the rows are, and where the columns start.
#[derive(Debug, Clone, Copy)]
struct Columns {
    stride: usize,
    first: usize,
    shared: bool, // whether all heads read the same ones
}

/// Where queries, keys and values, each h·e wide, stand in their rows.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Arrangement {
    queries: Columns,
    keys: Columns,
    values: Columns,
    joint: bool,
}

impl Arrangement {
    /// Queries in rows of their own, keys and values side by side in others.
    pub(crate) fn apart(width: usize) -> Self {
        let columns = |stride, first| Columns {
            stride,
            first,
            shared: false,
        };
        Self {
            queries: columns(width, 0),
            keys: columns(2 * width, 0),
            values: columns(2 * width, width),
            joint: false,
        }
    }

    /// Queries, keys and values side by side in the same rows.
    pub(crate) fn joint(width: usize) -> Self {
        let columns = |first| Columns {
            stride: 3 * width,
            first,
            shared: false,
        };
        Self {
            queries: columns(0),
            keys: columns(width),
            values: columns(2 * width),
            joint: true,
        }
    }

    /// `heads` queries of some width in rows of their own; other rows, of that width, are
    /// keys and values of all heads.
    pub(super) fn shared(width: usize, heads: usize) -> Self {
        let columns = |stride, shared| Columns {
            stride,
            first: 0,
            shared,
        };
        Self {
            queries: columns(heads * width, false),
            keys: columns(width, true),
            values: columns(width, true),
            joint: false,
        }
    }
}

/// The shape of a packed attention.
#[derive(Debug, Clone)]
pub(crate) struct Geometry {
    pub(super) heads: usize,
    /// Factor α of the scores.
    pub(super) scale: f64,
    /// Rate and mask of the dropout on probabilities.
    pub(super) dropout: Option<(f64, Key)>,
    width: usize, // h·e
    arrangement: Arrangement,
    queries: Vec<usize>,     // [b + 1]: where each sequence's queries start
    keys: Vec<usize>,        // [b + 1]
    scores: Vec<usize>,      // [b + 1]: where each sequence's scores start, heads in turn
    longest: (usize, usize), // queries and keys of the longest sequences
}

/// One sequence and head.
#[derive(Debug, Clone, Copy)]
pub(super) struct Problem {
    pub(super) sequence: usize,
    pub(super) head: usize,
    pub(super) queries: usize,
    pub(super) keys: usize,
    pub(super) first: (usize, usize), // query and key
    width: usize,                     // h·e
    head_width: usize,                // e
    arrangement: Arrangement,
}

impl Geometry {
    /// Lays out attention with heads of altogether `width` = h·e from one packed batch to
    /// another.
    pub(crate) fn new(
        (width, heads): (usize, usize),
        arrangement: Arrangement,
        (scale, dropout): (f64, Option<(f64, Key)>),
        (queries, keys): (&Segments, &Segments),
    ) -> Self {
        let lengths =
            |offsets: &[usize]| -> Vec<usize> { offsets.windows(2).map(|w| w[1] - w[0]).collect() };
        let mut scores = vec![0];
        let pairs = lengths(queries.offsets())
            .into_iter()
            .zip(lengths(keys.offsets()));
        for (at, (queries, keys)) in pairs.enumerate() {
            scores.push(scores[at] + heads * queries * keys);
        }
        Self {
            heads,
            scale,
            dropout,
            width,
            arrangement,
            queries: queries.offsets().to_vec(),
            keys: keys.offsets().to_vec(),
            scores,
            longest: (queries.longest(), keys.longest()),
        }
    }

    /// The same with scores numbered, for dropout, as if the longest sequence had so many
    /// queries: those here are the first of each.
    pub(crate) fn numbered_among(mut self, longest: usize) -> Self {
        self.longest.0 = longest;
        self
    }

    /// Number of elements of the output rows `[q tokens, h·e]`.
    pub(crate) fn outputs(&self) -> usize {
        self.queries[self.batch()] * self.width
    }

    pub(super) fn batch(&self) -> usize {
        self.scores.len() - 1
    }

    /// Number of scores of all sequences and heads.
    pub(crate) fn scores(&self) -> usize {
        self.scores[self.batch()]
    }

    pub(super) fn problem(&self, sequence: usize, head: usize) -> Problem {
        let (q, k) = (&self.queries[sequence..], &self.keys[sequence..]);
        Problem {
            sequence,
            head,
            queries: q[1] - q[0],
            keys: k[1] - k[0],
            first: (q[0], k[0]),
            width: self.width,
            head_width: self.width / self.heads,
            arrangement: self.arrangement,
        }
    }

    /// Where the scores of a problem lie among all.
    pub(super) fn range(&self, problem: &Problem) -> Range<usize> {
        let start = self.scores[problem.sequence] + problem.head * problem.scores();
        start..start + problem.scores()
    }

    /// Where the scores of a sequence lie among all.
    pub(super) fn sequence(&self, sequence: usize) -> Range<usize> {
        self.scores[sequence]..self.scores[sequence + 1]
    }

    /// The number of a score in the padded tensor `[b, h, q, k]`, so that dropout is the
    /// same as in the padded form.
    pub(super) fn element(&self, problem: &Problem, query: usize, key: usize) -> u64 {
        let row = (problem.sequence * self.heads + problem.head) * self.longest.0 + query;
        (row * self.longest.1 + key) as u64
    }

    /// The scores of each sequence, with its number.
    pub(super) fn split_scores<'a, T>(&self, all: &'a mut [T]) -> Vec<(usize, &'a mut [T])> {
        split(&self.scores, 1, all)
            .into_iter()
            .enumerate()
            .collect()
    }

    /// The rows `[q, h·e]` of each sequence.
    pub(super) fn split_output<'a, T>(&self, all: &'a mut [T]) -> Vec<&'a mut [T]> {
        split(&self.queries, self.width, all)
    }

    /// The rows of each sequence that queries look at, which all heads share.
    pub(super) fn split_keys<'a, T>(&self, all: &'a mut [T]) -> Vec<&'a mut [T]> {
        split(&self.keys, self.arrangement.keys.stride, all)
    }

    /// The rows of each sequence's gradients.
    ///
    /// # Panics
    /// If the rows are not as the attention is arranged.
    pub(super) fn split_gradients<'a, T>(&self, all: Gradients<'a, T>) -> Vec<Gradients<'a, T>> {
        match all {
            Gradients::Joint(rows) => {
                assert!(self.arrangement.joint, "queries have rows of their own");
                let rows = split(&self.queries, self.arrangement.queries.stride, rows);
                rows.into_iter().map(Gradients::Joint).collect()
            }
            Gradients::Apart(queries, memory) => {
                assert!(!self.arrangement.joint, "queries share rows with keys");
                let queries = split(&self.queries, self.arrangement.queries.stride, queries);
                let memory = split(&self.keys, self.arrangement.keys.stride, memory);
                let both = queries.into_iter().zip(memory);
                both.map(|(q, kv)| Gradients::Apart(q, kv)).collect()
            }
        }
    }
}

/// Rows that the gradients of queries, keys and values are written to.
#[derive(Debug)]
pub(crate) enum Gradients<'a, T> {
    /// Those of the queries, and those of keys and values side by side.
    Apart(&'a mut [T], &'a mut [T]),
    /// All three side by side.
    Joint(&'a mut [T]),
}

impl<T> Gradients<'_, T> {
    pub(super) fn q(&mut self, problem: &Problem) -> MatrixMut<'_, T> {
        let (Self::Apart(rows, _) | Self::Joint(rows)) = self;
        problem.columns_of(rows, problem.queries, problem.arrangement.queries)
    }

    pub(super) fn k(&mut self, problem: &Problem) -> MatrixMut<'_, T> {
        let (Self::Apart(_, rows) | Self::Joint(rows)) = self;
        problem.columns_of(rows, problem.keys, problem.arrangement.keys)
    }

    pub(super) fn v(&mut self, problem: &Problem) -> MatrixMut<'_, T> {
        let (Self::Apart(_, rows) | Self::Joint(rows)) = self;
        problem.columns_of(rows, problem.keys, problem.arrangement.values)
    }
}

fn split<'a, T>(offsets: &[usize], width: usize, mut all: &'a mut [T]) -> Vec<&'a mut [T]> {
    let mut parts = Vec::with_capacity(offsets.len());
    for window in offsets.windows(2) {
        let (part, rest) = all.split_at_mut((window[1] - window[0]) * width);
        parts.push(part);
        all = rest;
    }
    parts
}

impl Problem {
    /// Number of its scores.
    pub(super) fn scores(&self) -> usize {
        self.queries * self.keys
    }

    /// Its queries of all rows: `[q, e]`.
    pub(super) fn q<'a, T>(&self, all: &'a [T]) -> Matrix<'a, T> {
        self.columns(all, (self.first.0, self.queries), self.arrangement.queries)
    }

    /// Its keys of all rows: `[k, e]`.
    pub(super) fn k<'a, T>(&self, all: &'a [T]) -> Matrix<'a, T> {
        self.columns(all, (self.first.1, self.keys), self.arrangement.keys)
    }

    /// Its values of all rows: `[k, e]`.
    pub(super) fn v<'a, T>(&self, all: &'a [T]) -> Matrix<'a, T> {
        self.columns(all, (self.first.1, self.keys), self.arrangement.values)
    }

    /// Its part of all output rows `[q tokens, h·e]`: `[q, e]`.
    pub(super) fn o<'a, T>(&self, all: &'a [T]) -> Matrix<'a, T> {
        self.columns(all, (self.first.0, self.queries), self.output())
    }

    /// Its part of its sequence's output rows `[q, h·e]`.
    pub(super) fn o_of<'a, T>(&self, rows: &'a mut [T]) -> MatrixMut<'a, T> {
        self.columns_of(rows, self.queries, self.output())
    }

    fn output(&self) -> Columns {
        Columns {
            stride: self.width,
            first: 0,
            shared: false,
        }
    }

    /// Where the head's columns start.
    fn offset(&self, columns: Columns) -> usize {
        if columns.shared {
            0
        } else {
            self.head * self.head_width
        }
    }

    fn columns<'a, T>(
        &self,
        all: &'a [T],
        (row, rows): (usize, usize),
        columns: Columns,
    ) -> Matrix<'a, T> {
        let start = row * columns.stride + columns.first + self.offset(columns);
        // Nothing where an empty sequence ends the slice.
        let part = &all[start.min(all.len())..];
        Matrix::new(part, (rows, self.head_width), columns.stride)
    }

    fn columns_of<'a, T>(
        &self,
        own: &'a mut [T],
        rows: usize,
        columns: Columns,
    ) -> MatrixMut<'a, T> {
        let start = (columns.first + self.offset(columns)).min(own.len());
        let part = &mut own[start..];
        MatrixMut::new(part, (rows, self.head_width), columns.stride)
    }
}
