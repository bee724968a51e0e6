//! Sweeps of the tiny fixture: their file, their folder, and the processes at work in it.
#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on should say where"
)]

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use compacter_core::event::replay::{Follow, Update};
use compacter_core::run::lock;
use tempfile::TempDir;

use crate::program;

/// A folder with a sweep of the tiny fixture in it.
#[derive(Debug)]
pub struct Lab {
    folder: TempDir,
}

/// Two methods, two learning rates of which one is chosen, two seeds; two runs at a time.
pub const GRID: &str = r#"
[grid]
method.kind = ["adapter", "lora"]
train.learning_rate = [1e-2, 1e-3]
train.seed = [1, 2]
[select]
tune = ["train.learning_rate"]
[jobs]
parallel = 2
"#;

impl Lab {
    /// A lab whose sweep trains the tiny fixture with the `[train]` settings given; `tables` are
    /// the sweep's own.
    ///
    /// # Panics
    /// When its files cannot be written, here as everywhere.
    #[must_use]
    pub fn new(train: &str, tables: &str) -> Self {
        let lab = Self {
            folder: tempfile::tempdir().unwrap(),
        };
        let tiny = program::workspace().join("tests/fixtures/tiny");
        lab.split(&tiny.join("validation.tsv"));
        let (runs, tiny) = (lab.path("runs"), tiny.display());
        let text = format!(
            r#"name = "grid"
output.directory = "{}"
model.path = "{tiny}/model"
[task]
kind = "classification"
train = "{tiny}/train.tsv"
validation = "validation.tsv"
test = "test.tsv"
text = ["sentence"]
label = "label"
labels = ["negative", "positive"]
[train]
{train}
{tables}"#,
            runs.display()
        );
        fs::write(lab.path("sweep.toml"), text).unwrap();
        lab
    }

    /// Makes two splits of the rows of one file.
    fn split(&self, file: &Path) {
        let text = fs::read_to_string(file).unwrap();
        let (head, rows) = text.split_once('\n').unwrap();
        let rows: Vec<&str> = rows.lines().collect();
        for (name, first) in [("validation.tsv", 0), ("test.tsv", 1)] {
            let half: Vec<&str> = rows.iter().skip(first).step_by(2).copied().collect();
            fs::write(self.path(name), format!("{head}\n{}\n", half.join("\n"))).unwrap();
        }
    }

    /// A file of the lab.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The arguments that do the sweep, and more.
    #[must_use]
    pub fn sweep(&self, more: &[&str]) -> Vec<OsString> {
        let mut arguments: Vec<OsString> = vec!["sweep".into(), self.path("sweep.toml").into()];
        arguments.extend(more.iter().map(OsString::from));
        arguments
    }

    /// What a file in the sweep's folder says.
    #[must_use]
    #[track_caller]
    pub fn file(&self, name: &str) -> String {
        fs::read_to_string(self.path("runs/grid").join(name)).unwrap()
    }

    /// How many runs have come to something.
    #[must_use]
    pub fn results(&self) -> usize {
        fs::read_dir(self.path("runs/grid/results")).map_or(0, |entries| {
            let names = entries.map(|entry| entry.unwrap().file_name());
            names
                .filter(|name| !name.to_str().unwrap().starts_with('.'))
                .count()
        })
    }

    /// Whether some run is at work, a few steps from its start.
    #[must_use]
    pub fn is_at_work(&self) -> bool {
        let runs = self.runs().into_iter();
        let mut held = runs.filter(|run| holder(run).is_some());
        held.any(|run| {
            let update = Follow::new(run.join("events.jsonl")).poll().unwrap();
            let (Update::Appended(events) | Update::Restarted(events)) = update;
            events.last().is_some_and(|event| event.step > 3)
        })
    }

    fn runs(&self) -> Vec<PathBuf> {
        let runs = fs::read_dir(self.path("runs/grid/runs"));
        let runs = runs.into_iter().flatten();
        runs.map(|run| run.unwrap().path()).collect()
    }

    /// Processes that train runs of the sweep.
    #[must_use]
    pub fn trainers(&self) -> Vec<u32> {
        let runs = self.runs().into_iter();
        runs.filter_map(|run| holder(&run)).collect()
    }
}

fn holder(run: &Path) -> Option<u32> {
    lock::holder(run).unwrap().map(|holder| holder.pid)
}

impl Drop for Lab {
    /// A run of a sweep that was killed outlives it; it is not to outlive its folder.
    fn drop(&mut self) {
        self.trainers().iter().for_each(|&pid| kill(pid));
    }
}

/// Kills a process at once.
pub fn kill(pid: u32) {
    // It may have ended by itself, which is as good.
    let _ended = Command::new("sh")
        .args(["-c", &format!("kill -9 {pid} 2>/dev/null")])
        .status();
}
