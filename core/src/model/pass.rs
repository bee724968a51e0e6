//! One forward pass: for training, with its dropout, or for evaluation, without.

use candle_core::Tensor;

use crate::Result;
use crate::ops::dropout::dropout;
use crate::random::Key;

/// What a forward pass is for.
#[derive(Debug, Clone, Copy)]
pub struct Pass {
    rate: f64,
    key: Option<Key>, // None in evaluation
}

impl Pass {
    /// A pass without dropout.
    pub const EVALUATION: Self = Self {
        rate: 0.0,
        key: None,
    };

    /// A training pass with the backbone's dropout at `rate`; masks are functions of
    /// `key`, which must differ between passes, and of the site.
    #[must_use]
    pub fn training(rate: f64, key: Key) -> Self {
        Self {
            rate,
            key: Some(key),
        }
    }

    /// Applies the backbone's dropout at a site.
    ///
    /// # Errors
    /// Fails where the tensor library does.
    pub fn dropout(&self, x: &Tensor, site: &str) -> Result<Tensor> {
        self.dropout_at(self.rate, x, site)
    }

    /// Applies dropout of a rate of its own at a site.
    ///
    /// # Errors
    /// Fails where the tensor library does.
    pub fn dropout_at(&self, rate: f64, x: &Tensor, site: &str) -> Result<Tensor> {
        match self.noise_at(rate, site) {
            Some((rate, key)) => dropout(x, rate, key),
            None => Ok(x.clone()),
        }
    }

    /// Rate and mask key of the backbone's dropout at a site, where there is any.
    #[must_use]
    pub fn noise(&self, site: &str) -> Option<(f64, Key)> {
        self.noise_at(self.rate, site)
    }

    /// Mask key of a dropout with a rate of its own at a site, where there is any.
    #[must_use]
    pub fn noise_at(&self, rate: f64, site: &str) -> Option<(f64, Key)> {
        let key = self.key.filter(|_| rate > 0.0)?;
        Some((rate, key.named(site)))
    }
}
