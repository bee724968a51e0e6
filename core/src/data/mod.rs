//! Tasks, their examples and the packed batches that a model sees.

pub mod batch;

pub use batch::{Batch, Packed};

/// One text (or pair of texts) as token ids.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tokens {
    /// Token ids, special tokens included.
    pub ids: Vec<u32>,
    /// Segment ids (0 or 1), as long as `ids`; all 0 where the backbone has no segments.
    pub types: Vec<u32>,
}

/// What an example's answer is.
#[derive(Debug, Clone, PartialEq)]
pub enum Gold {
    /// Number of the class.
    Class(u32),
    /// A value to regress on.
    Value(f64),
    /// Text to generate.
    Text(String),
    /// Not known: the example is there to be predicted.
    Unknown,
}

/// An example ready for a model.
#[derive(Debug, Clone, PartialEq)]
pub struct Example {
    /// The input.
    pub source: Tokens,
    /// The answer as a backbone that generates text has to write it, end marker
    /// included; empty for encoders and where the answer is not known.
    pub target: Vec<u32>,
    /// The answer.
    pub gold: Gold,
}
