//! What happens between two steps: evaluation, checkpoints, commands, edits, the end.

use std::time::{Duration, Instant};

use super::control::Command;
use super::evaluate::{evaluate, is_better};
use super::trainer::{Next, Outcome, Trainer};
use crate::Result;
use crate::config::{Effect, RunConfig};
use crate::event::{self, Change, ConfigApplied, Ending, Kind};
use crate::run::{Best, Checkpoint, Evaluated, Keep};

/// How long a run that waits for room on the disk goes without looking again.
const DISK_RETRY: Duration = Duration::from_secs(1);

impl Trainer {
    /// Sends an event; waits where the disk is full until it can be recorded.
    pub(super) fn emit(&mut self, kind: Kind) -> Result<()> {
        let outcome = self.bus.emit(self.state.step, kind);
        self.wait_for_room(outcome, |trainer| trainer.bus.flush())
    }

    /// Measures the validation split and notes whether it is the best so far.
    pub(super) fn evaluate(&mut self) -> Result<()> {
        let started = Instant::now();
        let evaluation = evaluate(&self.prepared, &self.prepared.data.validation, &self.cancel)?;
        let metric = self.prepared.metric().to_owned();
        let value = evaluation.metrics.get(&metric).copied().unwrap_or(f64::NAN);
        let step = self.state.step;
        let best = match &self.state.best {
            Some(best) if best.metric == metric => is_better(&metric, value, best.value),
            _ => !value.is_nan(),
        };
        if best {
            self.state.best = Some(Best {
                metric,
                value,
                step,
            });
            self.state.evals_without_improvement = 0;
        } else {
            self.state.evals_without_improvement += 1;
        }
        self.state.evaluated = Some(Evaluated {
            step,
            epoch: self.state.epoch,
        });
        if best {
            self.best_metrics = Some(evaluation.metrics.clone());
        }
        self.emit(Kind::Eval(event::Eval {
            split: "validation".to_owned(),
            metrics: evaluation.metrics,
            best,
            seconds: started.elapsed().as_secs_f64(),
        }))?;
        if best { self.checkpoint() } else { Ok(()) }
    }

    /// Writes a checkpoint of the present state.
    pub(super) fn checkpoint(&mut self) -> Result<()> {
        let Some(folder) = &self.folder else {
            return Ok(());
        };
        let checkpoints = folder.checkpoints();
        let checkpoint = self.snapshot()?;
        let outcome = checkpoints.save(&checkpoint, Keep::BestAndLast).map(|_| ());
        self.wait_for_room(outcome, |_| {
            checkpoints.save(&checkpoint, Keep::BestAndLast).map(|_| ())
        })?;
        let step = self.state.step;
        self.saved = Some(step);
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
        Ok(Checkpoint {
            state,
            trained: trainables.named(trainables.values())?,
            optimizer: moments
                .into_iter()
                .map(|(name, tensor)| (name.to_owned(), tensor.clone()))
                .collect(),
        })
    }

    /// Repeats the edits that an earlier process applied at this step.
    pub(super) fn repeat_edits(&mut self) -> Result<()> {
        while self
            .edits
            .front()
            .is_some_and(|edit| edit.step <= self.state.step)
        {
            let Some(edit) = self.edits.pop_front() else {
                break;
            };
            let config = RunConfig::parse("config.toml".as_ref(), &edit.applied.config, &[])?;
            let applied = ConfigApplied {
                repeated: true,
                ..edit.applied
            };
            self.put_in_force(config, applied)?;
        }
        Ok(())
    }

    /// Does what was asked since the last step; while paused, waits to be asked.
    pub(super) fn obey(&mut self) -> Result<Next> {
        if let Some(left) = self.stepping {
            self.stepping = left.checked_sub(1);
            if self.stepping.is_none() {
                self.pause("stepped")?;
            }
        }
        loop {
            let command = if self.paused {
                self.control.wait(&self.cancel)?
            } else {
                match self.control.poll() {
                    Some(command) => command,
                    None => return Ok(Next::Train),
                }
            };
            match command {
                Command::Pause if !self.paused => self.pause("asked to")?,
                Command::Pause => {}
                Command::Resume => self.go_on()?,
                Command::Step(0) => {}
                Command::Step(steps) => {
                    self.stepping = Some(steps - 1);
                    self.go_on()?;
                    return Ok(Next::Train);
                }
                Command::Evaluate => self.evaluate()?,
                Command::Checkpoint => self.checkpoint()?,
                Command::Stop => return Ok(Next::End(Ending::Stopped)),
                Command::Apply(config) => self.apply(*config)?,
                Command::Refuse(message) => self.emit(Kind::ConfigRefused { message })?,
            }
        }
    }

