//! A run in a process of its own. Its program is the caller's to name: tests of one package
//! do not build another's, and one that lies about may be of yesterday.
#![expect(clippy::unwrap_used, reason = "tests")]

mod lab;

use std::fs;
use std::io::{self, Write};

use compacter_core::run::lock;
use compacter_notebook::run::Run;
use lab::{Lab, until_step};
use rustix::process::{Pid, Signal, kill_process};

/// Whether the caller names a program; says so where not.
fn has_program() -> bool {
    let has = std::env::var_os("COMPACTER_PROGRAM").is_some();
    if !has {
        let text = "skipped: set COMPACTER_PROGRAM to a `compacter` built from this tree\n";
        io::stderr().write_all(text.as_bytes()).unwrap();
    }
    has
}

#[test]
fn a_trainer_that_is_killed_is_told_of_and_its_run_taken_up_again() {
    if !has_program() {
        return;
    }
    let lab = Lab::new();
    let long = || lab.long("killed").set("train.checkpoint_every=5");
    let run = long().start().unwrap();
    until_step(&run, 12);
    let holder = lock::holder(run.path()).unwrap().unwrap();
    let pid = Pid::from_raw(holder.pid.try_into().unwrap()).unwrap();
    kill_process(pid, Signal::KILL).unwrap();
    let text = run.wait().unwrap_err().to_string();
    assert!(text.contains("the trainer is gone, at step"), "{text}");
    assert!(text.contains("`.resume()` on its builder"), "{text}");
    let text = run.pause().unwrap_err().to_string();
    assert!(
        text.contains("is not running: it was left at step"),
        "{text}"
    );
    let text = long().start().unwrap_err().to_string();
    assert!(text.contains("`.resume()` goes on with it"), "{text}");

    let again = long().resume().start().unwrap();
    until_step(&again, 20);
    again.stop().unwrap();
    assert!(again.wait().unwrap().steps >= 20);
}

#[test]
fn a_run_in_a_process_of_its_own_trains_is_steered_and_is_found_again() {
    if !has_program() {
        return;
    }
    let lab = Lab::new();
    let run = lab.long("alone").start().unwrap();
    until_step(&run, 3);
    let found = Run::attach(run.path()).unwrap();
    assert!(found.is_running().unwrap());
    found.set_learning_rate(2e-3).unwrap();
    found.checkpoint().unwrap();
    let forked = found.fork(None).unwrap();
    forked.stop().unwrap();
    forked.wait().unwrap();
    found.stop().unwrap();
    assert!(run.wait().unwrap().steps >= 3);
    assert!(
        fs::read_to_string(run.path().join("run.log"))
            .unwrap()
            .contains("run alone")
    );

    // As the trainer refuses it, which this process does not look at first.
    let text = lab
        .builder("never")
        .set("method.n=5")
        .start()
        .unwrap_err()
        .to_string();
    assert!(text.contains("those that do: 1, 2, 4, 8"), "{text}");
    let config = found.config().unwrap();
    let text = Run::builder(config.clone())
        .start()
        .unwrap_err()
        .to_string();
    assert!(text.contains("Run::attach("), "{text}");
    let named = Run::builder(config)
        .name("second")
        .set("train.epochs=1")
        .start()
        .unwrap();
    assert_eq!(named.wait().unwrap().steps, 10);
}
