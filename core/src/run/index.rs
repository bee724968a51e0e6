//! The checkpoints of a run: which there are, which is last, which is best.
//!
//! The folders themselves are the truth: each is whole, the highest step is the last, and
//! its state names the step of the best. `index.json` repeats that for scripts; nothing
//! here depends on it, so no crash can leave it in the way.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::Checkpoint;
use crate::atomic;
use crate::{Error, Result};

/// The folder `checkpoints` of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoints {
    path: PathBuf,
}

/// Which checkpoints stay when a new one is in place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keep {
    /// The new one and the best.
    BestAndLast,
    /// All.
    All,
}

/// What `index.json` says: names of folders beside it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Index {
    /// The checkpoint that training goes on from.
    pub last: Option<String>,
    /// The checkpoint of the best evaluation.
    pub best: Option<String>,
}

impl Checkpoints {
    /// The checkpoints in the folder `path`.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// The folder that holds them.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The folder of the checkpoint of a step, whether it is there or not.
    #[must_use]
    pub fn folder(&self, step: u64) -> PathBuf {
        self.path.join(folder_name(step))
    }

    /// Steps that there are checkpoints of, ascending.
    ///
    /// # Errors
    /// [`Error::Io`] when the folder cannot be listed.
    pub fn steps(&self) -> Result<Vec<u64>> {
        let entries = match fs::read_dir(&self.path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.map_err(Error::io(&self.path, "list"))?,
        };
        let mut steps = Vec::new();
        for entry in entries {
            let name = entry.map_err(Error::io(&self.path, "list"))?.file_name();
            let step = name.to_str().and_then(|name| name.strip_prefix("step-"));
            steps.extend(step.and_then(|digits| digits.parse::<u64>().ok()));
        }
        steps.sort_unstable();
        Ok(steps)
    }

    /// Step of the last checkpoint, which training goes on from.
    ///
    /// # Errors
    /// [`Error::Io`] when the folder cannot be listed.
    pub fn last(&self) -> Result<Option<u64>> {
        Ok(self.steps()?.last().copied())
    }

    /// Step of the checkpoint of the best evaluation, where one was kept.
    ///
    /// # Errors
    /// [`Error::Io`] when the folder cannot be listed, [`Error::Checkpoint`] when the last
    /// checkpoint's state cannot be read.
    pub fn best(&self) -> Result<Option<u64>> {
        let steps = self.steps()?;
        let Some(&last) = steps.last() else {
            return Ok(None);
        };
        let best = Checkpoint::load_state(&self.folder(last))?.best;
        let there = best
            .map(|best| best.step)
            .filter(|step| steps.contains(step));
        Ok(there)
    }

    /// Writes a checkpoint and, once it is in place, removes those that need not stay.
    /// Returns its folder.
    ///
    /// # Errors
    /// Those of [`Checkpoint::write`]; the older checkpoints are then untouched.
    pub fn save(&self, checkpoint: &Checkpoint, keep: Keep) -> Result<PathBuf> {
        let state = &checkpoint.state;
        let folder = self.folder(state.step);
        checkpoint.write(&folder)?;
        let best = state.best.as_ref().map(|best| best.step);
        let steps = self.steps()?;
        self.write_index(&Index {
            last: Some(folder_name(state.step)),
            best: best.filter(|step| steps.contains(step)).map(folder_name),
        })?;
        if keep == Keep::BestAndLast {
            self.prune()?;
        }
        Ok(folder)
    }

    /// Removes all checkpoints but the last and the best.
    ///
    /// # Errors
    /// [`Error::Io`] when one cannot be removed, and those of [`Self::best`].
    pub fn prune(&self) -> Result<()> {
        let stays = [self.last()?, self.best()?];
        for step in self.steps()? {
            if !stays.contains(&Some(step)) {
                self.remove(step)?;
            }
        }
        Ok(())
    }

    /// Removes the checkpoint of a step.
    ///
    /// # Errors
    /// [`Error::Io`] when it cannot be removed.
    pub fn remove(&self, step: u64) -> Result<()> {
        atomic::remove_dir(&self.folder(step))
    }

    /// Brings the folder in order after a process died in it, and makes it where there is none.
    ///
    /// # Errors
    /// [`Error::Io`] when that is refused.
    pub(super) fn recover(&self) -> Result<()> {
        fs::create_dir_all(&self.path).map_err(Error::io(&self.path, "create"))?;
        atomic::recover(&self.path)
    }

    fn write_index(&self, index: &Index) -> Result<()> {
        let path = self.path.join("index.json");
        let text = serde_json::to_vec_pretty(index)
            .map_err(|error| Error::checkpoint(&path, error.to_string()))?;
        atomic::write(&path, &text)
    }
}

