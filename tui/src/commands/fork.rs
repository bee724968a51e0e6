//! `compacter fork`: a new run from a checkpoint of another, trained at once.

use compacter_core::Result;
use compacter_core::config::RunConfig;
use compacter_core::run::watch::ConfigWatch;
use compacter_core::run::{RunFolder, Start, fork};

use super::train::{Format, Live, train};
use crate::args::Fork;
use crate::{Exit, threads};

pub(crate) fn run(args: &Fork) -> Result<Exit> {
    let run = RunFolder::open(&args.run)?;
    let name = match &args.name {
        Some(name) => name.clone(),
        None => free_name(&run),
    };
    // Refused before anything is made.
    let checked = RunConfig::load(&run.config_path(), &args.overrides)?;
    threads::limit(checked.train.threads);
    let new = fork(&run, args.at, &name)?;
    let watch = ConfigWatch::start(&[new.config_path()], &args.overrides)?;
    let mut config = RunConfig::load(&new.config_path(), &args.overrides)?;
    if let Some(directory) = new.path().parent() {
        config.output.directory = directory.to_path_buf();
    }
    let format = if args.json {
        Format::Json
    } else {
        Format::Plain
    };
    let live = Live {
        watch,
        // The new run has no file but its own.
        file: None,
        format,
        own_session: None,
    };
    train(config, Start::Resume, live)
}

/// `<run>-fork`, or the first `<run>-fork-2`, … that is not taken.
fn free_name(run: &RunFolder) -> String {
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
