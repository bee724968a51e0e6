//! Tests of the metrics: by hand, and against scikit-learn and `SciPy`.
#![expect(clippy::unwrap_used, reason = "tests")]
#![expect(clippy::float_cmp, reason = "values that are exact by definition")]

use serde::Deserialize;

use super::*;

#[track_caller]
fn close(found: f64, expected: f64) {
    let apart = (found - expected).abs();
    assert!(
        apart <= 1e-12 * (1.0 + expected.abs()),
        "{found}, expected {expected}"
    );
}

#[test]
fn two_classes_as_computed_by_hand() {
    // tp 3, fp 1, fn 2, tn 2
    let gold = [1, 1, 1, 1, 1, 0, 0, 0];
    let predicted = [1, 1, 1, 0, 0, 1, 0, 0];
    let metrics = classification(&gold, &predicted, 2);
    close(metrics["accuracy"], 5.0 / 8.0);
    close(metrics["f1"], 6.0 / 9.0);
    close(
        metrics["matthews"],
        (3.0 * 2.0 - 1.0 * 2.0) / (4.0_f64 * 5.0 * 3.0 * 4.0).sqrt(),
    );
}

#[test]
fn three_classes_as_computed_by_hand() {
    let gold = [0, 0, 1, 1, 2, 2];
    let predicted = [0, 1, 1, 1, 2, 0];
    let metrics = classification(&gold, &predicted, 3);
    close(metrics["accuracy"], 4.0 / 6.0);
    close(metrics["f1"], (0.5 + 0.8 + 2.0 / 3.0) / 3.0);
    // c 4, s 6, t (2, 2, 2), p (2, 3, 1)
    close(
        metrics["matthews"],
        (24.0 - 12.0) / ((36.0 - 14.0) * (36.0 - 12.0_f64)).sqrt(),
    );
}

#[test]
fn a_prediction_of_no_class_is_wrong_for_every_metric() {
    let flipped = classification(&[1, 0, 1], &[NO_CLASS, NO_CLASS, 1], 2);
    assert_eq!(flipped, classification(&[1, 0, 1], &[0, 1, 1], 2));
    let metrics = classification(&[0, 1, 2], &[0, 1, NO_CLASS], 3);
    close(metrics["accuracy"], 2.0 / 3.0);
    close(metrics["f1"], 2.0 / 3.0);
    assert!(metrics["matthews"] < 1.0);
}

#[test]
fn constant_lists_have_no_correlation() {
    // The mean of these rounds to another value.
    let constant = [0.1; 3];
    assert_eq!(pearson(&constant, &[1.0, 2.0, 4.0]), 0.0);
    assert_eq!(spearman(&[1.0, 2.0, 4.0], &constant), 0.0);
    assert_eq!(matthews(&[1, 1, 1], &[0, 1, 0]), 0.0);
    assert_eq!(f1_binary(&[0, 0], &[0, 0]), 0.0);
}

#[test]
fn values_that_are_no_numbers_have_no_correlation() {
    for bad in [f64::NAN, f64::INFINITY] {
        assert_eq!(pearson(&[1.0, 2.0, 3.0], &[1.0, bad, 3.0]), 0.0);
    }
    assert_eq!(spearman(&[1.0, 2.0, 3.0], &[1.0, f64::NAN, 3.0]), 0.0);
}

#[test]
fn ties_share_the_mean_of_their_ranks() {
    assert_eq!(
        ranks(&[3.0, 1.0, 3.0, 0.0, -0.0]),
        [4.5, 3.0, 4.5, 1.5, 1.5]
    );
    // d² = 0 without ties would be 1 − 6·Σd²/(n³ − n)
    close(
        spearman(&[1.0, 2.0, 3.0, 4.0], &[10.0, 30.0, 20.0, 40.0]),
        1.0 - 6.0 * 2.0 / 60.0,
    );
}

#[test]
fn pearson_as_computed_by_hand() {
    // centred: (−1, 0, 1) and (−1, −1, 2)
    close(
        pearson(&[1.0, 2.0, 3.0], &[2.0, 2.0, 5.0]),
        3.0 / 12.0_f64.sqrt(),
    );
    close(pearson(&[1e8, 1e8 + 1.0], &[-3.0, -5.0]), -1.0);
}

#[test]
fn texts_match_but_for_white_space_around_them() {
    let texts = |all: [&str; 4]| all.map(str::to_owned);
    let metrics = text(
        &texts(["a b", "c", "D", ""]),
        &texts([" a b\n", "c.", "d", ""]),
    );
    assert_eq!(metrics["exact_match"], 0.5);
}

#[test]
fn without_examples_there_is_no_accuracy() {
    let metrics = classification(&[], &[], 2);
    assert!(metrics["accuracy"].is_nan());
    assert_eq!((metrics["f1"], metrics["matthews"]), (0.0, 0.0));
    assert_eq!(regression(&[], &[])["pearson"], 0.0);
}

