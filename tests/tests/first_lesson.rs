//! What a class sees that has copied one file: a run without a configuration or a download.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::path::Path;
use std::process::Command;

use compacter_core::config::RunConfig;
use compacter_tests::program::{self, Finished};
use serde_json::Value;

/// Runs the program in a folder, as on a machine without a network or a cache of models.
fn compacter(folder: &Path, arguments: &[&str]) -> Finished {
    let mut command = Command::new(program::path());
    command.args(arguments).current_dir(folder);
    command.env("HF_HUB_OFFLINE", "1").env("HF_HOME", folder);
    program::spawn(command).wait().expect_code(0)
}

/// A short first lesson; its events.
fn lesson(folder: &Path) -> Vec<Value> {
    let short = ["train", "--json", "--set", "train.max_steps=2"];
    let printed = compacter(folder, &short).stdout;
    let lines = printed.lines();
    lines
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[test]
fn the_first_lesson_trains_compacter_on_what_the_program_carries() {
    let folder = tempfile::tempdir().unwrap();
    let events = lesson(folder.path());
    let started = &events[0];
    assert_eq!(started["kind"], "started");
    assert_eq!(started["run"], "first-lesson");
    assert_eq!(started["total"], 4_082_880);
    let trainable = started["trainable"].as_u64().unwrap();
    assert!(trainable * 100 < 4_082_880, "{trainable}");
    assert_eq!(events.last().unwrap()["kind"], "finished");
}

#[test]
fn a_second_first_lesson_gets_a_name_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let names: Vec<Value> = (0..2)
        .map(|_| lesson(folder.path())[0]["run"].clone())
        .collect();
    assert_eq!(names, ["first-lesson", "first-lesson-2"]);
}

#[test]
fn init_writes_the_first_lesson() {
    let folder = tempfile::tempdir().unwrap();
    compacter(folder.path(), &["init", "run.toml"]);
    let written = RunConfig::load(&folder.path().join("run.toml"), &[]).unwrap();
    let started = lesson(folder.path())[0]["config"].clone();
    let run = RunConfig::parse(Path::new("config.toml"), started.as_str().unwrap(), &[]).unwrap();
    let mut expected = written;
    expected.train.max_steps = Some(2);
    assert_eq!(run, expected);
}

#[test]
fn a_trained_lesson_can_be_asked_in_the_lesson_s_own_words() {
    let folder = tempfile::tempdir().unwrap();
    lesson(folder.path());
    let question = folder.path().join("q.jsonl");
    std::fs::write(
        &question,
        "{\"text\": \"a lovely, cheerful little book\"}\n",
    )
    .unwrap();
    let answer = compacter(folder.path(), &["predict", "runs/first-lesson", "q.jsonl"]).stdout;
    let answer: Value = serde_json::from_str(&answer).unwrap();
    let prediction = answer["prediction"].as_str().unwrap();
    assert!(["negative", "positive"].contains(&prediction), "{answer}");
}
