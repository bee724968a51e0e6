//! One optimizer step: forward and backward passes, then the update.

use candle_core::Tensor;

use super::exchange::Exchange;
use super::objective::Objective;
use super::optimizer::{AdamW, Update, clipping, norm};
use crate::Result;
use crate::config::UpdateScale;
use crate::data::Batch;
use crate::model::{Model, Pass};
use crate::peft::Trainables;
use crate::random::Key;

/// What a step is made with.
#[derive(Debug, Clone, Copy)]
pub struct StepConfig {
    /// Dropout probability of the backbone.
    pub dropout: f64,
    /// Source of dropout masks; a function of seed and step.
    pub key: Key,
    /// Largest norm of the gradient; 0 turns clipping off.
    pub clip_norm: f64,
    /// Learning rate and weight decay.
    pub update: Update,
    /// What updates are measured in.
    pub update_scale: UpdateScale,
}

/// What a step measured.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Measured {
    /// Mean loss over the micro-batches.
    pub loss: f64,
    /// Norm of the gradient before clipping.
    pub gradient_norm: f64,
    /// Tokens worked on.
    pub tokens: usize,
}

impl Measured {
    /// Whether loss and gradient are finite; otherwise nothing was updated.
    #[must_use]
    pub fn is_finite(&self) -> bool {
        self.loss.is_finite() && self.gradient_norm.is_finite()
    }
}

/// Accumulates the gradient of the objective over `batches`, averages it with the processes
/// that train along, and updates the trained values unless loss or gradient is not finite.
/// The gradient before clipping, `[total]`, comes back too.
///
/// # Errors
/// Fails where the tensor library does.
pub fn step(
    (model, objective): (&Model, &dyn Objective),
    trainables: &Trainables,
    (optimizer, exchange): (&mut AdamW, &mut dyn Exchange),
    work: (&[Batch], &StepConfig),
) -> Result<(Measured, Option<Tensor>)> {
    let (batches, config) = work;
    let share = 1.0 / batches.len() as f64;
    let mut measured = Measured {
        loss: 0.0,
        gradient_norm: 0.0,
        tokens: 0,
    };
    let mut gradient: Option<Tensor> = None;
    for (micro, batch) in batches.iter().enumerate() {
        let pass = Pass::training(config.dropout, config.key.with(micro as u64));
        let (loss, part) = objective.gradient(model, trainables, batch, &pass)?;
        measured.loss += share * loss;
        measured.tokens += batch.source.tokens() + batch.target.tokens();
        gradient = Some(match gradient {
            Some(sum) => (sum + part)?,
            None => part,
        });
    }
    let Some(mut gradient) = gradient else {
        return Ok((measured, None));
    };
    if batches.len() > 1 {
        gradient = (gradient * share)?;
    }
    (gradient, measured.loss) = exchange.average(gradient, measured.loss)?;
    measured.gradient_norm = norm(&gradient)?;
    if measured.is_finite() {
        let factor = clipping(measured.gradient_norm, config.clip_norm);
        let (gradient, with) = ((&gradient, factor), config.update);
        match config.update_scale {
            UpdateScale::Absolute => {
                optimizer.update_clipped(trainables.values(), gradient, with)?;
            }
            UpdateScale::Rms => optimizer.update_by_rms(trainables, gradient, with)?,
        }
        trainables.refresh()?;
    }
    Ok((measured, Some(gradient)))
}
