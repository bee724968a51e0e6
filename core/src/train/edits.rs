//! Edits of the configuration while a run goes on, and their repetition.

use super::trainer::Trainer;
use crate::config::{self, Effect, RunConfig};
use crate::event::{Change, ConfigApplied, Kind, Refusal};
use crate::run::live::Reach;
use crate::run::watch::Saved;
use crate::{Error, Result};

/// Changes that can be undone, the last ones.
const UNDO: usize = 100;

/// What came of an edit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Edited {
    /// It changes nothing.
    Not,
    /// It is in force.
    InForce(Vec<Change>),
    /// It cannot be while the run goes on, for the reason given.
    Refused(Refusal),
}

impl Trainer {
    /// Applies an edit that is left from before this process: one that an earlier process
    /// made at this step, else the one made between the two. Says whether there was one.
    pub(super) fn edit_of_earlier_process(&mut self) -> Result<bool> {
        let step = self.state.step;
        if let Some(edit) = self.edits.pop_front_if(|edit| edit.step <= step) {
            let config = RunConfig::parse("config.toml".as_ref(), &edit.applied.config, &[])?;
            let applied = ConfigApplied {
                repeated: true,
                ..edit.applied
            };
            self.put_in_force(config, applied)?;
            return Ok(true);
        }
        if !self.edits.is_empty() {
            return Ok(false);
        }
        self.wanted
            .take()
            .map_or(Ok(false), |config| self.apply(*config))
    }

    /// Brings an edited configuration into force, unless it cannot be while the run goes
    /// on, which is told. Says whether it is in force now and was not before.
    pub(super) fn apply(&mut self, config: RunConfig) -> Result<bool> {
        match self.bring_into_force(config)? {
            Edited::Not => Ok(false),
            Edited::InForce(_) => Ok(true),
            Edited::Refused(refusal) => {
                self.tell_refusal(refusal)?;
                Ok(false)
            }
        }
    }

    /// Brings what was changed in saved files into force, key by key: what somebody else
    /// changed meanwhile stays. Says as [`Self::apply`].
    pub(super) fn edit(&mut self, saved: Vec<Saved>) -> Result<bool> {
        let merged = self.live.merge(&self.prepared.config, &saved);
        let outcome = match merged {
            Ok(config) => self.bring_into_force(config)?,
            Err(message) => Edited::Refused(Refusal::new(message)),
        };
        if let Edited::Refused(refusal) = outcome {
            self.tell_refusal(located(refusal, &saved))?;
            return Ok(false);
        }
        // Another file that was written to follow the run puts nothing right.
        let mends = self.refused.as_ref().is_some_and(|r| is_mended(r, &saved));
        self.live.agree(saved);
        if outcome == Edited::Not && mends {
            self.refused = None;
            self.emit(Kind::ConfigAgreed)?;
        }
        // Where a file could not be written before, it can be now.
        self.write_back()?;
        Ok(outcome != Edited::Not)
    }

    /// Tells that an edit of a file was refused.
    pub(super) fn tell_refusal(&mut self, refusal: Refusal) -> Result<()> {
        self.refused = Some(refusal.clone());
        self.emit(Kind::ConfigRefused(refusal))
    }

    /// Changes one setting, given as for `--set`.
    pub(super) fn set(&mut self, set: &str) -> Result<Edited> {
        let text = self.prepared.config.to_toml();
        match RunConfig::parse("config.toml".as_ref(), &text, &[set.to_owned()]) {
            Ok(config) => self.bring_into_force(config),
            Err(error) => Ok(Edited::Refused(Refusal::new(error.to_string()))),
        }
    }

    /// Brings back the configuration before the last change that this process made.
    pub(super) fn undo(&mut self) -> Result<Edited> {
        let Some(before) = self.before.pop() else {
            let message = "there is no change to undo since this process began";
            return Ok(Edited::Refused(Refusal::new(message)));
        };
        let outcome = self.bring_into_force(before.clone())?;
        if let Edited::InForce(_) = outcome {
            // The undone one is not to be brought back by the next undo.
            self.before.pop();
        } else {
            self.before.push(before);
        }
        Ok(outcome)
    }

