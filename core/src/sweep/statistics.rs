//! Mean, standard deviation, and intervals by Student's t distribution.
//!
//! ```text
//! sd² = Σ (xᵢ − x̄)² / (n − 1)
//! x̄ ± t(1 − (1 − level)/2; n − 1) · sd / √n
//! ```
//!
//! An interval of paired values is that of their differences: what both have in common, such
//! as the examples that a seed chooses, cancels.

use statrs::distribution::{ContinuousCDF, StudentsT};

/// Several values in short.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Summary {
    /// How many.
    pub n: usize,
    /// Their mean; NaN for none.
    pub mean: f64,
    /// Their standard deviation, with `n − 1` in its denominator; `None` below two values.
    pub sd: Option<f64>,
}

/// A mean and the interval that holds it at some level of confidence.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Interval {
    /// The mean.
    pub mean: f64,
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
    /// Values that it is made of.
    pub n: usize,
}

impl Interval {
    /// Whether 0 lies outside.
    #[must_use]
    pub fn excludes_zero(&self) -> bool {
        self.low > 0.0 || self.high < 0.0
    }
}

/// Number, mean and standard deviation of values.
#[must_use]
pub fn summary(values: &[f64]) -> Summary {
    let n = values.len();
    let mean = values.iter().sum::<f64>() / n as f64;
    let squares: f64 = values.iter().map(|x| (x - mean) * (x - mean)).sum();
    Summary {
        n,
        mean,
        sd: (n > 1).then(|| (squares / (n - 1) as f64).sqrt()),
    }
}

/// The interval of a mean at a level such as 0.95; `None` below two values.
#[must_use]
pub fn interval(values: &[f64], level: f64) -> Option<Interval> {
    let Summary { n, mean, sd } = summary(values);
    let half = quantile(0.5 + 0.5 * level, n.checked_sub(1)?)? * sd? / (n as f64).sqrt();
    Some(Interval {
        mean,
        low: mean - half,
        high: mean + half,
        n,
    })
}

/// The interval of the mean of `left − right`, pair by pair; `None` below two pairs.
#[must_use]
pub fn paired(pairs: &[(f64, f64)], level: f64) -> Option<Interval> {
    let differences: Vec<f64> = pairs.iter().map(|(left, right)| left - right).collect();
    interval(&differences, level)
}

/// The value that a t distribution with so many degrees of freedom stays below with a
/// probability; `None` without freedom, or for what is no probability inside 0 to 1.
#[must_use]
pub fn quantile(probability: f64, freedom: usize) -> Option<f64> {
    if !(probability > 0.0 && probability < 1.0) {
        return None;
    }
    let distribution = StudentsT::new(0.0, 1.0, freedom as f64).ok()?;
    Some(distribution.inverse_cdf(probability))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use serde_json::Value;

    use super::*;

    /// By `tests/python/make_statistics_fixtures.py`.
    fn cases() -> Value {
        let path = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../tests/fixtures/statistics/cases.json"
        );
        serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
    }

    fn numbers(value: &Value) -> Vec<f64> {
        let list = value.as_array().unwrap().iter();
        list.map(|value| value.as_f64().unwrap()).collect()
    }

    #[track_caller]
    fn assert_close(found: f64, expected: f64, tolerance: f64) {
        let error = (found - expected).abs() / expected.abs().max(1e-3);
        assert!(error < tolerance, "{found} instead of {expected}");
    }

    #[test]
    fn quantiles_are_those_of_scipy() {
        let cases = cases();
        let quantiles = cases["quantiles"].as_array().unwrap();
        assert!(quantiles.len() > 30);
        for case in quantiles {
            let [probability, freedom, expected] = numbers(case)[..] else {
                panic!("{case}");
            };
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "small counts"
            )]
            let found = quantile(probability, freedom as usize).unwrap();
            assert_close(found, expected, 1e-8);
        }
    }

    #[test]
    fn paired_intervals_are_those_of_scipy() {
        let cases = cases();
        for case in cases["paired"].as_array().unwrap() {
            let pairs: Vec<(f64, f64)> = numbers(&case["left"])
                .into_iter()
                .zip(numbers(&case["right"]))
                .collect();
            let found = paired(&pairs, case["level"].as_f64().unwrap()).unwrap();
            assert_eq!(found.n, pairs.len());
            assert_close(found.mean, case["mean"].as_f64().unwrap(), 1e-9);
            assert_close(found.low, case["low"].as_f64().unwrap(), 1e-8);
            assert_close(found.high, case["high"].as_f64().unwrap(), 1e-8);
            let left: Vec<f64> = pairs.iter().map(|pair| pair.0).collect();
            assert_close(
                summary(&left).sd.unwrap(),
                case["sd_left"].as_f64().unwrap(),
                1e-12,
            );
        }
    }

    #[test]
    fn one_value_has_no_spread_and_none_has_no_mean() {
        assert_eq!(interval(&[0.5], 0.95), None);
        assert_eq!(paired(&[], 0.95), None);
        assert_eq!(summary(&[0.5]).sd, None);
        assert!(summary(&[]).mean.is_nan());
        assert_eq!(quantile(1.0, 3), None);
    }

    #[test]
    fn what_pairs_have_in_common_cancels() {
        let common = paired(&[(1.0, 0.0), (2.0, 1.0), (9.0, 8.0)], 0.95).unwrap();
        assert!(common.excludes_zero());
        assert_close(common.mean, 1.0, 1e-12);
        let noise = paired(&[(1.0, 8.0), (2.0, 0.0), (9.0, 1.0)], 0.95).unwrap();
        assert!(!noise.excludes_zero());
    }
}
