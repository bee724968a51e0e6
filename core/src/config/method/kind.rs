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
    /// Adapters after one sub-layer of a block only (Pfeiffer et al., arXiv:2005.00247).
    #[serde(rename = "pfeiffer")]
    Pfeiffer,
    /// Adapters in the upper blocks only (Rücklé et al., arXiv:2010.11918).
    #[serde(rename = "adapterdrop")]
    AdapterDrop,
    /// Scaled adapters beside the feed-forward (He et al., arXiv:2110.04366).
    #[serde(rename = "parallel")]
    Parallel,
    /// Adapters whose projections are products of two factors (arXiv:2106.04647).
    #[serde(rename = "low-rank")]
    LowRank,
    /// Hypercomplex adapters, nothing shared and nothing factored (arXiv:2106.04647).
    #[serde(rename = "phm")]
    Phm,
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
    /// `LoRA` of directions beside trained magnitudes (Liu et al., arXiv:2402.09353).
    #[serde(rename = "dora")]
    Dora,
    /// Trained factors of keys, values and intermediates (Liu et al., arXiv:2205.05638).
    #[serde(rename = "ia3")]
    Ia3,
    /// Rows before the keys and values of every attention (Li and Liang, arXiv:2101.00190).
    #[serde(rename = "prefix")]
    Prefix,
    /// Random rows before every input (Lester et al., arXiv:2104.08691).
    #[serde(rename = "prompt")]
    Prompt,
    /// Prompt tuning from rows of the token embedding.
    #[serde(rename = "prompt-vocab")]
    PromptVocab,
    /// Biases alone (Ben Zaken et al., arXiv:2106.10199).
    #[serde(rename = "bitfit")]
    BitFit,
    /// The backbone's layer norms alone.
    #[serde(rename = "layer-norm")]
    LayerNorm,
    /// A random subspace of all weights (Aghajanyan et al., arXiv:2012.13255).
    #[serde(rename = "said")]
    Said,
}

impl MethodKind {
    /// Every method: full tuning and the head alone, then from many trained parameters to few.
    pub const ALL: [Self; 19] = [
        Self::Full,
        Self::Head,
        Self::Prefix,
        Self::Parallel,
        Self::Adapter,
        Self::AdapterDrop,
        Self::Pfeiffer,
        Self::Dora,
        Self::Lora,
        Self::Phm,
        Self::BitFit,
        Self::Compacter,
        Self::LowRank,
        Self::Ia3,
        Self::CompacterPlusPlus,
        Self::Prompt,
        Self::PromptVocab,
        Self::LayerNorm,
        Self::Said,
    ];

    /// The method's name as configurations spell it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Head => "head",
            Self::Adapter => "adapter",
            Self::Pfeiffer => "pfeiffer",
            Self::AdapterDrop => "adapterdrop",
            Self::Parallel => "parallel",
            Self::LowRank => "low-rank",
            Self::Phm => "phm",
            Self::Compacter => "compacter",
            Self::CompacterPlusPlus => "compacter++",
            Self::Lora => "lora",
            Self::Dora => "dora",
            Self::Ia3 => "ia3",
            Self::Prefix => "prefix",
            Self::Prompt => "prompt",
            Self::PromptVocab => "prompt-vocab",
            Self::BitFit => "bitfit",
            Self::LayerNorm => "layer-norm",
            Self::Said => "said",
        }
    }

    /// Peak learning rate where a configuration names none.
    ///
    /// The reference implementation's settings for what it has. It has neither head-only
    /// training nor `LoRA`, `DoRA`, (IA)³, prefix tuning, parallel adapters or layer norms
    /// alone; theirs are customary ones.
    #[must_use]
    pub fn default_learning_rate(self) -> f64 {
        match self {
            Self::Parallel => 1e-4,
            Self::Full | Self::Adapter | Self::Pfeiffer | Self::AdapterDrop | Self::BitFit => 3e-4,
            Self::LayerNorm | Self::Prefix => 1e-3,
            Self::Lora | Self::Dora => 2e-3,
            Self::LowRank | Self::Phm | Self::Compacter | Self::CompacterPlusPlus | Self::Ia3 => {
                3e-3
            }
            Self::Head => 1e-2,
            Self::Prompt | Self::Said => 3e-2,
            Self::PromptVocab => 3e-1,
        }
    }

    /// Whether projections of the method's own are recorded while it trains: norm, drift,
    /// spectrum.
    #[must_use]
    pub fn has_projections(self) -> bool {
        match self {
            Self::Adapter
            | Self::Pfeiffer
            | Self::AdapterDrop
            | Self::Parallel
            | Self::LowRank
            | Self::Phm
            | Self::Compacter
            | Self::CompacterPlusPlus
            | Self::Lora
            | Self::Dora => true,
            Self::Full
            | Self::Head
            | Self::Ia3
            | Self::Prefix
            | Self::Prompt
            | Self::PromptVocab
            | Self::BitFit
            | Self::LayerNorm
            | Self::Said => false,
        }
    }

    /// Whether `AdapterHub` has the method, and so defaults of its own for it.
    #[must_use]
    pub fn is_in_adapterhub(self) -> bool {
        !matches!(
            self,
            Self::LowRank | Self::PromptVocab | Self::BitFit | Self::LayerNorm | Self::Said
        )
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
