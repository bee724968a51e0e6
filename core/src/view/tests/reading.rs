//! Reading records: finished, growing, replaced, damaged, resumed, and played again.

use std::fs;
use std::io::Write as _;
use std::path::Path;

use super::*;

const NOW: f64 = 1_795_000_000.0;

fn append(path: &Path, text: &str) {
    let mut file = fs::OpenOptions::new()
        .append(true)
        .create(true)
        .open(path)
        .unwrap();
    file.write_all(text.as_bytes()).unwrap();
}

/// Everything about a view that a screen could tell from another.
fn picture(view: &RunView) -> String {
    let columns = drawn(view, 100);
    let marks: Vec<_> = view.marks().collect();
    let tokens = view.axes.x(Axis::Tokens, view.step);
    format!(
        "{} {:?} {:?} {columns:?} {marks:?} {tokens} {:?}",
        view.step, view.evals, view.latest, view.edits
    )
}

#[test]
fn a_record_that_grows_is_followed_line_by_line() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events.jsonl");
    let mut source = Source::open(&path).unwrap();
    assert_eq!(source.poll(NOW).unwrap(), Change::Nothing);
    assert_eq!(source.view().status(NOW), Status::Waiting);
    append(&path, &record([event(0, started(10)), step(1, 1.0)]));
    assert_eq!(source.poll(NOW).unwrap(), Change::Events);
    let whole = step(2, 0.5).to_line();
    append(&path, &whole[..20]);
    assert_eq!(
        source.poll(NOW).unwrap(),
        Change::Nothing,
        "a torn line is not there yet"
    );
    append(&path, &whole[20..]);
    assert_eq!(source.poll(NOW).unwrap(), Change::Events);
    assert_eq!((source.view().step, source.view().unreadable), (2, 0));
}

#[test]
fn a_record_that_is_replaced_or_cut_is_read_from_its_start() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events.jsonl");
    let long = record((1..=20).map(|at| step(at, 1.0)));
    let short = record([step(1, 3.0)]);
    fs::write(&path, &long).unwrap();
    let mut source = Source::open(&path).unwrap();
    for text in [short.clone(), long.replace("demo", "a-longer-name"), short] {
        fs::write(&path, text).unwrap();
        assert_eq!(source.poll(NOW).unwrap(), Change::Restarted);
        let said = source.view().log.lines().next_back().unwrap().text.clone();
        assert!(said.contains("replaced"), "{said}");
        assert_eq!(source.poll(NOW).unwrap(), Change::Events);
    }
    assert_eq!(source.view().step, 1);
}

#[test]
fn lines_that_are_no_events_are_counted() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events.jsonl");
    let mut text = record([step(1, 1.0)]).into_bytes();
    text.extend_from_slice(b"not json\n\xff\xfe\x00\n\n{}\n[[[[\n");
    text.extend_from_slice(record([step(2, 1.0)]).as_bytes());
    fs::write(&path, text).unwrap();
    let source = Source::open(&path).unwrap();
    assert_eq!((source.view().step, source.view().unreadable), (2, 5));
    let lines: Vec<&str> = source.view().log.lines().map(|l| l.text.as_str()).collect();
    assert_eq!(lines.len(), 1);
    assert!(
        lines[0].starts_with("line 2 of the record is passed over: not an event"),
        "{lines:?}"
    );
}

#[test]
fn a_line_without_end_does_not_fill_the_memory() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events.jsonl");
    let mut text = vec![b'x'; 40 << 20];
    text.push(b'\n');
    text.extend_from_slice(record([step(1, 1.0)]).as_bytes());
    fs::write(&path, text).unwrap();
    let mut source = Source::open(&path).unwrap();
    source.settle().unwrap();
    assert_eq!((source.view().step, source.view().unreadable), (1, 1));
}

/// A run that was taken up again twice, once before the first time.
fn taken_up() -> Vec<Event> {
    let mut events = vec![event(0, started(9000))];
    events.extend((1..=6000).map(|at| step(at, if at > 2500 { 80.0 } else { 1.0 })));
    events.extend([eval(3000, 0.2, true), resumed(4000)]);
    events.extend((4001..=5000).map(|at| step(at, 90.0)));
    events.extend([edit(4500, 2), resumed(2500), edit(2600, 2)]);
    events.extend((2501..=5500).map(|at| step(at, 2.0)));
    events.push(eval(5000, 0.3, true));
    events
}

