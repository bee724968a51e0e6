//! Broken inputs through the program: each is refused with exit code 2 and one message that
//! names file and place, before anything is made or changed.
#![expect(clippy::unwrap_used, reason = "tests")]

mod case;
mod config;
mod data;
mod model;
mod run;

use case::refuses_all;

#[test]
fn broken_configurations_are_refused() {
    refuses_all(&config::cases());
}

#[test]
fn broken_data_are_refused() {
    refuses_all(&data::cases());
}

#[test]
fn broken_models_are_refused() {
    refuses_all(&model::cases());
}

#[test]
fn broken_runs_are_refused() {
    refuses_all(&run::cases());
}

#[test]
fn there_are_at_least_fifty_and_no_two_alike() {
    let all = [config::cases(), data::cases(), model::cases(), run::cases()].concat();
    let mut names: Vec<&str> = all.iter().map(|case| case.name).collect();
    let count = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), count, "a name is used twice");
    assert!(count >= 50, "{count}");
}
