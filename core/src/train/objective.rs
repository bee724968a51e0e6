//! What a step minimises.

use std::fmt;

use candle_core::Tensor;

use crate::Result;
use crate::data::Batch;
use crate::model::{Model, Pass};

/// A loss to be minimised; the task's own unless somebody brings another, as pretraining
/// does.
pub trait Objective: fmt::Debug + Send {
    /// The loss of a batch, a scalar.
    ///
    /// # Errors
    /// Fails where the tensor library does, and if the batch is not of the kind expected.
    fn loss(&self, model: &Model, batch: &Batch, pass: &Pass) -> Result<Tensor>;
}

/// The task's loss, as [`Model::loss`] defines it.
#[derive(Debug, Clone, Copy, Default)]
pub struct TaskLoss;

impl Objective for TaskLoss {
    fn loss(&self, model: &Model, batch: &Batch, pass: &Pass) -> Result<Tensor> {
        model.loss(batch, pass)
    }
}
