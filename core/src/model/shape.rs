//! What counting parameters needs to know of a backbone, without its weights.
//!
//! | quantity                 | T5                                       | BERT, RoBERTa             |
//! |--------------------------|------------------------------------------|---------------------------|
//! | attention, `i = h·e`     | `4·d_model·i`, no biases                 | `4·(d_model² + d_model)`  |
//! | feed-forward             | `2·d_model·d_ff`, gated `3·d_model·d_ff` | `2·d_model·d_ff` + biases |
//! | norms                    | `d_model` each                           | `2·d_model` each          |
//! | positions                | two tables `[buckets, h]`                | `[max_positions, d_model]`|
//! | attentions a block       | encoder 1, decoder 2                     | 1                         |

mod known;

use std::ops::RangeInclusive;
use std::path::Path;

use candle_transformers::models::{bert, t5};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::nearest::{nearest, quoted};
use crate::hub::{ModelFiles, files};
use crate::{Error, Result};

/// The architectures there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Family {
    /// Encoder-decoder with relative positions: T5, T5 v1.1, Flan-T5.
    T5,
    /// Encoder with absolute positions: BERT, `MiniLM`.
    Bert,
    /// BERT with other positions and one segment.
    Roberta,
}

/// Sizes of a backbone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ModelShape {
    /// Its architecture.
    pub family: Family,
    /// Width of the hidden states.
    pub d_model: usize,
    /// Width of the feed-forward's intermediate.
    pub d_ff: usize,
    /// Width of one attention head, `e`.
    pub d_kv: usize,
    /// Attention heads, `h`.
    pub heads: usize,
    /// Blocks of the encoder.
    pub encoder_layers: usize,
    /// Blocks of the decoder; 0 for an encoder alone.
    pub decoder_layers: usize,
    /// Rows of the token embedding.
    pub vocab: usize,
    /// Whether the feed-forward has a gate (T5 v1.1).
    pub gated: bool,
    /// Whether the output layer is the token embedding; true where there is none.
    pub tied: bool,
    /// Rows of the position embedding; 0 for T5.
    pub max_positions: usize,
    /// Rows of the segment embedding; 0 for T5.
    pub type_vocab: usize,
    /// Rows of each relative position table; 0 for encoders with absolute positions.
    pub relative_buckets: usize,
    /// Whether the dense layer on the first token's state belongs to the model. No
    /// configuration says so, hence true for every encoder until it is built without.
    pub pooler: bool,
}

/// The part of `config.json` that says which of the other types fits it.
#[derive(Deserialize)]
struct Kind {
    model_type: Option<String>,
}

impl ModelShape {
    /// Reads the shape from the text of a `config.json`; `path` is for messages.
    ///
    /// # Errors
    /// [`Error::Model`] when the text is no configuration of a model of these families, or
    /// its sizes contradict one another.
    pub fn from_config_json(text: &str, path: &Path) -> Result<Self> {
        let refuse = |error: serde_json::Error| {
            Error::model(path, format!("not a usable model configuration: {error}"))
        };
        let kind: Kind = serde_json::from_str(text).map_err(refuse)?;
        let shape = match kind.model_type.as_deref() {
            Some("t5") => Self::t5(&serde_json::from_str(text).map_err(refuse)?, path)?,
            Some("bert") => {
                Self::encoder(Family::Bert, &serde_json::from_str(text).map_err(refuse)?)
            }
            Some("roberta") => Self::encoder(
                Family::Roberta,
                &serde_json::from_str(text).map_err(refuse)?,
            ),
            Some(other) => {
                let message = format!(
                    "model_type `{other}` is not supported; those that are: t5, bert, roberta"
                );
                return Err(Error::model(path, message));
            }
            None => {
                let message = "model_type is missing; it must be t5, bert or roberta";
                return Err(Error::model(path, message));
            }
        };
        shape.check(path)?;
        Ok(shape)
    }

