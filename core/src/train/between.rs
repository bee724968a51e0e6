//! What the loop does between two steps by itself: evaluation, checkpoints, the end.

use std::time::Instant;

use super::evaluate::{evaluate, is_better};
use super::factors::SNAPSHOT;
use super::trainer::{Outcome, Saved, Trainer};
use crate::Result;
use crate::cancel::CancelToken;
use crate::event::{self, Ending, Kind};
use crate::run::{Best, Checkpoint, Evaluated, Keep};

/// Why the validation split is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asked {
    /// It is due: counts for `eval.patience`.
    BySchedule,
    /// By a command, which a resumed run does not repeat: leaves no trace in the state,
    /// unless it is the best so far, which is saved at once.
    ByCommand,
}

impl Trainer {
    /// Measures the validation split and notes whether it is the best so far.
    pub(super) fn evaluate(&mut self, asked: Asked) -> Result<()> {
        let started = Instant::now();
        let evaluation = evaluate(&self.prepared, &self.prepared.data.validation, &self.cancel)?;
        let metric = self.prepared.metric().to_owned();
        let value = evaluation.metrics.get(&metric).copied().unwrap_or(f64::NAN);
        let best = match &self.state.best {
            Some(best) if best.metric == metric => is_better(&metric, value, best.value),
            _ => !value.is_nan(),
        };
        if best {
            self.state.best = Some(Best {
                metric,
                value,
                metrics: evaluation.metrics.clone(),
                step: self.state.step,
            });
            self.state.evals_without_improvement = 0;
        }
        if asked == Asked::BySchedule {
            self.state.evals_without_improvement += usize::from(!best);
            self.state.evaluated = Some(Evaluated {
                step: self.state.step,
                epoch: self.state.epoch,
            });
        }
        self.emit(Kind::Eval(event::Eval {
            split: "validation".to_owned(),
            metrics: evaluation.metrics,
            best,
            seconds: started.elapsed().as_secs_f64(),
        }))?;
        // A checkpoint made before this evaluation does not know of it yet.
        let outdated = self.is_saved() && asked == Asked::BySchedule;
        if best || outdated {
            self.checkpoint()?;
        }
        Ok(())
    }

    /// Writes a checkpoint of the present state; the one before it stays until a step has
    /// shown that this one can be trained on.
    pub(super) fn checkpoint(&mut self) -> Result<()> {
        let Some(folder) = &self.folder else {
            return Ok(());
        };
        let checkpoints = folder.checkpoints();
        let checkpoint = self.snapshot()?;
        let save = || checkpoints.save(&checkpoint, Keep::All).map(|_| ());
        self.wait_for_room(save(), |_| save())?;
        let step = self.state.step;
        self.saved = Some(Saved {
            step,
            proved: false,
        });
        let path = format!("checkpoints/step-{step:06}");
        self.emit(Kind::Checkpoint {
            path,
            best: self.state.is_best(),
        })
    }

    fn snapshot(&self) -> Result<Checkpoint> {
        let trainables = &self.prepared.trainables;
        let (moments, updates) = self.optimizer.state();
        let mut state = self.state.clone();
        state.updates = updates;
        let seen = self.factors.before.as_ref();
        let tensors = moments
            .into_iter()
            .chain(seen.map(|values| (SNAPSHOT, values)));
        Ok(Checkpoint {
            state,
            trained: trainables.named(trainables.values())?,
            optimizer: tensors
                .map(|(name, tensor)| (name.to_owned(), tensor.clone()))
                .collect(),
        })
    }

    /// Notes that training goes on well from the last checkpoint: older ones may go.
    pub(super) fn prove_checkpoint(&mut self) -> Result<()> {
        let Some(saved) = self.saved.as_mut().filter(|saved| !saved.proved) else {
            return Ok(());
        };
        saved.proved = true;
        self.folder
            .as_ref()
            .map_or(Ok(()), |folder| folder.checkpoints().prune())
    }

    /// Step of the checkpoint to go on from after a failure. One whose values no step has
    /// come to terms with is removed, where there is another to fall back on.
    pub(super) fn last_good_checkpoint(&mut self) -> Result<Option<u64>> {
        let (Some(saved), Some(folder)) = (self.saved, &self.folder) else {
            return Ok(None);
        };
        let checkpoints = folder.checkpoints();
        let steps = checkpoints.steps()?;
        let before = steps.iter().rev().find(|&&step| step < saved.step).copied();
        match before {
            Some(before) if !saved.proved => {
                checkpoints.remove(saved.step)?;
                self.saved = Some(Saved {
                    step: before,
                    proved: true,
                });
                Ok(Some(before))
            }
            _ => Ok(Some(saved.step)),
        }
    }

    /// Ends a complete run: a last evaluation where one is missing, a last checkpoint.
    pub(super) fn finish(&mut self, reason: Ending) -> Result<Outcome> {
        let step = self.state.step;
        let evaluated = self.state.evaluated.is_some_and(|last| last.step == step);
        if step > 0 && !evaluated {
            self.evaluate(Asked::BySchedule)?;
        }
        if !self.is_saved() {
            self.checkpoint()?;
        }
        if let Some(folder) = &self.folder {
            folder.checkpoints().prune()?;
        }
        self.tell_missing_factors()?;
        let best = self.state.best.as_ref().map(|best| best.metrics.clone());
        self.emit(Kind::Finished { reason, best })?;
        Ok(Outcome::Finished(reason))
    }

    /// Saves and leaves, so that the run can be resumed.
    pub(super) fn interrupt(&mut self) -> Result<Outcome> {
        // What follows must not be cut short by the token that led here.
        self.cancel = CancelToken::default();
        self.leaving = true;
        if !self.is_saved() {
            self.checkpoint()?;
        }
        self.emit(Kind::Interrupted {
            reason: "told to end".to_owned(),
        })?;
        Ok(Outcome::Interrupted)
    }
}
