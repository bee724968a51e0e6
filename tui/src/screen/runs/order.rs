//! In which order a list of runs stands.

use std::cmp::Ordering;

use super::entry::Entry;

/// What a list of runs is sorted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Order {
    /// When they began, the newest first.
    #[default]
    Newest,
    /// Their best metric, the best first.
    Best,
    /// Their newest loss, the smallest first.
    Loss,
    /// The share of parameters they train, the smallest first.
    Trained,
    /// Their names.
    Name,
}

impl Order {
    /// The next one.
    pub(crate) fn next(self) -> Self {
        match self {
            Self::Newest => Self::Best,
            Self::Best => Self::Loss,
            Self::Loss => Self::Trained,
            Self::Trained => Self::Name,
            Self::Name => Self::Newest,
        }
    }

    /// In a word.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Newest => "newest",
            Self::Best => "best",
            Self::Loss => "loss",
            Self::Trained => "trained",
            Self::Name => "name",
        }
    }

    /// Sorts runs that stand with the newest first; what is no number comes last.
    pub(crate) fn sort(self, entries: &mut [&Entry]) {
        match self {
            Self::Newest => {}
            Self::Best => entries.sort_by(|a, b| by_best(a, b)),
            Self::Loss => entries.sort_by(|a, b| ascending(a.loss(), b.loss())),
            Self::Trained => entries.sort_by(|a, b| ascending(a.trained, b.trained)),
            Self::Name => entries.sort_by(|a, b| a.name.cmp(&b.name)),
        }
    }
}

/// A loss is better lower, every other metric higher.
fn by_best(a: &Entry, b: &Entry) -> Ordering {
    let key = |entry: &Entry| {
        let sign = if entry.metric == "loss" { 1.0 } else { -1.0 };
        entry.best.map(|value| sign * value)
    };
    ascending(key(a), key(b))
}

fn ascending(a: Option<f64>, b: Option<f64>) -> Ordering {
    let key = |value: Option<f64>| value.filter(|value| !value.is_nan());
    match (key(a), key(b)) {
        (Some(a), Some(b)) => a.total_cmp(&b),
        (a, b) => b.is_some().cmp(&a.is_some()),
    }
}
