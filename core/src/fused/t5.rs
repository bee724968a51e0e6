//! The step of an encoder-decoder: two stacks and the loss over the vocabulary.
//!
//! Logits are made for some rows at a time, turned into their own gradient where they
//! stand, and multiplied back at once, so only one copy of a part of them ever exists.

use candle_core::Tensor;

use super::attention::Rows;
use super::buffers::Buffer;
use super::elementwise::{add_row_sums, add_to_rows, scatter};
use super::linear::{Linear, Part};
use super::matrix::WeightMatrix;
use super::param::{Gradient, Param};
use super::stack::{Memory, Read, Stack};
use super::{Context, Planner};
use crate::Result;
use crate::data::{Batch, Packed};
use crate::model::outline::StackOutline;
use crate::model::t5::T5;
use crate::model::{self, Weight};
use crate::ops::Segments;
use crate::ops::cpu::{Matrix, MatrixMut, Real, Write, wide_product};
use crate::ops::cross_entropy;

/// Logits that are made at a time.
const LOGITS: usize = 1 << 22;

/// The output layer, `None` where it is the embedding, and what is added to its logits.
type Output<'a> = (Option<&'a model::Linear>, Option<&'a Tensor>);

/// A T5 with what is installed in it.
#[derive(Debug)]
pub(super) struct T5Step {
    shared: Param, // [vocab, d_model]
    vocab: usize,
    width: usize,
    head: Vocabulary,
    shift: Option<Param>, // [vocab], added to the logits
    encoder: Stack,
    decoder: Stack,
}

/// What makes logits of hidden states.
#[derive(Debug)]
enum Vocabulary {
    /// The shared embedding, after a scale.
    Tied(WeightMatrix, f64),
    Own(Linear),
}

impl T5Step {
    pub(super) fn plan(
        (shared, (head, shift), scale): (&Weight, Output<'_>, f64),
        (encoder, decoder): (&StackOutline<'_>, &StackOutline<'_>),
        planner: Planner<'_>,
    ) -> Result<Self> {
        let (vocab, width) = shared.stored().dims2()?;
        let head = match head {
            Some(head) => Vocabulary::Own(Linear::plan(head, planner)?),
            None => Vocabulary::Tied(WeightMatrix::of(shared, "shared", planner)?, scale),
        };
        Ok(Self {
            shared: Param::of(shared, "shared", planner)?,
            vocab,
            width,
            head,
            shift: shift
                .map(|shift| Param::tensor(shift, planner))
                .transpose()?,
            encoder: Stack::plan(encoder, Read::All, planner)?,
            decoder: Stack::plan(decoder, Read::All, planner)?,
        })
    }

    pub(super) fn gradient<T: Real>(
        &self,
        t5: &T5,
        batch: &Batch,
        context: &Context<'_, T>,
        gradient: &mut Gradient<'_, T>,
    ) -> Result<f64> {
        let (source, target) = (&batch.source, &batch.target);
        let segments = |packed: &Packed| Segments::of(&packed.offsets);
        let (from, to) = (segments(source), segments(target));
        let below = self.shared.is_trained();

        let embedded = self.embed(&source.ids, context)?;
        let (encoded, encoding) = self
            .encoder
            .forward(embedded, &from, (None, below), context)?;
        let shifted = t5.shift_right(target);
        let rows = Rows {
            rows: &encoded,
            segments: &from,
        };
        let embedded = self.embed(&shifted, context)?;
        let trained_memory = below || self.encoder.is_trained();
        // Whatever is trained in the encoder is below the decoder's attentions to it.
        let under = below || trained_memory;
        let (hidden, decoding) =
            self.decoder
                .forward(embedded, &to, (Some(rows), under), context)?;

        let (loss, dhidden) = self.loss(&hidden, &target.ids, context, gradient)?;
        drop(hidden);
        let mut dencoded = trained_memory.then(|| context.buffers.zeros(encoded.len()));
        let memory = Memory {
            rows,
            gradient: dencoded.as_mut(),
        };
        let dembedded = self.decoder.backward(
            decoding,
            (dhidden, &to),
            (Some(memory), under),
            context,
            gradient,
        )?;
        self.embed_gradient(dembedded.as_deref(), &shifted, gradient);
        drop((dembedded, encoded));
        if let Some(dencoded) = dencoded {
            let dembedded = self.encoder.backward(
                encoding,
                (dencoded, &from),
                (None, below),
                context,
                gradient,
            )?;
            self.embed_gradient(dembedded.as_deref(), &source.ids, gradient);
        }
        Ok(loss)
    }

    /// The encoder's output `[tokens, d_model]`, and its width.
    pub(super) fn encode<'s, T: Real>(
        &'s self,
        source: &Packed,
        context: &Context<'s, T>,
    ) -> Result<(Buffer<'s, T>, Segments)> {
        let segments = Segments::of(&source.offsets);
        let embedded = self.embed(&source.ids, context)?;
        let (hidden, _) = self
            .encoder
            .forward(embedded, &segments, (None, false), context)?;
        Ok((hidden, segments))
    }