fn folder_name(step: u64) -> String {
    format!("step-{step:06}")
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use candle_core::{DType, Device, Tensor};

    use super::*;
    #[cfg(unix)]
    use crate::event::limited;
    use crate::run::checkpoint::tests::example;

    fn checkpoints(folder: &tempfile::TempDir) -> Checkpoints {
        Checkpoints::new(folder.path())
    }

    fn index(checkpoints: &Checkpoints) -> Index {
        let text = fs::read(checkpoints.path().join("index.json")).unwrap();
        serde_json::from_slice(&text).unwrap()
    }

    #[test]
    fn the_best_and_the_last_stay() {
        let folder = tempfile::tempdir().unwrap();
        let all = checkpoints(&folder);
        assert_eq!((all.last().unwrap(), all.best().unwrap()), (None, None));
        for (step, best, left) in [
            (100, None, vec![100]),
            (200, Some(200), vec![200]),
            (300, Some(200), vec![200, 300]),
            (400, Some(200), vec![200, 400]),
            (500, Some(500), vec![500]),
        ] {
            all.save(&example(step, best), Keep::BestAndLast).unwrap();
            assert_eq!(all.steps().unwrap(), left);
            assert_eq!(all.last().unwrap(), Some(step));
            assert_eq!(all.best().unwrap(), best);
            assert_eq!(index(&all).last, Some(folder_name(step)));
            assert_eq!(index(&all).best, best.map(folder_name));
        }
    }

    #[test]
    fn all_stay_when_asked() {
        let folder = tempfile::tempdir().unwrap();
        let all = checkpoints(&folder);
        for step in [999_999, 1_000_000, 2_000_000] {
            all.save(&example(step, None), Keep::All).unwrap();
        }
        assert_eq!(all.steps().unwrap(), [999_999, 1_000_000, 2_000_000]);
    }

    #[test]
    fn pruning_leaves_the_best_and_the_last() {
        let folder = tempfile::tempdir().unwrap();
        let all = checkpoints(&folder);
        all.prune().unwrap();
        for (step, best) in [
            (100, None),
            (200, Some(200)),
            (300, Some(200)),
            (400, Some(200)),
        ] {
            all.save(&example(step, best), Keep::All).unwrap();
        }
        all.prune().unwrap();
        assert_eq!(all.steps().unwrap(), [200, 400]);
        all.remove(400).unwrap();
        assert_eq!(all.steps().unwrap(), [200]);
        // Nothing else is left but the index.
        assert_eq!(fs::read_dir(all.path()).unwrap().count(), 2);
    }

    #[test]
    fn a_save_that_fails_removes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let all = checkpoints(&folder);
        all.save(&example(100, None), Keep::BestAndLast).unwrap();
        let mut unfit = example(200, None);
        unfit.trained[0].1 = unfit.trained[0].1.to_dtype(DType::BF16).unwrap();
        let message = all.save(&unfit, Keep::BestAndLast).unwrap_err().to_string();
        assert!(
            message.contains("is bf16, expected f32 or f64"),
            "{message}"
        );
        assert_eq!(all.steps().unwrap(), [100]);
        assert_eq!(index(&all).last, Some(folder_name(100)));
    }

    #[test]
    fn a_process_killed_while_saving_leaves_the_old_checkpoint() {
        let folder = tempfile::tempdir().unwrap();
        let all = checkpoints(&folder);
        all.save(&example(100, Some(100)), Keep::BestAndLast)
            .unwrap();
        let half = folder.path().join(".tmp-7-step-000200");
        fs::create_dir(&half).unwrap();
        fs::write(half.join("trained.safetensors"), [8, 0, 0]).unwrap();
        assert_eq!(all.last().unwrap(), Some(100));
        all.recover().unwrap();
        assert!(!half.exists());
        assert_eq!(all.best().unwrap(), Some(100));
    }

    #[test]
    #[cfg(unix)]
    #[ignore = "started by another test, in a process with a limit on file sizes"]
    fn saves_without_room() {
        let all = Checkpoints::new(limited::folder());
        let mut large = example(200, None);
        let zeros = Tensor::zeros(100_000, DType::F32, &Device::Cpu).unwrap();
        large.optimizer.push(("second_moment".to_owned(), zeros));
        let message = all.save(&large, Keep::BestAndLast).unwrap_err().to_string();
        assert!(
            message.contains("optimizer.safetensors: cannot write"),
            "{message}"
        );
        // Not even a leftover stands in the way of the next attempt.
        assert_eq!(fs::read_dir(all.path()).unwrap().count(), 2);
        all.save(&example(300, None), Keep::BestAndLast).unwrap();
    }

    #[test]
    #[cfg(unix)]
    fn a_save_without_room_leaves_the_old_checkpoint() {
        let folder = tempfile::tempdir().unwrap();
        let all = checkpoints(&folder);
        all.save(&example(100, Some(100)), Keep::BestAndLast)
            .unwrap();
        limited::run("run::index::tests::saves_without_room", folder.path());
        assert_eq!(all.steps().unwrap(), [300]);
        Checkpoint::load(&all.folder(300)).unwrap();
    }
}
