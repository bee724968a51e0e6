//! The step of an encoder: embeddings, layers, pooling, task head.

use super::buffers::Buffer;
use super::elementwise::{scatter, update2};
use super::linear::{Linear, Part};
use super::norm::Norm;
use super::param::{Gradient, Param};
use super::stack::{Read, Stack};
use super::{Context, Planner};
use crate::config::Pooling;
use crate::data::{Batch, Packed};
use crate::model::bert::Bert;
use crate::model::head::Head;
use crate::model::outline::StackOutline;
use crate::model::{self, Answer, Model, Weight};
use crate::ops::Segments;
use crate::ops::cpu::{Real, Write};
use crate::ops::cross_entropy;
use crate::{Error, Result};

/// A BERT with what is installed in it.
#[derive(Debug)]
pub(super) struct BertStep {
    tables: [Table; 3], // words, positions, segments
    norm: Norm,
    stack: Stack,
    pooling: Pooling,
    pooler: Option<Linear>,
    head: Linear,
    width: usize,
}

#[derive(Debug)]
struct Table {
    weight: Param, // [rows, d_model]
    rows: usize,
}

impl BertStep {
    pub(super) fn plan(
        model: &Model,
        (tables, norm): ([&Weight; 3], &model::Norm),
        (stack, pooler): (&StackOutline<'_>, Option<&model::Linear>),
        planner: Planner<'_>,
    ) -> Result<Self> {
        let table = |weight: &Weight| -> Result<Table> {
            let (rows, _) = weight.stored().dims2()?;
            let weight = Param::of(weight, "embeddings", planner)?;
            Ok(Table { weight, rows })
        };
        let [words, positions, types] = tables;
        let Some(head) = &model.head else {
            return Err(Error::method(
                "the model has no task head: install a method first",
            ));
        };
        let pooler = match model.pooling() {
            Pooling::Pooler => pooler.map(|pooler| Linear::plan(pooler, planner)),
            Pooling::Mean | Pooling::Cls => None,
        };
        let read = match model.pooling() {
            Pooling::Mean => Read::All,
            Pooling::Cls | Pooling::Pooler => Read::First,
        };
        Ok(Self {
            tables: [table(words)?, table(positions)?, table(types)?],
            norm: Norm::plan(norm, planner)?,
            stack: Stack::plan(stack, read, planner)?,
            pooling: model.pooling(),
            pooler: pooler.transpose()?,
            head: Linear::of_tensors(&head.weight, &head.bias, planner)?,
            width: model.shape.d_model,
        })
    }

    pub(super) fn gradient<T: Real>(
        &self,
        (model, bert): (&Model, &Bert),
        batch: &Batch,
        context: &Context<'_, T>,
        gradient: &mut Gradient<'_, T>,
    ) -> Result<f64> {
        let ids = bert.embedded_rows(&batch.source)?;
        let segments = Segments::of(&batch.source.offsets);
        let sum = self.embed(&ids, context)?;
        let mut embedded = context.buffers.take(sum.len());
        self.norm.forward(&sum, &mut embedded, context)?;
        let trained_tables = self.tables.iter().any(|table| table.weight.is_trained());
        let below = trained_tables || self.norm.is_trained();
        let sum = below.then_some(sum);
        let (hidden, run) = self
            .stack
            .forward(embedded, &segments, (None, below), context)?;

        let further = below || self.stack.is_trained();
        let (loss, dhidden) = self.answer(
            (model, &hidden, &self.left(&segments)),
            (batch, further),
            context,
            gradient,
        )?;
        std::mem::drop(hidden);
        let Some(dhidden) = dhidden else {
            return Ok(loss);
        };
        let dembedded =
            self.stack
                .backward(run, (dhidden, &segments), (None, below), context, gradient)?;
        let (Some(dembedded), Some(sum)) = (dembedded, sum) else {
            return Ok(loss);
        };
        let mut dsum = context.buffers.take(sum.len());
        let target = (&mut *dsum, Write::Replace);
        self.norm
            .backward((&sum, &dembedded), target, context, gradient)?;
        for (table, ids) in self.tables.iter().zip(&ids) {
            if let Some(total) = gradient.of(&table.weight) {
                scatter(total, &dsum, ids, self.width);
            }
        }
        Ok(loss)
    }

    /// Where sequences lie in the stack's output.
    fn left(&self, segments: &Segments) -> Segments {
        if self.stack.narrows() {
            Segments::single_rows(segments.batch())
        } else {
            segments.clone()
        }
    }

    /// The stack's output `[rows, d_model]`, and where sequences lie in it.
    pub(super) fn encode<'s, T: Real>(
        &'s self,
        bert: &Bert,
        source: &Packed,
        context: &Context<'s, T>,
    ) -> Result<(Buffer<'s, T>, Segments)> {
        let sum = self.embed(&bert.embedded_rows(source)?, context)?;
        let mut embedded = context.buffers.take(sum.len());
        self.norm.forward(&sum, &mut embedded, context)?;
        std::mem::drop(sum);
        let segments = Segments::of(&source.offsets);
        let (hidden, _) = self
            .stack
            .forward(embedded, &segments, (None, false), context)?;
        Ok((hidden, self.left(&segments)))
    }

