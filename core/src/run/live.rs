//! The configuration files of a run that goes on, kept in step with what is in force.
//!
//! ```text
//! run.toml, which the run was started from ──┐  changes   ┌────────────┐
//!                                            ├─ merge ───▶│  in force  │◀─ commands
//! runs/<name>/config.toml, the run's own ────┘            └─────┬──────┘
//!        ▲                                  ▲                   │ changed fields
//!        └──────────────────────────────────┴───── write ───────┘
//! ```
//!
//! | what a file has | field   | is                                                        |
//! |-----------------|---------|-----------------------------------------------------------|
//! | meaning         | `base`  | what it meant when run and file last agreed                |
//! | text            | `known` | its own values at that time, without `--set`               |
//! | debts           | `owed`  | fields in force that could not be written into it yet      |
//!
//! A save counts key by key, as the difference to `base`. What it changes is written into
//! the other file, one value at a time, so comments stay; the file is replaced only if it
//! still is what was read, and a field that somebody has just changed in it is left to the
//! report of that save. The result means to the watch what the file meant to the run, so
//! the program's own writing is no edit.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::RunFolder;
use super::seal::{sealed, unsealed};
use super::watch::Saved;
use crate::atomic;
use crate::config::{self, RunConfig};
use crate::error::{Error, Result};
use crate::event::Change;

/// Which files a change is written into.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// The run's own: the other one has a later change already.
    Own,
    /// All.
    All,
}

/// The files of one run.
#[derive(Debug, Default)]
pub struct LiveFiles {
    files: Vec<LiveFile>,
}

#[derive(Debug)]
struct LiveFile {
    path: PathBuf,
    own: bool,
    base: RunConfig,
    known: Option<RunConfig>,
    owed: BTreeSet<String>,
}

impl LiveFiles {
    /// The run's own file, which says what is in force.
    #[must_use]
    pub fn of(folder: &RunFolder, in_force: &RunConfig) -> Self {
        let own = LiveFile {
            path: folder.config_path(),
            own: true,
            base: in_force.clone(),
            known: Some(in_force.clone()),
            owed: BTreeSet::new(),
        };
        Self { files: vec![own] }
    }

    /// Adds the file that the run was started from, which means `now`.
    pub fn add(&mut self, path: &Path, now: &RunConfig) {
        if self.find(path).is_some() {
            return;
        }
        self.files.push(LiveFile {
            path: path.to_path_buf(),
            own: false,
            base: now.clone(),
            known: RunConfig::load(path, &[]).ok(),
            owed: BTreeSet::new(),
        });
    }

    /// What is in force with the changes of files that were saved at the same moment.
    ///
    /// # Errors
    /// Why it cannot be, for people: two files have different values for a field, or the
    /// changes do not go together with what is in force.
    pub fn merge(&mut self, in_force: &RunConfig, saved: &[Saved]) -> Result<RunConfig, String> {
        let mut merged = in_force.clone();
        let mut changed: Vec<(&Path, Change)> = Vec::new();
        for save in saved {
            let base = self
                .find(&save.path)
                .map_or(in_force, |file| &file.base)
                .clone();
            for (change, _) in base.diff(&save.config) {
                let other = changed.iter().find(|(_, c)| c.field == change.field);
                if let Some((path, other)) = other
                    && other.new != change.new
                {
                    return Err(conflict((path, other), (&save.path, &change)));
                }
                changed.push((&save.path, change));
            }
            merged = merged
                .carry(&base, &save.config)
                .map_err(|error| format!("{}: {error}", save.path.display()))?;
        }
        Ok(merged)
    }

    /// Notes that the run has taken over what files were saved with.
    pub fn agree(&mut self, saved: Vec<Saved>) {
        for save in saved {
            if let Some(file) = self.find(&save.path) {
                file.known = RunConfig::parse(&save.path, &save.text, &[]).ok();
                file.base = save.config;
            }
        }
    }

    /// Notes what has changed and is to be written.
    pub fn owe(&mut self, before: &RunConfig, in_force: &RunConfig, reach: Reach) {
        let fields: Vec<String> = before
            .diff(in_force)
            .into_iter()
            .map(|(change, _)| change.field)
            .collect();
        for file in &mut self.files {
            if file.own || reach == Reach::All {
                file.owed.extend(fields.iter().cloned());
            }
        }
    }

    /// Writes what is owed to the run's own file.
    ///
    /// # Errors
    /// [`Error::Io`] when that is refused, [`Error::Config`] when its text cannot be changed.
    pub fn write_own(&mut self, in_force: &RunConfig) -> Result<()> {
        let own = self.files.iter_mut().find(|file| file.own);
        own.map_or(Ok(()), |file| file.write(in_force))
    }

