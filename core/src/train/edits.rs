//! Edits of the configuration while a run goes on, and their repetition.

use super::trainer::Trainer;
use crate::Result;
use crate::config::{Effect, RunConfig};
use crate::event::{Change, ConfigApplied, Kind};

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
        let changes = self.prepared.config.diff(&config);
        if changes.is_empty() {
            return Ok(false);
        }
        if let Some(message) = self.refusal(&config, &changes) {
            self.emit(Kind::ConfigRefused { message })?;
            return Ok(false);
        }
        // What an earlier process would have done next is no longer what is wanted.
        self.edits.clear();
        let applied = ConfigApplied {
            version: self.state.config_version + 1,
            config: config.to_toml(),
            changes: changes.into_iter().map(|(change, _)| change).collect(),
            repeated: false,
        };
        self.put_in_force(config, applied)?;
        Ok(true)
    }

    /// Why a configuration cannot come into force while the run goes on.
    fn refusal(&self, config: &RunConfig, changes: &[(Change, Effect)]) -> Option<String> {
        let restart: Vec<&str> = changes
            .iter()
            .filter(|(_, effect)| *effect == Effect::Restart)
            .map(|(change, _)| change.field.as_str())
            .collect();
        if !restart.is_empty() {
            return Some(format!(
                "{} cannot change while the run goes on: start another run, or `compacter fork` this one",
                restart.join(", ")
            ));
        }
        let misfit = self.prepared.check(config).err();
        misfit.map(|error| error.to_string())
    }

    fn put_in_force(&mut self, config: RunConfig, applied: ConfigApplied) -> Result<()> {
        let (version, text) = (applied.version, applied.config.clone());
        // Recorded first: an edit that is not in the record must not shape the run.
        self.emit(Kind::ConfigApplied(applied))?;
        self.state.config_version = version;
        self.state.config.clone_from(&text);
        self.prepared.config = config;
        self.plan.edit(&self.prepared.config, &mut self.state);
        let Some(folder) = self.folder.clone() else {
            return Ok(());
        };
        self.wait_for_room(folder.write_config(&text), |_| folder.write_config(&text))
    }
}
