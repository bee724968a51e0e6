//! Tests of the ways in which a run begins.
#![expect(clippy::unwrap_used, reason = "tests")]

use super::*;
use crate::event::tests::{event, step};
use crate::event::{Ending, Event, Kind, Recorder, Sink};
use crate::run::Keep;
use crate::run::checkpoint::tests::example;

fn record(folder: &RunFolder, events: &[Event]) {
    let mut recorder = Recorder::append(&folder.events_path()).unwrap();
    for event in events {
        recorder.event(event).unwrap();
    }
}

fn finished() -> Event {
    let reason = Ending::Steps;
    event(3, Kind::Finished { reason, best: None })
}

#[test]
fn a_new_run_has_its_folder_and_holds_the_lock() {
    let directory = tempfile::tempdir().unwrap();
    let runs = directory.path().join("deep/runs");
    let started = start(&runs, "demo", Start::New).unwrap();
    let Started::New { folder, lock } = started else {
        panic!("{started:?}");
    };
    assert_eq!(
        (folder.name().as_str(), folder.path()),
        ("demo", &*runs.join("demo"))
    );
    assert!(Lock::take(folder.path()).is_err());
    drop(lock);
    assert_eq!(RunFolder::open(folder.path()).unwrap(), folder);
}

#[test]
fn a_taken_name_is_refused_with_the_ways_out() {
    let directory = tempfile::tempdir().unwrap();
    RunFolder::create(directory.path(), "demo").unwrap();
    let error = start(directory.path(), "demo", Start::New).unwrap_err();
    assert!(matches!(error, Error::Run { .. }));
    for option in ["--resume", "--fresh", "--name"] {
        assert!(error.to_string().contains(option), "{error}");
    }
}

#[test]
fn a_run_in_use_is_neither_taken_up_nor_moved() {
    let directory = tempfile::tempdir().unwrap();
    let _running = start(directory.path(), "demo", Start::New).unwrap();
    for how in [Start::Resume, Start::ResumeAuto, Start::Fresh] {
        let message = start(directory.path(), "demo", how)
            .unwrap_err()
            .to_string();
        assert!(message.contains("in use by process"), "{message}");
    }
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
}

#[test]
fn a_fresh_start_keeps_the_old_runs_beside_it() {
    let directory = tempfile::tempdir().unwrap();
    for how in [Start::Fresh, Start::Fresh, Start::Fresh] {
        let started = start(directory.path(), "demo", how).unwrap();
        let Started::New { folder, .. } = started else {
            panic!("{started:?}");
        };
        assert!(!folder.config_path().exists());
        folder.write_config("name = 'demo'").unwrap();
    }
    for name in ["demo", "demo.old-1", "demo.old-2"] {
        assert!(
            directory.path().join(name).join("config.toml").exists(),
            "{name}"
        );
    }
}

#[test]
fn resuming_needs_a_run_unless_it_may_start_one() {
    let directory = tempfile::tempdir().unwrap();
    let message = start(directory.path(), "demo", Start::Resume)
        .unwrap_err()
        .to_string();
    assert!(message.contains("no such run to resume"), "{message}");
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
    let started = start(directory.path(), "demo", Start::ResumeAuto).unwrap();
    assert!(matches!(started, Started::New { .. }), "{started:?}");
}

#[test]
fn a_partial_run_is_taken_up_and_put_in_order() {
    let directory = tempfile::tempdir().unwrap();
    let folder = RunFolder::create(directory.path(), "demo").unwrap();
    record(&folder, &[event(1, step(0.5))]);
    folder
        .checkpoints()
        .save(&example(1, None), Keep::BestAndLast)
        .unwrap();
    let leftovers = [".tmp-7-config.toml", "checkpoints/.tmp-7-index.json"];
    for name in leftovers {
        fs::write(folder.path().join(name), "half").unwrap();
    }
    for how in [Start::Resume, Start::ResumeAuto] {
        let started = start(directory.path(), "demo", how).unwrap();
        let Started::Resume { resume, lock, .. } = started else {
            panic!("{started:?}");
        };
        assert_eq!(resume.from_step(), 1);
        drop(lock);
    }
    assert!(
        leftovers
            .iter()
            .all(|name| !folder.path().join(name).exists())
    );
}

#[test]
fn a_finished_run_is_not_begun_again() {
    let directory = tempfile::tempdir().unwrap();
    let folder = RunFolder::create(directory.path(), "demo").unwrap();
    record(&folder, &[event(1, step(0.5)), finished()]);
    for how in [Start::Resume, Start::ResumeAuto] {
        let started = start(directory.path(), "demo", how).unwrap();
        assert!(
            matches!(started, Started::AlreadyFinished(_)),
            "{started:?}"
        );
    }
}

#[test]
fn a_damaged_record_is_told_with_its_line() {
    let directory = tempfile::tempdir().unwrap();
    let folder = RunFolder::create(directory.path(), "demo").unwrap();
    fs::write(folder.events_path(), "not json\n").unwrap();
    let message = start(directory.path(), "demo", Start::Resume)
        .unwrap_err()
        .to_string();
    assert!(
        message.contains("events.jsonl:1: not an event"),
        "{message}"
    );
}

#[test]
fn names_that_would_leave_the_directory_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    for name in ["", ".", "..", "../a", "a/b", "a/", "/a", ".hidden"] {
        let message = start(directory.path(), name, Start::New)
            .unwrap_err()
            .to_string();
        assert!(message.contains("plain folder name"), "{name}: {message}");
    }
}

#[test]
fn a_folder_that_holds_no_run_is_not_opened() {
    let directory = tempfile::tempdir().unwrap();
    for path in [
        directory.path().to_path_buf(),
        directory.path().join("none"),
    ] {
        let message = RunFolder::open(&path).unwrap_err().to_string();
        assert!(message.contains("there is no run here"), "{message}");
    }
}
