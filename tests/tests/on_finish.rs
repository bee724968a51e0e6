//! A user's own command at the end of a run.
#![cfg(unix)]

use std::fs;
use std::time::{Duration, Instant};

use compacter_core::event::Kind;
use compacter_core::run::lock;
use compacter_tests::program;
use compacter_tests::runs::{Lab, NAME};

const SHORT: &str = "threads = 1\nmax_steps = 4\nlearning_rate = 1e-2";

/// A lab whose runs start a command at their end.
fn lab(command: &str) -> Lab {
    let lab = Lab::new(SHORT);
    lab.edit(&[(
        "[task]",
        &format!("[output]\non_finish = '''{command}'''\n[task]"),
    )]);
    // The table takes the place of the dotted key.
    let runs = lab.path().join("runs");
    let dotted = format!("output.directory = \"{}\"\n", runs.display());
    lab.edit(&[
        (&dotted, ""),
        (
            "[output]\n",
            &format!("[output]\ndirectory = \"{}\"\n", runs.display()),
        ),
    ]);
    lab
}

fn warnings(lab: &Lab) -> Vec<String> {
    let history = lab.run(NAME).history().expect("the record can be read");
    let messages = history
        .events()
        .iter()
        .filter_map(|event| match &event.kind {
            Kind::Warning { message } => Some(message.clone()),
            _ => None,
        });
    messages.collect()
}

#[test]
fn it_is_told_of_the_run_and_its_output_is_no_event() {
    let told = "env | grep ^COMPACTER_ | sort > told; echo done";
    let lab = lab(told);
    let in_folder = format!("output.on_finish=cd '{}' && {told}", lab.path().display());
    let ended = program::run(lab.train(&["--json", "--set", &in_folder])).expect_code(0);
    assert!(!ended.stdout.contains("done\n"), "{}", ended.stdout);
    assert!(ended.stderr.contains("done\n"), "{}", ended.stderr);
    let told = fs::read_to_string(lab.path().join("told")).expect("the command has run");
    let value = |name: &str| {
        let line = told.lines().find_map(|line| line.strip_prefix(name));
        line.and_then(|rest| rest.strip_prefix('='))
            .unwrap_or_default()
    };
    assert_eq!(value("COMPACTER_RUN"), lab.run_path(NAME).to_string_lossy());
    assert_eq!(value("COMPACTER_STATUS"), "finished");
    assert_eq!(value("COMPACTER_STEP"), "4");
    assert_eq!(value("COMPACTER_METRIC"), "accuracy");
    for number in ["COMPACTER_LOSS", "COMPACTER_BEST"] {
        assert!(value(number).parse::<f64>().is_ok(), "{told}");
    }
    assert!(warnings(&lab).is_empty());
}

#[test]
fn one_that_fails_is_a_warning_and_the_run_is_complete() {
    let lab = lab("exit 7");
    let _ended = program::run(lab.train(&[])).expect_code(0);
    let warnings = warnings(&lab);
    assert_eq!(warnings.len(), 1);
    assert!(
        warnings[0].contains("`exit 7` failed: exit status: 7"),
        "{warnings:?}"
    );
    let watched = program::run(["watch".as_ref(), lab.run_path(NAME).as_os_str()]);
    assert!(watched.expect_code(0).stdout.contains("finished at step 4"));
    // A complete run is not trained, and starts nothing.
    let _again = program::run(lab.train(&["--resume"])).expect_code(0);
    assert_eq!(self::warnings(&lab).len(), 1);
}

#[test]
fn one_that_takes_long_holds_neither_the_process_nor_the_lock() {
    let lab = lab("exec sleep 30 >/dev/null 2>&1");
    let start = Instant::now();
    let _ended = program::run(lab.train(&["--json"])).expect_code(0);
    assert!(start.elapsed() < Duration::from_secs(25));
    let holder = lock::holder(&lab.run_path(NAME)).expect("the lock can be looked at");
    assert_eq!(holder, None);
}

#[test]
fn a_run_that_fails_says_so() {
    let lab = lab("echo $COMPACTER_STATUS");
    let set = [
        "--set",
        "train.learning_rate=1e30",
        "--set",
        "train.max_skipped=1",
    ];
    let more = ["--set", "train.max_steps=400", "--set", "train.clip_norm=0"];
    let ended = program::run(lab.train(&[set, more].concat())).expect_code(1);
    assert!(ended.stderr.contains("failed\n"), "{}", ended.stderr);
}
