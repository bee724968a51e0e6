//! Tests of the plan: what edits do to it, and that a resumed run finds the same one.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::path::Path;

use super::*;

const TEXT: &str = "name = 'a'\n[model]\npath = '/m'\n[task]\nname = 't'\n[train]\n";

fn config(train: &str) -> RunConfig {
    RunConfig::parse(Path::new("run.toml"), &format!("{TEXT}{train}"), &[]).unwrap()
}

/// A run without a model: what it sees, at which rate, and its state after each step.
#[derive(Debug, Default)]
struct Course {
    seen: Vec<usize>,
    rates: Vec<f64>,
    states: Vec<State>,
}

/// Edits and the steps they are made at.
type Edits<'a> = [(u64, &'a RunConfig)];

fn plan(config: &RunConfig, state: &mut State) -> Plan {
    let lengths = (0..20).map(|at| 3 + at * 7 % 5).collect();
    Plan::new(config, lengths, Order::Seeded, state)
}

/// Goes on from a state to the end of the run.
fn run(mut config: RunConfig, mut state: State, edits: &Edits<'_>) -> Course {
    let mut plan = plan(&config, &mut state);
    let mut course = Course::default();
    while state.step < state.total_steps {
        let step = state.step;
        for (_, edit) in edits.iter().filter(|(at, _)| *at == step) {
            config = (*edit).clone();
            plan.edit(&config, &mut state);
        }
        course.states.push(state.clone());
        course.rates.push(plan.learning_rate(&state));
        for _ in 0..config.train.accumulation {
            course.seen.extend(plan.batch(&state));
            plan.advance(&config, &mut state);
        }
        state.step += 1;
        plan.settle(&config, &mut state);
    }
    course.states.push(state);
    course
}

/// How often each of the 20 examples comes.
fn counts(course: &Course) -> Vec<usize> {
    let of = |example| course.seen.iter().filter(|&&seen| seen == example).count();
    (0..20).map(of).collect()
}

const SMALL: &str = "epochs = 3\nbatch_size = 4\nwarmup = 0\nlearning_rate = 1e-2\n";
const LARGE: &str = "epochs = 3\nbatch_size = 10\nwarmup = 0\nlearning_rate = 1e-2\n";

#[test]
fn another_batch_size_waits_for_the_next_epoch_and_loses_no_example() {
    let course = run(config(SMALL), State::new(""), &[(7, &config(LARGE))]);
    let last = course.states.last().unwrap();
    // 5 + 5 batches of 4, then 2 of 10.
    assert_eq!((last.step, last.epoch, last.batch), (12, 3, 0));
    assert_eq!(counts(&course), [3; 20]);
    // What is left after the last step is a rate of 0.
    assert!(course.rates.iter().all(|&rate| rate > 0.0));
    assert!(course.rates.is_sorted_by(|a, b| a > b));
}

#[test]
fn another_batch_size_counts_at_once_where_no_batch_of_the_epoch_is_used() {
    let course = run(config(SMALL), State::new(""), &[(5, &config(LARGE))]);
    assert_eq!(course.states.last().unwrap().step, 9);
    assert_eq!(counts(&course), [3; 20]);
}

#[test]
fn a_run_resumed_after_any_step_goes_on_as_planned() {
    let accumulating = format!("{LARGE}accumulation = 3\nschedule = 'cosine'\n");
    for (at, edit) in [
        (7, LARGE),
        (5, LARGE),
        (0, LARGE),
        (6, accumulating.as_str()),
    ] {
        let edited = config(edit);
        let whole = run(config(SMALL), State::new(""), &[(at, &edited)]);
        for state in &whole.states {
            // A state from before the edit is taken up with the edit still to be made.
            let (now, edits): (_, &Edits<'_>) = if state.step >= at {
                (edited.clone(), &[])
            } else {
                (config(SMALL), &[(at, &edited)])
            };
            let rest = run(now, state.clone(), edits);
            assert!(whole.seen.ends_with(&rest.seen), "edit at {at}: {state:?}");
            assert!(
                whole.rates.ends_with(&rest.rates),
                "edit at {at}: {state:?}"
            );
            assert_eq!(rest.states.last(), whole.states.last());
        }
    }
}

#[test]
fn fewer_epochs_than_are_done_end_the_run() {
    let less = config("epochs = 1\nbatch_size = 4\n");
    let mut state = State::new("");
    let mut plan = plan(&config(SMALL), &mut state);
    assert_eq!(state.total_steps, 15);
    (state.step, state.epoch, state.batch) = (8, 1, 3);
    plan.edit(&less, &mut state);
    assert_eq!(state.total_steps, 8);
}
