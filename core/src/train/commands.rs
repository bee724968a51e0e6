//! Commands between two steps.

use super::between::Asked;
use super::control::{self, Command};
use super::edits::Edited;
use super::trainer::Trainer;
use crate::Result;
use crate::event::{Change, Kind};
use crate::run::{Answer, Envelope, Request};

/// What the commands heard between two steps come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Heard {
    /// Train on.
    GoOn,
    /// The configuration is another one: look again what is due.
    Edit,
    /// End the run as complete.
    Stop,
}

impl Trainer {
    /// Does what was asked since the last step; while paused, waits to be asked.
    pub(super) fn obey(&mut self) -> Result<Heard> {
        if self.stepping == Some(0) {
            self.pause("stepped")?;
        }
        loop {
            let command = if self.paused {
                self.control.wait(&self.cancel)?
            } else if let Some(command) = self.control.poll() {
                command
            } else {
                self.stepping = self.stepping.map(|left| left.saturating_sub(1));
                return Ok(Heard::GoOn);
            };
            if let Some(heard) = self.hear(command)? {
                return Ok(heard);
            }
        }
    }

    /// Does one command; `None` when nothing follows from it for the loop.
    fn hear(&mut self, command: Command) -> Result<Option<Heard>> {
        let edit = |applied: bool| applied.then_some(Heard::Edit);
        match command {
            Command::Pause => self.pause("asked to")?,
            Command::Resume => self.go_on()?,
            Command::Step(0) => {}
            Command::Step(steps) => {
                self.go_on()?;
                self.stepping = Some(steps);
            }
            Command::Evaluate => self.evaluate(Asked::ByCommand)?,
            Command::Checkpoint => self.checkpoint()?,
            Command::Stop => return Ok(Some(Heard::Stop)),
            Command::Apply(config) => return self.apply(*config).map(edit),
            Command::Edit(saved) => return self.edit(saved).map(edit),
            Command::Refuse(refusal) => self.tell_refusal(refusal)?,
            Command::Warn(message) => self.emit(Kind::Warning { message })?,
            Command::Asked(asked) => return self.asked(&asked),
        }
        Ok(None)
    }

    /// Does what somebody outside asks for, and tells what came of it: at once where it is
    /// certain, so that the answer does not wait for an evaluation.
    fn asked(&mut self, asked: &control::Asked) -> Result<Option<Heard>> {
        let command = match asked.envelope.request() {
            Err(message) => return self.refuse(asked, message).map(|()| None),
            Ok(Request::Set { key, value }) => {
                let outcome = self.set(&format!("{key}={value}"))?;
                return self.tell_edit(asked, outcome);
            }
            Ok(Request::Undo) => {
                let outcome = self.undo()?;
                return self.tell_edit(asked, outcome);
            }
            Ok(Request::Pause) => Command::Pause,
            Ok(Request::Resume) => Command::Resume,
            Ok(Request::Step(steps)) => Command::Step(steps),
            Ok(Request::Evaluate) => Command::Evaluate,
            Ok(Request::Checkpoint) => Command::Checkpoint,
            Ok(Request::Stop) => Command::Stop,
        };
        self.acknowledge(asked, true, None)?;
        self.hear(command)
    }

    fn tell_edit(&mut self, asked: &control::Asked, outcome: Edited) -> Result<Option<Heard>> {
        match outcome {
            Edited::Not => {
                let message = "nothing changes".to_owned();
                self.acknowledge(asked, true, Some(message))?;
            }
            Edited::Refused(refusal) => self.refuse(asked, refusal.message)?,
            Edited::InForce(changes) => {
                let shown = |change: &Change| {
                    let (old, new) = (or_default(&change.old), or_default(&change.new));
                    format!("{} {old} → {new}", change.field)
                };
                let message = changes.iter().map(shown).collect::<Vec<_>>().join(", ");
                self.acknowledge(asked, true, Some(message))?;
                return Ok(Some(Heard::Edit));
            }
        }
        Ok(None)
    }

    fn refuse(&mut self, asked: &control::Asked, message: String) -> Result<()> {
        self.acknowledge(asked, false, Some(message))
    }

    /// Records what came of a request, then answers whoever waits.
    fn acknowledge(
        &mut self,
        asked: &control::Asked,
        accepted: bool,
        message: Option<String>,
    ) -> Result<()> {
        let Envelope {
            id, from, command, ..
        } = asked.envelope.clone();
        self.emit(Kind::Command {
            id: id.clone(),
            command: asked.envelope.request().map_or(command, |r| r.to_string()),
            from,
            accepted,
            message: message.clone(),
        })?;
        asked.answer(Answer {
            id,
            accepted,
            message,
        });
        Ok(())
    }

    /// Waits from here on; steps that were asked for and not done are forgotten.
    fn pause(&mut self, reason: &str) -> Result<()> {
        self.stepping = None;
        if self.paused {
            return Ok(());
        }
        self.paused = true;
        self.emit(Kind::Paused {
            reason: reason.to_owned(),
        })
    }

    fn go_on(&mut self) -> Result<()> {
        self.stepping = None;
        if !self.paused {
            return Ok(());
        }
        self.paused = false;
        self.emit(Kind::Continued)
    }
}

/// A value, or what stands for a field that is left to its default.
fn or_default(value: &str) -> &str {
    if value.is_empty() { "default" } else { value }
}
