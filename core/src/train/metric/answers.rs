//! Exact match and F1 of generated answers, where any of several is right, as SQuAD 1.1
//! scores them (Rajpurkar et al. 2016, arXiv:1606.05250, section 6.1) and ReCoRD after it.
//!
//! Answers are compared without case, ASCII punctuation, the articles *a*, *an*, *the* and
//! surplus white space. F1 is that of the bags of words that are left; of several right
//! answers the one counts that gives the most.

use std::collections::BTreeMap;

/// `exact_match` and `f1`, by name: means over predictions, in 0..1. NaN for none.
///
/// # Panics
/// When the lists differ in length.
#[must_use]
pub fn any_of(gold: &[Vec<String>], predicted: &[String]) -> BTreeMap<String, f64> {
    assert_eq!(
        gold.len(),
        predicted.len(),
        "one prediction for each answer"
    );
    let mean = |score: fn(&str, &str) -> f64| {
        let scores = gold.iter().zip(predicted).map(|(answers, predicted)| {
            let scores = answers.iter().map(|answer| score(answer, predicted));
            scores.fold(0.0, f64::max)
        });
        scores.sum::<f64>() / predicted.len() as f64
    };
    [("exact_match", mean(exact_match)), ("f1", mean(f1))]
        .map(|(name, value)| (name.to_owned(), value))
        .into()
}

/// 1 where two answers are the same once normalised, else 0.
#[must_use]
pub fn exact_match(gold: &str, predicted: &str) -> f64 {
    f64::from(u8::from(words(gold) == words(predicted)))
}

/// F1 of the bags of words of two answers; 0 where they share none, also for two empty ones.
#[must_use]
pub fn f1(gold: &str, predicted: &str) -> f64 {
    let (gold, predicted) = (words(gold), words(predicted));
    let mut left: BTreeMap<&str, usize> = BTreeMap::new();
    for word in &gold {
        *left.entry(word).or_default() += 1;
    }
    let mut shared = 0_u32;
    for word in &predicted {
        if let Some(count) = left.get_mut(word.as_str()).filter(|count| **count > 0) {
            *count -= 1;
            shared += 1;
        }
    }
    match shared {
        0 => 0.0,
        shared => 2.0 * f64::from(shared) / (gold.len() + predicted.len()) as f64,
    }
}

/// The words of an answer that are compared.
fn words(answer: &str) -> Vec<String> {
    let lower = answer.to_lowercase();
    let plain: String = lower
        .chars()
        .filter(|c| !c.is_ascii_punctuation())
        .collect();
    // An article is one between any characters that are no letters or digits.
    let mut kept = String::with_capacity(plain.len());
    for run in runs(&plain) {
        let article = ["a", "an", "the"].contains(&run);
        kept += if article { " " } else { run };
    }
    kept.split_whitespace().map(str::to_owned).collect()
}

/// Cuts a text where letters and digits meet anything else.
fn runs(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let kind = rest.chars().next()?.is_alphanumeric();
        let end = rest.find(|c: char| c.is_alphanumeric() != kind);
        let (run, after) = rest.split_at(end.unwrap_or(rest.len()));
        rest = after;
        Some(run)
    })
}
