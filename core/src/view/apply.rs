//! How each event changes what is known of a run.
//!
//! The rules of what becomes void are those of [`crate::event::History`]: after
//! `Resumed { from_step }` the later steps, and an edit replaces those of its version and
//! later ones.

use std::collections::BTreeMap;

use crate::event::{ConfigApplied, Ending, Eval, Event, Kind, Step};

use super::axes::Moment;
use super::run_view::{CheckpointSeen, Edit, EvalPoint, Measured, RunView};
use super::status::Status;

/// Snapshots of fast weights that are kept; the older ones are in the record.
const FACTORS: usize = 256;

impl RunView {
    /// Takes the run's next event.
    pub fn push(&mut self, event: Event) {
        if self.name != event.run {
            self.name.clone_from(&event.run);
        }
        self.hear(&event);
        self.log.push(&event, false);
        self.step = event.step;
        if matches!(event.kind, Kind::Factors(_)) {
            self.keep_factors(event);
            return;
        }
        let Event { step, t, kind, .. } = event;
        match kind {
            Kind::Started(started) => {
                self.total_steps = started.total_steps;
                self.started = Some(started);
                self.status = Status::Running;
            }
            Kind::Step(values) => self.stepped(Measured { step, t, values }),
            Kind::Eval(eval) => self.evaluated(step, t, eval),
            Kind::ConfigApplied(edit) => self.edited(step, t, edit),
            Kind::ConfigRefused(refusal) => self.refused = Some(refusal),
            Kind::ConfigAgreed => self.refused = None,
            Kind::Checkpoint { path, best } => {
                self.checkpoints.push(CheckpointSeen { step, path, best });
            }
            Kind::Warning { .. } => self.warnings += 1,
            Kind::Paused { reason } => {
                self.pauses.push(step);
                self.pace.interrupt();
                self.status = Status::Paused { reason };
            }
            Kind::Continued => {
                self.pace.interrupt();
                self.status = Status::Running;
            }
            Kind::Resumed { from_step } => self.resumed(from_step),
            Kind::Interrupted { reason } => self.status = Status::Interrupted { reason },
            Kind::Finished { reason, best } => self.finished(reason, best),
            Kind::Failed { message } => self.status = Status::Failed { message },
            // Kinds of a newer writer say nothing to this program.
            _ => {}
        }
    }

    /// Takes an event that is known to be void by now: only the log keeps it.
    pub(super) fn push_void(&mut self, event: &Event) {
        self.hear(event);
        if matches!(event.kind, Kind::Warning { .. }) {
            self.warnings += 1;
        }
        self.log.push(event, true);
    }

    /// Takes note of a line of the record that is no event.
    pub(super) fn push_unreadable(&mut self, line: usize, why: &str) {
        self.unreadable += 1;
        // One line tells; the number of the others is on the screen.
        if self.unreadable == 1 {
            let text = format!("line {line} of the record is passed over: {why}");
            self.log.note(self.heard, self.step, text);
        }
    }

    fn hear(&mut self, event: &Event) {
        // Another process's clock starts anew.
        if event.elapsed < self.clock {
            self.earlier += self.clock;
        }
        self.clock = event.elapsed;
        self.began.get_or_insert(event.t);
        self.heard = event.t;
    }

    fn stepped(&mut self, measured: Measured) {
        let Measured { step, t, values } = &measured;
        self.total_steps = values.total_steps;
        self.tokens += values.tokens as f64;
        self.pace
            .step(*step, self.clock, values.tokens as f64, values.seconds);
        self.axes.push(Moment {
            step: *step,
            epoch: values.epoch,
            tokens: self.tokens,
            relative: self.earlier + self.clock,
            wall: *t,
        });
        self.scalars.step(*step, values);
        if is_bad(values) {
            self.skipped.push(*step);
        }
        if self.status == Status::Waiting {
            self.status = Status::Running;
        }
        self.latest = Some(measured);
    }

    fn evaluated(&mut self, step: u64, t: f64, eval: Eval) {
        self.scalars.eval(step, &eval);
        let since = self.evals.partition_point(|old| old.step < step);
        let mut same = self.evals.split_off(since);
        same.retain(|old| old.split != eval.split);
        self.evals.append(&mut same);
        self.evals.push(EvalPoint {
            step,
            t,
            split: eval.split,
            metrics: eval.metrics,
            best: eval.best,
        });
    }

    fn edited(&mut self, step: u64, t: f64, edit: ConfigApplied) {
        self.refused = None;
        self.edits.retain(|old| old.version < edit.version);
        self.edits.push(Edit {
            step,
            t,
            version: edit.version,
            config: edit.config,
            changes: edit.changes,
        });
    }

    fn finished(&mut self, reason: Ending, best: Option<BTreeMap<String, f64>>) {
        self.status = Status::Finished { reason, best };
    }

    fn resumed(&mut self, from_step: u64) {
        self.status = Status::Running;
        // It could not have been taken up with a file that is refused.
        self.refused = None;
        self.pace.interrupt();
        self.rewind(from_step);
    }

    /// Drops what came after a step.
    fn rewind(&mut self, from_step: u64) {
        self.log.rewind(from_step);
        self.step = from_step;
        self.evals.retain(|eval| eval.step <= from_step);
        self.edits.retain(|edit| edit.step <= from_step);
        self.checkpoints.retain(|seen| seen.step <= from_step);
        self.factors.retain(|event| event.step <= from_step);
        self.pauses.rewind(from_step);
        let after = |measured: &Measured| measured.step > from_step;
        if !self.latest.as_ref().is_some_and(after) {
            return;
        }
        self.rough = true;
        self.latest = None;
        self.scalars.rewind(from_step);
        self.axes.rewind(from_step);
        self.skipped.rewind(from_step);
        self.tokens = self.axes.x(super::Axis::Tokens, from_step);
    }

    fn keep_factors(&mut self, event: Event) {
        if self.factors.len() == FACTORS {
            self.factors.pop_front();
        }
        self.factors.push_back(event);
    }
}

fn is_bad(step: &Step) -> bool {
    step.skipped || !step.loss.is_finite() || !step.gradient_norm.is_finite()
}
