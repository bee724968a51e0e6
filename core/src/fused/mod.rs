//! A training step on the CPU with its backward pass written by hand.
//!
//! The composed model (`model`, `peft`, `ops`) is made of tensor operations that candle
//! differentiates: every method and every device has that form, and it is the reference in
//! tests. This module computes the same loss and the same gradient for the methods that most
//! people train, without a graph: one residual branch at a time, on slices, in buffers that
//! are used again, with nothing kept that the backward pass does not read.
//!
//! ```text
//! Outline ─▶ plan: T5 | BERT ─▶ Stack ─▶ Branch ─▶ { Attention | FeedForward } + Adapter
//!                                  forward: what each branch kept ─▶ backward: flat gradient
//! ```
//!
//! | file | what |
//! |---|---|
//! | [`mod@self`] | [`Fused`]: made of a model, or refused with a reason |
//! | `t5`, `bert` | embeddings, stacks, loss |
//! | `stack`, `branch` | the order of things, and where the backward pass may stop |
//! | `attention`, `feed_forward`, `adapter`, `linear`, `norm` | one piece each, forward and backward |
//! | `absorbed` | attention to the encoder without keys and values |
//! | `param`, `matrix` | where values are read, and products with those that are matrices |
//! | `buffers`, `elementwise` | room, loops |
//!
//! Whatever is installed in the model is either computed here or refused: [`Fused::new`]
//! reads an [`Outline`], which has no place for what it does not know.
//! Results do not depend on the number of threads.

mod absorbed;
mod adapter;
mod attention;
mod bert;
mod branch;
mod buffers;
mod elementwise;
mod feed_forward;
mod linear;
mod matrix;
mod norm;
mod param;
mod projection;
mod stack;
mod t5;

use std::fmt;
use std::sync::Arc;

use candle_core::{DType, Tensor};

use crate::config::MixedPrecision;
use crate::data::{Batch, Packed};
use crate::model::{Encoded, Model, Network, Outline, Pass};
use crate::ops::Segments;
use crate::ops::cpu::{Real, View};
use crate::peft::Trainables;
use crate::random::Key;
use crate::{Error, Result};
use bert::BertStep;
use buffers::Buffers;
use param::Gradient;
use t5::T5Step;

/// The hand-written training step of a model.
pub struct Fused {
    step: Box<dyn Step>,
    keep: Keep,
}

impl Fused {
    /// Reads the model with what is installed in it; with [`MixedPrecision::Bf16`] products
    /// with frozen weights are of factors rounded to bf16, summed in f32.
    ///
    /// # Errors
    /// Says what there is no hand-written form for: a device, a number format, a module or a
    /// processor.
    pub fn new(model: &Model, trainables: &Trainables, precision: MixedPrecision) -> Result<Self> {
        let mixed = precision == MixedPrecision::Bf16;
        let planner = Planner { trainables, mixed };
        if !model.device.is_cpu() {
            return Err(Error::method("the hand-written step runs on the CPU only"));
        }
        let step: Box<dyn Step> = match model.dtype {
            DType::F32 => Box::new(Engine::<f32>::new(model, planner)?),
            DType::F64 if mixed => {
                let message = "mixed precision is that of f32 and bf16, not of f64";
                return Err(Error::method(message));
            }
            DType::F64 => Box::new(Engine::<f64>::new(model, planner)?),
            other => {
                let message =
                    format!("the hand-written step computes in f32 or f64, not {other:?}");
                return Err(Error::method(message));
            }
        };
        let keep = Keep::All;
        Ok(Self { step, keep })
    }

    /// Whether branches are run once more in the backward pass, which then keeps their inputs
    /// only (gradient checkpointing, Chen et al., arXiv:1604.06174).
    #[must_use]
    pub fn recomputing(mut self, recompute: bool) -> Self {
        self.keep = if recompute { Keep::Inputs } else { Keep::All };
        self
    }

    /// What the encoder makes of inputs, without dropout; nothing is kept for a backward pass.
    /// Where only the first row of each sequence is read, it is all that comes back.
    ///
    /// # Errors
    /// As [`Self::gradient`].
    pub fn encode(
        &self,
        model: &Model,
        trainables: &Trainables,
        source: &Packed,
    ) -> Result<Encoded> {
        self.step.encode(model, trainables, source)
    }

    /// The mean loss of a batch, as [`Model::loss`] defines it, and its gradient `[total]`
    /// in the order of the trainables.
    ///
    /// # Errors
    /// Fails if the batch does not fit the model, and where the tensor library does.
    pub fn gradient(
        &self,
        model: &Model,
        trainables: &Trainables,
        batch: &Batch,
        pass: &Pass,
    ) -> Result<(f64, Tensor)> {
        let work = (batch, pass, self.keep);
        self.step.gradient(model, trainables, work)
    }
}

impl fmt::Debug for Fused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Fused")
    }
}

