//! Metrics of predictions, in f64.
//!
//! | metric        | of           | range  | 0 / 0 is                         |
//! |---------------|--------------|--------|----------------------------------|
//! | `accuracy`    | classes      | 0..1   | –                                |
//! | `f1`          | classes      | 0..1   | 0                                |
//! | `matthews`    | classes      | −1..1  | 0 (all gold or all predicted equal) |
//! | `pearson`     | values       | −1..1  | 0 (a constant list)              |
//! | `spearman`    | values       | −1..1  | 0 (a constant list)              |
//! | `mean_f1`     | classes      | 0..1   | 0                                |
//! | `exact_match` | texts, groups | 0..1  | –                                |
//!
//! They agree with scikit-learn and `SciPy`, but for undefined correlations, which those
//! give as NaN and the paper's reference code turns into 0, as here. Every function is NaN
//! for no examples at all where the table has a dash, 0 elsewhere.
//!
//! Every function panics when its two lists differ in length. What is asked of generated
//! answers where several are right is in [`answers`].

pub mod answers;

use std::collections::{BTreeMap, BTreeSet};

/// A prediction that is none of the classes, such as a generated text that is no label.
pub const NO_CLASS: u32 = u32::MAX;

/// `accuracy`, `f1`, `mean_f1` and `matthews` of a task with `classes` classes, by name.
///
/// F1 is that of class 1 where there are two classes, else the mean over classes. With two
/// classes, [`NO_CLASS`] counts as the other class than the right one, as in the paper's
/// reference code; with more it is wrong and counts for no class.
#[must_use]
pub fn classification(gold: &[u32], predicted: &[u32], classes: usize) -> BTreeMap<String, f64> {
    let flipped: Vec<u32> = match classes {
        2 => pairs(gold, predicted)
            .map(|(&g, &p)| if p == NO_CLASS { 1 - g.min(1) } else { p })
            .collect(),
        _ => predicted.to_vec(),
    };
    let f1 = if classes == 2 { f1_binary } else { f1_macro };
    named([
        ("accuracy", accuracy(gold, &flipped)),
        ("f1", f1(gold, &flipped)),
        ("mean_f1", mean_f1(gold, &flipped, classes)),
        ("matthews", matthews(gold, &flipped)),
    ])
}

/// `pearson` and `spearman`, by name.
#[must_use]
pub fn regression(gold: &[f64], predicted: &[f64]) -> BTreeMap<String, f64> {
    named([
        ("pearson", pearson(gold, predicted)),
        ("spearman", spearman(gold, predicted)),
    ])
}

/// `exact_match`, by name.
#[must_use]
pub fn text(gold: &[String], predicted: &[String]) -> BTreeMap<String, f64> {
    named([("exact_match", exact_match(gold, predicted))])
}

/// Share of predictions that are right.
#[must_use]
pub fn accuracy(gold: &[u32], predicted: &[u32]) -> f64 {
    share(pairs(gold, predicted).map(|(g, p)| g == p))
}

/// F1 of class 1: the harmonic mean of precision and recall.
#[must_use]
pub fn f1_binary(gold: &[u32], predicted: &[u32]) -> f64 {
    f1_of(1, gold, predicted)
}

/// Mean of the F1 of each class that occurs in either list.
#[must_use]
pub fn f1_macro(gold: &[u32], predicted: &[u32]) -> f64 {
    let occurring: BTreeSet<u32> = gold.iter().chain(predicted).copied().collect();
    let scores: Vec<f64> = occurring
        .into_iter()
        .filter(|&class| class != NO_CLASS)
        .map(|class| f1_of(class, gold, predicted))
        .collect();
    ratio(scores.iter().sum(), scores.len() as f64)
}

/// Mean of the F1 of all `classes` classes; one that occurs in neither list counts as 0, as
/// in T5's metric of `CommitmentBank` (scikit-learn's macro average over all labels).
#[must_use]
pub fn mean_f1(gold: &[u32], predicted: &[u32], classes: usize) -> f64 {
    let all = (0..).take(classes);
    let sum: f64 = all.map(|class| f1_of(class, gold, predicted)).sum();
    ratio(sum, classes as f64)
}

/// Share of groups of which every prediction is right, such as the questions of `MultiRC`
/// with all their answers; `groups` says which group each prediction belongs to.
#[must_use]
pub fn exact_match_of_groups(groups: &[u32], gold: &[u32], predicted: &[u32]) -> f64 {
    let mut right: BTreeMap<u32, bool> = BTreeMap::new();
    for (group, (g, p)) in groups.iter().zip(pairs(gold, predicted)) {
        *right.entry(*group).or_insert(true) &= g == p;
    }
    share(right.into_values())
}

