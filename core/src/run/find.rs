//! Runs by their names.

use std::path::Path;

use super::RunFolder;
use crate::config::hint::closest;
use crate::{Error, Result};

/// Folder of the runs, where nothing else is said.
pub const RUNS: &str = "runs";

/// Names that a refusal lists.
const LISTED: usize = 10;

/// The run in a folder, or of that name in [`RUNS`].
///
/// # Errors
/// [`Error::Run`] when there is none, with the name that may be meant.
pub fn find(run: &Path) -> Result<RunFolder> {
    if let Ok(folder) = RunFolder::open(run) {
        return Ok(folder);
    }
    RunFolder::open(&Path::new(RUNS).join(run)).map_err(|_| {
        let instead = instead(run).unwrap_or_else(|| {
            "name the folder that holds its config.toml and events.jsonl".to_owned()
        });
        Error::run(run, format!("there is no run here: {instead}"))
    })
}

/// Which run may be meant by a path that is none, or which there are; `None` where there are
/// none.
#[must_use]
pub fn instead(run: &Path) -> Option<String> {
    let parent = run
        .parent()
        .filter(|parent| parent.is_dir() && *parent != Path::new(""));
    let folder = parent.unwrap_or(Path::new(RUNS));
    let names = names(folder);
    let asked = run.file_name().unwrap_or_default().to_string_lossy();
    let known: Vec<&str> = names.iter().map(String::as_str).collect();
    if let Some(near) = closest(&asked, &known) {
        return Some(format!("did you mean `{}`?", folder.join(near).display()));
    }
    let more = if known.len() > LISTED { ", …" } else { "" };
    let listed = known.iter().take(LISTED).copied().collect::<Vec<_>>();
    let listed = listed.join(", ");
    (!known.is_empty()).then(|| format!("in {} there are {listed}{more}", folder.display()))
}

fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let runs = entries.filter(|entry| RunFolder::open(&entry.path()).is_ok());
    let mut names: Vec<String> = runs
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .filter(|name| !name.starts_with('.'))
        .collect();
    names.sort();
    names
}

/// `<run>-fork`, or the first `<run>-fork-2`, … that is not taken.
#[must_use]
pub fn fork_name(run: &RunFolder) -> String {
    let base = format!("{}-fork", run.name());
    let is_free = |name: &String| !run.path().with_file_name(name).exists();
    let numbered = (2_u64..).map(|number| format!("{base}-{number}"));
    let mut names = std::iter::once(base.clone()).chain(numbered);
    names.find(is_free).unwrap_or(base)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn a_run_that_is_not_there_is_refused_with_one_that_is() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["sentiment", "order"] {
            RunFolder::create(folder.path(), name).unwrap();
        }
        let found = find(&folder.path().join("order")).unwrap();
        assert_eq!(found.name(), "order");
        let refused = |name: &str| find(&folder.path().join(name)).unwrap_err().to_string();
        let message = refused("sentimant");
        assert!(
            message.contains("there is no run here") && message.ends_with("sentiment`?"),
            "{message}"
        );
        let message = refused("else");
        assert!(message.ends_with("there are order, sentiment"), "{message}");
    }

    #[test]
    fn a_fork_is_numbered_where_its_name_is_taken() {
        let folder = tempfile::tempdir().unwrap();
        let run = RunFolder::create(folder.path(), "a").unwrap();
        for expected in ["a-fork", "a-fork-2", "a-fork-3"] {
            assert_eq!(fork_name(&run), expected);
            RunFolder::create(folder.path(), expected).unwrap();
        }
    }
}
