//! Where a run goes on from: its last checkpoint and the edits made after it.
//!
//! Live edits of the configuration are part of what a run is. A process that takes it up
//! repeats those that the checkpoint does not have, each at the step it was made at, so
//! that a killed and resumed run does what it would have done. It records them again, as
//! `repeated`; those records are no edits of their own here. An edit by hand that comes
//! while some are still to be repeated takes their place: its number is theirs, and
//! numbers from there on count as void.

use super::{Checkpoint, Checkpoints, State};
use crate::Result;
use crate::event::{ConfigApplied, Event, Kind};

/// An edit of the configuration and the step it was made at.
#[derive(Debug, Clone, PartialEq)]
pub struct Edit {
    /// Optimizer steps done when it came into force.
    pub step: u64,
    /// The edit.
    pub applied: ConfigApplied,
}

/// Where a run goes on from.
#[derive(Debug, Clone)]
pub struct Resume {
    /// The last checkpoint; without one, the run goes on from its first step.
    pub checkpoint: Option<Checkpoint>,
    /// Edits to repeat, each after the step it was made at, in order.
    pub edits: Vec<Edit>,
    /// The configuration to go on with, as TOML: the checkpoint's, or the one that the run
    /// was started with; `None` when the run never came as far as recording it.
    pub config: Option<String>,
}

impl Resume {
    /// Finds where the run with these checkpoints and these recorded events goes on.
    ///
    /// # Errors
    /// [`crate::Error::Checkpoint`] when the last checkpoint is damaged.
    pub fn find(checkpoints: &Checkpoints, events: &[Event]) -> Result<Self> {
        let last = checkpoints.last()?;
        let checkpoint = last.map(|step| Checkpoint::load(&checkpoints.folder(step)));
        let checkpoint = checkpoint.transpose()?;
        let state = checkpoint.as_ref().map(|checkpoint| &checkpoint.state);
        let started = || {
            events.iter().find_map(|event| match &event.kind {
                Kind::Started(started) => Some(started.config.clone()),
                _ => None,
            })
        };
        Ok(Self {
            edits: edits_after(events, state.map_or(1, |state| state.config_version)),
            config: state.map(|state| state.config.clone()).or_else(started),
            checkpoint,
        })
    }

    /// Step that the run goes on from, for [`Kind::Resumed`].
    #[must_use]
    pub fn from_step(&self) -> u64 {
        self.checkpoint
            .as_ref()
            .map_or(0, |checkpoint| checkpoint.state.step)
    }

    /// What may keep the run from going on exactly as it would have, for people.
    #[must_use]
    pub fn warnings(&self) -> Vec<String> {
        let Some(Checkpoint { state, .. }) = &self.checkpoint else {
            return Vec::new();
        };
        let here = State::new("");
        let mut warnings = Vec::new();
        if state.program != here.program {
            let (then, now) = (&state.program, &here.program);
            warnings.push(format!(
                "the checkpoint was made by version {then} and this is {now}: losses may differ in the last digits"
            ));
        }
        if state.features != here.features {
            let (then, now) = (state.features.join(" "), here.features.join(" "));
            warnings.push(format!(
                "the checkpoint was made on a processor with {then}, this one has {now}: losses may differ in the last digits"
            ));
        }
        warnings
    }
}

/// The edits with a number above `version`, from every event recorded, void ones too.
fn edits_after(events: &[Event], version: u32) -> Vec<Edit> {
    let mut edits: Vec<Edit> = Vec::new();
    for event in events {
        let Kind::ConfigApplied(applied) = &event.kind else {
            continue;
        };
        if !applied.repeated {
            edits.retain(|edit| edit.applied.version < applied.version);
            edits.push(Edit {
                step: event.step,
                applied: applied.clone(),
            });
        }
    }
    edits.retain(|edit| edit.applied.version > version);
    edits
}

#[cfg(test)]
mod tests;
