//! Commands between two steps.

use super::between::Asked;
use super::control::Command;
use super::trainer::Trainer;
use crate::Result;
use crate::event::Kind;

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
                Command::Stop => return Ok(Heard::Stop),
                Command::Apply(config) => {
                    if self.apply(*config)? {
                        return Ok(Heard::Edit);
                    }
                }
                Command::Refuse(message) => self.emit(Kind::ConfigRefused { message })?,
            }
        }
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
