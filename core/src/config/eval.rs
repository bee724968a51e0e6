//! The `[eval]` table: when to evaluate, and when to give up.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::EvalEvery;

/// When to evaluate, and when to give up.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct EvalConfig {
    /// `"epoch"`, or a number of optimizer steps.
    pub every: EvalEvery,
    /// Evaluations in a row without a new best after which training stops; 0 means never.
    pub patience: usize,
    /// Examples per forward pass; the training batch size when left out.
    pub batch_size: Option<usize>,
    /// Metric that decides what is best; the task's main metric when left out.
    pub metric: Option<String>,
}

impl Default for EvalConfig {
    fn default() -> Self {
        Self {
            every: EvalEvery::Epoch,
            patience: 0,
            batch_size: None,
            metric: None,
        }
    }
}
