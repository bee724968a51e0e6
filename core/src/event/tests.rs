//! Tests of the event format, and events for the tests of its neighbours.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;

use super::factors::*;
use super::*;

/// An event of the run `demo` with a fixed clock.
pub(crate) fn event(step: u64, kind: Kind) -> Event {
    Event {
        v: SCHEMA,
        run: "demo".to_owned(),
        step,
        t: 1_795_452_065.25,
        elapsed: 1.5,
        kind,
    }
}

/// A step with the loss given.
pub(crate) fn step(loss: f64) -> Kind {
    Kind::Step(Step {
        loss,
        learning_rate: 2.1e-3,
        gradient_norm: f64::INFINITY,
        epoch: 0.24,
        total_steps: 500,
        tokens: 310,
        seconds: 0.1,
        memory: None,
        peak_memory: None,
        skipped: loss.is_nan(),
    })
}

/// An edit of the learning rate.
pub(crate) fn edit(version: u32, repeated: bool) -> Kind {
    Kind::ConfigApplied(ConfigApplied {
        version,
        config: format!("name = 'demo' # {version}"),
        changes: vec![Change {
            field: "train.learning_rate".to_owned(),
            old: "0.001".to_owned(),
            new: "0.002".to_owned(),
        }],
        repeated,
    })
}

/// A snapshot with all that one can hold.
pub(crate) fn factors() -> Kind {
    let entries = || Entries::encode(&[1, 2, 1], &[0.5, -1e-4]).unwrap();
    let projection = ProjectionFactors {
        name: "encoder.block.3.layer.1.adapter.down".to_owned(),
        place: Place {
            stack: Stack::Encoder,
            block: 3,
            branch: Branch::FeedForward,
            role: Role::Down,
        },
        shape: [2, 2],
        norm: 1.25,
        drift: f64::NAN,
        change: Some(1e-7),
        gradient_norm: Some(f64::INFINITY),
        effective_rank: Some(1.5),
        spectrum: vec![2.0, f64::NAN],
        left_change: Some(0.25),
        right_change: None,
        fast_change: None,
        slow: SlowPart::Slow(0),
        left: Some(entries()),
        right: Some(entries()),
        fast: None,
    };
    let low_rank = ProjectionFactors {
        change: None,
        spectrum: Vec::new(),
        slow: SlowPart::Scale(2.0),
        ..projection.clone()
    };
    Kind::Factors(Factors {
        slow: vec![SlowFactors {
            name: "slow".to_owned(),
            entries: entries(),
            change: Some(0.5),
            gradient_norm: None,
        }],
        projections: vec![projection, low_rank],
    })
}

fn started() -> Kind {
    Kind::Started(Started {
        config: "name = 'demo'\n".to_owned(),
        version: "0.1.0".to_owned(),
        device: "cpu".to_owned(),
        features: vec!["avx2".to_owned()],
        step_form: None,
        total_steps: 500,
        groups: vec![Group {
            name: "fast weights".to_owned(),
            formula: "6 · 2 · (384 + 12)".to_owned(),
            count: 4752,
        }],
        trainable: 14_320,
        total: 22_713_216,
    })
}

/// One event of every kind that this program writes, in the order of their definition.
pub(crate) fn all_kinds() -> Vec<Kind> {
    let accuracy = || BTreeMap::from([("accuracy".to_owned(), 0.794)]);
    let mut metrics = accuracy();
    metrics.extend([("f1".to_owned(), 0.0), ("loss".to_owned(), f64::INFINITY)]);
    let said = |text: &str| text.to_owned();
    vec![
        started(),
        step(f64::NAN),
        Kind::Eval(Eval {
            split: said("validation"),
            metrics,
            best: true,
            seconds: 1.5,
        }),
        factors(),
        edit(2, true),
        Kind::ConfigRefused(Refusal::new("config.toml:3:1: expected a number")),
        Kind::ConfigAgreed,
        Kind::Checkpoint {
            path: said("checkpoints/step-000012"),
            best: true,
        },
        Kind::Command {
            id: said("0001-a"),
            command: said("step 10"),
            from: said("ctl alice@login1"),
            accepted: false,
            message: Some(said("the run is ending")),
        },
        Kind::Warning {
            message: said("skipped"),
        },
        Kind::Paused {
            reason: said("disk full"),
        },
        Kind::Continued,
        Kind::Resumed { from_step: 10 },
        Kind::Interrupted {
            reason: said("SIGTERM"),
        },
        Kind::Finished {
            reason: Ending::Patience,
            best: Some(accuracy()),
        },
        Kind::Failed {
            message: said("out of memory"),
        },
    ]
}

