//! A tensor of the backbone, and what fine-tuning may make of it.

use std::fmt;
use std::sync::Arc;

use candle_core::Tensor;

use crate::Result;

/// A tensor of the backbone: frozen, trained, or computed from the frozen one.
#[derive(Clone)]
pub enum Weight {
    /// As pretrained; no gradient is computed for it.
    Frozen(Tensor),
    /// Trained: a view of the flat buffer of trainables.
    Trained(Tensor),
    /// Computed from the pretrained tensor at each use, with gradients to what it is
    /// computed with.
    Derived(Tensor, Arc<dyn Reparametrisation>),
}

/// A way to compute a weight from its pretrained value.
pub trait Reparametrisation: Send + Sync {
    /// Maps the pretrained tensor to the one to use, of the same shape.
    ///
    /// # Errors
    /// Fails where the tensor library does.
    fn apply(&self, frozen: &Tensor) -> Result<Tensor>;
}

impl Weight {
    /// The tensor to compute with.
    ///
    /// # Errors
    /// Fails where a derived weight cannot be computed.
    pub fn tensor(&self) -> Result<Tensor> {
        match self {
            Self::Frozen(tensor) | Self::Trained(tensor) => Ok(tensor.clone()),
            Self::Derived(frozen, map) => map.apply(frozen),
        }
    }

    /// The stored tensor: pretrained, or the trained one in its place.
    #[must_use]
    pub fn stored(&self) -> &Tensor {
        match self {
            Self::Frozen(tensor) | Self::Trained(tensor) | Self::Derived(tensor, _) => tensor,
        }
    }
}

impl From<Tensor> for Weight {
    fn from(tensor: Tensor) -> Self {
        Self::Frozen(tensor)
    }
}

impl fmt::Debug for Weight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match self {
            Self::Frozen(_) => "frozen",
            Self::Trained(_) => "trained",
            Self::Derived(..) => "derived",
        };
        write!(f, "{state} {:?}", self.stored().shape())
    }
}
