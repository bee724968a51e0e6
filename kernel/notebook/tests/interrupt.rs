//! An interrupted cell: alone in its process, which has one SIGINT for all threads.
#![expect(clippy::unwrap_used, reason = "tests")]

mod lab;

use std::thread;
use std::time::{Duration, Instant};

use compacter_notebook::error::NotebookError;
use compacter_notebook::interrupt;
use compacter_notebook::run::Run;
use lab::{Lab, until, until_step};
use signal_hook::consts::SIGINT;
use signal_hook::low_level::raise;

/// Interrupts a cell that waits for a run.
fn interrupted(run: &Run) -> NotebookError {
    let _left = interrupt::check();
    let waiting = run.clone();
    let cell = thread::spawn(move || waiting.wait());
    thread::sleep(Duration::from_millis(100));
    let start = Instant::now();
    raise(SIGINT).unwrap();
    let error = cell.join().unwrap().unwrap_err();
    assert!(
        start.elapsed() < Duration::from_millis(500),
        "{:?}",
        start.elapsed()
    );
    error
}

#[test]
fn an_interrupt_gives_the_cell_back_and_loses_no_run() {
    compacter_notebook::init();
    let lab = Lab::new();
    let run = lab.long("here").in_process().start().unwrap();
    until_step(&run, 3);
    let text = interrupted(&run).to_string();
    assert!(text.starts_with("interrupted; the run is"), "{text}");
    assert!(!interrupt::interrupted(), "the flag was for that cell");
    until("a saved run", || !run.is_running().unwrap());
    let steps = run.losses().unwrap().len();

    let again = lab.long("here").resume().in_process().start().unwrap();
    until_step(&again, steps as u64 + 3);
    // Seen from elsewhere it is a run that goes on.
    let seen = Run::open(run.path()).unwrap();
    let text = interrupted(&seen).to_string();
    assert!(text.contains("the run goes on"), "{text}");
    assert!(again.is_running().unwrap());
    again.stop().unwrap();
    again.wait().unwrap();
}