#[test]
fn every_kind_survives_the_round_trip() {
    for kind in all_kinds() {
        let written = event(12, kind).to_line();
        let read = Event::from_line(written.as_bytes()).unwrap();
        // NaN is not equal to itself, its text is.
        assert_eq!(
            format!("{read:?}"),
            format!("{:?}", Event::from_line(read.to_line().as_bytes()).unwrap())
        );
        assert_eq!(read.to_line(), written);
        assert!(
            !matches!(read.kind, Kind::Other { .. }),
            "{written} is a known kind"
        );
        assert!(!written.contains("null"), "{written}");
        assert_eq!(written.matches('\n').count(), 1, "{written}");
    }
}

#[test]
fn a_step_is_written_with_the_binding_names() {
    let value: serde_json::Value = serde_json::from_str(&event(3, step(0.5)).to_line()).unwrap();
    let expected = serde_json::json!({
        "v": 1, "run": "demo", "step": 3, "t": 1_795_452_065.25, "elapsed": 1.5, "kind": "step",
        "loss": 0.5, "learning_rate": 2.1e-3, "gradient_norm": "Infinity", "epoch": 0.24,
        "total_steps": 500, "tokens": 310, "seconds": 0.1, "skipped": false,
    });
    assert_eq!(value, expected);
}

#[test]
fn floats_that_json_lacks_come_back() {
    for loss in [
        f64::NAN,
        f64::INFINITY,
        f64::NEG_INFINITY,
        0.1 + 0.2,
        5e-324,
        -0.0,
    ] {
        let line = event(1, step(loss)).to_line();
        let Kind::Step(read) = Event::from_line(line.as_bytes()).unwrap().kind else {
            panic!("{line} is a step");
        };
        assert_eq!(read.loss.to_bits(), loss.to_bits(), "{line}");
    }
}

#[test]
fn a_kind_of_a_newer_writer_is_kept_as_it_is() {
    let line =
        br#"{"v":1,"run":"demo","step":4,"t":1.5,"elapsed":0.5,"kind":"colours","layers":[1,2]}"#;
    let event = Event::from_line(line).unwrap();
    let Kind::Other { kind, fields } = &event.kind else {
        panic!("{event:?} is of another kind");
    };
    assert_eq!((kind.as_str(), fields.len()), ("colours", 1));
    let again: serde_json::Value = serde_json::from_str(&event.to_line()).unwrap();
    assert_eq!(
        again,
        serde_json::from_slice::<serde_json::Value>(line).unwrap()
    );
}

#[test]
fn a_field_of_a_newer_writer_is_passed_over() {
    let line = event(4, Kind::Continued)
        .to_line()
        .replace('}', r#","colour":"red"}"#);
    assert_eq!(
        Event::from_line(line.as_bytes()).unwrap().kind,
        Kind::Continued
    );
}

#[test]
fn lines_that_are_no_events_say_why() {
    let cases = [
        ("", "EOF"),
        ("{}", "missing field `v`"),
        ("[1]", "not an event"),
        (
            r#"{"v":2,"was":"changed"}"#,
            "event format 2, this program reads 1",
        ),
        (
            r#"{"v":1,"run":"a","step":1,"t":0,"elapsed":0}"#,
            "missing field `kind`",
        ),
        (
            r#"{"v":1,"run":"a","step":1,"t":null,"elapsed":0,"kind":"continued"}"#,
            "null",
        ),
        (
            r#"{"v":1,"run":"a","step":1,"t":0,"elapsed":0,"kind":"warning"}"#,
            "missing field `message`",
        ),
        (
            r#"{"v":1,"run":"a","step":1,"t":0,"elapsed":0,"kind":"step","loss":"big"}"#,
            "\"NaN\"",
        ),
    ];
    for (line, fragment) in cases {
        let message = Event::from_line(line.as_bytes()).unwrap_err();
        assert!(message.contains(fragment), "{line}: {message}");
    }
}

#[test]
fn an_unknown_ending_is_still_an_ending() {
    let line =
        r#"{"v":1,"run":"a","step":1,"t":0,"elapsed":0,"kind":"finished","reason":"budget"}"#;
    let kind = Event::from_line(line.as_bytes()).unwrap().kind;
    let expected = Kind::Finished {
        reason: Ending::Unknown,
        best: None,
    };
    assert_eq!(kind, expected);
}