    /// Ends a complete run: a last evaluation where one is missing, a last checkpoint.
    pub(super) fn finish(&mut self, reason: Ending) -> Result<Outcome> {
        if self.saved != Some(self.state.step) {
            self.checkpoint()?;
        }
        let best = self.best_metrics.clone();
        self.emit(Kind::Finished { reason, best })?;
        Ok(Outcome::Finished(reason))
    }

    /// Saves and leaves, so that the run can be resumed.
    pub(super) fn interrupt(&mut self) -> Result<Outcome> {
        // What follows must not be cut short by the token that led here.
        self.cancel = crate::cancel::CancelToken::default();
        if self.saved != Some(self.state.step) {
            self.checkpoint()?;
        }
        self.emit(Kind::Interrupted {
            reason: "told to end".to_owned(),
        })?;
        Ok(Outcome::Interrupted)
    }

    fn pause(&mut self, reason: &str) -> Result<()> {
        self.paused = true;
        self.emit(Kind::Paused {
            reason: reason.to_owned(),
        })
    }

    fn go_on(&mut self) -> Result<()> {
        if !self.paused {
            return Ok(());
        }
        self.paused = false;
        self.emit(Kind::Continued)
    }

    /// Brings an edited configuration into force, unless it needs a restart.
    pub(super) fn apply(&mut self, config: RunConfig) -> Result<()> {
        let changes = self.prepared.config.diff(&config);
        if changes.is_empty() {
            return Ok(());
        }
        let restart: Vec<&str> = changes
            .iter()
            .filter(|(_, effect)| *effect == Effect::Restart)
            .map(|(change, _)| change.field.as_str())
            .collect();
        if !restart.is_empty() {
            let message = format!(
                "{} cannot change while the run goes on: start another run, or `compacter fork` this one",
                restart.join(", ")
            );
            return self.emit(Kind::ConfigRefused { message });
        }
        let changes: Vec<Change> = changes.into_iter().map(|(change, _)| change).collect();
        // What an earlier process would have done next is no longer what is wanted.
        self.edits.clear();
        let version = self.state.config_version + 1;
        let applied = ConfigApplied {
            version,
            config: config.to_toml(),
            changes,
            repeated: false,
        };
        self.put_in_force(config, applied)
    }

    fn put_in_force(&mut self, config: RunConfig, applied: ConfigApplied) -> Result<()> {
        // Recorded first: an edit that is not in the record must not shape the run.
        let (version, text) = (applied.version, applied.config.clone());
        self.emit(Kind::ConfigApplied(applied))?;
        if let Some(folder) = &self.folder {
            folder.write_config(&text)?;
        }
        self.state.config_version = version;
        self.state.config = text;
        self.prepared.config = config;
        self.plan.edit(&self.prepared.config, &mut self.state);
        Ok(())
    }

    /// Repeats `again` until the disk has room, saying so once; commands and the token are
    /// heard meanwhile, so that the run can still be ended.
    fn wait_for_room(
        &mut self,
        first: Result<()>,
        mut again: impl FnMut(&mut Self) -> Result<()>,
    ) -> Result<()> {
        let mut outcome = first;
        let mut told = false;
        while let Err(error) = &outcome {
            if !error.is_disk_full() {
                return outcome;
            }
            if !told {
                let reason = format!("{error}: free some space; the run goes on by itself");
                // The record cannot take it; screens can.
                let _unrecorded = self.bus.emit(self.state.step, Kind::Paused { reason });
                told = true;
            }
            self.cancel.check()?;
            std::thread::sleep(DISK_RETRY.min(Duration::from_millis(100)));
            outcome = again(self);
        }
        if told {
            let outcome = self.bus.emit(self.state.step, Kind::Continued);
            return outcome.or_else(|error| {
                if error.is_disk_full() {
                    Ok(())
                } else {
                    Err(error)
                }
            });
        }
        Ok(())
    }
}
