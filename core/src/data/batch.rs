//! Sequences laid end to end: no token of padding is ever computed on.

use super::{Example, Gold};
use crate::{Error, Result};

/// Token sequences laid end to end.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Packed {
    /// All token ids, sequence after sequence. `[tokens]`
    pub ids: Vec<u32>,
    /// Segment ids, as long as `ids`. `[tokens]`
    pub types: Vec<u32>,
    /// Where each sequence starts in `ids`, and, last, their total length. `[b + 1]`
    pub offsets: Vec<usize>,
}

/// A batch of examples.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Batch {
    /// Position of each example in its data set. `[b]`
    pub examples: Vec<usize>,
    /// The inputs.
    pub source: Packed,
    /// The answers as token sequences, for backbones that generate text.
    pub target: Packed,
    /// The answers. `[b]`
    pub gold: Vec<Gold>,
}

impl Batch {
    /// The answers as class numbers, `[b]`.
    ///
    /// # Errors
    /// Fails if one is none.
    pub fn classes(&self) -> Result<Vec<u32>> {
        let class = |gold: &Gold| match gold {
            Gold::Class(class) => Ok(*class),
            other => Err(Error::method(format!("expected a class, found {other:?}"))),
        };
        self.gold.iter().map(class).collect()
    }

    /// The answers as numbers, `[b]`.
    ///
    /// # Errors
    /// Fails if one is none.
    pub fn values(&self) -> Result<Vec<f64>> {
        let value = |gold: &Gold| match gold {
            Gold::Value(value) => Ok(*value),
            other => Err(Error::method(format!("expected a number, found {other:?}"))),
        };
        self.gold.iter().map(value).collect()
    }
}

impl Packed {
    /// Lays sequences of ids (and their segment ids) end to end.
    pub fn new<'a>(sequences: impl IntoIterator<Item = (&'a [u32], &'a [u32])>) -> Self {
        let mut packed = Self {
            offsets: vec![0],
            ..Self::default()
        };
        for (ids, types) in sequences {
            packed.ids.extend_from_slice(ids);
            packed.types.extend_from_slice(types);
            packed.offsets.push(packed.ids.len());
        }
        packed
    }

    /// Number of sequences.
    #[must_use]
    pub fn len(&self) -> usize {
        self.offsets.len().saturating_sub(1)
    }

    /// Whether there is no sequence.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Number of tokens in all sequences together.
    #[must_use]
    pub fn tokens(&self) -> usize {
        self.ids.len()
    }

    /// Length of each sequence in tokens. `[b]`
    pub fn lengths(&self) -> impl Iterator<Item = usize> + '_ {
        self.offsets.windows(2).map(|w| w[1] - w[0])
    }
}

impl Batch {
    /// Gathers the examples at `positions` of a data set.
    #[must_use]
    pub fn gather(data: &[Example], positions: &[usize]) -> Self {
        let chosen = || positions.iter().map(|&at| &data[at]);
        let segments: Vec<Vec<u32>> = chosen().map(|e| vec![0; e.target.len()]).collect();
        Self {
            examples: positions.to_vec(),
            source: Packed::new(chosen().map(|e| (&e.source.ids[..], &e.source.types[..]))),
            target: Packed::new(
                chosen()
                    .zip(&segments)
                    .map(|(e, s)| (&e.target[..], &s[..])),
            ),
            gold: chosen().map(|e| e.gold.clone()).collect(),
        }
    }
}
