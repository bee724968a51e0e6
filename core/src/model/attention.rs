//! Multi-head attention with its sites: four projections, keys, values, prefix rows.

use candle_core::{DType, Tensor};

use super::outline::free;
use super::site::{
    Activations, Branch, HiddenModule, KeyValueModule, Projection, Site, SiteSlot, SiteVisitor,
    Slot, Stack, WeightVisitor,
};
use super::{Linear, Pass};
use crate::Result;
use crate::ops::Segments;
use crate::ops::attention::{Attention, Packed, join_heads, split_heads};
use crate::ops::linear::cast;

/// The attention of T5 and BERT, which differ in scale, bias and names only.
#[derive(Debug)]
pub struct MultiHead {
    /// Name in checkpoints; also names the dropout of its probabilities.
    pub path: String,
    /// Stack, block and role.
    pub place: (Stack, usize, Branch),
    /// To queries, `[h·e, d_model]`.
    pub query: Linear,
    /// To keys, `[h·e, d_model]`.
    pub key: Linear,
    /// To values, `[h·e, d_model]`.
    pub value: Linear,
    /// Back to the model's width, `[d_model, h·e]`.
    pub output: Linear,
    /// Number of heads.
    pub heads: usize,
    /// Factor of the scores.
    pub scale: f64,
    /// Sites of its own.
    pub slots: AttentionSlots,
}

/// The sites inside an attention that are no linear maps.
#[derive(Debug, Default)]
pub struct AttentionSlots {
    rows: Slot<dyn KeyValueModule>,
    keys: Slot<dyn HiddenModule>,
    values: Slot<dyn HiddenModule>,
}

/// Projected keys and values, ready to be attended to.
#[derive(Debug, Clone)]
pub struct Memory {
    keys: Tensor,       // [k tokens, h·e]
    values: Tensor,     // [k tokens, h·e]
    segments: Segments, // the sequences, prefix rows included
    prefix: usize,      // rows before every sequence that a bias by position leaves out
}

/// Keys and values of a padded batch: what text generation appends to, and what the
/// composed form of attention takes.
#[derive(Debug, Clone)]
pub struct PaddedMemory {
    keys: Tensor,         // [b, h, k, e]
    values: Tensor,       // [b, h, k, e]
    mask: Option<Tensor>, // [b, 1, 1, k]
    prefix: usize,        // rows before every sequence that a bias by position leaves out
}

impl Memory {
    /// The same keys and values with all sequences made equally long.
    ///
    /// # Errors
    /// Fails where the tensor library does.
    pub fn padded(&self, heads: usize) -> Result<PaddedMemory> {
        Ok(PaddedMemory {
            keys: split_heads(&self.segments.pad(&self.keys)?, heads)?,
            values: split_heads(&self.segments.pad(&self.values)?, heads)?,
            mask: self.segments.mask().cloned(),
            prefix: self.prefix,
        })
    }
}

impl PaddedMemory {
    /// Appends the keys and values of one more position, for generation.
    ///
    /// # Errors
    /// Fails where the tensor library does.
    pub fn extend(&mut self, step: &Self) -> Result<()> {
        self.keys = Tensor::cat(&[&self.keys, &step.keys], 2)?;
        self.values = Tensor::cat(&[&self.values, &step.values], 2)?;
        Ok(())
    }
}

impl MultiHead {
    /// Refuses modules that act inside on something else than a linear map.
    pub(super) fn check_outline(&self) -> Result<()> {
        free(&self.slots.rows, &self.path, "prefix rows")?;
        free(&self.slots.keys, &self.path, "a module on its keys")?;
        free(&self.slots.values, &self.path, "a module on its values")
    }

    /// How many positions rows that a module puts before keys take, ahead of the tokens'.
    #[must_use]
    pub fn positions_before(&self) -> usize {
        self.slots.rows.get().map_or(0, KeyValueModule::positions)
    }

    /// Whether queries stand after those positions too.
    #[must_use]
    pub fn moves_queries(&self) -> bool {
        let module = self.slots.rows.get();
        module.is_none_or(KeyValueModule::moves_queries)
    }

    /// Projects rows `[tokens, d_model]` to keys and values.
    ///
    /// # Errors
    /// Fails where the tensor library does.
    pub fn project(&self, x: &Tensor, segments: &Segments, pass: &Pass) -> Result<Memory> {
        let keys = through(&self.slots.keys, self.key.forward(x, pass)?)?;
        let values = through(&self.slots.values, self.value.forward(x, pass)?)?;
        Ok(Memory {
            keys,
            values,
            segments: segments.clone(),
            prefix: 0,
        })
    }

    /// Projects rows and puts the prefix module's rows, if any, before each sequence.
    ///
    /// # Errors
    /// Fails where the tensor library does.
    pub fn memory(&self, x: &Tensor, segments: &Segments, pass: &Pass) -> Result<Memory> {
        let memory = self.project(x, segments, pass)?;
        let Some(module) = self.slots.rows.get() else {
            return Ok(memory);
        };
        let (keys, values) = module.rows()?;
        let prefix = keys.dim(0)?;
        let (segments, order) = segments.prepend(prefix, x.dtype(), x.device())?;
        let before = |rows: &Tensor, own: &Tensor| -> Result<Tensor> {
            let all = Tensor::cat(&[&cast(rows, x.dtype())?, own], 0)?;
            Ok(all.index_select(&order, 0)?)
        };
        Ok(Memory {
            keys: before(&keys, &memory.keys)?,
            values: before(&values, &memory.values)?,
            segments,
            prefix: prefix.saturating_sub(module.positions()),
        })
    }

