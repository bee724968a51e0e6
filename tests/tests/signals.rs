//! What the world does to a run: signals, a full disk, a loss that is no number.
#![cfg(unix)]

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use compacter_core::event::Kind;
use compacter_tests::program::{self, Met, Running};
use compacter_tests::runs::{Lab, NAME, assert_same, checkpoint_steps, computed, trained};

const SETTINGS: &str = "threads = 1
epochs = 12
batch_size = 8
accumulation = 2
dropout = 0.1
learning_rate = 1e-2
checkpoint_every = 50";

#[test]
fn signals_save_the_run_and_it_goes_on_as_if_nothing_had_been() {
    let reference = Lab::new(SETTINGS);
    let _ended = program::run(reference.train(&[])).expect_code(0);
    for (signal, step) in [("TERM", 17), ("INT", 31), ("USR1", 64)] {
        let lab = Lab::new(SETTINGS);
        let mut following = lab.follow();
        let mut running = program::start(lab.train(&[]));
        following.until_step(&mut running, step);
        running.signal(signal);
        let ended = running.wait().expect_code(75);
        assert!(
            ended.stdout.contains("interrupted at step"),
            "{}",
            ended.stdout
        );
        let run = lab.run(NAME);
        let last = following
            .look()
            .last()
            .map(|event| (event.step, event.kind.clone()));
        let Some((at, Kind::Interrupted { .. })) = last else {
            panic!("{signal}: {last:?}");
        };
        assert_eq!(checkpoint_steps(&run).last(), Some(&at), "{signal}");
        let resumed = program::run(lab.train(&["--resume"])).expect_code(0);
        let from = format!("resumed from step {at}");
        assert!(resumed.stdout.contains(&from), "{}", resumed.stdout);
        assert_same(&computed(&run), &computed(&reference.run(NAME)));
        assert_eq!(trained(&run), trained(&reference.run(NAME)), "{signal}");
    }
}

const DISK: &str = "COMPACTER_TEST_SMALL_DISK";

/// Runs one ignored test of this program beside a disk of 256 kB, in a name space of its
/// own: nobody has to be root to mount something, and nothing is left mounted.
fn on_a_small_disk(test: &str) {
    let disk = tempfile::tempdir().expect("a temporary folder");
    let script = r#"mount -t tmpfs -o size=256k small "$1" && exec "$0" --exact "$2" --ignored"#;
    let output = Command::new("unshare")
        .args(["--user", "--map-root-user", "--mount", "sh", "-c", script])
        .arg(std::env::current_exe().expect("a process has a program"))
        .arg(disk.path())
        .arg(test)
        .env("COMPACTER_BIN", program::path())
        .env(DISK, disk.path())
        .output()
        .expect("util-linux's unshare is installed");
    let text = String::from_utf8_lossy(&output.stdout);
    let passed = output.status.success() && text.contains("1 passed");
    assert!(passed, "{text}{}", String::from_utf8_lossy(&output.stderr));
}

/// A lab on the small disk, most of which a file takes up; its run, once that has filled
/// the rest.
fn run_that_waits_for_room() -> (Lab, PathBuf, Running) {
    let disk = PathBuf::from(std::env::var_os(DISK).expect("set by the other test"));
    let ballast = disk.join("ballast");
    fs::write(&ballast, vec![0; 170 * 1024]).expect("there is room for this");
    let lab = Lab::within(&disk, &SETTINGS.replace("every = 50", "every = 2"));
    let mut running = program::start(lab.train(&[]));
    let mut output = String::new();
    let mut looks_alike = 0;
    let met = running.until_output(|so_far| {
        looks_alike = if so_far == output { looks_alike + 1 } else { 0 };
        so_far.clone_into(&mut output);
        // Long enough that a run which did not wait would have gone on.
        so_far.contains("paused at step") && looks_alike > 300
    });
    assert_eq!(met, Met::Seen, "{output}");
    assert!(output.contains("free some space"), "{output}");
    assert!(!output.contains("continued"), "{output}");
    (lab, ballast, running)
}

#[test]
fn a_full_disk_pauses_the_run_and_loses_nothing() {
    on_a_small_disk("goes_on_when_there_is_room");
}

#[test]
fn a_run_that_waits_for_room_can_be_told_to_end() {
    on_a_small_disk("ends_without_room");
}

#[test]
#[ignore = "started by another test, in a name space with a small disk"]
fn goes_on_when_there_is_room() {
    let (lab, ballast, running) = run_that_waits_for_room();
    fs::remove_file(&ballast).expect("it is there");
    let ended = running.wait().expect_code(0);
    assert!(
        ended.stdout.contains("continued at step"),
        "{}",
        ended.stdout
    );

    let reference = Lab::new(SETTINGS);
    let _ended = program::run(reference.train(&[])).expect_code(0);
    let (found, expected) = (lab.run(NAME), reference.run(NAME));
    assert_same(&computed(&found), &computed(&expected));
    assert_eq!(trained(&found), trained(&expected));
    let history = found.history().expect("the record is whole");
    let kinds = history.events().iter().map(|event| &event.kind);
    let told: Vec<&Kind> = kinds
        .filter(|kind| matches!(kind, Kind::Paused { .. } | Kind::Continued))
        .collect();
    assert!(
        matches!(told[..], [Kind::Paused { .. }, Kind::Continued, ..]),
        "{told:?}"
    );
}

#[test]
#[ignore = "started by another test, in a name space with a small disk"]
fn ends_without_room() {
    let (lab, ballast, running) = run_that_waits_for_room();
    running.signal("TERM");
    let ended = running.wait();
    assert!(matches!(ended.code(), 1 | 75), "{ended:?}");
    fs::remove_file(&ballast).expect("it is there");
    let _ended = program::run(lab.train(&["--resume"])).expect_code(0);

    let reference = Lab::new(SETTINGS);
    let _ended = program::run(reference.train(&[])).expect_code(0);
    assert_same(&computed(&lab.run(NAME)), &computed(&reference.run(NAME)));
}

#[test]
fn a_loss_that_is_no_number_ends_the_run_and_keeps_a_checkpoint_to_go_on_from() {
    let lab = Lab::new(
        "threads = 1
epochs = 4
learning_rate = 1e30
warmup = 4
schedule = 'constant'
dropout = 0.0
checkpoint_every = 1
max_skipped = 3",
    );
    let failed = program::run(lab.train(&[])).expect_code(1);
    let kept = checkpoint_steps(&lab.run(NAME)).last().copied();
    let kept = kept.expect("a checkpoint is kept");
    let message = format!("3 steps in a row; the checkpoint of step {kept} is kept");
    assert!(failed.stderr.contains(&message), "{}", failed.stderr);
    assert!(failed.stdout.contains("skipped"), "{}", failed.stdout);

    let remedy = ["--resume", "--set", "train.learning_rate=1e-3"];
    let _ended = program::run(lab.train(&remedy)).expect_code(0);
    let history = lab.run(NAME).history().expect("the record is whole");
    let skipped = history.events().iter().filter(|event| match &event.kind {
        Kind::Step(step) => step.skipped,
        _ => false,
    });
    assert_eq!(skipped.count(), 0);
}
