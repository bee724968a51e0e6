//! Filters, order, and runs laid over the watched one.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::fs;

use compacter_core::event::{Eval, Event, Kind};
use compacter_core::run::RunFolder;

use super::filter::Filter;
use super::order::Order;
use super::*;
use crate::screen::seen::tests::{event, step};

/// Makes a run that has recorded these events.
fn run(runs: &std::path::Path, name: &str, events: &[Event]) -> RunFolder {
    let folder = RunFolder::create(runs, name).unwrap();
    let lines = events.iter().map(Event::to_line);
    fs::write(folder.events_path(), lines.collect::<String>()).unwrap();
    folder
}

fn evaluated(at: u64, accuracy: f64) -> Event {
    let metrics = [("loss", 1.0 - accuracy), ("accuracy", accuracy)];
    event(
        at,
        Kind::Eval(Eval {
            split: "validation".to_owned(),
            metrics: metrics.map(|(name, x)| (name.to_owned(), x)).into(),
            best: true,
            seconds: 1.0,
        }),
    )
}

/// Four runs beside one another, the newest first, the last without a single event.
fn others(runs: &std::path::Path) -> Others {
    for (name, at, accuracy) in [
        ("lora", 10, 0.8),
        ("debug", 20, f64::NAN),
        ("full", 30, 0.9),
    ] {
        run(runs, name, &[event(at, step(0.5)), evaluated(at, accuracy)]);
    }
    run(runs, "empty", &[]);
    fs::create_dir(runs.join("no run")).unwrap();
    let mut others = Others::default();
    others.watch(&runs.join("lora"));
    others.settle(40.0);
    others
}

fn names(entries: &[&Entry]) -> Vec<String> {
    entries.iter().map(|entry| entry.name.clone()).collect()
}

#[test]
fn runs_are_listed_newest_first_and_sorted_by_what_is_asked_for() {
    let runs = tempfile::tempdir().unwrap();
    let others = others(runs.path());
    let mut list = Runs::default();
    assert_eq!(
        names(&list.shown(&others)),
        ["full", "debug", "lora", "empty"]
    );
    for (order, expected) in [
        (Order::Best, ["full", "lora", "debug", "empty"]),
        (Order::Loss, ["full", "lora", "debug", "empty"]),
        (Order::Name, ["debug", "empty", "full", "lora"]),
    ] {
        list.order = order;
        assert_eq!(names(&list.shown(&others)), expected, "{order:?}");
    }
}

#[test]
fn a_filter_keeps_the_runs_that_every_term_holds_of() {
    let runs = tempfile::tempdir().unwrap();
    let others = others(runs.path());
    for (text, expected) in [
        ("", "full debug lora empty"),
        ("L", "full lora"),
        ("-name:debug", "full lora empty"),
        ("best>=.85", "full"),
        ("best<.85 step>5", "lora"),
        ("-best>.85", "debug lora empty"),
        ("/^.{4}$/", "full lora"),
        ("-/^(full|lora)$/ -/em p/", "debug empty"),
        ("state:run", "full debug lora"),
        ("metric=.8", "lora"),
        ("edits=0 method:x", ""),
    ] {
        let list = Runs {
            filter: Filter::parse(text).unwrap(),
            ..Runs::default()
        };
        assert_eq!(names(&list.shown(&others)).join(" "), expected, "{text}");
    }
}

#[test]
fn a_filter_that_is_none_says_what_is_wrong_with_it() {
    for (text, part) in [
        ("colour:red", "no such field `colour`; fields: name"),
        ("lr:3", "no such field `lr`"),
        ("method<3", "no such field `method`"),
        ("lr<=fast", "expected a number after `lr<=`, found `fast`"),
        ("/a", "a `/` is missing"),
        ("/(/", "no regular expression"),
    ] {
        let error = Filter::parse(text).unwrap_err();
        assert!(error.contains(part), "{text}: {error}");
    }
}

#[test]
fn three_runs_can_be_overlaid_and_the_pinned_one_is_the_baseline() {
    let runs = tempfile::tempdir().unwrap();
    let mut others = others(runs.path());
    run(runs.path(), "more", &[]);
    let path = |name: &str| runs.path().join(name);
    assert!(others.select(&path("lora")).is_err());
    assert!(others.select(&path("no run")).is_err());
    others.select(&path("full")).unwrap();
    others.pin(&path("debug")).unwrap();
    let overlaid = |others: &Others| -> Vec<(String, u64, bool)> {
        let seen = others.overlaid();
        seen.iter()
            .map(|o| (o.name.to_owned(), o.view.step, o.baseline))
            .collect()
    };
    let debug = ("debug".to_owned(), 20, true);
    assert_eq!(
        overlaid(&others),
        [("full".to_owned(), 30, false), debug.clone()]
    );
    assert_eq!(others.baseline().unwrap().name, "debug");
    others.select(&path("empty")).unwrap();
    assert!(others.select(&path("more")).is_err());
    others.select(&path("full")).unwrap();
    assert_eq!(overlaid(&others)[0], debug);
    // What is watched has its curves already.
    others.watch(&path("debug"));
    assert_eq!(
        (others.marker(&path("debug")), overlaid(&others).len()),
        (Some(0), 1)
    );
    others.pin(&path("debug")).unwrap();
    assert!(others.baseline().is_none());
}

#[test]
fn an_overlaid_run_that_goes_on_is_followed() {
    let runs = tempfile::tempdir().unwrap();
    let mut others = others(runs.path());
    let full = RunFolder::open(&runs.path().join("full")).unwrap();
    others.select(full.path()).unwrap();
    let mut record = fs::read_to_string(full.events_path()).unwrap();
    record += &event(31, step(0.4)).to_line();
    fs::write(full.events_path(), record).unwrap();
    assert!(others.poll(40.5, false));
    assert_eq!(others.overlaid()[0].view.step, 31);
}

#[test]
fn hostile_records_neither_break_the_list_nor_reach_the_terminal() {
    let runs = tempfile::tempdir().unwrap();
    let folder = run(runs.path(), "odd\x1b[2J", &[]);
    fs::write(
        folder.events_path(),
        "{\"kind\":\"started\"}\n\x1b[2J\n\0\0{",
    )
    .unwrap();
    fs::create_dir_all(folder.checkpoints().path().join("step-000001")).unwrap();
    fs::write(folder.path().join("lock"), "[]").unwrap();
    let mut others = Others::default();
    others.watch(&runs.path().join("other"));
    others.settle(0.0);
    assert_eq!(names(&Runs::default().shown(&others)), ["odd[2J"]);
}
