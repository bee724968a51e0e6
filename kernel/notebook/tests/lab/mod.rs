//! What the tests of runs share: a small task in a folder of its own, and a kernel that
//! writes down what it is sent.
#![allow(dead_code, reason = "not every test uses everything")]

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{LazyLock, Mutex, MutexGuard};
use std::thread::sleep;
use std::time::{Duration, Instant};

use compacter_core::run::lock;
use compacter_notebook::channel::{Channel, Lines};
use compacter_notebook::run::{Builder, Run};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

/// Long enough for anything but a hang.
pub(crate) const LIMIT: Duration = Duration::from_mins(1);

static SENT: LazyLock<Mutex<Vec<Value>>> = LazyLock::new(Mutex::default);

struct Tape;

impl Lines for Tape {
    fn send(&mut self, line: &str) -> io::Result<()> {
        sent().push(serde_json::from_str(line).expect("JSON"));
        Ok(())
    }
}

/// Everything that the kernel was sent.
pub(crate) fn sent() -> MutexGuard<'static, Vec<Value>> {
    SENT.lock().expect("no panic in between")
}

/// The messages about the run of a name.
pub(crate) fn sent_of(run: &Run) -> Vec<Value> {
    let path = run.path().display().to_string();
    let about = |message: &&Value| {
        let text = message["data"]["text/plain"].as_str();
        text.is_some_and(|text| text.starts_with(&path))
    };
    sent().iter().filter(about).cloned().collect()
}

/// A small task on a random model, and a folder for its runs.
pub(crate) struct Lab {
    folder: TempDir,
}

impl Lab {
    pub(crate) fn new() -> Self {
        let channel = Channel::new(Some(Box::new(Tape)), Box::new(io::sink()), || {
            "cell".to_owned()
        });
        Channel::install(channel);
        let folder = tempfile::tempdir().expect("a temporary folder");
        copy(&fixture(), folder.path());
        Self { folder }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A run of the task under a name, in this lab's folder.
    pub(crate) fn builder(&self, name: &str) -> Builder {
        let runs = self.path("runs").display().to_string();
        Run::builder(self.path("run.toml"))
            .name(name)
            .set(&format!("output.directory={}", Value::from(runs)))
            .set("train.threads=1")
    }

    /// One that goes on until it is told to end.
    pub(crate) fn long(&self, name: &str) -> Builder {
        self.builder(name)
            .set("train.epochs=20000")
            .set("eval.every=100000")
            .set("train.checkpoint_every=100000")
    }
}

impl Drop for Lab {
    /// A run in a process of its own outlives a test that fails; it is not to outlive its folder.
    fn drop(&mut self) {
        for entry in fs::read_dir(self.path("runs"))
            .into_iter()
            .flatten()
            .flatten()
        {
            let holder = lock::holder(&entry.path()).ok().flatten();
            let pid = holder
                .map(|holder| holder.pid)
                .filter(|&pid| pid != std::process::id());
            let pid = pid.and_then(|pid| Pid::from_raw(i32::try_from(pid).ok()?));
            if let Some(pid) = pid {
                let _ended = kill_process(pid, Signal::KILL);
            }
        }
    }
}

fn fixture() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/tiny")
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder");
    for entry in fs::read_dir(from).expect("the fixture") {
        let path = entry.expect("an entry").path();
        let there = to.join(path.file_name().expect("a name"));
        if path.is_dir() {
            copy(&path, &there);
        } else {
            fs::copy(&path, &there).expect("a copy");
        }
    }
}

/// Waits until something is so.
pub(crate) fn until(what: &str, so: impl Fn() -> bool) {
    let start = Instant::now();
    while !so() {
        assert!(start.elapsed() < LIMIT, "not within {LIMIT:?}: {what}");
        sleep(Duration::from_millis(10));
    }
}

/// Waits until a run has done some steps.
pub(crate) fn until_step(run: &Run, step: u64) {
    until("steps", || {
        let losses = run.losses().expect("a record");
        losses.last().is_some_and(|(at, _)| *at >= step)
    });
}