#[test]
fn a_run_that_was_taken_up_again_shows_nothing_void() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events.jsonl");
    fs::write(&path, record(taken_up())).unwrap();
    let mut source = Source::open(&path).unwrap();
    source.settle().unwrap();
    let view = source.view();
    assert!(!view.rough);
    assert_eq!(
        (view.step, view.evals.len(), view.edits.len()),
        (5000, 1, 1)
    );
    assert!(drawn(view, 300).iter().all(|c| c.max < 3.0));
    let counted: crate::event::History = taken_up().into_iter().collect();
    let steps = counted
        .events()
        .iter()
        .filter(|e| matches!(e.kind, Kind::Step(_)));
    assert_eq!(
        view.scalars.get("train/loss").unwrap().points(),
        steps.count() as u64
    );
}

#[test]
fn following_a_resume_ends_with_the_same_picture_as_reading_it() {
    let folder = tempfile::tempdir().unwrap();
    let (live, finished) = (folder.path().join("live"), folder.path().join("finished"));
    fs::write(&finished, record(taken_up())).unwrap();
    let mut source = Source::open(&live).unwrap();
    for piece in taken_up().chunks(700) {
        append(&live, &record(piece.iter().cloned()));
        source.poll(NOW).unwrap();
        source.settle().unwrap();
    }
    source.poll(NOW).unwrap();
    let mut whole = Source::open(&finished).unwrap();
    whole.settle().unwrap();
    assert_eq!(picture(source.view()), picture(whole.view()));
}

#[test]
fn a_long_record_shows_its_ends_at_once_and_the_rest_soon() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events.jsonl");
    let events = (1..=40_000).map(|at| step(at, 1.0 / at as f64));
    let head = [event(0, started(40_000))].into_iter();
    fs::write(&path, record(head.chain(events))).unwrap();
    let mut source = Source::open(&path).unwrap();
    assert!(
        source
            .progress()
            .is_some_and(|share| (0.0..=1.0).contains(&share))
    );
    assert_eq!(source.view().step, 40_000);
    assert!(source.view().started.is_some());
    source.settle().unwrap();
    assert_eq!(source.progress(), None);
    let loss = source.view().scalars.get("train/loss").unwrap();
    assert_eq!((loss.steps(), loss.points()), (Some((1, 40_000)), 40_000));
    append(&path, &step(40_001, 0.5).to_line());
    assert_eq!(source.poll(NOW).unwrap(), Change::Events);
    assert_eq!(source.view().step, 40_001);
}

#[test]
fn a_run_is_played_again_by_its_own_clock() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events.jsonl");
    let mut events: Vec<Event> = (0..=100).map(|at| step(at, 1.0)).collect();
    let mut late = step(101, 1.0);
    late.t += 80_000.0;
    events.push(late);
    fs::write(&path, record(events)).unwrap();
    let mut source = Source::replay(&path, 8.0, 50.0).unwrap();
    assert_eq!(source.view().step, 0);
    source.poll(52.0).unwrap();
    assert_eq!(source.view().step, 16);
    assert!((source.clock(52.0) - (NOW + 16.0)).abs() < 1e-6);
    source.set_speed(1.0, 52.0);
    source.poll(53.0).unwrap();
    assert_eq!(source.view().step, 17);
    source.set_speed(1000.0, 53.0);
    source.poll(54.0).unwrap();
    assert_eq!(source.view().step, 100);
    source.poll(56.5).unwrap();
    assert_eq!(source.view().step, 101, "a night's gap takes two seconds");
}

#[test]
fn a_resume_is_played_as_it_happened() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events.jsonl");
    fs::write(&path, record(taken_up())).unwrap();
    let mut source = Source::replay(&path, 1e6, 0.0).unwrap();
    for second in 1..20 {
        source.poll(f64::from(second) * 10.0).unwrap();
        source.settle().unwrap();
    }
    let mut whole = Source::open(&path).unwrap();
    whole.settle().unwrap();
    assert_eq!(picture(source.view()), picture(whole.view()));
}