    /// A `config.json` that describes a model of this shape, with dropout 0.1.
    #[must_use]
    pub fn to_config_json(&self) -> String {
        let value = match self.family {
            Family::T5 => json!({
                "model_type": "t5",
                "vocab_size": self.vocab,
                "d_model": self.d_model,
                "d_kv": self.d_kv,
                "d_ff": self.d_ff,
                "num_layers": self.encoder_layers,
                "num_decoder_layers": self.decoder_layers,
                "num_heads": self.heads,
                "relative_attention_num_buckets": self.relative_buckets,
                "dropout_rate": 0.1,
                "layer_norm_epsilon": 1e-6,
                "initializer_factor": 1.0,
                "feed_forward_proj": if self.gated { "gated-gelu" } else { "relu" },
                "tie_word_embeddings": self.tied,
                "is_encoder_decoder": true,
                "pad_token_id": 0,
                "eos_token_id": 1,
                "decoder_start_token_id": 0,
            }),
            Family::Bert | Family::Roberta => json!({
                "model_type": if self.family == Family::Bert { "bert" } else { "roberta" },
                "vocab_size": self.vocab,
                "hidden_size": self.d_model,
                "num_hidden_layers": self.encoder_layers,
                "num_attention_heads": self.heads,
                "intermediate_size": self.d_ff,
                "hidden_act": "gelu",
                "hidden_dropout_prob": 0.1,
                "max_position_embeddings": self.max_positions,
                "type_vocab_size": self.type_vocab,
                "initializer_range": 0.02,
                "layer_norm_eps": 1e-12,
                "pad_token_id": usize::from(self.family == Family::Roberta),
            }),
        };
        value.to_string()
    }

    /// Reads the shape from `config.json` in a model's folder.
    ///
    /// # Errors
    /// Those of [`Self::from_config_json`], and [`Error::Io`] when the file cannot be read.
    pub fn from_folder(folder: &Path) -> Result<Self> {
        let path = folder.join("config.json");
        let text = std::fs::read_to_string(&path).map_err(Error::io(&path, "read"))?;
        Self::from_config_json(&text, &path)
    }

    /// Reads the shape of a model's files.
    ///
    /// # Errors
    /// As [`Self::from_folder`].
    pub fn of(files: &ModelFiles) -> Result<Self> {
        let name = files::CONFIG;
        Self::from_config_json(&files.read_text(name)?, &files.location().join(name))
    }

    /// The shape of a model whose name is well known, so that no file is needed.
    ///
    /// An organisation before the name and an `@revision` after it are allowed.
    #[must_use]
    pub fn known(name: &str) -> Option<Self> {
        known::lookup(name)
    }

    /// The shape of a model by name, like [`Self::known`].
    ///
    /// # Errors
    /// [`Error::Model`] that names the most similar known models.
    pub fn named(name: &str) -> Result<Self> {
        if let Some(shape) = Self::known(name) {
            return Ok(shape);
        }
        let names = known::ids().flat_map(|id| [id, known::bare(id)]);
        let near = nearest(name, names, 3);
        let hint = if near.is_empty() {
            let all: Vec<&str> = known::ids().map(known::bare).collect();
            format!("known are {}", quoted(&all))
        } else {
            format!("did you mean {}?", quoted(&near))
        };
        Err(Error::model(
            name,
            format!("neither a model's folder nor a model known by name; {hint}"),
        ))
    }

    /// The same model with another number of tokens.
    #[must_use]
    pub fn with_vocab(mut self, vocab: usize) -> Self {
        self.vocab = vocab;
        self
    }

    /// Whether the model has a decoder.
    #[must_use]
    pub fn has_decoder(&self) -> bool {
        self.decoder_layers > 0
    }

    /// Blocks of encoder and decoder together.
    #[must_use]
    pub fn layers(&self) -> usize {
        self.encoder_layers + self.decoder_layers
    }

    /// Width of all attention heads together, `h·e`.
    #[must_use]
    pub fn inner(&self) -> usize {
        self.heads.saturating_mul(self.d_kv)
    }

    /// Number of scalars in the plain model, embeddings included, task heads not.
    #[must_use]
    pub fn total_parameters(&self) -> usize {
        match self.family {
            Family::T5 => self.total_t5(),
            Family::Bert | Family::Roberta => self.total_encoder(),
        }
    }

    fn total_t5(&self) -> usize {
        let (d, layers) = (self.d_model, self.layers());
        let projections = if self.gated { 3 } else { 2 };
        let attentions = self.encoder_layers + 2 * self.decoder_layers;
        // A norm before each attention and each feed-forward, and one after each stack.
        let norms = attentions + layers + 2;
        let embeddings = if self.tied { 1 } else { 2 };
        embeddings * self.vocab * d
            + attentions * 4 * d * self.inner()
            + layers * projections * d * self.d_ff
            + norms * d
            + 2 * self.relative_buckets * self.heads
    }

