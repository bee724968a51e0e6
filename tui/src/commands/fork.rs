//! `compacter fork`: a new run from a checkpoint of another, trained at once.
//!
//! It is trained and shown as `compacter train` does it: on a terminal by a process of its
//! own, which this one watches.

use compacter_core::Result;
use compacter_core::config::RunConfig;
use compacter_core::run::watch::ConfigWatch;
use compacter_core::run::{RunFolder, Start, fork};

use super::train::{Live, events, on_screen, train};
use crate::args::Fork;
use crate::{Exit, threads};

pub(crate) fn run(args: &Fork) -> Result<Exit> {
    let own_session = args.shown.own_session()?;
    let run = RunFolder::open(&args.run)?;
    let name = args.name.clone().unwrap_or_else(|| free_name(&run));
    // Refused before anything is made.
    let checked = RunConfig::load(&run.config_path(), &args.overrides)?;
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
    train(config, Start::Resume, live)
}

/// `<run>-fork`, or the first `<run>-fork-2`, … that is not taken.
pub(crate) fn free_name(run: &RunFolder) -> String {
    let beside = |name: &str| run.path().with_file_name(name);
    let base = format!("{}-fork", run.name());
    let mut name = base.clone();
    let mut number = 1_u64;
    while beside(&name).exists() {
        number += 1;
        name = format!("{base}-{number}");
    }
    name
}