/// A step in one number format.
trait Step: Send + Sync {
    fn gradient(
        &self,
        model: &Model,
        trainables: &Trainables,
        work: (&Batch, &Pass, Keep),
    ) -> Result<(f64, Tensor)>;

    fn encode(&self, model: &Model, trainables: &Trainables, source: &Packed) -> Result<Encoded>;
}

struct Engine<T> {
    network: Planned,
    buffers: Buffers<T>,
}

enum Planned {
    T5(T5Step),
    Bert(BertStep),
}

impl<T: Real> Engine<T> {
    fn new(model: &Model, planner: Planner<'_>) -> Result<Self> {
        let network = match model.outline()? {
            Outline::EncoderDecoder {
                shared,
                encoder,
                decoder,
                head,
                scale,
                shift,
            } => Planned::T5(T5Step::plan(
                (shared, (head, shift), scale),
                (&encoder, &decoder),
                planner,
            )?),
            Outline::Encoder {
                tables,
                norm,
                stack,
                pooler,
            } => Planned::Bert(BertStep::plan(
                model,
                (tables, norm),
                (&stack, pooler),
                planner,
            )?),
        };
        let buffers = Buffers::default();
        Ok(Self { network, buffers })
    }
}

impl<T: Real> Step for Engine<T> {
    fn gradient(
        &self,
        model: &Model,
        trainables: &Trainables,
        (batch, pass, keep): (&Batch, &Pass, Keep),
    ) -> Result<(f64, Tensor)> {
        let values = View::<T>::of(trainables.values())?;
        let context = Context {
            values: &values,
            keep,
            pass,
            buffers: &self.buffers,
            rows: None,
        };
        let mut flat = trainables.zeros::<T>()?;
        let gradient = &mut Gradient::new(&mut flat);
        let loss = match (&self.network, &model.network) {
            (Planned::T5(step), Network::T5(t5)) => step.gradient(t5, batch, &context, gradient)?,
            (Planned::Bert(step), Network::Bert(bert)) => {
                step.gradient((model, bert), batch, &context, gradient)?
            }
            _ => return Err(another_model()),
        };
        drop(values);
        let total = flat.len();
        Ok((loss, Tensor::from_vec(flat, total, &model.device)?))
    }

    fn encode(&self, model: &Model, trainables: &Trainables, source: &Packed) -> Result<Encoded> {
        let values = View::<T>::of(trainables.values())?;
        let context = Context {
            values: &values,
            keep: Keep::Nothing,
            pass: &Pass::EVALUATION,
            buffers: &self.buffers,
            rows: None,
        };
        let (hidden, segments) = match (&self.network, &model.network) {
            (Planned::T5(step), Network::T5(_)) => step.encode(source, &context)?,
            (Planned::Bert(step), Network::Bert(bert)) => step.encode(bert, source, &context)?,
            _ => return Err(another_model()),
        };
        let offsets = segments.offsets();
        let shape = (segments.tokens(), model.shape.d_model);
        Ok(Encoded {
            hidden: Tensor::from_vec(hidden.to_vec(), shape, &model.device)?,
            segments: Segments::new(offsets, model.dtype, &model.device)?,
        })
    }
}

fn another_model() -> Error {
    Error::method("the step was planned for another model")
}

/// Refuses row numbers that a table does not have.
fn check_ids(ids: &[u32], rows: usize) -> Result<()> {
    match ids.iter().find(|&&id| id as usize >= rows) {
        None => Ok(()),
        Some(id) => Err(Error::method(format!("there is no row {id} among {rows}"))),
    }
}

/// What pieces are planned with.
#[derive(Debug, Clone, Copy)]
struct Planner<'a> {
    trainables: &'a Trainables,
    /// Whether products with frozen weights are in mixed precision.
    mixed: bool,
}

/// What a forward pass keeps for the backward pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Keep {
    /// Nothing: there is none.
    Nothing,
    /// The inputs of branches, which are run once more then.
    Inputs,
    /// All that it reads.
    All,
}

/// What every piece of a step reads.
struct Context<'s, T> {
    /// All trained values.
    values: &'s [T],
    keep: Keep,
    /// The pass, for dropout.
    pass: &'s Pass,
    buffers: &'s Buffers<T>,
    /// Which rows of the batch are computed on, where not all are.
    rows: Option<Arc<[usize]>>,
}

impl<T: Real> Context<'_, T> {
    /// The same for the first row of each sequence alone.
    fn of_first_rows(&self, segments: &Segments) -> Self {
        let starts = &segments.offsets()[..segments.batch()];
        Self {
            rows: Some(starts.into()),
            ..*self
        }
    }

    /// Multiplies rows `[tokens, any]` by the factors of a dropout's mask, if there is one:
    /// each row by those that it has among all rows of the batch.
    fn drop(&self, y: &mut [T], noise: Option<(f64, Key)>) {
        let Some(noise) = noise else { return };
        match &self.rows {
            None => elementwise::drop(y, noise),
            Some(rows) => elementwise::drop_rows(y, noise, rows),
        }
    }
}

#[cfg(test)]
mod tests;
