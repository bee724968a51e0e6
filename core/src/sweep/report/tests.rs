#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;
use std::path::Path;

use super::*;

/// Two methods with two learning rates each, three seeds.
pub(in crate::sweep) fn sweep() -> Sweep {
    let text = r#"
name = "demo"
model.path = "none"
task.name = "known"
[grid]
method.kind = ["full", "compacter"]
train.learning_rate = [1e-3, 1e-2]
train.seed = [1, 2, 3]
[select]
tune = ["train.learning_rate"]
"#;
    Sweep::parse(Path::new("sweep.toml"), text, &[]).unwrap()
}

pub(in crate::sweep) fn measured(validation: f64, test: f64) -> Standing {
    let of = |value: f64| BTreeMap::from([("accuracy".to_owned(), value)]);
    Standing::Done(Outcome::Measured(Measured {
        metric: "accuracy".to_owned(),
        validation: of(validation),
        test: of(test),
        step: 4,
        trainable: 10,
        total: 1000,
    }))
}

/// Validation and test of each setting; a seed adds to both, and something small of its own.
pub(in crate::sweep) fn standings(values: [(f64, f64); 4]) -> Vec<Standing> {
    let own = [0.0005, -0.0004, 0.0001];
    let seeds = |(setting, (validation, test)): (usize, (f64, f64))| {
        (0..3).map(move |seed| {
            let shared = 0.02 * seed as f64;
            measured(
                validation + shared,
                test + shared + own[(seed + setting) % 3],
            )
        })
    };
    values.into_iter().enumerate().flat_map(seeds).collect()
}

#[test]
fn settings_are_chosen_on_validation_and_told_on_test() {
    // The better one on validation is the worse one on test.
    let standings = standings([(0.6, 0.9), (0.7, 0.5), (0.8, 0.75), (0.7, 0.99)]);
    let report = Report::of(&sweep(), &standings);
    let told = |row: &Row| {
        let text = |value: &Option<Value>| value.as_ref().unwrap().text.clone();
        let mean = row.found.as_ref().unwrap().test.mean;
        format!("{} {} {mean:.4}", text(&row.values[0]), text(&row.tuned[0]))
    };
    let rows: Vec<String> = report.rows.iter().map(told).collect();
    assert_eq!(rows, ["full 0.01 0.5201", "compacter 0.001 0.7701"]);
    assert_eq!(report.baseline.as_deref(), Some("full"));
}

#[test]
fn a_winner_is_marked_only_beyond_the_noise() {
    let sweep = sweep();
    // Seeds differ by 0.02 each, which pairs cancel: a lead of 0.01 is plain.
    let clear = Report::of(
        &sweep,
        &standings([(0.6, 0.6), (0.5, 0.5), (0.6, 0.61), (0.5, 0.5)]),
    );
    let marks: Vec<bool> = clear.rows.iter().map(|row| row.best).collect();
    assert_eq!(marks, [false, true]);
    let difference = clear.rows[1].found.as_ref().unwrap().difference.unwrap();
    assert!(difference.low > 0.0 && difference.n == 3, "{difference:?}");
    assert_eq!(clear.rows[0].found.as_ref().unwrap().difference, None);

    // A lead smaller than what seeds leave marks nothing.
    let noise = Report::of(
        &sweep,
        &standings([(0.6, 0.6), (0.5, 0.5), (0.6, 0.6002), (0.5, 0.5)]),
    );
    assert!(noise.rows.iter().all(|row| !row.best));
}

#[test]
fn differences_that_are_all_the_same_mark_nothing() {
    let seeds = |value: f64| (0..3).map(move |_| measured(value, value));
    let all = [0.5, 0.5, 0.7, 0.7].into_iter().flat_map(seeds);
    let report = Report::of(&sweep(), &all.collect::<Vec<_>>());
    let difference = report.rows[1].found.as_ref().unwrap().difference.unwrap();
    assert!(difference.excludes_zero());
    assert!(report.rows.iter().all(|row| !row.best));
}

#[test]
fn one_repetition_marks_nothing_and_has_no_interval() {
    let sweep = sweep();
    let mut standings = standings([(0.6, 0.6), (0.5, 0.5), (0.6, 0.9), (0.5, 0.5)]);
    for (at, standing) in standings.iter_mut().enumerate() {
        if at % 3 != 0 {
            *standing = Standing::Open;
        }
    }
    let report = Report::of(&sweep, &standings);
    for row in &report.rows {
        let found = row.found.as_ref().unwrap();
        assert_eq!(
            (found.test.n, row.planned, found.test.sd, found.difference),
            (1, 3, None, None)
        );
        assert!(!row.best);
    }
    assert_eq!(
        report.tally,
        Tally {
            measured: 4,
            failed: 0,
            open: 8
        }
    );
}

#[test]
fn a_setting_with_a_failed_seed_does_not_stand_to_choice_and_is_told() {
    let sweep = sweep();
    let mut standings = standings([(0.9, 0.9), (0.5, 0.5), (0.6, 0.6), (0.5, 0.5)]);
    let message = "out of memory".to_owned();
    standings[1] = Standing::Done(Outcome::Failed { message });
    standings[6] = Standing::Changed {
        message: "edited".to_owned(),
    };
    let report = Report::of(&sweep, &standings);
    assert_eq!(report.rows[0].tuned[0].as_ref().unwrap().text, "0.01");
    let failed: Vec<&str> = report
        .failures
        .iter()
        .map(|(_, why)| why.as_str())
        .collect();
    assert_eq!(failed, ["out of memory", "edited"]);
    assert!(
        report.failures[0]
            .0
            .contains("kind=full,learning_rate=0.001,seed=2")
    );
}

#[test]
fn a_loss_is_better_lower() {
    let sweep = sweep();
    let mut standings = standings([(0.6, 0.6), (0.5, 0.5), (0.8, 0.8), (0.7, 0.7)]);
    for standing in &mut standings {
        let Standing::Done(Outcome::Measured(found)) = standing else {
            continue;
        };
        found.metric = "loss".to_owned();
        for split in [&mut found.validation, &mut found.test] {
            let value = split.remove("accuracy").unwrap();
            split.insert("loss".to_owned(), value);
        }
    }
    let report = Report::of(&sweep, &standings);
    let chosen = |at: usize| report.rows[at].tuned[0].as_ref().unwrap().text.clone();
    assert_eq!(
        (chosen(0), chosen(1)),
        ("0.01".to_owned(), "0.01".to_owned())
    );
    assert!(report.rows[0].best && !report.rows[1].best);
}
