//! Where processes that train together average their gradients.
//!
//! A step hands over its gradient between the backward pass and the update, as one slice.
//! Every process then makes the same update, so their values stay the same bits without
//! being compared. Each is to be given batches of the same size: means over batches are
//! averaged, not sums.

use std::fmt;

use candle_core::Tensor;

use crate::Result;

/// What a step shares with the processes that train with it.
pub trait Exchange: fmt::Debug + Send {
    /// The mean over all processes of their gradients, `[total]`, and of their losses. What is
    /// given back belongs to the step, which makes the next gradient in its room: no clone of
    /// it may be kept.
    ///
    /// # Errors
    /// Fails if another process cannot be reached.
    fn average(&mut self, gradient: Tensor, loss: f64) -> Result<(Tensor, f64)>;
}

/// A process that trains by itself.
#[derive(Debug, Clone, Copy, Default)]
pub struct Alone;

impl Exchange for Alone {
    fn average(&mut self, gradient: Tensor, loss: f64) -> Result<(Tensor, f64)> {
        Ok((gradient, loss))
    }
}
