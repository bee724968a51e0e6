//! The file beside one that TensorBoard's own writer wrote; see
//! `tests/python/make_tensorboard_fixture.py`.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;

use super::*;
use crate::event::tests::{event, step};
use crate::event::{Eval, Step};

fn at(t: f64, step: u64, kind: Kind) -> Event {
    Event {
        t,
        ..event(step, kind)
    }
}

#[test]
fn the_file_is_byte_for_byte_what_tensorboard_writes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events");
    let mut sink = TensorBoard::create(&path, 1.5).unwrap();
    let measured = Step {
        learning_rate: 3e-3,
        tokens: 256,
        seconds: 0.5,
        ..match step(0.75) {
            Kind::Step(step) => step,
            other => panic!("{other:?}"),
        }
    };
    let metrics = [("accuracy", 0.875), ("loss", f64::NAN)];
    let metrics: BTreeMap<_, _> = metrics.map(|(name, value)| (name.to_owned(), value)).into();
    let eval = Eval {
        split: "validation".to_owned(),
        metrics,
        best: false,
        seconds: 0.1,
    };
    sink.event(&at(2.25, 1, Kind::Step(measured))).unwrap();
    sink.event(&at(3.0, 200, Kind::Continued)).unwrap();
    sink.event(&at(3.5, 300, Kind::Eval(eval))).unwrap();
    let resumed = Kind::Resumed { from_step: 200 };
    sink.event(&at(4.0, 200, resumed)).unwrap();
    let expected = include_bytes!("../../../../tests/fixtures/tensorboard/events.tfevents");
    assert_eq!(std::fs::read(&path).unwrap(), expected);
}

#[test]
fn each_process_writes_a_file_that_sorts_behind_earlier_ones() {
    let folder = tempfile::tempdir().unwrap();
    let runs = folder.path().join("tensorboard");
    for _ in 0..2 {
        TensorBoard::start(&runs).unwrap();
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
    let names = std::fs::read_dir(&runs).unwrap();
    let mut names: Vec<_> = names.map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names.len(), 2);
    let name = names[0].to_str().unwrap();
    assert!(name.starts_with("events.out.tfevents."), "{name}");
}