/// `cases.json`, which `tests/python/make_metric_fixtures.py` makes.
#[derive(Deserialize)]
struct Cases {
    classification: Vec<Case<u32>>,
    groups: Vec<Grouped>,
    regression: Vec<Case<f64>>,
    answers: Vec<Answers>,
}

#[derive(Deserialize)]
struct Grouped {
    name: String,
    groups: Vec<u32>,
    gold: Vec<u32>,
    predicted: Vec<u32>,
    expected: f64,
}

#[derive(Deserialize)]
struct Answers {
    name: String,
    gold: Vec<Vec<String>>,
    predicted: Vec<String>,
    expected: BTreeMap<String, f64>,
}

#[derive(Deserialize)]
struct Case<T> {
    name: String,
    /// Number of classes, where the answers are classes.
    #[serde(default)]
    classes: usize,
    gold: Vec<T>,
    predicted: Vec<T>,
    /// `None` where the libraries say NaN.
    expected: BTreeMap<String, Option<f64>>,
}

fn cases() -> Cases {
    let text = include_str!("../../../../tests/fixtures/metrics/cases.json");
    serde_json::from_str(text).unwrap()
}

#[test]
fn metrics_of_classes_agree_with_scikit_learn() {
    let cases = cases().classification;
    assert!(cases.len() >= 100);
    for case in cases {
        for (metric, expected) in case.expected {
            let found = match metric.as_str() {
                "accuracy" => accuracy(&case.gold, &case.predicted),
                "f1" => f1_binary(&case.gold, &case.predicted),
                "f1_macro" => f1_macro(&case.gold, &case.predicted),
                "mean_f1" => mean_f1(&case.gold, &case.predicted, case.classes),
                "matthews" => matthews(&case.gold, &case.predicted),
                other => panic!("{other} is not known"),
            };
            let apart = (found - expected.unwrap()).abs();
            assert!(apart <= 1e-12, "{}: {metric} is {found}", case.name);
        }
    }
}

#[test]
fn correlations_agree_with_scipy() {
    let cases = cases().regression;
    assert!(cases.len() >= 60);
    for case in cases {
        let found = regression(&case.gold, &case.predicted);
        for (metric, expected) in case.expected {
            let (found, name) = (found[&metric], &case.name);
            let apart = (found - expected.unwrap_or(0.0)).abs();
            assert!(apart <= 1e-10, "{name}: {metric} is {found}");
        }
    }
}

#[test]
fn exact_match_of_groups_agrees_with_the_definition_in_python() {
    let cases = cases().groups;
    assert!(cases.len() >= 20);
    for case in cases {
        let found = exact_match_of_groups(&case.groups, &case.gold, &case.predicted);
        assert!(
            (found - case.expected).abs() <= 1e-12,
            "{}: {found}",
            case.name
        );
    }
}

#[test]
fn scores_of_answers_agree_with_the_definition_in_python() {
    let cases = cases().answers;
    assert!(cases.len() >= 20);
    for case in cases {
        let found = answers::any_of(&case.gold, &case.predicted);
        for (metric, expected) in case.expected {
            let apart = (found[&metric] - expected).abs();
            assert!(
                apart <= 1e-12,
                "{}: {metric} is {}",
                case.name,
                found[&metric]
            );
        }
    }
}

#[test]
fn answers_are_compared_without_articles_case_and_punctuation() {
    let score = |gold, predicted| {
        (
            answers::exact_match(gold, predicted),
            answers::f1(gold, predicted),
        )
    };
    assert_eq!(score("The Baker's  shop", "bakers shop!"), (1.0, 1.0));
    // Two of three words and of two: 2·2 / (3 + 2).
    assert_eq!(score("old stone bridge", "stone bridge"), (0.0, 0.8));
    // A word counts as often as both have it.
    assert_eq!(score("so so", "so"), (0.0, 2.0 / 3.0));
    assert_eq!(score("the", "a"), (1.0, 0.0));
    assert_eq!(score("theatre", "atre"), (0.0, 0.0));
}

#[test]
fn of_several_right_answers_the_nearest_counts() {
    let gold = [vec!["north gate".to_owned(), "gate".to_owned()], vec![]];
    let found = answers::any_of(&gold, &["the gate".to_owned(), "gate".to_owned()]);
    assert_eq!((found["exact_match"], found["f1"]), (0.5, 0.5));
}

#[test]
fn a_group_is_right_where_all_of_it_is() {
    let em = |groups: &[u32]| exact_match_of_groups(groups, &[0, 1, 1, 0], &[0, 1, 0, 0]);
    assert_eq!(em(&[0, 0, 1, 1]), 0.5);
    assert_eq!(em(&[7, 3, 7, 3]), 0.5);
    assert_eq!(em(&[1, 1, 1, 1]), 0.0);
}

#[test]
fn a_class_that_nobody_names_counts_in_the_mean_of_f1() {
    close(mean_f1(&[0, 1], &[0, 1], 3), 2.0 / 3.0);
    close(f1_macro(&[0, 1], &[0, 1]), 1.0);
}
