//! The layers that backbones are made of, each with room for a module.

use candle_core::Tensor;

use super::site::{LinearModule, NormModule, Slot, SubLayer, SubLayerModule, WeightVisitor};
use super::{Pass, Weight};
use crate::Result;
use crate::ops::linear::{cast, frozen_linear, linear};
use crate::ops::norm::{layer_norm, rms_norm};

/// A linear map `x Wᵀ + b`.
#[derive(Debug)]
pub struct Linear {
    /// Name in checkpoints, without `.weight`.
    pub path: String,
    /// `[out, in]`
    pub weight: Weight,
    /// `[out]`
    pub bias: Option<Weight>,
    /// The module that acts in its place.
    pub module: Slot<dyn LinearModule>,
}

impl Linear {
    /// A map without a module.
    #[must_use]
    pub fn new(path: String, weight: Tensor, bias: Option<Tensor>) -> Self {
        Self {
            path,
            weight: weight.into(),
            bias: bias.map(Weight::from),
            module: Slot::default(),
        }
    }

    /// Maps `x: [tokens, in]` to `[tokens, out]`, through the module where there is one.
    ///
    /// # Errors
    /// Fails where the tensor library does.
    pub fn forward(&self, x: &Tensor, pass: &Pass) -> Result<Tensor> {
        match self.module.get() {
            Some(module) => module.forward(x, self, pass),
            None => self.plain(x),
        }
    }

    /// Maps `x: [tokens, in]` to `[tokens, out]`, past the module.
    ///
    /// # Errors
    /// Fails where the tensor library does.
    pub fn plain(&self, x: &Tensor) -> Result<Tensor> {
        self.shift(&self.product(x)?)
    }

    /// `x Wᵀ` of `x: [tokens, in]`: the map without its bias.
    ///
    /// # Errors
    /// Fails where the tensor library does.
    pub fn product(&self, x: &Tensor) -> Result<Tensor> {
        match &self.weight {
            Weight::Frozen(weight) => frozen_linear(x, weight),
            other => linear(x, &other.tensor()?),
        }
    }

    /// Adds the bias, where there is one, to `y: [tokens, out]`.
    ///
    /// # Errors
    /// Fails where the tensor library does.
    pub fn shift(&self, y: &Tensor) -> Result<Tensor> {
        match &self.bias {
            Some(bias) => Ok(y.broadcast_add(&cast(&bias.tensor()?, y.dtype())?)?),
            None => Ok(y.clone()),
        }
    }

    /// Shows weight and bias to `visit`.
    ///
    /// # Errors
    /// Passes on the visitor's first error.
    pub fn visit_weights(&mut self, visit: &mut WeightVisitor<'_>) -> Result<()> {
        visit(&format!("{}.weight", self.path), &mut self.weight)?;
        match &mut self.bias {
            Some(bias) => visit(&format!("{}.bias", self.path), bias),
            None => Ok(()),
        }
    }
}

/// A layer norm: T5's without bias and mean, BERT's with both.
#[derive(Debug)]
pub struct Norm {
    /// Name in checkpoints, without `.weight`.
    pub path: String,
    /// `[d_model]`
    pub weight: Weight,
    /// `[d_model]`; `None` makes it T5's root-mean-square norm.
    pub bias: Option<Weight>,
    /// Added to the variance.
    pub epsilon: f64,
    /// The module that acts on its output.
    pub module: Slot<dyn NormModule>,
}

impl Norm {
    /// A norm without a module.
    #[must_use]
    pub fn new(path: String, weight: Tensor, bias: Option<Tensor>, epsilon: f64) -> Self {
        let bias = bias.map(Weight::from);
        Self {
            path,
            weight: weight.into(),
            bias,
            epsilon,
            module: Slot::default(),
        }
    }

    /// Norms `x: [tokens, d_model]` over its last axis.
    ///
    /// # Errors
    /// Fails where the tensor library does.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let weight = self.weight.tensor()?;
        let normed = match &self.bias {
            Some(bias) => layer_norm(x, &weight, &bias.tensor()?, self.epsilon)?,
            None => rms_norm(x, &weight, self.epsilon)?,
        };
        match self.module.get() {
            Some(module) => module.forward(&normed),
            None => Ok(normed),
        }
    }

    /// Shows weight and bias to `visit`.
    ///
    /// # Errors
    /// Passes on the visitor's first error.
    pub fn visit_weights(&mut self, visit: &mut WeightVisitor<'_>) -> Result<()> {
        visit(&format!("{}.weight", self.path), &mut self.weight)?;
        match &mut self.bias {
            Some(bias) => visit(&format!("{}.bias", self.path), bias),
            None => Ok(()),
        }
    }
}

/// The end of a sub-layer: where its output meets the residual, and a module may act.
#[derive(Debug)]
pub struct Junction {
    /// Name of the site in checkpoints.
    pub path: String,
    /// The module that acts there.
    pub module: Slot<dyn SubLayerModule>,
    /// Name of its dropout.
    pub dropout: String,
}

impl Junction {
    /// A junction without a module.
    #[must_use]
    pub fn new(path: String) -> Self {
        let dropout = format!("{path}.dropout");
        Self {
            path,
            module: Slot::default(),
            dropout,
        }
    }

    /// Adds a sub-layer's output to the residual, through the module where there is one;
    /// all tensors are `[tokens, d_model]`.
    ///
    /// # Errors
    /// Fails where the tensor library does.
    pub fn join(&self, branch: &BranchOutput<'_>, pass: &Pass) -> Result<Tensor> {
        let at = SubLayer {
            input: branch.input,
            output: branch.output,
            residual: branch.residual,
            norm: branch.norm,
            pass,
            dropout: &self.dropout,
        };
        match self.module.get() {
            Some(module) => module.forward(&at),
            None => at.plain(),
        }
    }
}

/// What a sub-layer brings to its [`Junction`].
#[derive(Debug, Clone, Copy)]
pub struct BranchOutput<'a> {
    /// What the sub-layer read.
    pub input: &'a Tensor,
    /// What it computed.
    pub output: &'a Tensor,
    /// The hidden state before it.
    pub residual: &'a Tensor,
    /// The norm that follows (BERT).
    pub norm: Option<&'a Norm>,
}
