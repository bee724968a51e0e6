//! A new run from a checkpoint of another.

use std::fs;
use std::path::Path;

use toml_edit::DocumentMut;

use super::{Checkpoint, Keep, Origin, RunFolder, free};
use crate::atomic;
use crate::{Error, Result};

/// Starts a run beside `run` from its checkpoint of step `at`, or from its last one.
///
/// The new folder is there whole or not at all. It holds the configuration that the
/// checkpoint was made with, under the new name, the checkpoint, and the best one so far
/// where that is another. It holds no events: take it up with [`super::Start::Resume`],
/// and its first event tells the step. Edits that `run` saw after the checkpoint are not
/// repeated.
///
/// # Errors
/// [`Error::Run`] when there is no checkpoint of that step (the text lists those there
/// are) or the name is taken; [`Error::Checkpoint`] when the checkpoint is damaged.
pub fn fork(run: &RunFolder, at: Option<u64>, name: &str) -> Result<RunFolder> {
    let directory = run.path().parent().unwrap_or(Path::new("."));
    free(directory, name)?;
    let path = directory.join(name);
    let step = chosen(run, at)?;
    let unfinished = directory.join(format!(".tmp-{}-{name}", std::process::id()));
    // The rename refuses a folder that has come up meanwhile, unless that is empty.
    let made = RunFolder::make(unfinished.clone())
        .and_then(|new| fill(run, step, &new, name))
        .and_then(|()| fs::rename(&unfinished, &path).map_err(Error::io(&path, "create")));
    if let Err(error) = made {
        // Best effort: the error is the one to tell.
        let _leftover = fs::remove_dir_all(&unfinished);
        return Err(error);
    }
    atomic::sync_folder(directory)?;
    RunFolder::open(&path)
}

fn chosen(run: &RunFolder, at: Option<u64>) -> Result<u64> {
    let steps = run.checkpoints().steps()?;
    let Some(&last) = steps.last() else {
        return Err(Error::run(
            run.path(),
            "there is no checkpoint to fork from yet",
        ));
    };
    let at = at.unwrap_or(last);
    if steps.contains(&at) {
        return Ok(at);
    }
    let there: Vec<String> = steps.iter().map(u64::to_string).collect();
    let message = format!(
        "there is no checkpoint of step {at}; there are those of {}",
        there.join(", ")
    );
    Err(Error::run(run.path(), message))
}

fn fill(run: &RunFolder, step: u64, new: &RunFolder, name: &str) -> Result<()> {
    let old = run.checkpoints();
    let copy = |step: u64| -> Result<String> {
        let folder = old.folder(step);
        let mut checkpoint = Checkpoint::load(&folder)?;
        checkpoint.state.config = renamed(&folder, &checkpoint.state.config, name)?;
        checkpoint.state.forked_from = Some(Origin {
            run: run.name(),
            step,
        });
        new.checkpoints().save(&checkpoint, Keep::All)?;
        Ok(checkpoint.state.config)
    };
    let best = Checkpoint::load_state(&old.folder(step))?.best;
    if let Some(best) = best
        && best.step != step
        && old.steps()?.contains(&best.step)
    {
        copy(best.step)?;
    }
    // Last, so that the index names it as the last.
    let config = copy(step)?;
    new.write_config(&config)
}

/// The configuration `toml` with another name for the run.
fn renamed(checkpoint: &Path, toml: &str, name: &str) -> Result<String> {
    let mut document: DocumentMut = toml.parse().map_err(|error| {
        let message = format!("the configuration in its state.json cannot be read: {error}");
        Error::checkpoint(checkpoint, message)
    })?;
    document["name"] = toml_edit::value(name);
    Ok(document.to_string())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use crate::event::History;
    use crate::run::checkpoint::tests::example;
    use crate::run::{Start, Started, start};

    fn run(directory: &Path, checkpoints: &[Checkpoint]) -> RunFolder {
        let run = RunFolder::create(directory, "demo").unwrap();
        for checkpoint in checkpoints {
            run.checkpoints().save(checkpoint, Keep::All).unwrap();
        }
        run
    }

    #[test]
    fn a_fork_goes_on_from_the_checkpoint_under_its_own_name() {
        let directory = tempfile::tempdir().unwrap();
        let steps = [(100, Some(100)), (200, Some(100)), (300, Some(300))];
        let old = run(
            directory.path(),
            &steps.map(|(step, best)| example(step, best)),
        );
        let new = fork(&old, Some(200), "other").unwrap();
        assert_eq!(new.checkpoints().steps().unwrap(), [100, 200]);
        assert_eq!(new.checkpoints().best().unwrap(), Some(100));
        assert_eq!(new.history().unwrap(), History::default());
        let config = "name = \"other\"\n".to_owned();
        let written = fs::read_to_string(new.config_path()).unwrap();
        assert!(written.ends_with(&config), "{written}");

        let started = start(directory.path(), "other", Start::Resume).unwrap();
        let Started::Resume { resume, .. } = started else {
            panic!("{started:?}");
        };
        assert_eq!(
            (resume.from_step(), resume.config.as_deref()),
            (200, Some(&*config))
        );
        let state = resume.checkpoint.unwrap().state;
        let mut expected = example(200, Some(100)).state;
        expected.config = config;
        expected.forked_from = Some(Origin {
            run: "demo".to_owned(),
            step: 200,
        });
        assert_eq!(state, expected);
    }

    #[test]
    fn a_fork_without_a_step_takes_the_last_checkpoint() {
        let directory = tempfile::tempdir().unwrap();
        let old = run(directory.path(), &[example(100, None), example(200, None)]);
        let new = fork(&old, None, "other").unwrap();
        assert_eq!(new.checkpoints().steps().unwrap(), [200]);
    }

    #[test]
    fn a_refused_fork_says_why_and_leaves_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let old = run(directory.path(), &[example(100, None), example(300, None)]);
        let damaged = old.checkpoints().folder(300).join("trained.safetensors");
        fs::write(damaged, "").unwrap();
        for (at, name, fragment) in [
            (
                Some(200),
                "other",
                "there is no checkpoint of step 200; there are those of 100, 300",
            ),
            (Some(300), "other", "trained.safetensors: "),
            (Some(100), "demo", "--name"),
            (Some(100), "../other", "plain folder name"),
        ] {
            let message = fork(&old, at, name).unwrap_err().to_string();
            assert!(message.contains(fragment), "{message}");
            assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
        }
    }

    #[test]
    fn a_run_without_checkpoints_cannot_be_forked() {
        let directory = tempfile::tempdir().unwrap();
        let old = run(directory.path(), &[]);
        let message = fork(&old, None, "other").unwrap_err().to_string();
        assert!(
            message.contains("no checkpoint to fork from yet"),
            "{message}"
        );
    }
}
