//! Tests of reading records.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::fs::File;
use std::io::Write;

use proptest::prelude::*;

use super::*;
use crate::event::tests::{edit, event, step};
use crate::event::{Ending, Eval};

fn lines(events: &[Event]) -> String {
    events.iter().map(Event::to_line).collect()
}

fn steps(events: &[Event]) -> Vec<u64> {
    events.iter().map(|event| event.step).collect()
}

fn resumed(from_step: u64) -> Event {
    event(from_step, Kind::Resumed { from_step })
}

#[test]
fn a_record_reads_back() {
    let events: Vec<Event> = (1..5).map(|at| event(at, step(0.5))).collect();
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), lines(&events)).unwrap();
    assert_eq!(read(file.path()).unwrap(), events);
}

#[test]
fn garbage_in_the_middle_is_an_error_with_its_line() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let good = event(1, step(0.5)).to_line();
    std::fs::write(file.path(), format!("{good}{{\"v\":1,\n{good}")).unwrap();
    let message = read(file.path()).unwrap_err().to_string();
    let place = format!("{}:2: not an event", file.path().display());
    assert!(message.starts_with(&place), "{message}");
}

#[test]
fn a_resumed_run_makes_later_steps_void() {
    let mut events: Vec<Event> = (1..=7).map(|at| event(at, step(0.5))).collect();
    events.push(resumed(4));
    events.extend((5..=6).map(|at| event(at, step(0.25))));
    let history: History = events.into_iter().collect();
    assert_eq!(steps(history.events()), [1, 2, 3, 4, 4, 5, 6]);
    assert_eq!(history.events()[5].kind, step(0.25));
}

#[test]
fn a_repeated_evaluation_stands_once() {
    let eval = |split: &str, loss: f64| {
        Kind::Eval(Eval {
            split: split.to_owned(),
            metrics: [("loss".to_owned(), loss)].into(),
            best: false,
            seconds: 0.5,
        })
    };
    let events = [
        event(4, eval("validation", 0.25)),
        event(4, eval("test", 0.5)),
        resumed(4),
        event(4, eval("validation", 0.25)),
        event(5, eval("validation", 0.75)),
    ];
    let kept = [1, 2, 3, 4].map(|at| events[at].clone());
    let history: History = events.into_iter().collect();
    assert_eq!(history.events(), kept);
}

#[test]
fn a_repeated_edit_stands_once() {
    let events = [
        event(4, edit(2, false)),
        resumed(4),
        event(4, edit(2, true)),
    ];
    let history: History = events.into_iter().collect();
    let kinds: Vec<&Kind> = history.events().iter().map(|e| &e.kind).collect();
    assert_eq!(kinds, [&Kind::Resumed { from_step: 4 }, &edit(2, true)]);
}

#[test]
fn a_run_is_finished_until_it_is_taken_up_again() {
    let end = Kind::Finished {
        reason: Ending::Steps,
        best: None,
    };
    let mut history: History = [event(1, step(0.5)), event(1, end)].into_iter().collect();
    assert!(history.finished().is_some());
    history.push(resumed(1));
    assert!(history.finished().is_none());
}

#[test]
fn a_missing_record_is_an_empty_history() {
    let folder = tempfile::tempdir().unwrap();
    let history = History::read(&folder.path().join("events.jsonl")).unwrap();
    assert_eq!(history, History::default());
}

#[test]
fn a_growing_record_is_followed_line_by_line() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events.jsonl");
    let mut follow = Follow::new(&path);
    let nothing = Update::Appended(Vec::new());
    assert_eq!(follow.poll().unwrap(), nothing);

    let mut file = File::create(&path).unwrap();
    let (first, second) = (event(1, step(0.5)), event(2, step(0.4)));
    let text = lines(&[first.clone(), second.clone()]);
    let (before, after) = text.split_at(text.len() - 20);
    file.write_all(before.as_bytes()).unwrap();
    assert_eq!(follow.poll().unwrap(), Update::Appended(vec![first]));
    assert_eq!(follow.poll().unwrap(), nothing);
    file.write_all(after.as_bytes()).unwrap();
    assert_eq!(follow.poll().unwrap(), Update::Appended(vec![second]));

    file.write_all(b"garbage\n").unwrap();
    let message = follow.poll().unwrap_err().to_string();
    assert!(message.contains("events.jsonl:3: "), "{message}");
}

#[test]
fn a_record_in_the_place_of_another_is_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events.jsonl");
    std::fs::write(&path, lines(&[event(1, step(0.5)), event(2, step(0.5))])).unwrap();
    let mut follow = Follow::new(&path);
    follow.poll().unwrap();

    // Longer than what was read, so only the file itself tells.
    let longer: Vec<Event> = (10..20).map(|at| event(at, step(0.5))).collect();
    std::fs::rename(&path, folder.path().join("old")).unwrap();
    std::fs::write(&path, lines(&longer)).unwrap();
    assert_eq!(follow.poll().unwrap(), Update::Restarted(longer));

    let shorter = vec![event(30, step(0.5))];
    std::fs::write(&path, lines(&shorter)).unwrap();
    assert_eq!(follow.poll().unwrap(), Update::Restarted(shorter));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_follower_sees_every_event_once_however_it_arrives(cuts in prop::collection::vec(0_usize..2000, 0..12)) {
        let events: Vec<Event> = (1..8).map(|at| event(at, step(0.5))).collect();
        let text = lines(&events);
        let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(text.len())).collect();
        cuts.push(text.len());
        cuts.sort_unstable();
        let file = tempfile::NamedTempFile::new().unwrap();
        let mut follow = Follow::new(file.path());
        let (mut written, mut seen) = (0, Vec::new());
        for cut in cuts {
            file.as_file().write_all(&text.as_bytes()[written..cut]).unwrap();
            written = cut;
            let Update::Appended(new) = follow.poll().unwrap() else {
                panic!("the file was only appended to");
            };
            seen.extend(new);
        }
        prop_assert_eq!(seen, events);
    }
}
