//! Builds layers from a checkpoint's tensors.

use candle_core::{DType, Device, Tensor};

use super::weights::Weights;
use super::{Linear, Norm};
use crate::Result;

/// Takes tensors out of a checkpoint, in one number format and onto one device.
#[derive(Debug)]
pub struct Loader<'w> {
    /// The checkpoint.
    pub weights: &'w mut Weights,
    /// Number format of the model.
    pub dtype: DType,
    /// Number format that its matrices are kept in.
    pub matrices: DType,
    /// Where the model lives.
    pub device: Device,
}

impl Loader<'_> {
    /// Takes the tensor `name`.
    ///
    /// # Errors
    /// Fails if it is missing or has another shape.
    pub fn take(&mut self, name: &str, shape: &[usize]) -> Result<Tensor> {
        self.weights.take(name, shape, self.dtype, &self.device)
    }

    /// Takes the matrix `name`: a linear map's weight or an embedding.
    ///
    /// # Errors
    /// Fails if it is missing or has another shape.
    pub fn matrix(&mut self, name: &str, shape: &[usize; 2]) -> Result<Tensor> {
        self.weights.take(name, shape, self.matrices, &self.device)
    }

    /// Takes `<path>.weight: [out, in]` of a linear map without bias.
    ///
    /// # Errors
    /// Fails if it is missing or has another shape.
    pub fn linear(&mut self, path: String, out: usize, width: usize) -> Result<Linear> {
        let weight = self.matrix(&format!("{path}.weight"), &[out, width])?;
        Ok(Linear::new(path, weight, None))
    }

    /// Takes `<path>.weight: [out, in]` and `<path>.bias: [out]` of a linear map.
    ///
    /// # Errors
    /// Fails if one is missing or has another shape.
    pub fn biased_linear(&mut self, path: String, out: usize, width: usize) -> Result<Linear> {
        let weight = self.matrix(&format!("{path}.weight"), &[out, width])?;
        let bias = self.take(&format!("{path}.bias"), &[out])?;
        Ok(Linear::new(path, weight, Some(bias)))
    }

    /// Takes the `<path>.weight: [width]` of T5's norm.
    ///
    /// # Errors
    /// Fails if it is missing or has another shape.
    pub fn rms_norm(&mut self, path: String, width: usize, epsilon: f64) -> Result<Norm> {
        let weight = self.take(&format!("{path}.weight"), &[width])?;
        Ok(Norm::new(path, weight, None, epsilon))
    }

    /// Takes `<path>.weight` and `<path>.bias`, both `[width]`, of a layer norm.
    ///
    /// # Errors
    /// Fails if one is missing or has another shape.
    pub fn layer_norm(&mut self, path: String, width: usize, epsilon: f64) -> Result<Norm> {
        let weight = self.take(&format!("{path}.weight"), &[width])?;
        let bias = self.take(&format!("{path}.bias"), &[width])?;
        Ok(Norm::new(path, weight, Some(bias), epsilon))
    }
}
