//! What training goes on from, besides tensors: the `state.json` of a checkpoint.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::machine;
use crate::event::number;

/// Where training stands between two optimizer steps.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// Optimizer steps done.
    pub step: u64,
    /// Whole passes over the training data done.
    pub epoch: u64,
    /// Batches of the present pass done.
    pub batch: u64,
    /// How the present pass is cut into batches; `None` before the first.
    pub layout: Option<Layout>,
    /// Optimizer steps of the whole run, as planned now.
    pub total_steps: u64,
    /// Updates that the optimizer has made; skipped steps make none.
    pub updates: u64,
    /// Step of the last snapshot of factors.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub factors: Option<u64>,
    /// When the validation split was measured last.
    pub evaluated: Option<Evaluated>,
    /// The best evaluation so far.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub best: Option<Best>,
    /// Evaluations since the best one.
    pub evals_without_improvement: usize,
    /// Steps just before this one that were left out because something was not finite.
    pub skipped_in_a_row: usize,
    /// Where live edits bent the learning rate's schedule.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub anchor: Option<Anchor>,
    /// [`fingerprint`](crate::data::fingerprint) of the training examples; not told by earlier
    /// versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub examples: Option<String>,
    /// The configuration in force, as TOML.
    pub config: String,
    /// Its number: 1 at the start, one more with each edit.
    pub config_version: u32,
    /// Version of the program.
    pub program: String,
    /// Processor features that results depend on.
    pub features: Vec<String>,
    /// The run and step that this run was forked from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub forked_from: Option<Origin>,
}

/// How a pass over the training data is cut into batches. An edit of these fields waits for
/// the next pass, so a pass goes on as it was begun even where the run is resumed in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Layout {
    /// Examples per batch.
    pub batch_size: usize,
    /// Whether batches gather inputs of similar length.
    pub length_buckets: bool,
}

/// When the validation split was measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evaluated {
    /// Optimizer steps done.
    pub step: u64,
    /// Whole passes over the training data done.
    pub epoch: u64,
}

/// An evaluation that none has beaten.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Best {
    /// The metric that decides.
    pub metric: String,
    /// Its value.
    #[serde(with = "number")]
    pub value: f64,
    /// All that was measured, by name.
    #[serde(with = "number::map")]
    pub metrics: BTreeMap<String, f64>,
    /// Optimizer steps done when it was measured.
    pub step: u64,
}

/// The learning rate that a schedule goes on from after a live edit.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Anchor {
    /// Optimizer steps done when the edit came.
    pub step: u64,
    /// The rate there.
    #[serde(with = "number")]
    pub rate: f64,
    /// Whether the rate was still warming up.
    pub warming_up: bool,
}

/// Where a forked run comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// Name of the run.
    pub run: String,
    /// Step of its checkpoint.
    pub step: u64,
}

impl State {
    /// The state before the first step, on this machine and with this program.
    #[must_use]
    pub fn new(config: impl Into<String>) -> Self {
        Self {
            step: 0,
            epoch: 0,
            batch: 0,
            layout: None,
            total_steps: 0,
            updates: 0,
            factors: None,
            evaluated: None,
            best: None,
            evals_without_improvement: 0,
            skipped_in_a_row: 0,
            anchor: None,
            examples: None,
            config: config.into(),
            config_version: 1,
            program: env!("CARGO_PKG_VERSION").to_owned(),
            features: machine::processor_features(),
            forked_from: None,
        }
    }

    /// Whether the best evaluation is that of this very state.
    #[must_use]
    pub fn is_best(&self) -> bool {
        self.best
            .as_ref()
            .is_some_and(|best| best.step == self.step)
    }
}
