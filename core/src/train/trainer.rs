//! The training loop.
//!
//! ```text
//! evaluate if due ─▶ checkpoint if due ─▶ edits ─▶ end? ─▶ commands ─▶ step ─▶ again
//!        ▲                                  │                 │
//!        └──────── an edit counts at once ──┴─────────────────┘
//! ```
//!
//! Everything that happens is an event on the bus; everything that people ask for arrives
//! between two steps. The loop's place is its [`State`], so that a checkpoint is the whole
//! loop: evaluation, commands and snapshots use none of training's random numbers. An edit
//! that a resumed run repeats finds the loop just where it found it the first time: behind
//! what the old configuration had due at that step.

use std::collections::VecDeque;
use std::path::Path;
use std::time::Instant;

use super::between::Asked;
use super::commands::Heard;
use super::control::Control;
use super::exchange::Exchange;
use super::factors::FactorWatch;
use super::optimizer::{AdamW, Update};
use super::plan::Plan;
use super::prepare::Prepared;
use super::step::{Measured, StepConfig, step};
use crate::cancel::CancelToken;
use crate::config::{EvalEvery, RunConfig};
use crate::data::Batch;
use crate::event::{self, Bus, Ending, Kind, Refusal};
use crate::random::Key;
use crate::run::live::LiveFiles;
use crate::run::machine::{peak_memory, resident_memory};
use crate::run::{Edit, RunFolder, State};
use crate::{Error, Result};

/// How a call of [`Trainer::run`] ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The run is complete.
    Finished(Ending),
    /// The process was told to end; the run can be resumed.
    Interrupted,
}

/// Trains one model on one device. [`super::session`] makes one.
#[derive(Debug)]
pub struct Trainer {
    pub(super) prepared: Prepared,
    pub(super) optimizer: AdamW,
    /// The processes that train along.
    pub(super) exchange: Box<dyn Exchange>,
    pub(super) factors: FactorWatch,
    pub(super) state: State,
    pub(super) plan: Plan,
    pub(super) bus: Bus,
    pub(super) control: Control,
    pub(super) cancel: CancelToken,
    /// Where checkpoints go; `None` keeps the run in memory.
    pub(super) folder: Option<RunFolder>,
    /// Edits of an earlier process, to be repeated at their steps.
    pub(super) edits: VecDeque<Edit>,
    /// An edit made between two processes, to follow the repeated ones.
    pub(super) wanted: Option<Box<RunConfig>>,
    /// The configuration files that are kept in step with what is in force.
    pub(super) live: LiveFiles,
    /// The configurations that were in force before, the last one at the end.
    pub(super) before: Vec<RunConfig>,
    /// The last edit that was refused; none once that was put right.
    pub(super) refused: Option<Refusal>,
    /// The last checkpoint written or resumed from.
    pub(super) saved: Option<Saved>,
    /// Steps to do before pausing again; `None` when not stepping.
    pub(super) stepping: Option<u64>,
    pub(super) paused: bool,
    /// Whether the process was told to end: then nothing waits for room on the disk.
    pub(super) leaving: bool,
}

/// What is known of the last checkpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Saved {
    pub(super) step: u64,
    /// Whether a step with finite loss and gradient has followed. Until then the values in
    /// it may be what makes the loss overflow, and the checkpoint before it stays.
    pub(super) proved: bool,
}

/// What the loop does next.
pub(super) enum Next {
    Train,
    End(Ending),
}

impl Trainer {
    /// Trains until the run is complete or the process is told to end.
    ///
    /// # Errors
    /// Fails if the loss stays non-finite, and where tensors or files do. The failure is an
    /// event too, and the last checkpoint stays.
    pub fn run(&mut self) -> Result<Outcome> {
        let threads = self.prepared.config.train.threads;
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
        let pool =
            pool.map_err(|e| Error::method(format!("cannot start {threads} threads: {e}")))?;
        let outcome = pool.install(|| match self.train() {
            Err(Error::Cancelled) => self.interrupt(),
            outcome => outcome,
        });
        if let Err(error) = &outcome {
            let message = error.to_string();
            // Best effort: the run's own error is the one to report.
            let _unrecorded = self.bus.emit(self.state.step, Kind::Failed { message });
        }
        self.start_on_finish(&outcome);
        outcome
    }

    /// What is trained, with the model it is installed in.
    #[must_use]
    pub fn prepared(&self) -> &Prepared {
        &self.prepared
    }

    /// Averages the gradient of every step with other processes, which train on batches of
    /// their own.
    pub fn train_with(&mut self, exchange: Box<dyn Exchange>) {
        self.exchange = exchange;
    }

    /// Keeps the file that the run is started from in step with the configuration in
    /// force: `now` is what it means, `--set` values included.
    pub fn keep_in_step(&mut self, path: &Path, now: &RunConfig) {
        self.live.add(path, now);
    }

    fn train(&mut self) -> Result<Outcome> {
        if self.state.step == 0 {
            self.tell_missing_factors()?;
        }
        loop {
            match self.between_steps()? {
                Next::Train => self.one_step()?,
                Next::End(ending) => return self.finish(ending),
            }
        }
    }

