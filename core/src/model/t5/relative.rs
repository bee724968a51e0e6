//! T5's bias by relative position: distances share buckets, further ones logarithmically.

use candle_core::{DType, Device, Tensor};

use super::super::Weight;
use super::Config;
use crate::Result;
use crate::ops::index;

/// Whether keys after the query can be seen, and so need buckets of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Direction {
    Both,
    Past,
}

/// The learnt table of one stack.
#[derive(Debug, Clone)]
pub struct RelativeBias {
    pub(super) path: String,
    pub(super) table: Weight, // [buckets, h]
    buckets: usize,
    max_distance: usize,
    direction: Direction,
}

impl RelativeBias {
    pub(super) fn new(path: String, table: Tensor, config: &Config, direction: Direction) -> Self {
        Self {
            path,
            table: table.into(),
            buckets: config.relative_attention_num_buckets,
            max_distance: config.relative_attention_max_distance,
            direction,
        }
    }

    /// The bias of queries at positions `from..to` to keys at `0..keys`: `[1, h, q, k]`.
    pub(super) fn bias(
        &self,
        queries: std::ops::Range<usize>,
        keys: usize,
        dtype: DType,
        device: &Device,
    ) -> Result<Tensor> {
        let count = queries.len();
        let buckets = self.buckets(queries, keys);
        let rows = self
            .table
            .tensor()?
            .index_select(&Tensor::new(buckets, device)?, 0)?; // [q·k, h]
        let heads = rows.dim(1)?;
        let bias = rows
            .reshape((1, count, keys, heads))?
            .permute((0, 3, 1, 2))?;
        Ok(bias.contiguous()?.to_dtype(dtype)?)
    }

    /// The buckets of keys at `0..keys` as seen from queries at some positions, `[q · k]`.
    #[must_use]
    pub fn buckets(&self, queries: std::ops::Range<usize>, keys: usize) -> Vec<u32> {
        let (count, from) = (queries.len(), queries.start);
        let bucket = |at: usize| index(self.bucket(at % keys, from + at / keys));
        (0..count * keys).map(bucket).collect()
    }

    /// The learnt table, `[buckets, h]`.
    #[must_use]
    pub fn table(&self) -> &Weight {
        &self.table
    }

    /// Whether queries may not look at later keys.
    #[must_use]
    pub fn is_causal(&self) -> bool {
        self.direction == Direction::Past
    }

    /// The bucket of a key as seen from a query, as `transformers` computes it: in `f32`,
    /// because the boundary distances fall on exact powers and would round differently.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a bucket's number is small and not negative"
    )]
    fn bucket(&self, key: usize, query: usize) -> usize {
        let (buckets, offset, distance) = match self.direction {
            Direction::Both => {
                let half = self.buckets / 2;
                (
                    half,
                    if key > query { half } else { 0 },
                    key.abs_diff(query),
                )
            }
            Direction::Past => (self.buckets, 0, query.saturating_sub(key)),
        };
        let exact = buckets / 2;
        if distance < exact {
            return offset + distance;
        }
        let span = ((self.max_distance as f64 / exact as f64).ln()) as f32;
        let share = (distance as f32 / exact as f32).ln() / span;
        let further = (share * (buckets - exact) as f32) as usize;
        offset + (exact + further).min(buckets - 1)
    }
}
