//! Text to token ids and back, with the tokenizer that came with the model.
//!
//! | in the model's folder | what it is                          | read by                |
//! |-----------------------|-------------------------------------|------------------------|
//! | `tokenizer.json`      | any tokenizer, saved by its library | the `tokenizers` crate |
//! | `vocab.txt`           | BERT's `WordPiece`                  | the `tokenizers` crate |
//! | `spiece.model`        | T5's `SentencePiece` unigram model  | `sentencepiece.rs`     |
//!
//! The first one that is there is used.

mod cache;
mod hugging_face;
mod sentencepiece;
mod settings;

use std::path::Path;

use rayon::prelude::*;

use self::cache::Fingerprint;
pub use self::cache::TokenCache;
use self::hugging_face::HuggingFace;
use self::sentencepiece::T5;
use super::Tokens;
use crate::hub::ModelFiles;
use crate::{Error, Result};

/// An input: a text, or a pair of texts for encoders that tell them apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Input {
    /// The text, or the first of two.
    pub text: String,
    /// The second text.
    pub pair: Option<String>,
}

/// Turns text into token ids and back.
#[derive(Debug)]
pub struct Tokenizer {
    engine: Engine,
    cache: Option<TokenCache>,
}

#[derive(Debug)]
enum Engine {
    HuggingFace(Box<HuggingFace>),
    T5(Box<T5>),
}

impl Tokenizer {
    /// Loads the tokenizer of a model's folder.
    ///
    /// # Errors
    ///
    /// [`Error::Tokenizer`] when the folder holds none or it is damaged; [`Error::Io`] when
    /// a file cannot be read.
    pub fn load(folder: &Path) -> Result<Self> {
        let engine = if folder.join("tokenizer.json").exists() {
            Engine::HuggingFace(Box::new(HuggingFace::from_json(folder)?))
        } else if folder.join("vocab.txt").exists() {
            Engine::HuggingFace(Box::new(HuggingFace::from_vocabulary(folder)?))
        } else if folder.join("spiece.model").exists() {
            Engine::T5(Box::new(T5::load(folder)?))
        } else {
            let message = "holds no tokenizer: looked for tokenizer.json, vocab.txt and \
                           spiece.model (`save_pretrained` of transformers writes the first)";
            return Err(error(folder, message));
        };
        let cache = None;
        Ok(Self { engine, cache })
    }

    /// Loads the tokenizer among a model's files.
    ///
    /// # Errors
    ///
    /// As [`Self::load`].
    pub fn of(files: &ModelFiles) -> Result<Self> {
        match files {
            ModelFiles::Folder(folder) => Self::load(folder),
            ModelFiles::Embedded(_) => Ok(Self {
                engine: Engine::HuggingFace(Box::new(HuggingFace::embedded(files)?)),
                cache: None,
            }),
        }
    }

    /// Looks in `cache` for many inputs that were tokenised before, and keeps them there.
    #[must_use]
    pub fn cached(mut self, cache: Option<TokenCache>) -> Self {
        self.cache = cache;
        self
    }

    /// Encodes a text or a pair of texts, special tokens included.
    ///
    /// What is longer than `max_length` is cut at its end, the longer text of a pair first;
    /// the special tokens stay.
    ///
    /// # Errors
    ///
    /// [`Error::Tokenizer`] when `max_length` leaves no room for a token of text.
    pub fn encode(&self, text: &str, pair: Option<&str>, max_length: usize) -> Result<Tokens> {
        match &self.engine {
            Engine::HuggingFace(engine) => engine.encode(text, pair, max_length),
            Engine::T5(engine) => engine.encode(text, pair, max_length),
        }
    }

    /// Encodes a text that a model is to write, the end marker included.
    ///
    /// # Errors
    ///
    /// [`Error::Tokenizer`] when `max_length` leaves no room for a token of text, or the
    /// tokenizer has no end marker.
    pub fn encode_target(&self, text: &str, max_length: usize) -> Result<Vec<u32>> {
        match &self.engine {
            Engine::HuggingFace(engine) => engine.encode_target(text, max_length),
            Engine::T5(engine) => Ok(engine.encode(text, None, max_length)?.ids),
        }
    }

    /// Encodes many inputs on all threads of the current pool, in their order, or finds them in
    /// the cache.
    ///
    /// # Errors
    ///
    /// [`Error::Cancelled`] as soon as `cancelled` returns true, which is asked before each
    /// input; else as [`Self::encode`].
    pub fn encode_all(
        &self,
        inputs: &[Input],
        max_length: usize,
        cancelled: &(dyn Fn() -> bool + Sync),
    ) -> Result<Vec<Tokens>> {
        let encode = |input: &Input| self.encode(&input.text, input.pair.as_deref(), max_length);
        let encode = || map_all(inputs, cancelled, encode);
        match &self.cache {
            None => encode(),
            Some(cache) => cache.get_or_encode(self.fingerprint(), (inputs, max_length), encode),
        }
    }

    fn fingerprint(&self) -> &Fingerprint {
        match &self.engine {
            Engine::HuggingFace(engine) => &engine.fingerprint,
            Engine::T5(engine) => &engine.fingerprint,
        }
    }

    /// The text of token ids. Special tokens, and ids that the tokenizer has not, are left out.
    ///
    /// # Errors
    ///
    /// [`Error::Tokenizer`] when the tokenizer's own decoder fails.
    pub fn decode(&self, ids: &[u32]) -> Result<String> {
        match &self.engine {
            Engine::HuggingFace(engine) => engine.decode(ids),
            Engine::T5(engine) => Ok(engine.decode(ids)),
        }
    }

    /// One more than the largest id.
    #[must_use]
    pub fn vocab_size(&self) -> usize {
        match &self.engine {
            Engine::HuggingFace(engine) => engine.vocab_size(),
            Engine::T5(engine) => engine.vocab_size(),
        }
    }

    /// Id of the token that pads a batch; T5 also starts its answers with it.
    #[must_use]
    pub fn pad_id(&self) -> Option<u32> {
        match &self.engine {
            Engine::HuggingFace(engine) => engine.pad_id(),
            Engine::T5(engine) => Some(engine.pad_id()),
        }
    }

    /// Id of the token that ends a text; encoders have `[SEP]` there.
    #[must_use]
    pub fn eos_id(&self) -> Option<u32> {
        match &self.engine {
            Engine::HuggingFace(engine) => engine.eos_id(),
            Engine::T5(engine) => Some(engine.eos_id()),
        }
    }
}

/// Maps items on all threads, in their order; the error of the earliest one counts.
pub(super) fn map_all<T: Sync, U: Send>(
    items: &[T],
    cancelled: &(dyn Fn() -> bool + Sync),
    map: impl Fn(&T) -> Result<U> + Sync,
) -> Result<Vec<U>> {
    let one = |item| {
        if cancelled() {
            return Err(Error::Cancelled);
        }
        map(item)
    };
    let mapped: Vec<Result<U>> = items.par_iter().map(one).collect();
    mapped.into_iter().collect()
}

fn error(path: &Path, message: impl Into<String>) -> Error {
    Error::Tokenizer {
        path: path.to_path_buf(),
        message: message.into(),
    }
}

/// What is left of `max_length` for text.
fn room(path: &Path, max_length: usize, special: usize) -> Result<usize> {
    let room = max_length.checked_sub(special).filter(|&room| room > 0);
    room.ok_or_else(|| {
        let message = format!(
            "a maximal length of {max_length} leaves no room for text beside the {special} \
             special tokens: raise it"
        );
        error(path, message)
    })
}

#[cfg(test)]
mod tests;
