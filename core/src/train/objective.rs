//! What a step minimises, and how its gradient is computed.

use std::fmt;

use candle_core::Tensor;

use crate::cancel::CancelToken;
use crate::config::{MixedPrecision, StepForm, TrainConfig};
use crate::data::Batch;
use crate::fused::Fused;
use crate::model::network::scalar;
use crate::model::{Model, Pass, Prediction};
use crate::peft::Trainables;
use crate::{Error, Result};

/// A loss to be minimised; the task's own unless somebody brings another, as pretraining
/// does.
pub trait Objective: fmt::Debug + Send + Sync {
    /// The loss of a batch, a scalar.
    ///
    /// # Errors
    /// Fails where the tensor library does, and if the batch is not of the kind expected.
    fn loss(&self, model: &Model, batch: &Batch, pass: &Pass) -> Result<Tensor>;

    /// The loss of a batch and its gradient `[total]`, in the order of the trainables.
    ///
    /// # Errors
    /// As [`Self::loss`].
    fn gradient(
        &self,
        model: &Model,
        trainables: &Trainables,
        batch: &Batch,
        pass: &Pass,
    ) -> Result<(f64, Tensor)> {
        let loss = self.loss(model, batch, pass)?;
        let value = scalar(&loss)?;
        Ok((value, trainables.gradient(&loss.backward()?)?))
    }

    /// Answers a batch without training noise, as [`Model::predict`] does.
    ///
    /// # Errors
    /// As [`Model::predict`].
    fn predict(
        &self,
        model: &Model,
        _trainables: &Trainables,
        batch: &Batch,
        cancel: &CancelToken,
    ) -> Result<(Vec<Prediction>, Option<f64>)> {
        model.predict(batch, cancel)
    }

    /// How the gradient is computed, and where a choice was made, why.
    fn form(&self) -> String {
        StepForm::Composed.to_string()
    }
}

/// The task's loss, as [`Model::loss`] defines it, composed of tensor operations.
#[derive(Debug, Clone, Default)]
pub struct TaskLoss {
    /// Why the hand-written form was not taken, where it was not.
    pub because: Option<String>,
}

impl Objective for TaskLoss {
    fn loss(&self, model: &Model, batch: &Batch, pass: &Pass) -> Result<Tensor> {
        model.loss(batch, pass)
    }

    fn form(&self) -> String {
        match &self.because {
            Some(reason) => format!("{}: {reason}", StepForm::Composed),
            None => StepForm::Composed.to_string(),
        }
    }
}

/// The task's loss with the hand-written gradient of [`crate::fused`].
#[derive(Debug)]
pub struct FusedTaskLoss {
    fused: Fused,
    /// What evaluates: in the model's precision throughout, as the saved model is.
    evaluating: Option<Fused>,
    precision: MixedPrecision,
}

impl Objective for FusedTaskLoss {
    fn loss(&self, model: &Model, batch: &Batch, pass: &Pass) -> Result<Tensor> {
        model.loss(batch, pass)
    }

    fn gradient(
        &self,
        model: &Model,
        trainables: &Trainables,
        batch: &Batch,
        pass: &Pass,
    ) -> Result<(f64, Tensor)> {
        self.fused.gradient(model, trainables, batch, pass)
    }

    fn predict(
        &self,
        model: &Model,
        trainables: &Trainables,
        batch: &Batch,
        cancel: &CancelToken,
    ) -> Result<(Vec<Prediction>, Option<f64>)> {
        let fused = self.evaluating.as_ref().unwrap_or(&self.fused);
        let encoded = fused.encode(model, trainables, &batch.source)?;
        model.answer(&encoded, batch, cancel)
    }

    fn form(&self) -> String {
        match self.precision {
            MixedPrecision::No => StepForm::Fused.to_string(),
            MixedPrecision::Bf16 => format!("{}, mixed precision (bf16)", StepForm::Fused),
        }
    }
}

/// The task's loss in the form that `train.step` asks for.
///
/// # Errors
/// Fails if the hand-written form is asked for by name and there is none for this model
/// and method.
pub fn task_loss(
    config: &TrainConfig,
    model: &Model,
    trainables: &Trainables,
) -> Result<Box<dyn Objective>> {
    let fused = || -> Result<FusedTaskLoss> {
        let precision = config.mixed_precision;
        let fused = Fused::new(model, trainables, precision)?;
        let evaluating = match precision {
            MixedPrecision::No => None,
            MixedPrecision::Bf16 => Some(Fused::new(model, trainables, MixedPrecision::No)?),
        };
        Ok(FusedTaskLoss {
            fused: fused.recomputing(config.gradient_checkpointing),
            evaluating,
            precision,
        })
    };
    let because = match config.step {
        StepForm::Fused => match fused() {
            Ok(objective) => return Ok(Box::new(objective)),
            Err(refused) => return Err(Error::setting("train.step", reason(refused))),
        },
        StepForm::Auto => match fused() {
            Ok(objective) => return Ok(Box::new(objective)),
            Err(refused) => Some(reason(refused)),
        },
        StepForm::Composed => None,
    };
    let mixed = config.mixed_precision != MixedPrecision::No;
    for (asked, field) in [
        (config.gradient_checkpointing, "gradient_checkpointing"),
        (mixed, "mixed_precision"),
    ] {
        if asked {
            let reason = because.unwrap_or_else(|| "train.step is composed".to_owned());
            let message = format!("needs the hand-written step: {reason}");
            return Err(Error::setting(format!("train.{field}"), message));
        }
    }
    Ok(Box::new(TaskLoss { because }))
}

/// Why there is no hand-written step.
fn reason(refused: Error) -> String {
    match refused {
        Error::Method { message } => message,
        other => other.to_string(),
    }
}
