//! A stack of T5 blocks between embedding and final norm.

use std::ops::Range;

use candle_core::{DType, Device, Tensor};

use super::super::Encoded;
use super::super::attention::{Memory, MultiHead, PaddedMemory, Rows, causal_mask};
use super::super::loader::Loader;
use super::super::outline::{StackOutline, free};
use super::super::site::{
    Branch, EmbeddingModule, Site, SiteSlot, SiteVisitor, Slot, Stack as StackKind, WeightVisitor,
};
use super::super::{Norm, Pass};
use super::Config;
use super::block::Block;
use super::relative::{Direction, RelativeBias};
use crate::Result;
use crate::ops::Segments;
use crate::ops::linear::cast;

#[derive(Debug)]
pub(super) struct Stack {
    name: &'static str,
    kind: StackKind,
    pub(super) blocks: Vec<Block>,
    pub(super) relative: RelativeBias,
    norm: Norm,
    embedding: Slot<dyn EmbeddingModule>,
}

/// Keys and values of one decoder block while text is generated.
#[derive(Debug)]
pub(super) struct BlockCache {
    own: Option<PaddedMemory>,
    encoder: Memory,
}

impl Stack {
    pub(super) fn load(config: &Config, kind: StackKind, loader: &mut Loader<'_>) -> Result<Self> {
        let (name, count, direction) = match kind {
            StackKind::Encoder => ("encoder", config.num_layers, Direction::Both),
            StackKind::Decoder => (
                "decoder",
                config.num_decoder_layers.unwrap_or(config.num_layers),
                Direction::Past,
            ),
        };
        let path = format!("{name}.block.0.layer.0.SelfAttention.relative_attention_bias");
        let shape = [config.relative_attention_num_buckets, config.num_heads];
        let table = loader.take(&format!("{path}.weight"), &shape)?;
        let blocks = (0..count)
            .map(|i| Block::load(config, kind, i, loader))
            .collect::<Result<_>>()?;
        let norm = loader.rms_norm(
            format!("{name}.final_layer_norm"),
            config.d_model,
            config.layer_norm_epsilon,
        )?;
        let relative = RelativeBias::new(path, table, config, direction);
        Ok(Self {
            name,
            kind,
            blocks,
            relative,
            norm,
            embedding: Slot::default(),
        })
    }

    /// Encodes embedded rows; a prompt module makes every sequence longer.
    pub(super) fn encode(
        &self,
        embedded: Tensor,
        segments: Segments,
        pass: &Pass,
    ) -> Result<(Tensor, Segments)> {
        let (embedded, segments) = self.prepend(embedded, segments)?;
        let longest = segments.longest();
        let (dtype, device) = (embedded.dtype(), embedded.device());
        let bias = self.bias(0..longest, dtype, device)?;
        let mut hidden = pass.dropout(&embedded, self.name)?;
        for block in &self.blocks {
            let rows = Rows::new(&hidden, &segments);
            let attended =
                block
                    .attention
                    .forward(&rows, Some(&bias), pass, |attention, rows| {
                        attention.memory(rows.rows, rows.segments, pass)
                    })?;
            hidden = block.feed_forward.forward(&attended, pass)?;
        }
        Ok((self.finish(&hidden, pass)?, segments))
    }

    /// Decodes whole target sequences at once, each token seeing the ones before it.
    pub(super) fn decode(
        &self,
        embedded: &Tensor,
        segments: &Segments,
        encoded: &Encoded,
        pass: &Pass,
    ) -> Result<Tensor> {
        let (longest, dtype, device) = (
            segments.longest(),
            embedded.dtype(),
            embedded.device().clone(),
        );
        let before = self.positions_before();
        let mask = causal_mask(&(before..before + longest), dtype, &device)?;
        let bias = self
            .bias(0..longest, dtype, &device)?
            .broadcast_add(&mask)?;
        let mut hidden = pass.dropout(embedded, self.name)?;
        for block in &self.blocks {
            let rows = Rows::new(&hidden, segments);
            hidden = block
                .attention
                .forward(&rows, Some(&bias), pass, |attention, rows| {
                    attention.memory(rows.rows, rows.segments, pass)
                })?;
            if let Some(cross) = &block.cross {
                let rows = Rows::new(&hidden, segments);
                hidden = cross.forward(&rows, None, pass, |attention, _| {
                    attention.memory(&encoded.hidden, &encoded.segments, pass)
                })?;
            }
            hidden = block.feed_forward.forward(&hidden, pass)?;
        }
        self.finish(&hidden, pass)
    }

    /// Projects the encoder's output once for every decoder block.
    pub(super) fn caches(&self, encoded: &Encoded) -> Result<Vec<BlockCache>> {
        let pass = &Pass::EVALUATION;
        let cross = self.blocks.iter().filter_map(|block| block.cross.as_ref());
        cross
            .map(|cross| {
                let encoder = cross
                    .attention
                    .memory(&encoded.hidden, &encoded.segments, pass)?;
                Ok(BlockCache { own: None, encoder })
            })
            .collect()
    }