/// `2·tp / (2·tp + fp + fn)` of one class.
fn f1_of(class: u32, gold: &[u32], predicted: &[u32]) -> f64 {
    let (mut right, mut mentioned) = (0.0, 0.0);
    for (&g, &p) in pairs(gold, predicted) {
        right += f64::from(u8::from(g == class && p == class));
        mentioned += f64::from(u8::from(g == class) + u8::from(p == class));
    }
    ratio(2.0 * right, mentioned)
}

/// Matthews' correlation coefficient, for any number of classes.
///
/// ```text
/// (c·s − Σₖ pₖ·tₖ) / √((s² − Σₖ pₖ²)·(s² − Σₖ tₖ²))
/// ```
/// with `s` examples, `c` of them right, `pₖ` predicted as and `tₖ` truly of class `k`
/// (Gorodkin 2004, as scikit-learn computes it).
#[must_use]
pub fn matthews(gold: &[u32], predicted: &[u32]) -> f64 {
    let mut counts: BTreeMap<u32, (f64, f64)> = BTreeMap::new();
    let (mut examples, mut right) = (0.0, 0.0);
    for (&g, &p) in pairs(gold, predicted) {
        counts.entry(g).or_default().0 += 1.0;
        counts.entry(p).or_default().1 += 1.0;
        right += f64::from(u8::from(g == p));
        examples += 1.0;
    }
    let sum = |term: fn((f64, f64)) -> f64| counts.values().map(|&count| term(count)).sum::<f64>();
    let square = examples * examples;
    let truth = square - sum(|(t, _)| t * t);
    let guess = square - sum(|(_, p)| p * p);
    ratio(
        right * examples - sum(|(t, p)| t * p),
        (truth * guess).sqrt(),
    )
}

/// Pearson's correlation coefficient.
#[must_use]
#[expect(
    clippy::float_cmp,
    reason = "a list is constant when its values are the same"
)]
pub fn pearson(gold: &[f64], predicted: &[f64]) -> f64 {
    // Told by comparing, since the mean of equal values need not be that value.
    let constant = |values: &[f64]| values.windows(2).all(|pair| pair[0] == pair[1]);
    if constant(gold) || constant(predicted) {
        return 0.0;
    }
    let (gold_mean, predicted_mean) = (mean(gold), mean(predicted));
    let (mut both, mut left, mut right) = (0.0, 0.0, 0.0);
    for (g, p) in pairs(gold, predicted) {
        let (g, p) = (g - gold_mean, p - predicted_mean);
        both += g * p;
        left += g * g;
        right += p * p;
    }
    // Rounding may leave the last digit above 1.
    ratio(both, left.sqrt() * right.sqrt()).clamp(-1.0, 1.0)
}

/// Spearman's rank correlation coefficient; equal values share the mean of their ranks.
#[must_use]
pub fn spearman(gold: &[f64], predicted: &[f64]) -> f64 {
    if gold.iter().chain(predicted).any(|value| value.is_nan()) {
        return 0.0;
    }
    pearson(&ranks(gold), &ranks(predicted))
}

/// Share of texts that are equal but for white space around them.
#[must_use]
pub fn exact_match(gold: &[String], predicted: &[String]) -> f64 {
    share(pairs(gold, predicted).map(|(g, p)| g.trim() == p.trim()))
}

#[expect(clippy::float_cmp, reason = "values tie when they are the same")]
fn ranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|&a, &b| values[a].total_cmp(&values[b]));
    let mut ranks = vec![0.0; values.len()];
    let mut before = 0.0;
    // Not `total_cmp`: 0.0 and −0.0 tie.
    for ties in order.chunk_by(|&a, &b| values[a] == values[b]) {
        let tied = ties.len() as f64;
        for &at in ties {
            ranks[at] = before + f64::midpoint(1.0, tied);
        }
        before += tied;
    }
    ranks
}

fn pairs<'a, T>(gold: &'a [T], predicted: &'a [T]) -> impl Iterator<Item = (&'a T, &'a T)> {
    assert_eq!(
        gold.len(),
        predicted.len(),
        "one prediction for each answer"
    );
    gold.iter().zip(predicted)
}

fn named<const N: usize>(metrics: [(&str, f64); N]) -> BTreeMap<String, f64> {
    metrics.map(|(name, value)| (name.to_owned(), value)).into()
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

fn share(right: impl Iterator<Item = bool>) -> f64 {
    let (right, all) = right.fold((0.0, 0.0), |(right, all), is_right| {
        (right + f64::from(u8::from(is_right)), all + 1.0)
    });
    right / all
}

/// `top / bottom`, 0 where that is not defined.
fn ratio(top: f64, bottom: f64) -> f64 {
    let ratio = top / bottom;
    if ratio.is_finite() { ratio } else { 0.0 }
}

#[cfg(test)]
mod tests;
