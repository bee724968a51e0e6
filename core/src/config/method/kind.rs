//! The fine-tuning methods by name.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::hint;
use crate::error::{Error, Result};

/// The fine-tuning methods.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum MethodKind {
    /// Every weight is trained.
    #[serde(rename = "full")]
    Full,
    /// Only the task head is trained.
    #[serde(rename = "head")]
    Head,
    /// Bottleneck adapters with dense projections (Houlsby et al., arXiv:1902.00751).
    #[serde(rename = "adapter")]
    Adapter,
    /// Low-rank hypercomplex adapters after both sub-layers (arXiv:2106.04647).
    #[default]
    #[serde(rename = "compacter")]
    Compacter,
    /// Compacter after the feed-forward sub-layer only.
    #[serde(rename = "compacter++")]
    CompacterPlusPlus,
    /// Low-rank updates of attention projections (arXiv:2106.09685).
    #[serde(rename = "lora")]
    Lora,
}

impl MethodKind {
    /// Every method, the most expensive first.
    pub const ALL: [Self; 6] = [
        Self::Full,
        Self::Head,
        Self::Adapter,
        Self::Compacter,
        Self::CompacterPlusPlus,
        Self::Lora,
    ];

    /// The method's name as configurations spell it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Head => "head",
            Self::Adapter => "adapter",
            Self::Compacter => "compacter",
            Self::CompacterPlusPlus => "compacter++",
            Self::Lora => "lora",
        }
    }

    /// Peak learning rate where a configuration names none.
    ///
    /// `full`, `adapter` and both Compacters: the reference implementation's settings.
    /// It has neither `LoRA` nor head-only training; theirs are the customary ones.
    #[must_use]
    pub fn default_learning_rate(self) -> f64 {
        match self {
            Self::Full | Self::Adapter => 3e-4,
            Self::Compacter | Self::CompacterPlusPlus => 3e-3,
            Self::Lora => 2e-3,
            Self::Head => 1e-2,
        }
    }
}

impl fmt::Display for MethodKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for MethodKind {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let found = Self::ALL.into_iter().find(|kind| kind.as_str() == text);
        found.ok_or_else(|| {
            let names = Self::ALL.map(Self::as_str);
            Error::method(hint::not_one_of(text, &names))
        })
    }
}
