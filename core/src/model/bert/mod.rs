//! BERT (Devlin et al., arXiv:1810.04805) with sites; also `RoBERTa` and `MiniLM`.
//!
//! ```text
//! embed ─▶ norm ─▶ [self-attention ─▶ + ─▶ norm ─▶ feed-forward ─▶ + ─▶ norm] …
//! ```
//!
//! Norms stand after the sum with the residual. `RoBERTa` differs in its positions, which
//! start after the padding id, and in having one segment.

mod layer;

use candle_core::{DType, Device, Tensor};
pub use candle_transformers::models::bert::Config;

use super::loader::Loader;
use super::outline::{Outline, StackOutline, free};
use super::site::{
    Backbone, Branch, EmbeddingModule, Site, SiteSlot, SiteVisitor, Slot, Stack, WeightVisitor,
};
use super::{Linear, Norm, Pass, Weight};
use crate::data::Packed;
use crate::ops::linear::cast;
use crate::ops::{Segments, index};
use crate::{Error, Result};
use layer::Layer;

/// Name of the dropout on embeddings.
const DROPOUT: &str = "embeddings.dropout";

/// An encoder.
#[derive(Debug)]
pub struct Bert {
    /// The pretrained model's shape.
    pub config: Config,
    words: Weight,     // [vocab, d_model]
    positions: Weight, // [max_positions, d_model]
    types: Weight,     // [type_vocab, d_model]
    norm: Norm,
    prompt: Slot<dyn EmbeddingModule>,
    layers: Vec<Layer>,
    pooler: Option<Linear>, // [d_model, d_model]
    dtype: DType,
    device: Device,
}

