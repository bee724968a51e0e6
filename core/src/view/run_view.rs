//! Everything a screen draws from.

use std::collections::{BTreeMap, VecDeque};

use crate::event::{Change, Event, Refusal, Started, Step};

use super::axes::Axes;
use super::log::Log;
use super::marks::{MarkKind, Marks};
use super::scalars::Scalars;
use super::status::{Pace, Status};

/// What is known of a run, from the events pushed so far.
///
/// Memory does not grow with the number of steps, only (by some hundred bytes each) with
/// evaluations, checkpoints and edits.
#[derive(Debug, Clone)]
pub struct RunView {
    /// Name of the run; empty while nothing is known.
    pub name: String,
    /// What it is made of: configuration, groups of parameters, device.
    pub started: Option<Started>,
    /// Optimizer steps done.
    pub step: u64,
    /// Optimizer steps planned, with the configuration in force.
    pub total_steps: u64,
    /// The newest step; `None` too when the run was taken up from before it.
    pub latest: Option<Measured>,
    /// How fast it goes.
    pub pace: Pace,
    /// Every evaluation, in order.
    pub evals: Vec<EvalPoint>,
    /// The edits of the configuration in force, in order.
    pub edits: Vec<Edit>,
    /// Why the newest edit was refused, until one is taken.
    pub refused: Option<Refusal>,
    /// Warnings seen; their texts are in the log.
    pub warnings: u64,
    /// The checkpoints written, in order; the run's folder keeps only some of them.
    pub checkpoints: Vec<CheckpointSeen>,
    /// Events of kind `factors`, the newest last: snapshots of the fast weights.
    pub factors: VecDeque<Event>,
    /// Readable lines.
    pub log: Log,
    /// The curves.
    pub scalars: Scalars,
    /// From steps to the other x axes.
    pub axes: Axes,
    /// Steps that were skipped.
    pub skipped: Marks,
    /// Lines of the record that were no events.
    pub unreadable: u64,
    /// Whether events were dropped after they had been taken into the series: those are
    /// right again once the record is read anew. See [`super::Series::rewind`].
    pub rough: bool,
    pub(super) pauses: Marks,
    pub(super) status: Status,
    /// Wall time of the first event, and of the last.
    pub(super) began: Option<f64>,
    pub(super) heard: f64,
    /// Clock of the present process at its last event, and what earlier ones had reached.
    pub(super) clock: f64,
    pub(super) earlier: f64,
    pub(super) tokens: f64,
}

/// A step, when it was done and what it measured.
#[derive(Debug, Clone, PartialEq)]
pub struct Measured {
    /// Optimizer steps done.
    pub step: u64,
    /// Wall time, seconds since 1970.
    pub t: f64,
    /// The measurements.
    pub values: Step,
}

/// One evaluation.
#[derive(Debug, Clone, PartialEq)]
pub struct EvalPoint {
    /// Optimizer steps done.
    pub step: u64,
    /// Wall time, seconds since 1970.
    pub t: f64,
    /// Name of the split.
    pub split: String,
    /// Values by name.
    pub metrics: BTreeMap<String, f64>,
    /// Whether it was the best so far.
    pub best: bool,
}

/// An edit of the configuration that came into force.
#[derive(Debug, Clone, PartialEq)]
pub struct Edit {
    /// From which step on it counts.
    pub step: u64,
    /// Wall time, seconds since 1970.
    pub t: f64,
    /// Number of the configuration.
    pub version: u32,
    /// The whole configuration, as TOML.
    pub config: String,
    /// What changed.
    pub changes: Vec<Change>,
}

/// A checkpoint that was written.
#[derive(Debug, Clone, PartialEq)]
pub struct CheckpointSeen {
    /// Optimizer steps done.
    pub step: u64,
    /// Its folder, relative to the run's.
    pub path: String,
    /// Whether it was the best so far.
    pub best: bool,
}

