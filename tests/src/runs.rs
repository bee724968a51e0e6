//! Runs of the tiny fixture: their configuration file, their folder, what counts of them.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use compacter_core::config::RunConfig;
use compacter_core::event::replay::{Follow, Update};
use compacter_core::event::{Event, History, Kind};
use compacter_core::run::RunFolder;
use serde_json::Value;
use tempfile::TempDir;

use crate::program::{self, Met, Running};

/// A folder of one's own with a configuration file and the runs made of it.
#[derive(Debug)]
pub struct Lab {
    folder: TempDir,
}

/// A run's name in these tests.
pub const NAME: &str = "demo";

impl Lab {
    /// A lab whose file trains the tiny fixture with the `[train]` settings given; what
    /// follows them may open other tables.
    #[must_use]
    pub fn new(train: &str) -> Self {
        Self::within(&std::env::temp_dir(), train)
    }

    /// As [`Self::new`], in a folder within another.
    #[must_use]
    pub fn within(parent: &Path, train: &str) -> Self {
        let folder = tempfile::tempdir_in(parent).expect("a temporary folder");
        let lab = Self { folder };
        let tiny = program::workspace().join("tests/fixtures/tiny");
        let (tiny, runs) = (tiny.display(), lab.path().join("runs"));
        let runs = runs.display();
        let text = format!(
            r#"name = "{NAME}"
output.directory = "{runs}"
model.path = "{tiny}/model"
method = {{ kind = "compacter", n = 4, reduction_factor = 4 }}
[task]
kind = "classification"
train = "{tiny}/train.tsv"
validation = "{tiny}/validation.tsv"
text = ["sentence"]
label = "label"
labels = ["negative", "positive"]
[train]
{train}
"#
        );
        lab.write_config(&text);
        lab
    }

    /// The lab's folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// The configuration file.
    #[must_use]
    pub fn config_path(&self) -> PathBuf {
        self.path().join("run.toml")
    }

    /// What the configuration file says.
    #[must_use]
    pub fn config(&self) -> RunConfig {
        RunConfig::load(&self.config_path(), &[]).expect("the tests' configuration is right")
    }

    /// Saves the configuration file with some of its texts replaced, as an editor does.
    #[track_caller]
    pub fn edit(&self, replacements: &[(&str, &str)]) {
        let mut text = fs::read_to_string(self.config_path()).expect("it is there");
        for (from, to) in replacements {
            assert!(text.contains(from), "no `{from}` in {text}");
            text = text.replace(from, to);
        }
        self.write_config(&text);
    }

    fn write_config(&self, text: &str) {
        fs::write(self.config_path(), text).expect("the folder can be written");
    }

    /// The arguments that train the lab's configuration, and more.
    #[must_use]
    pub fn train(&self, more: &[&str]) -> Vec<OsString> {
        let mut arguments: Vec<OsString> = vec!["train".into(), self.config_path().into()];
        arguments.extend(more.iter().map(OsString::from));
        arguments
    }

    /// A run by its name.
    #[must_use]
    pub fn run_path(&self, name: &str) -> PathBuf {
        self.path().join("runs").join(name)
    }

    /// A run by its name.
    #[track_caller]
    #[must_use]
    pub fn run(&self, name: &str) -> RunFolder {
        RunFolder::open(&self.run_path(name)).unwrap_or_else(|error| panic!("{error}"))
    }

    /// A reader of what the run named [`NAME`] records from here on.
    #[must_use]
    pub fn follow(&self) -> Following {
        let mut following = Following {
            follow: Follow::new(self.run_path(NAME).join("events.jsonl")),
            events: Vec::new(),
        };
        following.look();
        following.events.clear();
        following
    }
}

/// Reads a run's events while it goes on.
#[derive(Debug)]
pub struct Following {
    follow: Follow,
    events: Vec<Event>,
}

impl Following {
    /// The events recorded since the start.
    #[track_caller]
    pub fn look(&mut self) -> &[Event] {
        match self.follow.poll().unwrap_or_else(|error| panic!("{error}")) {
            Update::Appended(events) => self.events.extend(events),
            Update::Restarted(events) => self.events = events,
        }
        &self.events
    }

    /// Waits until a process has done the step given.
    #[track_caller]
    pub fn until_step(&mut self, running: &mut Running, step: u64) {
        self.until(running, |event| {
            matches!(event.kind, Kind::Step(_)) && event.step >= step
        });
    }

    /// Waits until a process has recorded such an event, and returns it.
    #[track_caller]
    pub fn until(&mut self, running: &mut Running, such: impl Fn(&Event) -> bool) -> Event {
        let mut found = None;
        let met = running.until(|| {
            found = self.look().iter().find(|event| such(event)).cloned();
            found.is_some()
        });
        assert_eq!(met, Met::Seen, "{}", running.output());
        found.unwrap_or_else(|| panic!("seen"))
    }
}

/// What a run computed: its steps, evaluations and snapshots of factors that count, as exact
/// JSON, without what differs from one machine or process to the next.
#[track_caller]
#[must_use]
pub fn computed(run: &RunFolder) -> Vec<String> {
    let history = run.history().unwrap_or_else(|error| panic!("{error}"));
    computed_by(&history)
}

/// As [`computed`], of a history.
#[must_use]
pub fn computed_by(history: &History) -> Vec<String> {
    let counts =
        |event: &&Event| matches!(event.kind, Kind::Step(_) | Kind::Eval(_) | Kind::Factors(_));
    history
        .events()
        .iter()
        .filter(counts)
        .map(|event| {
            let mut value = serde_json::to_value(event).expect("an event is JSON");
            if let Value::Object(fields) = &mut value {
                fields.retain(|name, _| {
                    !["run", "t", "elapsed", "seconds", "memory", "peak_memory"]
                        .contains(&name.as_str())
                });
            }
            value.to_string()
        })
        .collect()
}

/// Checks that two runs computed the same, and tells the first difference.
#[track_caller]
pub fn assert_same(found: &[String], expected: &[String]) {
    for (found, expected) in found.iter().zip(expected) {
        assert_eq!(found, expected);
    }
    assert_eq!(
        found.len(),
        expected.len(),
        "steps, evaluations and snapshots"
    );
}

/// The values that a run ended with, to the byte.
#[track_caller]
#[must_use]
pub fn trained(run: &RunFolder) -> Vec<u8> {
    let checkpoints = run.checkpoints();
    let last = checkpoints.last().ok().flatten();
    let last = last.unwrap_or_else(|| panic!("no checkpoint in {}", run.path().display()));
    let path = checkpoints.folder(last).join("trained.safetensors");
    fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Steps of the checkpoints of a run.
#[track_caller]
#[must_use]
pub fn checkpoint_steps(run: &RunFolder) -> Vec<u64> {
    let steps = run.checkpoints().steps();
    steps.unwrap_or_else(|error| panic!("{error}"))
}

/// Numbers below `bound` drawn from a seed, ascending.
#[must_use]
pub fn draws(seed: u64, count: usize, bound: u64) -> Vec<u64> {
    let mut state = seed;
    let mut next = || {
        // Knuth's MMIX generator; its high bits are good enough to choose steps by.
        state = state.wrapping_mul(6_364_136_223_846_793_005);
        state = state.wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % bound
    };
    let mut drawn: Vec<u64> = (0..count).map(|_| next()).collect();
    drawn.sort_unstable();
    drawn
}