    /// Attends from rows `x: [tokens, d_model]` to `memory`; `[tokens, d_model]` comes back.
    ///
    /// `bias: [1, h or 1, q, k]` is added to the scores, prefix rows without positions apart.
    ///
    /// # Errors
    /// Fails where the tensor library does.
    pub fn attend(
        &self,
        x: &Rows<'_>,
        memory: &Memory,
        bias: Option<&Tensor>,
        pass: &Pass,
    ) -> Result<Tensor> {
        if !Packed::fits(x.rows) {
            return self.attend_padded(x, &memory.padded(self.heads)?, bias, pass);
        }
        let queries = self.query.forward(x.rows, pass)?;
        let bias = bias
            .map(|bias| widen_bias(bias, memory.prefix))
            .transpose()?;
        let attended = Packed {
            queries: &queries,
            keys: &memory.keys,
            values: &memory.values,
            segments: (x.segments, &memory.segments),
            heads: self.heads,
            scale: self.scale,
            bias: bias.as_ref(),
            dropout: pass.noise(&self.path),
        }
        .forward()?;
        self.output.forward(&attended, pass)
    }

    /// [`Self::attend`] to keys and values of a padded batch.
    ///
    /// # Errors
    /// Fails where the tensor library does.
    pub fn attend_padded(
        &self,
        x: &Rows<'_>,
        memory: &PaddedMemory,
        bias: Option<&Tensor>,
        pass: &Pass,
    ) -> Result<Tensor> {
        let queries = self.query.forward(x.rows, pass)?;
        let queries = split_heads(&x.segments.pad(&queries)?, self.heads)?;
        let bias = bias
            .map(|bias| widen_bias(bias, memory.prefix))
            .transpose()?;
        let attended = Attention {
            queries: &queries,
            keys: &memory.keys,
            values: &memory.values,
            scale: self.scale,
            bias: bias.as_ref(),
            mask: memory.mask.as_ref(),
            dropout: pass.noise(&self.path),
        }
        .forward()?;
        self.output
            .forward(&x.segments.pack(&join_heads(&attended)?)?, pass)
    }

    /// Shows the sites inside to `visit`.
    ///
    /// # Errors
    /// Passes on the visitor's first error.
    pub fn visit_sites(&mut self, visit: &mut SiteVisitor<'_>) -> Result<()> {
        let (stack, block, branch) = self.place;
        let path = self.path.clone();
        let inside = Site {
            path: &path,
            stack,
            block,
            branch,
        };
        let projections = [
            (Projection::Query, &mut self.query),
            (Projection::Key, &mut self.key),
            (Projection::Value, &mut self.value),
            (Projection::Output, &mut self.output),
        ];
        for (projection, linear) in projections {
            let path = linear.path.clone();
            let site = Site {
                path: &path,
                ..inside
            };
            visit(&site, SiteSlot::Linear(projection, linear))?;
        }
        visit(
            &inside,
            SiteSlot::Hidden(Activations::Keys, &mut self.slots.keys),
        )?;
        visit(
            &inside,
            SiteSlot::Hidden(Activations::Values, &mut self.slots.values),
        )?;
        visit(&inside, SiteSlot::KeyValue(&mut self.slots.rows))
    }

    /// Shows the projections' weights to `visit`.
    ///
    /// # Errors
    /// Passes on the visitor's first error.
    pub fn visit_weights(&mut self, visit: &mut WeightVisitor<'_>) -> Result<()> {
        for linear in [
            &mut self.query,
            &mut self.key,
            &mut self.value,
            &mut self.output,
        ] {
            linear.visit_weights(visit)?;
        }
        Ok(())
    }
}

/// Packed rows with where each sequence lies.
#[derive(Debug, Clone, Copy)]
pub struct Rows<'a> {
    /// `[tokens, d_model]`
    pub rows: &'a Tensor,
    /// The sequences.
    pub segments: &'a Segments,
}

impl<'a> Rows<'a> {
    /// Rows and where each sequence lies among them.
    #[must_use]
    pub fn new(rows: &'a Tensor, segments: &'a Segments) -> Self {
        Self { rows, segments }
    }
}

/// Lets a module act on activations `[tokens, width]`.
///
/// # Errors
/// Fails where the tensor library does.
pub fn through(slot: &Slot<dyn HiddenModule>, hidden: Tensor) -> Result<Tensor> {
    match slot.get() {
        Some(module) => module.forward(&hidden),
        None => Ok(hidden),
    }
}

/// Puts zeros for prefix rows before a bias `[1, h, q, k]`.
fn widen_bias(bias: &Tensor, prefix: usize) -> Result<Tensor> {
    if prefix == 0 {
        return Ok(bias.clone());
    }
    let (one, heads, queries, _) = bias.dims4()?;
    let zeros = Tensor::zeros((one, heads, queries, prefix), bias.dtype(), bias.device())?;
    Ok(Tensor::cat(&[&zeros, bias], 3)?)
}

/// `[1, 1, q, k]` of queries at the positions given: −∞ where one would look at a later key,
/// else 0.
///
/// # Errors
/// Fails where the tensor library does.
pub fn causal_mask(
    queries: &std::ops::Range<usize>,
    dtype: DType,
    device: &candle_core::Device,
) -> Result<Tensor> {
    let (count, keys) = (queries.len(), queries.end);
    let entry = |at: usize| {
        if at % keys > queries.start + at / keys {
            f32::NEG_INFINITY
        } else {
            0.0
        }
    };
    let mask: Vec<f32> = (0..count * keys).map(entry).collect();
    Ok(Tensor::from_vec(mask, (1, 1, count, keys), device)?.to_dtype(dtype)?)
}