    fn embed<'s, T: Real>(&self, ids: &[u32], context: &Context<'s, T>) -> Result<Buffer<'s, T>> {
        super::check_ids(ids, self.vocab)?;
        let mut rows = context.buffers.take(ids.len() * self.width);
        self.shared
            .gather((&mut rows, false), ids, self.width, context.values)?;
        Ok(rows)
    }

    fn embed_gradient<T: Real>(
        &self,
        rows: Option<&[T]>,
        ids: &[u32],
        gradient: &mut Gradient<'_, T>,
    ) {
        if let (Some(rows), Some(table)) = (rows, gradient.of(&self.shared)) {
            scatter(table, rows, ids, self.width);
        }
    }

    fn shift<T: Real>(&self, logits: &mut [T], context: &Context<'_, T>) -> Result<()> {
        if let Some(shift) = &self.shift {
            add_to_rows(logits, self.vocab, &shift.read(context.values)?);
        }
        Ok(())
    }

    fn shift_gradient<T: Real>(&self, dlogits: &[T], gradient: &mut Gradient<'_, T>) {
        if let Some(sum) = self.shift.as_ref().and_then(|shift| gradient.of(shift)) {
            add_row_sums(dlogits, self.vocab, sum);
        }
    }

    /// The mean loss of target tokens, and the gradient of the hidden states.
    fn loss<'s, T: Real>(
        &self,
        hidden: &[T],
        classes: &[u32],
        context: &Context<'s, T>,
        gradient: &mut Gradient<'_, T>,
    ) -> Result<(f64, Buffer<'s, T>)> {
        super::check_ids(classes, self.vocab)?;
        let (width, vocab) = (self.width, self.vocab);
        let mut dhidden = context.buffers.take(hidden.len());
        let share = T::one() / T::from_f64(classes.len() as f64);
        let rows = (LOGITS / vocab).max(1);
        let mut logits = context.buffers.take(rows.min(classes.len()) * vocab);
        let mut sum = T::zero();
        let blocks = hidden
            .chunks(rows * width)
            .zip(dhidden.chunks_mut(rows * width));
        for ((hidden, dhidden), classes) in blocks.zip(classes.chunks(rows)) {
            let count = classes.len();
            let logits = &mut logits[..count * vocab];
            let whole = Part {
                stride: vocab,
                first: 0,
            };
            let (table, scale) = match &self.head {
                Vocabulary::Tied(table, scale) => (table, T::from_f64(*scale)),
                Vocabulary::Own(head) => {
                    head.forward(hidden, (logits, whole), context)?;
                    self.shift(logits, context)?;
                    sum += cross_entropy::into_gradient(logits, classes, share);
                    self.shift_gradient(logits, gradient);
                    let target = Some((dhidden, Write::Replace));
                    head.backward(Some(hidden), (logits, whole), target, context, gradient)?;
                    continue;
                }
            };
            let hidden = Matrix::new(hidden, (count, width), width);
            let mut target = MatrixMut::new(logits, (count, vocab), vocab);
            table.forward((scale, hidden), &mut target, context)?;
            self.shift(logits, context)?;
            sum += cross_entropy::into_gradient(logits, classes, share);
            self.shift_gradient(logits, gradient);
            let dlogits = Matrix::new(logits, (count, vocab), vocab);
            if let Some(sum) = gradient.of(&self.shared) {
                let mut sum = MatrixMut::new(sum, (vocab, width), width);
                wide_product(scale, dlogits.t(), hidden, &mut sum, Write::Add);
            }
            let mut target = MatrixMut::new(dhidden, (count, width), width);
            table.backward((scale, dlogits), (&mut target, Write::Replace), context)?;
        }
        Ok(((sum * share).to_f64(), dhidden))
    }
}
