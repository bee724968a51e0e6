//! Distributions that trained tensors start from.

use candle_core::{DType, Device, Tensor};

use crate::Result;
use crate::random::Key;

/// A distribution of initial values.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Distribution {
    /// All 0.
    Zero,
    /// Normal around 0 with a standard deviation.
    Normal(f64),
    /// Uniform between minus and plus a bound.
    Uniform(f64),
}

impl Distribution {
    /// Glorot's uniform distribution with gain √2 for a matrix, as the Compacter reference
    /// applies it to each slice: bound `√2·√(6 / (rows + columns))`.
    #[must_use]
    pub fn glorot_uniform(rows: usize, columns: usize) -> Self {
        Self::Uniform((2.0 * 6.0 / (rows + columns) as f64).sqrt())
    }

    /// Glorot's normal distribution with gain √2: deviation `√2·√(2 / (rows + columns))`.
    #[must_use]
    pub fn glorot_normal(rows: usize, columns: usize) -> Self {
        Self::Normal((2.0 * 2.0 / (rows + columns) as f64).sqrt())
    }

    /// Glorot's normal distribution with gain 1, which AdapterHub uses for fast weights.
    #[must_use]
    pub fn xavier_normal(rows: usize, columns: usize) -> Self {
        Self::Normal((2.0 / (rows + columns) as f64).sqrt())
    }

    /// Kaiming's uniform distribution with a = √5, as PyTorch's linear layers start: bound
    /// `1/√width` for a map of so many inputs.
    #[must_use]
    pub fn kaiming_uniform(width: usize) -> Self {
        Self::Uniform((width as f64).powf(-0.5))
    }

    /// A tensor of independent values, a function of `key` alone.
    ///
    /// # Errors
    /// Fails where the tensor library does.
    pub fn tensor(
        self,
        key: Key,
        shape: &[usize],
        dtype: DType,
        device: &Device,
    ) -> Result<Tensor> {
        let elements: usize = shape.iter().product();
        let count = elements as u64;
        let values: Vec<f64> = match self {
            Self::Zero => vec![0.0; elements],
            Self::Normal(deviation) => (0..count).map(|i| deviation * key.normal(i)).collect(),
            Self::Uniform(bound) => (0..count)
                .map(|i| bound * (2.0 * key.uniform(i) - 1.0))
                .collect(),
        };
        Ok(Tensor::from_vec(values, shape, &Device::Cpu)?
            .to_dtype(dtype)?
            .to_device(device)?)
    }
}