    fn total_encoder(&self) -> usize {
        let (d, ff) = (self.d_model, self.d_ff);
        let embeddings = (self.vocab + self.max_positions + self.type_vocab) * d + 2 * d;
        let block = 4 * (d * d + d) + (2 * d * ff + ff + d) + 2 * 2 * d;
        let pooler = if self.pooler { d * d + d } else { 0 };
        embeddings + self.encoder_layers * block + pooler
    }

    fn t5(config: &t5::Config, path: &Path) -> Result<Self> {
        if !config.is_encoder_decoder {
            let message = "is_encoder_decoder is false; only T5 with a decoder is supported";
            return Err(Error::model(path, message));
        }
        Ok(Self {
            family: Family::T5,
            d_model: config.d_model,
            d_ff: config.d_ff,
            d_kv: config.d_kv,
            heads: config.num_heads,
            encoder_layers: config.num_layers,
            decoder_layers: config.num_decoder_layers.unwrap_or(config.num_layers),
            vocab: config.vocab_size,
            gated: config.feed_forward_proj.gated,
            tied: config.tie_word_embeddings,
            max_positions: 0,
            type_vocab: 0,
            relative_buckets: config.relative_attention_num_buckets,
            pooler: false,
        })
    }

    fn encoder(family: Family, config: &bert::Config) -> Self {
        Self {
            family,
            d_model: config.hidden_size,
            d_ff: config.intermediate_size,
            // 0 heads are reported by `check`.
            d_kv: config
                .hidden_size
                .checked_div(config.num_attention_heads)
                .unwrap_or(0),
            heads: config.num_attention_heads,
            encoder_layers: config.num_hidden_layers,
            decoder_layers: 0,
            vocab: config.vocab_size,
            gated: false,
            tied: true,
            max_positions: config.max_position_embeddings,
            type_vocab: config.type_vocab_size,
            relative_buckets: 0,
            pooler: true,
        }
    }

    /// Refuses sizes that no model can have, so that no product of them can overflow.
    fn check(&self, path: &Path) -> Result<()> {
        for (name, size, possible) in self.sizes() {
            if !possible.contains(&size) {
                let message = format!("{name} is {size}, which no model has");
                return Err(Error::model(path, message));
            }
        }
        let t5 = self.family == Family::T5;
        if !t5 && self.inner() != self.d_model {
            let message = format!(
                "hidden_size {} is not divisible by num_attention_heads {}",
                self.d_model, self.heads
            );
            return Err(Error::model(path, message));
        }
        Ok(())
    }

    /// Every size with its name in `config.json` and what it can be.
    #[rustfmt::skip]
    fn sizes(&self) -> [(&'static str, usize, RangeInclusive<usize>); 11] {
        const WIDE: RangeInclusive<usize> = 1..=1 << 20;
        const DEEP: RangeInclusive<usize> = 1..=1 << 16;
        const LONG: RangeInclusive<usize> = 1..=1 << 32;
        const NONE: RangeInclusive<usize> = 0..=0;
        let t5 = self.family == Family::T5;
        let [width, ff, heads, layers] = if t5 {
            ["d_model", "d_ff", "num_heads", "num_layers"]
        } else {
            ["hidden_size", "intermediate_size", "num_attention_heads", "num_hidden_layers"]
        };
        let of_t5 = |possible| if t5 { possible } else { NONE };
        let of_encoders = |possible| if t5 { NONE } else { possible };
        [
            (width, self.d_model, WIDE),
            (ff, self.d_ff, WIDE),
            (heads, self.heads, WIDE),
            ("the width of a head", self.d_kv, WIDE),
            ("the width of all heads", self.inner(), WIDE),
            (layers, self.encoder_layers, DEEP),
            ("num_decoder_layers", self.decoder_layers, of_t5(DEEP)),
            ("vocab_size", self.vocab, LONG),
            ("relative_attention_num_buckets", self.relative_buckets, of_t5(LONG)),
            ("max_position_embeddings", self.max_positions, of_encoders(LONG)),
            ("type_vocab_size", self.type_vocab, of_encoders(LONG)),
        ]
    }
}

#[cfg(test)]
mod tests;