    /// All that may happen between two steps, in the order that resuming repeats.
    fn between_steps(&mut self) -> Result<Next> {
        loop {
            self.cancel.check()?;
            if self.evaluation_due() {
                self.evaluate(Asked::BySchedule)?;
            }
            if self.checkpoint_due() {
                self.checkpoint()?;
            }
            if self.edit_of_earlier_process()? {
                continue;
            }
            if let Some(ending) = self.ending() {
                return Ok(Next::End(ending));
            }
            match self.obey()? {
                Heard::Edit => {}
                Heard::GoOn => return Ok(Next::Train),
                Heard::Stop => return Ok(Next::End(Ending::Stopped)),
            }
        }
    }

    fn ending(&self) -> Option<Ending> {
        let patience = self.prepared.config.eval.patience;
        if self.state.step >= self.state.total_steps {
            Some(Ending::Steps)
        } else if patience > 0 && self.state.evals_without_improvement >= patience {
            Some(Ending::Patience)
        } else {
            None
        }
    }

    fn one_step(&mut self) -> Result<()> {
        let started = Instant::now();
        let learning_rate = self.plan.learning_rate(&self.state);
        let config = self.step_config(learning_rate);
        let watched = self.factors_due_after_step();
        let batches = self.next_batches();
        let Prepared {
            model,
            objective,
            trainables,
            ..
        } = &self.prepared;
        let (measured, gradient) = step(
            (model, objective.as_ref()),
            trainables,
            (&mut self.optimizer, &mut *self.exchange),
            (&batches, &config),
        )?;
        self.count(&measured);
        self.emit(Kind::Step(event::Step {
            loss: measured.loss,
            learning_rate,
            gradient_norm: measured.gradient_norm,
            epoch: self.plan.epochs_done(&self.state),
            total_steps: self.state.total_steps,
            tokens: measured.tokens,
            seconds: started.elapsed().as_secs_f64(),
            memory: resident_memory(),
            peak_memory: peak_memory(),
            skipped: !measured.is_finite(),
        }))?;
        if watched {
            self.tell_factors(gradient.as_ref())?;
        }
        if let Some(gradient) = gradient {
            self.prepared.trainables.hand_back(gradient);
        }
        if measured.is_finite() {
            self.prove_checkpoint()
        } else {
            self.skipped()
        }
    }

    fn step_config(&self, learning_rate: f64) -> StepConfig {
        let train = &self.prepared.config.train;
        StepConfig {
            dropout: train
                .dropout
                .unwrap_or_else(|| self.prepared.model.dropout()),
            key: Key::new(train.seed).named("dropout").with(self.state.step),
            clip_norm: train.clip_norm,
            update: Update {
                learning_rate,
                weight_decay: train.weight_decay,
            },
            update_scale: train.update_scale,
        }
    }

    /// The examples of the next optimizer step; the place in the data moves on.
    fn next_batches(&mut self) -> Vec<Batch> {
        let mut batches = Vec::new();
        for _ in 0..self.prepared.config.train.accumulation {
            let positions = self.plan.batch(&self.state);
            batches.push(Batch::gather(&self.prepared.data.train, positions));
            self.plan.advance(&self.prepared.config, &mut self.state);
        }
        batches
    }

    /// Brings the state behind a step. Nothing here can fail, so whatever goes wrong with
    /// telling about the step, it is counted whole.
    fn count(&mut self, measured: &Measured) {
        self.state.step += 1;
        self.plan.settle(&self.prepared.config, &mut self.state);
        if measured.is_finite() {
            self.state.skipped_in_a_row = 0;
        } else {
            self.state.skipped_in_a_row += 1;
        }
    }

    /// Tells that a step was skipped, and gives up after too many in a row.
    fn skipped(&mut self) -> Result<()> {
        let message = format!(
            "step {} skipped: loss or gradient is not finite",
            self.state.step
        );
        self.emit(Kind::Warning { message })?;
        let steps = self.state.skipped_in_a_row;
        if steps < self.prepared.config.train.max_skipped {
            return Ok(());
        }
        let kept = self.last_good_checkpoint()?;
        Err(Error::NotFinite { steps, kept })
    }

    fn evaluation_due(&self) -> bool {
        let State {
            step,
            epoch,
            total_steps,
            evaluated,
            ..
        } = self.state;
        if step == 0 || evaluated.is_some_and(|last| last.step == step) {
            return false;
        }
        let due = match self.prepared.config.eval.every {
            EvalEvery::Steps(every) => step.is_multiple_of(every),
            EvalEvery::Epoch => epoch > evaluated.map_or(0, |last| last.epoch),
        };
        due || step >= total_steps
    }

    /// While steps are skipped no checkpoint is due: it would take the place of a good one.
    fn checkpoint_due(&self) -> bool {
        let State {
            step,
            skipped_in_a_row,
            ..
        } = self.state;
        let due = step.is_multiple_of(self.prepared.config.train.checkpoint_every);
        step > 0 && due && skipped_in_a_row == 0 && !self.is_saved()
    }

    /// Whether the last checkpoint is of the present step.
    pub(super) fn is_saved(&self) -> bool {
        self.saved
            .is_some_and(|saved| saved.step == self.state.step)
    }
}
