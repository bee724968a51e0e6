//! Forks on a terminal: a process of their own, and a dashboard of it.
#![cfg(unix)]

use std::path::PathBuf;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use compacter_core::event::Kind;
use compacter_core::run::lock::Holder;
use compacter_tests::program::{self, LIMIT};
use compacter_tests::runs::{Lab, NAME};
use compacter_tests::terminal::Terminal;

/// Long enough to be looked at.
const LONG: &str = "threads = 1\nmax_steps = 200000\nlearning_rate = 1e-3\ncheckpoint_every = 20";
const SHORT: &str = "threads = 1\nepochs = 3\nlearning_rate = 1e-2";

/// A run whose process is killed with the test.
struct Ended(PathBuf);

impl Drop for Ended {
    fn drop(&mut self) {
        let text = std::fs::read(self.0.join("lock")).expect("it is locked");
        let holder: Holder = serde_json::from_slice(&text).expect("the lock is signed");
        let pid = holder.pid.to_string();
        let _ended = Command::new("kill").args(["-KILL", &pid]).status();
    }
}

fn until_checkpoint(lab: &Lab) {
    let start = Instant::now();
    let last = || lab.run(NAME).checkpoints().last().ok().flatten();
    while last().is_none() {
        assert!(start.elapsed() < LIMIT, "no checkpoint");
        thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn a_fork_from_the_dashboard_trains_on_its_own_and_is_watched() {
    let lab = Lab::new(LONG);
    let mut terminal = Terminal::start(lab.train(&[]), &[], lab.path());
    terminal.until("RUN");
    let forked = Ended(lab.run_path(NAME));
    until_checkpoint(&lab);
    terminal.press(":fork 7\r");
    terminal.until("fork demo at step 7");
    terminal.press("\r");
    terminal.until("there is no checkpoint of step 7; there are those of");
    terminal.press("5");
    terminal.until("sort: newest");
    terminal.until(NAME);
    terminal.press("BB");
    terminal.until("demo-fork");
    terminal.until("this is demo-fork now");
    terminal.press("qd");
    assert_eq!(terminal.wait().exit_code(), 0);
    terminal.assert_whole();
    let fork = lab.run("demo-fork");
    let _ended = Ended(fork.path().to_path_buf());
    let history = fork.history().expect("the record can be read");
    let first = history.events().first().map(|event| &event.kind);
    assert!(matches!(first, Some(Kind::Resumed { .. })), "{first:?}");
    assert!(fork.path().join("run.log").exists());
    let events = lab.run(NAME).history().expect("the record can be read");
    let told = |kind: &Kind| matches!(kind, Kind::Command { .. } | Kind::Interrupted { .. });
    assert!(!events.events().iter().any(|event| told(&event.kind)));
    drop(forked);
}

#[test]
fn fork_on_a_terminal_watches_what_it_trains() {
    let lab = Lab::new(SHORT);
    let _trained = program::run(lab.train(&[])).expect_code(0);
    let path = lab.run_path(NAME);
    let fork = |more: &[&str]| {
        let mut arguments = vec!["fork".into(), path.clone().into_os_string()];
        arguments.extend(more.iter().map(Into::into));
        Terminal::start(arguments, &[], lab.path())
    };
    let mut terminal = fork(&["--at", "3"]);
    assert_eq!(terminal.wait().exit_code(), 2);
    terminal.until("there is no checkpoint of step 3");
    let mut terminal = fork(&["--set", "train.epochs=4"]);
    terminal.until("Overview");
    terminal.until("DONE");
    terminal.press("q");
    assert_eq!(terminal.wait().exit_code(), 0);
    terminal.assert_whole();
    assert!(lab.run_path("demo-fork").join("run.log").exists());
    let mut terminal = fork(&["--plain", "--name", "lines", "--set", "train.epochs=4"]);
    assert_eq!(terminal.wait().exit_code(), 0);
    assert!(!terminal.bytes().contains(&0x1b), "{}", terminal.text());
}

#[test]
fn a_fork_that_is_refused_leaves_nothing() {
    let lab = Lab::new(SHORT);
    let _trained = program::run(lab.train(&[])).expect_code(0);
    let fork = |set: &str| {
        let run = lab.run_path(NAME).into_os_string();
        let words = [
            "fork".into(),
            run,
            "--plain".into(),
            "--set".into(),
            set.into(),
        ];
        program::run(words).expect_code(2)
    };
    for (set, told) in [
        ("method.n=2", "method.n was 4 and is 2"),
        ("name=other", "--name"),
        ("output.directory=elsewhere", "beside the one"),
    ] {
        let refused = fork(set);
        assert!(refused.stderr.contains(told), "{set}: {}", refused.stderr);
    }
    let runs = std::fs::read_dir(lab.path().join("runs")).expect("the folder of runs");
    assert_eq!(runs.count(), 1);
}
