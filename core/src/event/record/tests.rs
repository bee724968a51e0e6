//! Tests of the recorder: torn lines, full disks, dying processes.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::fs::File;

use proptest::prelude::*;

use super::*;
use crate::event::History;
#[cfg(unix)]
use crate::event::limited;
use crate::event::tests::{event, step};

fn events(range: std::ops::Range<u64>) -> Vec<Event> {
    range.map(|at| event(at, step(0.5))).collect()
}

#[test]
fn events_come_back_in_order_across_processes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events.jsonl");
    for part in [1..4, 4..6] {
        let mut recorder = Recorder::append(&path).unwrap();
        for event in events(part) {
            recorder.event(&event).unwrap();
        }
    }
    assert_eq!(replay::read(&path).unwrap(), events(1..6));
}

#[test]
fn a_record_with_garbage_in_the_middle_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events.jsonl");
    let text = format!("garbage\n{}torn", event(1, step(0.5)).to_line());
    std::fs::write(&path, &text).unwrap();
    let message = Recorder::append(&path).unwrap_err().to_string();
    assert!(
        message.contains("events.jsonl:1: not an event"),
        "{message}"
    );
    assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
}

#[test]
#[cfg(target_os = "linux")]
fn a_full_disk_is_told_and_the_event_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events.jsonl");
    let full = OpenOptions::new().append(true).open("/dev/full").unwrap();
    let mut recorder = Recorder(Appender::over(&path, full, 0));
    let error = recorder.event(&event(1, step(0.5))).unwrap_err();
    assert!(error.is_disk_full(), "{error}");
    assert!(
        error.to_string().contains("events.jsonl: cannot write"),
        "{error}"
    );
    // The device cannot be cut back, so a file takes its place where there is room.
    recorder.0.file = File::create(&path).unwrap();
    recorder.event(&event(2, step(0.5))).unwrap();
    assert_eq!(replay::read(&path).unwrap(), events(1..3));
}

/// Runs in a process whose files cannot grow beyond a few blocks, as on a full disk: the
/// last write stops in the middle of a line.
#[test]
#[cfg(unix)]
#[ignore = "started by another test, in a process with a limit on file sizes"]
fn writes_until_the_limit() {
    let path = limited::folder().join("events.jsonl");
    let mut recorder = Recorder::append(&path).unwrap();
    let mut written = 0;
    let error = loop {
        match recorder.event(&event(written + 1, step(0.5))) {
            Ok(()) => written += 1,
            Err(error) => break error,
        }
    };
    assert!(written > 3, "{error}");
    assert_eq!(recorder.0.backlog.len(), 1);
    // The half line is gone at once, not at the next start.
    let bytes = std::fs::read(&path).unwrap();
    assert_eq!(bytes.last(), Some(&b'\n'));
    assert_eq!(replay::read(&path).unwrap(), events(1..written + 1));
    // Room is made by hand; then the one kept back goes in.
    recorder.0.length = 0;
    recorder.0.torn = true;
    recorder.flush().unwrap();
    let kept_back = events(written + 1..written + 2);
    assert_eq!(replay::read(&path).unwrap(), kept_back);
}

#[test]
#[cfg(unix)]
fn a_half_written_line_is_cut_back_and_written_again() {
    let folder = tempfile::tempdir().unwrap();
    limited::run(
        "event::record::tests::writes_until_the_limit",
        folder.path(),
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn a_record_cut_anywhere_reads_and_goes_on(cut in 0_usize..1400) {
        let all = events(1..6);
        let text: String = all.iter().map(Event::to_line).collect();
        let cut = cut.min(text.len());
        let whole = text[..cut].matches('\n').count();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("events.jsonl");
        std::fs::write(&path, &text[..cut]).unwrap();
        let history = History::read(&path).unwrap();
        prop_assert_eq!(history.events(), &all[..whole]);

        let mut recorder = Recorder::append(&path).unwrap();
        recorder.event(&event(9, step(0.25))).unwrap();
        let mut expected = all[..whole].to_vec();
        expected.push(event(9, step(0.25)));
        prop_assert_eq!(replay::read(&path).unwrap(), expected);
    }
}