    fn bring_into_force(&mut self, config: RunConfig) -> Result<Edited> {
        let changes = self.prepared.config.diff(&config);
        if changes.is_empty() {
            return Ok(Edited::Not);
        }
        if let Some(refusal) = self.refusal(&config, &changes) {
            return Ok(Edited::Refused(refusal));
        }
        // What an earlier process would have done next is no longer what is wanted.
        self.edits.clear();
        let changes: Vec<Change> = changes.into_iter().map(|(change, _)| change).collect();
        let applied = ConfigApplied {
            version: self.state.config_version + 1,
            config: config.to_toml(),
            changes: changes.clone(),
            repeated: false,
        };
        self.put_in_force(config, applied)?;
        Ok(Edited::InForce(changes))
    }

    /// Why a configuration cannot come into force while the run goes on.
    fn refusal(&self, config: &RunConfig, changes: &[(Change, Effect)]) -> Option<Refusal> {
        let restart: Vec<Change> = changes
            .iter()
            .filter(|(_, effect)| *effect == Effect::Restart)
            .map(|(change, _)| change.clone())
            .collect();
        if !restart.is_empty() {
            let fields: Vec<&str> = restart.iter().map(|c| c.field.as_str()).collect();
            let reason = "cannot change while the run goes on: start another run, or `compacter fork` this one";
            let message = format!("{} {reason}", fields.join(", "));
            return Some(Refusal {
                field: Some(restart[0].field.clone()),
                reason: Some(reason.to_owned()),
                restart,
                ..Refusal::new(message)
            });
        }
        let misfit = self.prepared.check(config).err();
        misfit.map(|error| Refusal::of(&error, ""))
    }

    fn put_in_force(&mut self, config: RunConfig, applied: ConfigApplied) -> Result<()> {
        let (version, text) = (applied.version, applied.config.clone());
        let reach = if applied.repeated {
            Reach::Own
        } else {
            Reach::All
        };
        // Recorded first: an edit that is not in the record must not shape the run.
        self.emit(Kind::ConfigApplied(applied))?;
        self.refused = None;
        self.state.config_version = version;
        self.state.config.clone_from(&text);
        let before = std::mem::replace(&mut self.prepared.config, config);
        self.plan.edit(&self.prepared.config, &mut self.state);
        self.live.owe(&before, &self.prepared.config, reach);
        if self.before.len() == UNDO {
            self.before.remove(0);
        }
        self.before.push(before);
        self.write_back()
    }

    /// Writes what is in force into the files that do not have it yet. The run's own is
    /// waited for where the disk is full; another's that cannot be written is told.
    fn write_back(&mut self) -> Result<()> {
        let mut untold = Vec::new();
        match self.live.write_own(&self.prepared.config) {
            // Somebody's text that cannot be changed in place: theirs to put right.
            Err(error @ Error::Config { .. }) => untold.push(error.to_string()),
            own => self.wait_for_room(own, |trainer| {
                trainer.live.write_own(&trainer.prepared.config)
            })?,
        }
        untold.extend(self.live.write_others(&self.prepared.config));
        for message in untold {
            self.emit(Kind::Warning { message })?;
        }
        Ok(())
    }
}

/// Whether saves that change nothing put a refused file right; none at all are the run's own
/// writing in its place.
fn is_mended(refusal: &Refusal, saved: &[Saved]) -> bool {
    let is_it = |save: &Saved| match &refusal.file {
        Some(file) => save.path.display().to_string() == *file,
        None => true,
    };
    saved.is_empty() || saved.iter().any(is_it)
}

/// A refusal of a field with its place in the saved file that sets it.
fn located(refusal: Refusal, saved: &[Saved]) -> Refusal {
    let (Some(field), Some(reason)) = (&refusal.field, &refusal.reason) else {
        return refusal;
    };
    let places = saved.iter().filter_map(|save| {
        let error = config::refuse_field(&save.path, &save.text, field, reason)?;
        Some(Refusal::of(&error, &save.text))
    });
    // One that says where comes before one that does not.
    let Some(found) = places.max_by_key(|found| found.line.is_some()) else {
        return refusal;
    };
    Refusal {
        restart: refusal.restart,
        ..found
    }
}
