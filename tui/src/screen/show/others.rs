//! From one run to another: one that is there, or a fork that is being started.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use compacter_core::Result;
use compacter_core::run::RunFolder;
use compacter_core::run::find::fork_name;
use compacter_core::view::Source;

use super::{Screen, wall_clock};
use crate::screen::child::{Begun, Starting};
use crate::screen::steer::Steered;

/// A fork that has no run yet.
#[derive(Debug)]
pub(super) struct Forking {
    trainer: Starting,
    /// The folder that its run will have.
    run: PathBuf,
}

impl Screen {
    /// Watches another run instead; what is wrong with it is told, and this one stays.
    pub(super) fn open_run(&mut self, run: &Path) {
        if let Err(error) = self.try_open(run) {
            self.app.tell(error.to_string(), true);
        }
    }

    fn try_open(&mut self, run: &Path) -> Result<()> {
        let folder = RunFolder::open(run)?;
        let source = Source::open(&folder.events_path())?;
        let steer = Box::new(Steered::new(folder.clone()));
        self.app.change_run(folder, source, steer);
        self.app.read(wall_clock())?;
        Ok(())
    }

    /// Starts a fork of a run; [`Self::look_for_fork`] takes it from there.
    pub(super) fn fork_run(&mut self, run: &Path, step: Option<u64>) {
        if self.forking.is_some() {
            return self.app.tell("another fork is being started", true);
        }
        match Forking::begin(run, step) {
            Ok(forking) => {
                self.app.tell(forking.starts(), false);
                self.forking = Some(forking);
            }
            Err(error) => self.app.tell(error.to_string(), true),
        }
    }

    /// Watches a fork once it trains, or tells why it does not; says whether either came.
    pub(super) fn look_for_fork(&mut self) -> bool {
        let Some(mut forking) = self.forking.take() else {
            return false;
        };
        match forking.trainer.look() {
            Ok(None) => {
                if self.app.toast.is_none() {
                    self.app.tell(forking.starts(), false);
                }
                self.forking = Some(forking);
                return false;
            }
            Ok(Some(Begun::Trains)) => {
                self.open_run(&forking.run);
                let name = self.app.seen().name.to_owned();
                self.app.tell(format!("this is {name} now"), false);
            }
            Ok(Some(Begun::Ended(_))) => {
                let said = forking.trainer.refusal();
                self.app.tell(in_a_line(&said), true);
            }
            Err(error) => self.app.tell(error.to_string(), true),
        }
        true
    }
}

impl Forking {
    fn begin(run: &Path, step: Option<u64>) -> Result<Self> {
        let folder = RunFolder::open(run)?;
        let name = fork_name(&folder);
        let mut arguments: Vec<OsString> = vec!["fork".into(), format!("--name={name}").into()];
        arguments.extend(step.map(|step| format!("--at={step}").into()));
        // After this a name that starts with a dash is one.
        arguments.extend(["--".into(), run.into()]);
        Ok(Self {
            trainer: Starting::begin(arguments)?,
            run: run.with_file_name(name),
        })
    }

    fn starts(&self) -> String {
        let name = self.run.file_name().unwrap_or_default().to_string_lossy();
        format!("{name} is being started")
    }
}

/// What a process said, for one line of the screen.
fn in_a_line(said: &str) -> String {
    let lines = said.lines().map(str::trim).filter(|line| !line.is_empty());
    let text = lines.collect::<Vec<_>>().join(" ");
    let text = text.strip_prefix("error: ").unwrap_or(&text);
    let plain: String = text.chars().filter(|c| !c.is_control()).collect();
    if plain.is_empty() {
        return "the fork ended before it began, and did not say why".to_owned();
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_process_said_fits_a_line_and_has_no_control_characters() {
        let said = "error: no checkpoint\n  of step 7\x1b[31m\n\n";
        assert_eq!(in_a_line(said), "no checkpoint of step 7[31m");
        assert!(in_a_line("\n").contains("did not say why"));
    }
}
