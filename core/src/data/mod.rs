//! Tasks, their examples and the packed batches that a model sees.

pub mod batch;
pub mod order;
mod permutation;
pub mod source;
mod split;
pub mod task;
pub mod template;
pub mod tokenize;

pub use batch::{Batch, Packed};
pub use order::{BatchOrder, evaluation_batches};
pub use permutation::torch_randperm;
pub use source::Table;
pub use task::{InputForm, Loader, Task, TaskData};
pub use template::Template;
pub use tokenize::{Input, Tokenizer};

use crate::Error;
use crate::hash::Fnv1a;

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
    /// Texts, any of which is right to generate; at least one.
    AnyOf(Vec<String>),
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
    /// Examples of the same number are right together or not at all, where that is measured.
    pub group: Option<u32>,
}

/// What examples a model is trained on, in short: as long as it stays the same, so do they.
#[must_use]
pub fn fingerprint(examples: &[Example]) -> String {
    let mut hash = Fnv1a::default();
    let numbers = |hash: &mut Fnv1a, numbers: &[u32]| {
        hash.add(&(numbers.len() as u64).to_le_bytes());
        for number in numbers {
            hash.add(&number.to_le_bytes());
        }
    };
    let text = |hash: &mut Fnv1a, text: &str| {
        hash.add(&(text.len() as u64).to_le_bytes());
        hash.add(text.as_bytes());
    };
    for example in examples {
        numbers(&mut hash, &example.source.ids);
        numbers(&mut hash, &example.target);
        match &example.gold {
            Gold::Class(class) => numbers(&mut hash, &[*class]),
            Gold::Value(value) => hash.add(&value.to_le_bytes()),
            Gold::Text(answer) => text(&mut hash, answer),
            Gold::AnyOf(answers) => answers.iter().for_each(|answer| text(&mut hash, answer)),
            Gold::Unknown => {}
        }
    }
    format!("{} examples, {:016x}", examples.len(), hash.value())
}

/// Refuses a setting of the task; who knows the configuration's file names it in its place.
fn config(field: &str, message: impl Into<String>) -> Error {
    Error::setting(field, message)
}

/// ` (did you mean …?)` where one of the names is close to what was written.
fn nearest(written: &str, names: &[String]) -> String {
    let distance = |name: &&String| strsim::damerau_levenshtein(written, name);
    let near = names.iter().min_by_key(distance);
    let near = near.filter(|name| distance(name) <= written.chars().count() / 3);
    near.map_or_else(String::new, |name| format!(" (did you mean `{name}`?)"))
}

/// Names in a sentence: `` `a`, `b` ``; of very many, the first ones.
fn quoted(names: &[String]) -> String {
    const SHOWN: usize = 20;
    let shown: Vec<String> = names
        .iter()
        .take(SHOWN)
        .map(|name| format!("`{name}`"))
        .collect();
    let more = names.len().saturating_sub(SHOWN);
    match more {
        0 => shown.join(", "),
        _ => format!("{} and {more} more", shown.join(", ")),
    }
}