impl Bert {
    /// Tensors of checkpoints that an encoder may leave alone: the pooler, where another
    /// pooling is used, and a head of another task.
    pub const IGNORABLE: &'static [&'static str] = &["pooler.", "classifier.", "lm_head."];

    /// Builds the model from a checkpoint's tensors; the pooler only where `pooler` asks.
    ///
    /// # Errors
    /// Fails if a tensor is missing or has another shape.
    pub fn load(config: Config, pooler: Pooler, loader: &mut Loader<'_>) -> Result<Self> {
        let width = config.hidden_size;
        let mut table = |name: &str, rows| -> Result<Weight> {
            Ok(loader
                .matrix(
                    &format!("embeddings.{name}_embeddings.weight"),
                    &[rows, width],
                )?
                .into())
        };
        let words = table("word", config.vocab_size)?;
        let positions = table("position", config.max_position_embeddings)?;
        let types = table("token_type", config.type_vocab_size)?;
        let norm = loader.layer_norm(
            "embeddings.LayerNorm".to_owned(),
            width,
            config.layer_norm_eps,
        )?;
        let layers = (0..config.num_hidden_layers)
            .map(|i| Layer::load(&config, i, loader))
            .collect::<Result<_>>()?;
        let pooler = match pooler {
            Pooler::Load => Some(loader.biased_linear("pooler.dense".to_owned(), width, width)?),
            Pooler::Skip => None,
        };
        let (dtype, device) = (loader.dtype, loader.device.clone());
        let prompt = Slot::default();
        Ok(Self {
            config,
            words,
            positions,
            types,
            norm,
            prompt,
            layers,
            pooler,
            dtype,
            device,
        })
    }

    /// Encodes a batch: hidden states `[tokens, d_model]` and where each sequence lies.
    ///
    /// # Errors
    /// Fails if a sequence is longer than the model has positions, and where the tensor
    /// library does.
    pub fn encode(&self, source: &Packed, pass: &Pass) -> Result<(Tensor, Segments)> {
        let segments = Segments::new(&source.offsets, self.dtype, &self.device)?;
        let (embedded, segments) = self.embed(source, segments)?;
        let mut hidden = pass.dropout(&embedded, DROPOUT)?;
        for layer in &self.layers {
            hidden = layer.forward(&hidden, &segments, pass)?;
        }
        Ok((hidden, segments))
    }

    /// The pretrained pooler: `tanh` of a linear map of first tokens, `[b, d_model]` to the same.
    ///
    /// # Errors
    /// Fails if the model was loaded without one.
    pub fn pool(&self, first: &Tensor, pass: &Pass) -> Result<Tensor> {
        match &self.pooler {
            Some(pooler) => Ok(pooler.forward(first, pass)?.tanh()?),
            None => Err(Error::method("the model was loaded without its pooler")),
        }
    }

    /// The pretrained pooler, where it was loaded.
    #[must_use]
    pub fn pooler(&self) -> Option<&Linear> {
        self.pooler.as_ref()
    }

    /// The model laid open.
    ///
    /// # Errors
    /// Fails if a module is installed that an outline has no place for.
    pub fn outline(&self) -> Result<Outline<'_>> {
        free(&self.prompt, "embeddings", "a prompt")?;
        let mut branches = Vec::new();
        for layer in &self.layers {
            branches.extend(layer.outline()?);
        }
        Ok(Outline::Encoder {
            tables: [&self.words, &self.positions, &self.types],
            norm: &self.norm,
            stack: StackOutline {
                dropout: DROPOUT,
                branches,
                relative: None,
                last: None,
            },
            pooler: self.pooler.as_ref(),
        })
    }

    /// The longest input in tokens that there are positions for.
    #[must_use]
    pub fn longest_input(&self) -> usize {
        self.config
            .max_position_embeddings
            .saturating_sub(self.first_position() + self.positions_before())
    }

    /// Rows of the three embedding tables that a batch asks for: words, positions and
    /// segments, `[tokens]` each.
    ///
    /// # Errors
    /// Fails if a sequence is longer than the model has positions.
    pub fn embedded_rows(&self, source: &Packed) -> Result<[Vec<u32>; 3]> {
        let first = self.first_position() + self.positions_before();
        let longest = source.lengths().max().unwrap_or(0);
        let room = self.longest_input();
        if longest > room {
            return Err(Error::method(format!(
                "an input has {longest} tokens and the model has positions for {room}: lower task.max_length"
            )));
        }
        let positions: Vec<u32> = source
            .lengths()
            .flat_map(|n| (first..first + n).map(index))
            .collect();
        // RoBERTa has one segment, whatever the tokenizer says.
        let last = index(self.config.type_vocab_size - 1);
        let types: Vec<u32> = source.types.iter().map(|&t| t.min(last)).collect();
        Ok([source.ids.clone(), positions, types])
    }

    /// Embeds a batch, with the rows of a prompt before every sequence.
    fn embed(&self, source: &Packed, segments: Segments) -> Result<(Tensor, Segments)> {
        let sum = self.sum(source)?;
        match self.prompt.get() {
            None => Ok((self.norm.forward(&sum)?, segments)),
            Some(prompt) if prompt.positions() > 0 => {
                let rows = self.placed(&prompt.rows()?)?;
                let (sum, segments) = self.prepend(&rows, &sum, &segments)?;
                Ok((self.norm.forward(&sum)?, segments))
            }
            Some(prompt) => self.prepend(&prompt.rows()?, &self.norm.forward(&sum)?, &segments),
        }
    }

    /// The three embeddings of every token added up, `[tokens, d_model]`.
    fn sum(&self, source: &Packed) -> Result<Tensor> {
        let [words, positions, types] = self.embedded_rows(source)?;
        let words = self.rows(&self.words, &words)?;
        let positions = self.rows(&self.positions, &positions)?;
        Ok(((words + positions)? + self.rows(&self.types, &types)?)?)
    }

    /// Rows of a prompt at the first positions, in segment 0: `[rows, d_model]`.
    fn placed(&self, rows: &Tensor) -> Result<Tensor> {
        let (count, first) = (rows.dim(0)?, self.first_position());
        let positions: Vec<u32> = (first..first + count).map(index).collect();
        let positions = self.rows(&self.positions, &positions)?;
        let types = self.rows(&self.types, &vec![0; count])?;
        Ok(((cast(rows, self.dtype)? + positions)? + types)?)
    }

    /// The rows `ids` of a table, `[ids, d_model]`.
    fn rows(&self, table: &Weight, ids: &[u32]) -> Result<Tensor> {
        let ids = Tensor::new(ids, &self.device)?;
        cast(&table.tensor()?.index_select(&ids, 0)?, self.dtype)
    }

    /// How many positions come before the first token's: those of a prompt's or a prefix's rows.
    fn positions_before(&self) -> usize {
        let prefix = self.layers.first().map_or(0, Layer::positions_before);
        let prompt = self.prompt.get().map_or(0, EmbeddingModule::positions);
        prefix + prompt
    }

    fn first_position(&self) -> usize {
        match self.config.model_type.as_deref() {
            Some("roberta" | "xlm-roberta" | "camembert") => self.config.pad_token_id + 1,
            _ => 0,
        }
    }

    /// Puts rows before every sequence of others.
    fn prepend(
        &self,
        rows: &Tensor,
        others: &Tensor,
        segments: &Segments,
    ) -> Result<(Tensor, Segments)> {
        let rows = cast(rows, others.dtype())?;
        let (segments, order) = segments.prepend(rows.dim(0)?, self.dtype, &self.device)?;
        Ok((
            Tensor::cat(&[&rows, others], 0)?.index_select(&order, 0)?,
            segments,
        ))
    }
}

/// Whether the pretrained pooler is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pooler {
    /// It is, and must be in the checkpoint.
    Load,
    /// It is not.
    Skip,
}

impl Backbone for Bert {
    fn visit_sites(&mut self, visit: &mut SiteVisitor<'_>) -> Result<()> {
        let site = |path| Site {
            path,
            stack: Stack::Encoder,
            block: 0,
            branch: Branch::SelfAttention,
        };
        visit(
            &site("embeddings.LayerNorm"),
            SiteSlot::Norm(&mut self.norm),
        )?;
        visit(&site("embeddings"), SiteSlot::Embedding(&mut self.prompt))?;
        self.layers
            .iter_mut()
            .try_for_each(|layer| layer.visit_sites(visit))
    }

    fn visit_weights(&mut self, visit: &mut WeightVisitor<'_>) -> Result<()> {
        visit("embeddings.word_embeddings.weight", &mut self.words)?;
        visit("embeddings.position_embeddings.weight", &mut self.positions)?;
        visit("embeddings.token_type_embeddings.weight", &mut self.types)?;
        self.norm.visit_weights(visit)?;
        self.layers
            .iter_mut()
            .try_for_each(|layer| layer.visit_weights(visit))?;
        match &mut self.pooler {
            Some(pooler) => pooler.visit_weights(visit),
            None => Ok(()),
        }
    }
}
