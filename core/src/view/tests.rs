//! Tests of what is known of a run, and runs for them.
#![expect(clippy::unwrap_used, reason = "tests")]

mod reading;
mod shown;

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::event::{Change as Changed, ConfigApplied, Eval, Event, Kind, SCHEMA, Started, Step};

use super::*;

/// An event of the run `demo`, one second after the one of the step before.
fn event(step: u64, kind: Kind) -> Event {
    Event {
        v: SCHEMA,
        run: "demo".to_owned(),
        step,
        t: 1_795_000_000.0 + step as f64,
        elapsed: step as f64,
        kind,
    }
}

fn started(total_steps: u64) -> Kind {
    Kind::Started(Started {
        config: "name = 'demo'\n".to_owned(),
        version: "0.1.0".to_owned(),
        device: "cpu".to_owned(),
        features: Vec::new(),
        step_form: None,
        total_steps,
        groups: Vec::new(),
        trainable: 14_320,
        total: 22_713_216,
    })
}

fn step(step: u64, loss: f64) -> Event {
    event(
        step,
        Kind::Step(Step {
            loss,
            learning_rate: 1e-3,
            gradient_norm: 0.5,
            epoch: step as f64 / 100.0,
            total_steps: 1000,
            tokens: 300,
            seconds: 0.5,
            memory: Some(1 << 30),
            peak_memory: Some(1 << 31),
            skipped: !loss.is_finite(),
        }),
    )
}

fn eval(at: u64, loss: f64, best: bool) -> Event {
    let metrics = BTreeMap::from([("loss".to_owned(), loss)]);
    let split = "validation".to_owned();
    event(
        at,
        Kind::Eval(Eval {
            split,
            metrics,
            best,
            seconds: 1.0,
        }),
    )
}

fn edit(at: u64, version: u32) -> Event {
    event(
        at,
        Kind::ConfigApplied(ConfigApplied {
            version,
            config: format!("# {version}"),
            changes: vec![Changed {
                field: "train.learning_rate".to_owned(),
                old: "0.001".to_owned(),
                new: "0.002".to_owned(),
            }],
            repeated: false,
        }),
    )
}

fn resumed(from_step: u64) -> Event {
    event(from_step, Kind::Resumed { from_step })
}

/// The lines of a record.
fn record(events: impl IntoIterator<Item = Event>) -> String {
    let mut text = String::new();
    for event in events {
        write!(text, "{}", event.to_line()).unwrap();
    }
    text
}

fn view(events: impl IntoIterator<Item = Event>) -> RunView {
    let mut view = RunView::default();
    events.into_iter().for_each(|event| view.push(event));
    view
}

/// The loss as drawn over the whole run.
fn drawn(view: &RunView, columns: usize) -> Vec<Column> {
    let series = view.scalars.get("train/loss").unwrap();
    let (first, last) = series.steps().unwrap();
    series.columns(&view.axes, Axis::Step, (first as f64, last as f64), columns)
}