    /// Writes what is owed to the other files; returns what to tell where that fails.
    pub fn write_others(&mut self, in_force: &RunConfig) -> Vec<String> {
        let others = self.files.iter_mut().filter(|file| !file.own);
        let failed = others.filter_map(|file| {
            let error = file.write(in_force).err()?;
            let fields: Vec<&str> = file.owed.iter().map(String::as_str).collect();
            Some(format!("{error}: it lacks {}", fields.join(", ")))
        });
        failed.collect()
    }

    fn find(&mut self, path: &Path) -> Option<&mut LiveFile> {
        let real = |path: &Path| path.canonicalize().ok();
        let same = |file: &LiveFile| {
            file.path == path || (real(path).is_some() && real(path) == real(&file.path))
        };
        self.files.iter_mut().find(|file| same(file))
    }
}

fn conflict(one: (&Path, &Change), other: (&Path, &Change)) -> String {
    format!(
        "{} and {} were saved at the same moment with different values of {} ({} and {}): the one in force stays; change one of the two",
        one.0.display(),
        other.0.display(),
        one.1.field,
        one.1.new,
        other.1.new,
    )
}

impl LiveFile {
    /// Writes what is owed, if the file is in a state to be written into.
    fn write(&mut self, in_force: &RunConfig) -> Result<()> {
        if self.owed.is_empty() {
            return Ok(());
        }
        if self.own && !self.path.exists() {
            atomic::write(&self.path, sealed(&in_force.to_toml()).as_bytes())?;
            self.settle(in_force, in_force);
            return Ok(());
        }
        // Half written or gone: the save that makes it whole is reported, and then it can be.
        let Ok(text) = config::read_text(&self.path) else {
            return Ok(());
        };
        let Ok(current) = RunConfig::parse(&self.path, &text, &[]) else {
            return Ok(());
        };
        let fields: Vec<(String, String)> = self
            .owed
            .iter()
            .filter(|field| !self.is_being_edited(field, &current))
            .map(|field| (field.clone(), in_force.text_of(field)))
            .filter(|(field, value)| current.text_of(field) != *value)
            .collect();
        let new = config::rewrite(&text, &fields).map_err(|why| self.refused(&why))?;
        let written = self.checked(&new, &current, &fields)?;
        let new = if self.own && written == *in_force {
            sealed(unsealed(&new))
        } else {
            new
        };
        if new == text || atomic::replace(&self.path, text.as_bytes(), new.as_bytes())? {
            self.settle(&written, in_force);
        }
        Ok(())
    }

    /// Whether somebody has saved another value of a field, which the watch has still to
    /// report.
    fn is_being_edited(&self, field: &str, current: &RunConfig) -> bool {
        self.known
            .as_ref()
            .is_some_and(|known| known.text_of(field) != current.text_of(field))
    }

    /// What the new text means, if that is what it should.
    fn checked(
        &self,
        new: &str,
        current: &RunConfig,
        fields: &[(String, String)],
    ) -> Result<RunConfig> {
        let written = RunConfig::parse(&self.path, new, &[])?;
        let meant = |change: &Change| {
            let mut fields = fields.iter();
            fields.any(|(field, value)| *field == change.field && *value == change.new)
        };
        let changes = current.diff(&written);
        if changes.len() != fields.len() || !changes.iter().all(|(change, _)| meant(change)) {
            return Err(self.refused("its text is too entangled"));
        }
        Ok(written)
    }

    /// Notes what the file now holds, and strikes off the debts that are paid with it.
    fn settle(&mut self, written: &RunConfig, in_force: &RunConfig) {
        let owed = std::mem::take(&mut self.owed);
        let (paid, owed): (BTreeSet<String>, BTreeSet<String>) = owed
            .into_iter()
            .partition(|field| written.text_of(field) == in_force.text_of(field));
        if let Ok(base) = self.base.with_fields_of(in_force, &paid) {
            self.base = base;
        }
        if let Some(known) = &self.known
            && let Ok(known) = known.with_fields_of(written, &paid)
        {
            self.known = Some(known);
        }
        self.owed = owed;
    }

    fn refused(&self, why: &str) -> Error {
        Error::Config {
            path: self.path.clone(),
            place: None,
            field: String::new(),
            message: format!("cannot be kept in step with the run: {why}"),
        }
    }
}

#[cfg(test)]
mod tests;
