//! T5 (Raffel et al., arXiv:1910.10683) with sites; v1.0, v1.1 and Flan.
//!
//! ```text
//! encoder: embed ─▶ [norm ─▶ self-attention ─▶ +] [norm ─▶ feed-forward ─▶ +] … ─▶ norm
//! decoder: the same with causal self-attention and, between, attention to the encoder
//! ```
//!
//! Norms stand before sub-layers and have no mean and no bias; attention scores are not
//! scaled; a learnt bias by relative position, held by each stack's first block, is added
//! to them. v1.0 has relu and a head tied to the embedding (scaled by `d_model^-½`); v1.1
//! and Flan have gated gelu and a head of their own.

mod block;
pub mod generate;
mod relative;
mod stack;

use candle_core::{DType, Device, Tensor};
pub use candle_transformers::models::t5::Config;

use super::attention::through;
use super::loader::Loader;
use super::outline::{Outline, free};
use super::site::{
    Activations, Backbone, Branch, HiddenModule, Site, SiteSlot, SiteVisitor, Slot,
    Stack as StackKind, WeightVisitor,
};
use super::{Encoded, Linear, Pass, Weight};
use crate::Result;
use crate::data::Packed;
use crate::ops::linear::{cast, frozen_linear, linear};
use crate::ops::{Segments, index};
pub use relative::RelativeBias;
use stack::Stack;

/// Name of the output layer, which some models hold as the embedding.
const HEAD: &str = "lm_head";

/// An encoder-decoder.
#[derive(Debug)]
pub struct T5 {
    /// The pretrained model's shape.
    pub config: Config,
    shared: Weight, // [vocab, d_model]
    encoder: Stack,
    decoder: Stack,
    head: Option<Linear>, // [vocab, d_model]; None where tied to `shared`
    logits: Slot<dyn HiddenModule>,
    dtype: DType,
    device: Device,
}

impl T5 {
    /// Tensors of checkpoints that a T5 built here may leave alone: a head stored beside
    /// the embedding that it is tied to.
    pub const IGNORABLE: &'static [&'static str] = &["lm_head."];

    /// Builds the model from a checkpoint's tensors.
    ///
    /// # Errors
    /// Fails if a tensor is missing or has another shape.
    pub fn load(config: Config, loader: &mut Loader<'_>) -> Result<Self> {
        let table = [config.vocab_size, config.d_model];
        let shared = loader.matrix(embedding_name(loader), &table)?.into();
        let encoder = Stack::load(&config, StackKind::Encoder, loader)?;
        let decoder = Stack::load(&config, StackKind::Decoder, loader)?;
        let head = if config.tie_word_embeddings {
            None
        } else {
            Some(loader.linear(HEAD.to_owned(), table[0], table[1])?)
        };
        let (dtype, device) = (loader.dtype, loader.device.clone());
        Ok(Self {
            config,
            shared,
            encoder,
            decoder,
            head,
            logits: Slot::default(),
            dtype,
            device,
        })
    }

    /// Encodes a batch of inputs.
    ///
    /// # Errors
    /// Fails where the tensor library does, as on a token id beyond the vocabulary.
    pub fn encode(&self, source: &Packed, pass: &Pass) -> Result<Encoded> {
        let embedded = self.embed(&source.ids)?;
        let segments = Segments::new(&source.offsets, self.dtype, &self.device)?;
        let (hidden, segments) = self.encoder.encode(embedded, segments, pass)?;
        Ok(Encoded { hidden, segments })
    }

    /// Logits of each target token given the ones before it: `[tokens, vocab]`.
    ///
    /// # Errors
    /// Fails where the tensor library does.
    pub fn decode(&self, encoded: &Encoded, target: &Packed, pass: &Pass) -> Result<Tensor> {
        let embedded = self.embed(&self.shift_right(target))?;
        let segments = Segments::new(&target.offsets, self.dtype, &self.device)?;
        let hidden = self.decoder.decode(&embedded, &segments, encoded, pass)?;
        self.logits(&hidden, pass)
    }

    /// The model laid open.
    ///
    /// # Errors
    /// Fails if a module is installed that an outline has no place for.
    pub fn outline(&self) -> Result<Outline<'_>> {
        let shift = self.logits.get().and_then(HiddenModule::as_shift);
        if shift.is_none() {
            free(&self.logits, HEAD, "a module on its logits")?;
        }
        Ok(Outline::EncoderDecoder {
            shared: &self.shared,
            encoder: self.encoder.outline()?,
            decoder: self.decoder.outline()?,
            head: self.head.as_ref(),
            scale: self.tied_scale(),
            shift,
        })
    }

    /// What hidden states are multiplied by before a tied output layer.
    fn tied_scale(&self) -> f64 {
        (self.config.d_model as f64).powf(-0.5)
    }

    /// The id that every target sequence starts from.
    #[must_use]
    pub fn start_id(&self) -> u32 {
        let start = self.config.decoder_start_token_id;
        index(start.unwrap_or(self.config.pad_token_id))
    }

    /// The decoder's input: each target sequence one place later.
    #[must_use]
    pub fn shift_right(&self, target: &Packed) -> Vec<u32> {
        let mut ids = Vec::with_capacity(target.tokens());
        for window in target.offsets.windows(2) {
            ids.push(self.start_id());
            ids.extend_from_slice(&target.ids[window[0]..window[1] - 1]);
        }
        ids
    }

    fn embed(&self, ids: &[u32]) -> Result<Tensor> {
        let ids = Tensor::new(ids, &self.device)?;
        cast(&self.shared.tensor()?.index_select(&ids, 0)?, self.dtype)
    }

    /// Logits of hidden states `[rows, d_model]` over the vocabulary: `[rows, vocab]`.
    ///
    /// # Errors
    /// Fails where the tensor library does.
    pub fn logits(&self, hidden: &Tensor, pass: &Pass) -> Result<Tensor> {
        let logits = match (&self.head, &self.shared) {
            (Some(head), _) => head.forward(hidden, pass)?,
            (None, Weight::Frozen(table)) => frozen_linear(&(hidden * self.tied_scale())?, table)?,
            (None, other) => linear(&(hidden * self.tied_scale())?, &other.tensor()?)?,
        };
        through(&self.logits, logits)
    }
}

/// The embedding's name in a checkpoint: some hold only the copy of one of the stacks.
fn embedding_name(loader: &Loader<'_>) -> &'static str {
    let names = [
        "shared.weight",
        "encoder.embed_tokens.weight",
        "decoder.embed_tokens.weight",
    ];
    let held = names.into_iter().find(|name| loader.weights.contains(name));
    held.unwrap_or(names[0])
}

impl Backbone for T5 {
    fn visit_sites(&mut self, visit: &mut SiteVisitor<'_>) -> Result<()> {
        self.encoder.visit_sites(visit)?;
        self.decoder.visit_sites(visit)?;
        let site = Site {
            path: HEAD,
            stack: StackKind::Decoder,
            block: self.encoder.blocks.len() + self.decoder.blocks.len().saturating_sub(1),
            branch: Branch::FeedForward,
        };
        visit(
            &site,
            SiteSlot::Hidden(Activations::Logits, &mut self.logits),
        )
    }

    fn visit_weights(&mut self, visit: &mut WeightVisitor<'_>) -> Result<()> {
        visit("shared.weight", &mut self.shared)?;
        self.encoder.visit_weights(visit)?;
        self.decoder.visit_weights(visit)?;
        match &mut self.head {
            Some(head) => head.visit_weights(visit),
            None => Ok(()),
        }
    }
}