    fn embed<'s, T: Real>(
        &self,
        ids: &[Vec<u32>; 3],
        context: &Context<'s, T>,
    ) -> Result<Buffer<'s, T>> {
        let mut sum = context.buffers.take(ids[0].len() * self.width);
        for (at, (table, ids)) in self.tables.iter().zip(ids).enumerate() {
            super::check_ids(ids, table.rows)?;
            let target = (&mut *sum, at > 0);
            table
                .weight
                .gather(target, ids, self.width, context.values)?;
        }
        Ok(sum)
    }

    /// The loss of the task head's outputs, and the gradient of the hidden states where it
    /// is wanted.
    fn answer<'s, T: Real>(
        &self,
        (model, hidden, segments): (&Model, &[T], &Segments),
        (batch, further): (&Batch, bool),
        context: &Context<'s, T>,
        gradient: &mut Gradient<'_, T>,
    ) -> Result<(f64, Option<Buffer<'s, T>>)> {
        let width = self.width;
        let whole = |linear: &Linear| Part {
            stride: linear.out(),
            first: 0,
        };
        let gathered = self.pool(hidden, segments, context);
        let mut pooled = context.buffers.copy(&gathered);
        if let Some(pooler) = &self.pooler {
            pooler.forward(&gathered, (&mut pooled, whole(pooler)), context)?;
            pooled.iter_mut().for_each(|x| *x = T::tanh(*x));
        }
        let noise = context.pass.noise(Head::DROPOUT);
        let mut read = context.buffers.copy(&pooled);
        context.drop(&mut read, noise);
        let mut outputs = context.buffers.take(segments.batch() * self.head.out());
        self.head
            .forward(&read, (&mut outputs, whole(&self.head)), context)?;
        let loss = head_loss(model, &mut outputs, batch)?;

        let mut dpooled = context.buffers.take(pooled.len());
        let target = Some((&mut *dpooled, Write::Replace));
        let outputs = (&*outputs, whole(&self.head));
        self.head
            .backward(Some(&read), outputs, target, context, gradient)?;
        context.drop(&mut dpooled, noise);
        let mut dgathered = dpooled;
        if let Some(pooler) = &self.pooler {
            update2(
                &mut dgathered,
                &pooled,
                #[inline(always)]
                |d, y| d * (T::one() - y * y),
            );
            let dy = context.buffers.copy(&dgathered);
            let target = Some((&mut *dgathered, Write::Replace));
            let dy = (&*dy, whole(pooler));
            pooler.backward(Some(&gathered), dy, target, context, gradient)?;
        }
        if !further {
            return Ok((loss, None));
        }
        let mut dhidden = context.buffers.zeros(hidden.len());
        for (window, d) in segments.offsets().windows(2).zip(dgathered.chunks(width)) {
            let rows = match self.pooling {
                Pooling::Mean => window[0]..window[1],
                Pooling::Cls | Pooling::Pooler => window[0]..window[0] + 1,
            };
            let share = T::one() / T::from_f64(rows.len() as f64);
            for row in dhidden[rows.start * width..rows.end * width].chunks_exact_mut(width) {
                for (row, &d) in row.iter_mut().zip(d) {
                    *row = share * d;
                }
            }
        }
        Ok((loss, Some(dhidden)))
    }

    /// The mean, or the first, of each sequence's rows: `[b, d_model]`.
    fn pool<'s, T: Real>(
        &self,
        hidden: &[T],
        segments: &Segments,
        context: &Context<'s, T>,
    ) -> Buffer<'s, T> {
        let width = self.width;
        let mut pooled = context.buffers.zeros(segments.batch() * width);
        let sequences = segments.offsets().windows(2);
        for (window, pooled) in sequences.zip(pooled.chunks_exact_mut(width)) {
            let rows = match self.pooling {
                Pooling::Mean => &hidden[window[0] * width..window[1] * width],
                Pooling::Cls | Pooling::Pooler => &hidden[window[0] * width..][..width],
            };
            let share = T::one() / T::from_f64((rows.len() / width) as f64);
            for row in rows.chunks_exact(width) {
                for (sum, &x) in pooled.iter_mut().zip(row) {
                    *sum += share * x;
                }
            }
        }
        pooled
    }
}

/// The loss of outputs `[b, outputs]`, which become their own gradient.
fn head_loss<T: Real>(model: &Model, outputs: &mut [T], batch: &Batch) -> Result<f64> {
    if let Answer::Class { count, .. } = model.answer {
        let classes = batch.classes()?;
        super::check_ids(&classes, count)?;
        let share = T::one() / T::from_f64(classes.len() as f64);
        let sum = cross_entropy::into_gradient(outputs, &classes, share);
        return Ok((sum * share).to_f64());
    }
    let values = batch.values()?;
    let share = T::one() / T::from_f64(values.len() as f64);
    let mut sum = T::zero();
    for (output, value) in outputs.iter_mut().zip(values) {
        let off = *output - T::from_f64(value);
        sum += off * off;
        *output = T::from_f64(2.0) * share * off;
    }
    Ok((sum * share).to_f64())
}
