//! What commands say: run in a folder, read as text or JSON.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::program::{self, Finished};

/// Runs the program in a folder.
#[must_use]
pub fn compacter(folder: &Path, arguments: &[&str]) -> Finished {
    let mut command = Command::new(program::path());
    command.args(arguments).current_dir(folder);
    program::spawn(command).wait()
}

/// What a command that cannot fail prints.
#[must_use]
pub fn printed(folder: &Path, arguments: &[&str]) -> String {
    let finished = compacter(folder, arguments).expect_code(0);
    assert_eq!(finished.stderr, "");
    finished.stdout
}

/// The one JSON object of a text.
#[must_use]
pub fn json(text: &str) -> Value {
    assert_eq!(text.lines().count(), 1, "{text}");
    serde_json::from_str(text).expect("a line of JSON")
}

/// The names of an object's fields, in alphabetical order.
#[must_use]
pub fn keys(value: &Value) -> Vec<&str> {
    let fields = value.as_object().expect("a JSON object").keys();
    let mut names: Vec<&str> = fields.map(String::as_str).collect();
    names.sort_unstable();
    names
}

/// A file of the fixture `tiny`: a random model and word lists.
#[must_use]
pub fn tiny(file: &str) -> String {
    let path = program::workspace().join("tests/fixtures/tiny").join(file);
    path.display().to_string()
}