impl Default for RunView {
    fn default() -> Self {
        Self {
            name: String::new(),
            started: None,
            step: 0,
            total_steps: 0,
            latest: None,
            pace: Pace::default(),
            evals: Vec::new(),
            edits: Vec::new(),
            refused: None,
            warnings: 0,
            checkpoints: Vec::new(),
            factors: VecDeque::new(),
            log: Log::default(),
            scalars: Scalars::default(),
            axes: Axes::default(),
            skipped: Marks::default(),
            unreadable: 0,
            rough: false,
            pauses: Marks::default(),
            status: Status::Waiting,
            began: None,
            heard: 0.0,
            clock: 0.0,
            earlier: 0.0,
            tokens: 0.0,
        }
    }
}

impl RunView {
    /// Wall time of the first event, in seconds since 1970; `None` while there is none.
    #[must_use]
    pub fn began(&self) -> Option<f64> {
        self.began
    }

    /// How the run stands at the wall time `now`, in seconds since 1970.
    #[must_use]
    pub fn status(&self, now: f64) -> Status {
        let seconds = now - self.heard;
        if self.status == Status::Running && seconds > self.pace.patience() {
            return Status::Silent { seconds };
        }
        self.status.clone()
    }

    /// Seconds that the run's processes have taken, one after the other, up to `now`.
    #[must_use]
    pub fn elapsed(&self, now: f64) -> f64 {
        let known = self.earlier + self.clock;
        match self.status(now) {
            Status::Running | Status::Paused { .. } => known + (now - self.heard).max(0.0),
            _ => known,
        }
    }

    /// Seconds to go; `None` while the pace is not known, or when nothing moves.
    #[must_use]
    pub fn eta(&self, now: f64) -> Option<f64> {
        if !matches!(self.status(now), Status::Running | Status::Paused { .. }) {
            return None;
        }
        let steps = self.total_steps.saturating_sub(self.step);
        Some(steps as f64 * self.pace.seconds_per_step()?)
    }

    /// The newest evaluation of a split.
    #[must_use]
    pub fn last_eval(&self, split: &str) -> Option<&EvalPoint> {
        self.evals.iter().rev().find(|eval| eval.split == split)
    }

    /// The best evaluation of a split.
    #[must_use]
    pub fn best_eval(&self, split: &str) -> Option<&EvalPoint> {
        let mut newest_first = self.evals.iter().rev();
        newest_first.find(|eval| eval.best && eval.split == split)
    }

    /// The splits that were evaluated, in the order of their names.
    #[must_use]
    pub fn splits(&self) -> Vec<&str> {
        let mut splits: Vec<&str> = self.evals.iter().map(|e| e.split.as_str()).collect();
        splits.sort_unstable();
        splits.dedup();
        splits
    }

    /// Number of the configuration in force: 1 at the start.
    #[must_use]
    pub fn config_version(&self) -> u32 {
        self.edits.last().map_or(1, |edit| edit.version)
    }

    /// The configuration in force, as TOML.
    #[must_use]
    pub fn config(&self) -> Option<&str> {
        let edited = self.edits.last().map(|edit| edit.config.as_str());
        edited.or_else(|| self.started.as_ref().map(|s| s.config.as_str()))
    }

    /// What is marked on the x axis, kind by kind.
    pub fn marks(&self) -> impl Iterator<Item = (MarkKind, u64)> + '_ {
        let of = |kind| move |step| (kind, step);
        let checkpoints = self.checkpoints.iter().map(|seen| seen.step);
        let edits = self.edits.iter().map(|edit| edit.step);
        checkpoints
            .map(of(MarkKind::Checkpoint))
            .chain(edits.map(of(MarkKind::ConfigChange)))
            .chain(self.pauses.steps().map(of(MarkKind::Pause)))
            .chain(self.skipped.steps().map(of(MarkKind::NotFinite)))
    }
}
