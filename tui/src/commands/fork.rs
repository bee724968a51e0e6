//! `compacter fork`: a new run from a checkpoint of another, trained at once.
//!
//! It is trained and shown as `compacter train` does it: on a terminal by a process of its
//! own, which this one watches.

use std::fs;

use compacter_core::config::RunConfig;
use compacter_core::run::find::{find, fork_name};
use compacter_core::run::watch::ConfigWatch;
use compacter_core::run::{RunFolder, Start, fork};
use compacter_core::{Error, Result};

use super::train::{Live, events, on_screen, train};
use crate::args::Fork;
use crate::{Exit, threads};

pub(crate) fn run(args: &Fork) -> Result<Exit> {
    let own_session = args.shown.own_session()?;
    let run = find(&args.run)?;
    let name = args.name.clone().unwrap_or_else(|| fork_name(&run));
    // Refused before anything is made.
    let checked = checked(&run, &args.overrides)?;
    if args.shown.on_screen() {
        let new = run.path().with_file_name(&name);
        let chosen = args.name.is_none().then_some(name.as_str());
        return on_screen(&new, chosen, &args.shown.look);
    }
    threads::limit(checked.train.threads);
    let new = fork(&run, args.at, &name)?;
    let watch = ConfigWatch::start_with(events(), &[new.config_path()], &args.overrides)?;
    let mut config = RunConfig::load(&new.config_path(), &args.overrides)?;
    if let Some(directory) = new.path().parent() {
        config.output.directory = directory.to_path_buf();
    }
    let format = args.shown.format();
    let live = Live {
        watch,
        // The new run has no file but its own.
        file: None,
        format,
        own_session,
    };
    let trained = train(config, Start::Resume, live);
    // A record that cannot be read may be of something.
    let is_empty = || {
        new.history()
            .is_ok_and(|history| history.events().is_empty())
    };
    if trained.is_err() && is_empty() {
        // Best effort: the refusal is what there is to tell.
        let _leftover = fs::remove_dir_all(new.path());
    }
    trained
}

/// The configuration of the new run, unless it is one that a checkpoint cannot go on with.
fn checked(run: &RunFolder, overrides: &[String]) -> Result<RunConfig> {
    let own = RunConfig::load(&run.config_path(), &[])?;
    let wanted = RunConfig::load(&run.config_path(), overrides)?;
    let fixed = own.fixed_changes(&wanted);
    if fixed.is_empty() {
        return Ok(wanted);
    }
    let message = format!(
        "a fork goes on with the run's own checkpoint, so this cannot change: {}; start a run of \
         its own with `compacter train`",
        fixed.join("; ")
    );
    Err(Error::run(run.path(), message))
}
