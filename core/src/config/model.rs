//! The `[model]` table: which pretrained model, and how it is held.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The pretrained model and how it is held.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ModelConfig {
    /// A folder, a hub id (`t5-small`, `org/name@revision`), or `embedded:…`.
    pub path: String,
    /// Number format of the frozen weights and activations.
    #[serde(default)]
    pub dtype: Dtype,
    /// `auto`, `cpu` or `cuda:0`.
    #[serde(default = "auto")]
    pub device: String,
    /// How an encoder's hidden states become one vector.
    #[serde(default)]
    pub pooling: Pooling,
    /// Number format in which frozen matrices are kept; `dtype` when left out. They are
    /// widened where they are used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub frozen_dtype: Option<Dtype>,
    /// Whether products of `f32` are taken in TF32, with 10 bits of significand. CUDA devices
    /// only; refused on the CPU.
    #[serde(default)]
    pub tf32: bool,
    /// Whether our own CUDA kernels take the place of composed operations. They have never run
    /// on a device: see `tests/gpu/run`. CUDA devices only; refused on the CPU.
    #[serde(default)]
    pub cuda_kernels: bool,
}

fn auto() -> String {
    "auto".to_owned()
}

/// Number format of frozen weights and activations; trained tensors are `f32`
/// (`f64` when the model is).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Dtype {
    /// 32-bit floats.
    #[default]
    F32,
    /// 16-bit brain floats.
    Bf16,
    /// 64-bit floats, for checks against other implementations.
    F64,
}

/// How an encoder's hidden states become one vector per sequence.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Pooling {
    /// Mean over the real tokens.
    #[default]
    Mean,
    /// The first token's state.
    Cls,
    /// The first token's state through the pretrained pooler (dense and tanh).
    Pooler,
}

impl Pooling {
    /// Its name as configurations spell it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Mean => "mean",
            Self::Cls => "cls",
            Self::Pooler => "pooler",
        }
    }
}