    /// Decodes one more token of every sequence: `[b, d_model]` to `[b, d_model]`.
    pub(super) fn decode_step(
        &self,
        embedded: Tensor,
        position: usize,
        caches: &mut [BlockCache],
    ) -> Result<Tensor> {
        let pass = &Pass::EVALUATION;
        let (batch, dtype, device) = (
            embedded.dim(0)?,
            embedded.dtype(),
            embedded.device().clone(),
        );
        let offsets: Vec<usize> = (0..=batch).collect();
        let segments = &Segments::new(&offsets, dtype, &device)?;
        let bias = self.bias(position..position + 1, dtype, &device)?;
        let mut hidden = embedded;
        for (block, cache) in self.blocks.iter().zip(caches) {
            let rows = Rows::new(&hidden, segments);
            let BlockCache { own, encoder } = cache;
            hidden = block.attention.through(&rows, pass, |attention, rows| {
                let own = if let Some(past) = own {
                    let step = attention.project(rows.rows, segments, pass)?;
                    past.extend(&step.padded(attention.heads)?)?;
                    past
                } else {
                    let first = attention.memory(rows.rows, segments, pass)?;
                    own.insert(first.padded(attention.heads)?)
                };
                attention.attend_padded(rows, own, Some(&bias), pass)
            })?;
            if let Some(cross) = &block.cross {
                let rows = Rows::new(&hidden, segments);
                hidden = cross.forward(&rows, None, pass, |_, _| Ok(encoder.clone()))?;
            }
            hidden = block.feed_forward.forward(&hidden, pass)?;
        }
        self.finish(&hidden, pass)
    }

    /// The bias of queries at tokens `tokens` to the keys up to the last of them and to the
    /// rows before the first: `[1, h, q, k]`.
    fn bias(&self, tokens: Range<usize>, dtype: DType, device: &Device) -> Result<Tensor> {
        let before = self.positions_before();
        let keys = before + tokens.end;
        let moves = self.first().is_none_or(MultiHead::moves_queries);
        let moved = if moves { before } else { 0 };
        let queries = moved + tokens.start..moved + tokens.end;
        self.relative.bias(queries, keys, dtype, device)
    }

    /// The stack's first attention, which all others are like.
    fn first(&self) -> Option<&MultiHead> {
        self.blocks.first().map(|block| &block.attention.attention)
    }

    /// How many positions come before the first token's.
    fn positions_before(&self) -> usize {
        self.first().map_or(0, MultiHead::positions_before)
    }

    pub(super) fn outline(&self) -> Result<StackOutline<'_>> {
        free(&self.embedding, self.name, "a prompt")?;
        let mut branches = Vec::new();
        for block in &self.blocks {
            block.outline(&mut branches)?;
        }
        Ok(StackOutline {
            dropout: self.name,
            branches,
            relative: Some(&self.relative),
            last: Some(&self.norm),
        })
    }

    fn finish(&self, hidden: &Tensor, pass: &Pass) -> Result<Tensor> {
        pass.dropout(&self.norm.forward(hidden)?, &self.norm.path)
    }

    fn prepend(&self, embedded: Tensor, segments: Segments) -> Result<(Tensor, Segments)> {
        let Some(module) = self.embedding.get() else {
            return Ok((embedded, segments));
        };
        let rows = cast(&module.rows()?, embedded.dtype())?;
        let (segments, order) =
            segments.prepend(rows.dim(0)?, embedded.dtype(), embedded.device())?;
        let all = Tensor::cat(&[&rows, &embedded], 0)?;
        Ok((all.index_select(&order, 0)?, segments))
    }

    pub(super) fn visit_sites(&mut self, visit: &mut SiteVisitor<'_>) -> Result<()> {
        let first = self.blocks.first().map_or(0, Block::index);
        let site = |path, block| Site {
            path,
            stack: self.kind,
            block,
            branch: Branch::SelfAttention,
        };
        visit(
            &site(self.name, first),
            SiteSlot::Embedding(&mut self.embedding),
        )?;
        for block in &mut self.blocks {
            block.visit_sites(visit)?;
        }
        let last = self.blocks.last().map_or(0, Block::index);
        let path = self.norm.path.clone();
        let site = Site {
            path: &path,
            stack: self.kind,
            block: last,
            branch: Branch::FeedForward,
        };
        visit(&site, SiteSlot::Norm(&mut self.norm))
    }

    pub(super) fn visit_weights(&mut self, visit: &mut WeightVisitor<'_>) -> Result<()> {
        visit(
            &format!("{}.weight", self.relative.path),
            &mut self.relative.table,
        )?;
        for block in &mut self.blocks {
            block.visit_weights(visit)?;
        }
        self.norm.visit_weights(visit)
    }
}
