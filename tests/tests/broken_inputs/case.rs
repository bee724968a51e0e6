//! What is broken, what is run, and what has to come of it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use compacter_tests::program::{self, Finished};
use tempfile::TempDir;

/// One broken input.
#[derive(Clone)]
pub(crate) struct Case {
    /// What is wrong, in words.
    pub(crate) name: &'static str,
    /// How a sound folder comes to be broken.
    pub(crate) damage: Vec<Damage>,
    /// What is run there.
    pub(crate) arguments: Vec<&'static str>,
    /// What the one message has to contain.
    pub(crate) says: &'static [&'static str],
}

/// A change to the copy of the `tiny` fixture.
#[derive(Clone)]
pub(crate) enum Damage {
    /// In a text file, the first of one text becomes another.
    Replace(&'static str, &'static str, &'static str),
    /// A file has other content, or is new.
    Write(&'static str, Vec<u8>),
    /// A file is gone.
    Remove(&'static str),
    /// Whatever else may happen, given the folder.
    By(fn(&Path)),
}

impl Case {
    /// A training that is refused.
    pub(crate) fn train(
        name: &'static str,
        damage: impl Into<Vec<Damage>>,
        says: &'static [&'static str],
    ) -> Self {
        Self {
            name,
            damage: damage.into(),
            arguments: vec!["train", "run.toml"],
            says,
        }
    }

    /// Further arguments.
    pub(crate) fn with<const N: usize>(mut self, arguments: [&'static str; N]) -> Self {
        self.arguments.extend(arguments);
        self
    }

    fn refused(&self) -> Result<(), String> {
        let folder = scene();
        for damage in &self.damage {
            damage.inflict(folder.path());
        }
        let before = snapshot(folder.path());
        let finished = compacter(folder.path(), &self.arguments);
        self.well_told(&finished)
            .map_err(|why| format!("{why}\n{}{}", finished.stdout, finished.stderr))?;
        match difference(&before, &snapshot(folder.path())) {
            None => Ok(()),
            Some(path) => Err(format!("{} was left or changed", path.display())),
        }
    }

    fn well_told(&self, finished: &Finished) -> Result<(), String> {
        let told = &finished.stderr;
        let ensure = |holds, what: &str| if holds { Ok(()) } else { Err(what.to_owned()) };
        ensure(finished.status.code() == Some(2), "exit code is not 2")?;
        ensure(finished.stdout.is_empty(), "something on standard output")?;
        ensure(told.starts_with("error: "), "no `error: ` first")?;
        // The parser of arguments adds usage to its own messages.
        let usage = told.ends_with("For more information, try '--help'.\n");
        ensure(usage || told.lines().count() == 1, "not one line")?;
        ensure(told.matches("error:").count() == 1, "not one message")?;
        for part in self.says {
            ensure(told.contains(part), &format!("does not say `{part}`"))?;
        }
        Ok(())
    }
}

impl Damage {
    fn inflict(&self, folder: &Path) {
        match self {
            Self::Replace(file, from, to) => {
                let path = folder.join(file);
                let text = fs::read_to_string(&path).unwrap();
                assert!(text.contains(from), "{file} has no `{from}`");
                fs::write(path, text.replacen(from, to, 1)).unwrap();
            }
            Self::Write(file, content) => fs::write(folder.join(file), content).unwrap(),
            Self::Remove(file) => fs::remove_file(folder.join(file)).unwrap(),
            Self::By(change) => change(folder),
        }
    }
}

/// Runs all cases, several at a time, and tells of all that went wrong.
pub(crate) fn refuses_all(cases: &[Case]) {
    let next = AtomicUsize::new(0);
    let wrong = Mutex::new(Vec::new());
    let work = || {
        while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
            if let Err(why) = case.refused() {
                wrong.lock().unwrap().push(format!("{}: {why}", case.name));
            }
        }
    };
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(2, usize::from) {
            scope.spawn(work);
        }
    });
    let wrong = wrong.into_inner().unwrap();
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

/// A folder with a copy of the `tiny` fixture, which trains as it is.
fn scene() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    copy(
        &program::workspace().join("tests/fixtures/tiny"),
        folder.path(),
    );
    folder
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// Runs the program in a folder, with everything that could make it noisy or reach out.
pub(crate) fn compacter(folder: &Path, arguments: &[&str]) -> Finished {
    let mut command = Command::new(program::path());
    command
        .args(arguments)
        .current_dir(folder)
        .env("RUST_BACKTRACE", "1")
        .env("HF_HUB_OFFLINE", "1")
        .env("HF_HOME", folder.join("no-cache"));
    program::spawn(command).wait()
}

/// Every file and folder with its content.
fn snapshot(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut all = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            all.extend(snapshot(&path));
            all.insert(path, Vec::new());
        } else if !path.ends_with("lock") {
            // A lock names who last held it, which is as it should be.
            all.insert(path.clone(), fs::read(&path).unwrap());
        }
    }
    all
}

fn difference<'a>(
    before: &'a BTreeMap<PathBuf, Vec<u8>>,
    after: &'a BTreeMap<PathBuf, Vec<u8>>,
) -> Option<&'a PathBuf> {
    let mut paths = before.keys().chain(after.keys());
    paths.find(|&path| before.get(path) != after.get(path))
}
