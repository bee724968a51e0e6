//! Where the sequences and heads of a packed attention lie.

use std::ops::Range;

use crate::ops::Segments;
use crate::ops::cpu::{Matrix, MatrixMut};
use crate::random::Key;

/// The shape of a packed attention.
#[derive(Debug, Clone)]
pub(super) struct Geometry {
    pub(super) heads: usize,
    /// Factor α of the scores.
    pub(super) scale: f64,
    /// Rate and mask of the dropout on probabilities.
    pub(super) dropout: Option<(f64, Key)>,
    width: usize,            // h·e
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
    first: (usize, usize), // query and key
    width: usize,          // h·e
    head_width: usize,     // e
}

impl Geometry {
    /// Lays out attention with rows of `width` = h·e from one packed batch to another.
    pub(super) fn new(
        (width, heads): (usize, usize),
        scale: f64,
        dropout: Option<(f64, Key)>,
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
            queries: queries.offsets().to_vec(),
            keys: keys.offsets().to_vec(),
            scores,
            longest: (queries.longest(), keys.longest()),
        }
    }

    pub(super) fn batch(&self) -> usize {
        self.scores.len() - 1
    }

    /// Number of scores of all sequences and heads.
    pub(super) fn scores(&self) -> usize {
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
        }
    }

    /// Where the scores of a problem lie among all.
    pub(super) fn range(&self, problem: &Problem) -> Range<usize> {
        let start = self.scores[problem.sequence] + problem.head * problem.scores();
        start..start + problem.scores()
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
    pub(super) fn split_queries<'a, T>(&self, all: &'a mut [T]) -> Vec<&'a mut [T]> {
        split(&self.queries, self.width, all)
    }

    /// The rows `[k, 2·h·e]` of each sequence.
    pub(super) fn split_keys<'a, T>(&self, all: &'a mut [T]) -> Vec<&'a mut [T]> {
        split(&self.keys, 2 * self.width, all)
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

    /// Its part of all rows `[q tokens, h·e]`: `[q, e]`.
    pub(super) fn q<'a, T>(&self, all: &'a [T]) -> Matrix<'a, T> {
        let start = self.first.0 * self.width + self.column();
        Matrix::new(
            tail(all, start),
            (self.queries, self.head_width),
            self.width,
        )
    }

    /// Its keys of all rows `[k tokens, 2·h·e]`: `[k, e]`.
    pub(super) fn k<'a, T>(&self, all: &'a [T]) -> Matrix<'a, T> {
        let start = self.first.1 * 2 * self.width + self.column();
        Matrix::new(
            tail(all, start),
            (self.keys, self.head_width),
            2 * self.width,
        )
    }

    /// Its values of all rows `[k tokens, 2·h·e]`: `[k, e]`.
    pub(super) fn v<'a, T>(&self, all: &'a [T]) -> Matrix<'a, T> {
        let start = self.first.1 * 2 * self.width + self.width + self.column();
        Matrix::new(
            tail(all, start),
            (self.keys, self.head_width),
            2 * self.width,
        )
    }

    /// Its part of its sequence's rows `[q, h·e]`.
    pub(super) fn head_of<'a, T>(&self, rows: &'a mut [T]) -> MatrixMut<'a, T> {
        let shape = (self.queries, self.head_width);
        MatrixMut::new(tail_mut(rows, self.column()), shape, self.width)
    }

    /// Its keys of its sequence's rows `[k, 2·h·e]`.
    pub(super) fn k_of<'a, T>(&self, rows: &'a mut [T]) -> MatrixMut<'a, T> {
        let shape = (self.keys, self.head_width);
        MatrixMut::new(tail_mut(rows, self.column()), shape, 2 * self.width)
    }

    /// Its values of its sequence's rows `[k, 2·h·e]`.
    pub(super) fn v_of<'a, T>(&self, rows: &'a mut [T]) -> MatrixMut<'a, T> {
        let shape = (self.keys, self.head_width);
        MatrixMut::new(
            tail_mut(rows, self.width + self.column()),
            shape,
            2 * self.width,
        )
    }

    fn column(&self) -> usize {
        self.head * self.head_width
    }
}

/// What follows `start`; nothing where an empty sequence ends the slice.
fn tail<T>(all: &[T], start: usize) -> &[T] {
    &all[start.min(all.len())..]
}

fn tail_mut<T>(all: &mut [T], start: usize) -> &mut [T] {
    let start = start.min(all.len());
    &mut all[start..]
}
