//! The named series of a run.

use std::collections::BTreeMap;

use crate::event::{Eval, Step};

use super::series::Series;

/// Names of what every step measures, in the order of a grid of charts.
pub const TRAIN: [&str; 6] = [
    "train/loss",
    "train/learning_rate",
    "train/gradient_norm",
    "train/tokens_per_second",
    "train/step_seconds",
    "train/memory",
];

/// Every scalar of a run: `train/…`, and `eval/<split>/<metric>`.
#[derive(Debug, Clone, Default)]
pub struct Scalars {
    train: [Series; TRAIN.len()],
    evals: BTreeMap<String, Series>,
}

impl Scalars {
    /// The series of a name, if it has points or had.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Series> {
        let train = TRAIN.iter().position(|&known| known == name);
        let found = match train {
            Some(at) => Some(&self.train[at]),
            None => self.evals.get(name),
        };
        found.filter(|series| series.steps().is_some())
    }

    /// Every series that holds something, those of the training first.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Series)> {
        let train = TRAIN.iter().copied().zip(&self.train);
        let evals = self.evals.iter().map(|(name, s)| (name.as_str(), s));
        train
            .chain(evals)
            .filter(|(_, series)| series.steps().is_some())
    }

    /// The name of a split's metric.
    #[must_use]
    pub fn eval_name(split: &str, metric: &str) -> String {
        format!("eval/{split}/{metric}")
    }

    pub(super) fn step(&mut self, at: u64, step: &Step) {
        let rate = (step.seconds > 0.0).then(|| step.tokens as f64 / step.seconds);
        let values = [
            Some(step.loss),
            Some(step.learning_rate),
            Some(step.gradient_norm),
            rate,
            Some(step.seconds),
            step.memory.map(|bytes| bytes as f64),
        ];
        for (series, value) in self.train.iter_mut().zip(values) {
            if let Some(value) = value {
                series.push(at, value);
            }
        }
    }

    pub(super) fn eval(&mut self, at: u64, eval: &Eval) {
        for (metric, &value) in &eval.metrics {
            let name = Self::eval_name(&eval.split, metric);
            let series = self.evals.entry(name).or_default();
            // A resumed run evaluates its checkpoint's step again, to the same values.
            if series.newest() != Some((at, value)) {
                series.push(at, value);
            }
        }
    }

    pub(super) fn rewind(&mut self, step: u64) {
        for series in self.train.iter_mut().chain(self.evals.values_mut()) {
            series.rewind(step);
        }
    }

    /// Bytes of memory that the series take up.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let all = self.train.iter().chain(self.evals.values());
        all.map(Series::bytes).sum()
    }
}
