//! The `[output]` and `[watch]` tables: what a run writes, and what it records for viewers.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a run writes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct OutputConfig {
    /// Folder that holds the runs.
    pub directory: PathBuf,
    /// Optimizer steps between lines of plain output.
    pub log_every: u64,
    /// Whether scalars are written for TensorBoard too, to the run's folder `tensorboard`.
    pub tensorboard: bool,
    /// Shell command that is started when the run has finished or failed. A configuration
    /// from somebody else can run any command this way: read it first.
    pub on_finish: Option<String>,
}

/// What a run records for its viewers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct WatchConfig {
    /// Optimizer steps between snapshots of the method's factors; 0 turns them off.
    pub factors_every: u64,
}

impl Default for WatchConfig {
    fn default() -> Self {
        Self { factors_every: 20 }
    }
}

impl Default for OutputConfig {
    fn default() -> Self {
        Self {
            directory: PathBuf::from("runs"),
            log_every: 10,
            tensorboard: false,
            on_finish: None,
        }
    }
}
