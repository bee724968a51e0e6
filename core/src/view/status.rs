//! How a run stands, how fast it goes, and how long it will take.

use std::collections::BTreeMap;

use crate::event::Ending;

use super::smooth::Ema;

/// How a run stands.
#[derive(Debug, Clone, PartialEq)]
pub enum Status {
    /// Nothing has been read yet.
    Waiting,
    /// Steps are being done.
    Running,
    /// It should be running, and nothing was heard of it for longer than it takes.
    Silent {
        /// Seconds since the last event.
        seconds: f64,
    },
    /// It waits for a command.
    Paused {
        /// Why.
        reason: String,
    },
    /// Its process was told to end; it can be resumed.
    Interrupted {
        /// Why.
        reason: String,
    },
    /// It is complete.
    Finished {
        /// Why it ended.
        reason: Ending,
        /// The best evaluation, if there was one.
        best: Option<BTreeMap<String, f64>>,
    },
    /// It ended with an error.
    Failed {
        /// The error.
        message: String,
    },
}

impl Status {
    /// Whether no process works on the run any more.
    #[must_use]
    pub fn is_over(&self) -> bool {
        matches!(
            self,
            Self::Interrupted { .. } | Self::Finished { .. } | Self::Failed { .. }
        )
    }
}

/// Seconds without an event after which a run counts as silent, at least.
const PATIENCE: f64 = 30.0;
/// The same in steps of its usual length: an evaluation or a checkpoint takes as long as many.
const PATIENCE_STEPS: f64 = 20.0;
/// Share of the past in the averages: about the last fifty steps count.
const FACTOR: f64 = 0.98;

/// How fast a run goes, averaged over its last steps.
#[derive(Debug, Clone, PartialEq)]
pub struct Pace {
    between: Ema,
    tokens: Ema,
    seconds: Ema,
    /// Clock of the process at the last step, until something other than work comes between.
    last: Option<(u64, f64)>,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            between: Ema::new(FACTOR),
            tokens: Ema::new(FACTOR),
            seconds: Ema::new(FACTOR),
            last: None,
        }
    }
}

impl Pace {
    /// Takes a step: the process's clock when it was done, its tokens and seconds.
    pub(super) fn step(&mut self, step: u64, elapsed: f64, tokens: f64, seconds: f64) {
        if let Some((before, clock)) = self.last
            && step > before
        {
            self.between
                .push((elapsed - clock).max(0.0) / (step - before) as f64);
        }
        self.last = Some((step, elapsed));
        self.tokens.push(tokens);
        self.seconds.push(seconds);
    }

    /// Says that the time since the last step was not spent on work.
    pub(super) fn interrupt(&mut self) {
        self.last = None;
    }

    /// Seconds from step to step, evaluations and checkpoints among them.
    #[must_use]
    pub fn seconds_per_step(&self) -> Option<f64> {
        self.between.value().or_else(|| self.seconds.value())
    }

    /// Tokens a second while steps are done.
    #[must_use]
    pub fn tokens_per_second(&self) -> Option<f64> {
        let seconds = self.seconds.value().filter(|&seconds| seconds > 0.0)?;
        Some(self.tokens.value()? / seconds)
    }

    /// Seconds without an event that are nothing unusual.
    pub(super) fn patience(&self) -> f64 {
        let step = self.seconds_per_step().unwrap_or(0.0);
        PATIENCE.max(PATIENCE_STEPS * step)
    }
}
