//! The folders of runs, and why a name cannot be used.

use std::path::Path;

use compacter_core::config::RunConfig;
use compacter_core::run::find::{self as runs, RUNS};
use compacter_core::run::{RunFolder, lock};
use compacter_core::view::{Source, Status};

use crate::error::{NotebookError, Result};

/// The run in a folder, or of that name in `runs`.
pub(super) fn find(run: &Path) -> Result<RunFolder> {
    runs::find(run).map_err(|_| NotebookError::NoSuchRun {
        path: run.to_path_buf(),
        hint: runs::instead(run)
            .unwrap_or_else(|| format!("there are no runs in {RUNS}; `Run::start(…)` makes one")),
    })
}

/// The name that a word most likely stands for, if any is near.
pub(super) fn nearest<'a>(word: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let word = word.to_lowercase();
    let distance = |name: &str| strsim::damerau_levenshtein(&name.to_lowercase(), &word);
    let near = names.map(|name| (distance(name), name)).min()?;
    let limit = (near.1.chars().count() / 3).max(1);
    (near.0 <= limit).then_some(near.1)
}

/// Refuses a name that is taken, before anything is loaded for it.
pub(super) fn check_free(config: &RunConfig) -> Result<()> {
    let path = config.output.directory.join(&config.name);
    if !path.exists() {
        return Ok(());
    }
    let attach = format!("`Run::attach({:?})` shows it", path.display().to_string());
    let (state, is_over) = state(&path)?;
    let with = if is_same(&path, config) {
        "the same"
    } else {
        "another"
    };
    let go_on = if is_over {
        ""
    } else {
        ", `.resume()` goes on with it"
    };
    let otherwise =
        "`.name(\"other\")` starts beside it, `.fresh()` starts again and keeps the old one aside";
    Err(NotebookError::Exists {
        path,
        state: format!("{state}, with {with} configuration"),
        hint: format!("{attach}{go_on}, {otherwise}"),
    })
}

/// Whether the run that a configuration asks for is running or finished already.
pub(super) fn is_done(config: &RunConfig) -> Result<bool> {
    let path = config.output.directory.join(&config.name);
    Ok(is_same(&path, config) && state(&path)?.1)
}

fn is_same(path: &Path, config: &RunConfig) -> bool {
    RunConfig::load(&path.join("config.toml"), &[]).is_ok_and(|mut there| {
        there.output.directory.clone_from(&config.output.directory);
        there == *config
    })
}

/// How the run in a folder stands, in words, and whether it needs no resuming.
pub(super) fn state(path: &Path) -> Result<(String, bool)> {
    if lock::holder(path)?.is_some() {
        return Ok(("it is running".to_owned(), true));
    }
    let mut source = Source::open(&path.join("events.jsonl"))?;
    source.settle()?;
    let view = source.view();
    Ok(match view.status(now()) {
        Status::Finished { reason, .. } => (format!("it is finished ({reason})"), true),
        Status::Failed { message } => (format!("it failed: {message}"), false),
        Status::Waiting => ("it has not begun".to_owned(), false),
        _ => (format!("it was left at step {}", view.step), false),
    })
}

/// Seconds since 1970.
pub(super) fn now() -> f64 {
    let since_epoch = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since_epoch.map_or(0.0, |duration| duration.as_secs_f64())
}
