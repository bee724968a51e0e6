//! What a sweep found: settings chosen on the validation split, values of the test split.
//!
//! A row is a combination of reported values. Of its tuned settings those are chosen whose
//! runs have the best mean on the validation split; the row then tells what these runs make
//! of the test split. Only settings with the most repetitions of the row stand to choice: a
//! mean over fewer seeds is no better for a seed that failed.
//!
//! Rows that differ in the compared column alone are a block. Each is compared with the
//! baseline's, repetition by repetition. The best of a block is marked only if it is better
//! than each of the others by a paired interval that does not hold 0, at a level that makes
//! one wrong mark in twenty blocks where nothing differs: 1 − 0.05/m for `m = k(k−1)/2` pairs
//! of `k` rows (Bonferroni). One repetition has no interval, and marks nothing; neither do
//! differences that are all the same, as a coarse metric makes them: nothing tells their noise.

use super::folder::{Standing, SweepFolder};
use super::grid::{Column, Role, Value};
use super::plan::{Planned, Sweep};
use super::result::{Measured, Outcome};
use super::statistics::{self, Interval, Summary};
use crate::Result;
use crate::train::evaluate::is_better;

/// Confidence of the intervals told.
const LEVEL: f64 = 0.95;
/// An interval no wider comes of differences that are the same but for rounding.
const SAME: f64 = 1e-9;

/// What a sweep found, as far as it is.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// The reported columns.
    pub columns: Vec<Column>,
    /// The tuned columns.
    pub tuned: Vec<Column>,
    /// Place of the compared column among the reported ones; `None` where nothing is.
    pub compared: Option<usize>,
    /// What the others are compared with.
    pub baseline: Option<String>,
    /// The rows, in the order of the grid.
    pub rows: Vec<Row>,
    /// How many runs stand how.
    pub tally: Tally,
    /// Runs that failed or were changed, with the reasons.
    pub failures: Vec<(String, String)>,
}

/// How many runs stand how.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Trained and measured.
    pub measured: usize,
    /// Failed, or made with other settings.
    pub failed: usize,
    /// Still to be done.
    pub open: usize,
}

/// One combination of reported values.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// Its values, as the report's columns.
    pub values: Vec<Option<Value>>,
    /// The settings chosen, as the report's tuned columns.
    pub tuned: Vec<Option<Value>>,
    /// What was measured; `None` while nothing is.
    pub found: Option<Found>,
    /// Repetitions that were asked for.
    pub planned: usize,
    /// Whether it is the best of its block, beyond the noise.
    pub best: bool,
}

/// What was measured of a row's runs.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// The metric.
    pub metric: String,
    /// Mean over the repetitions on the validation split, by which the settings were chosen.
    pub validation: f64,
    /// The test split.
    pub test: Summary,
    /// Difference to the baseline's row on the test split, paired, at 95 %.
    pub difference: Option<Interval>,
    /// Trained parameters without the task head.
    pub trainable: usize,
    /// Parameters of the plain model.
    pub total: usize,
    /// Value on the test split of each repetition, by what the repetitions differ in.
    repetitions: Vec<(Vec<Option<Value>>, f64)>,
}

impl Report {
    /// Reads what there is of a sweep.
    ///
    /// # Errors
    /// Those of [`SweepFolder::standing`].
    pub fn read(sweep: &Sweep) -> Result<Self> {
        let folder = SweepFolder::of(sweep);
        let standings = sweep.runs.iter().map(|run| folder.standing(run));
        let standings: Vec<Standing> = standings.collect::<Result<_>>()?;
        Ok(Self::of(sweep, &standings))
    }

    /// What runs that stand so make.
    #[must_use]
    pub fn of(sweep: &Sweep, standings: &[Standing]) -> Self {
        let mut tally = Tally::default();
        let (mut failures, mut measured) = (Vec::new(), Vec::new());
        for (run, standing) in sweep.runs.iter().zip(standings) {
            match standing {
                Standing::Open => tally.open += 1,
                Standing::Done(Outcome::Measured(found)) => {
                    tally.measured += 1;
                    measured.push((run, found));
                }
                Standing::Done(Outcome::Failed { message }) | Standing::Changed { message } => {
                    tally.failed += 1;
                    failures.push((run.name.clone(), message.clone()));
                }
            }
        }
        let reported: Vec<usize> = sweep.columns_of(Role::Reported).collect();
        let compared = sweep.compared();
        let compared = reported.iter().position(|&at| Some(at) == compared);
        let mut report = Self {
            columns: chosen(&sweep.columns, &reported),
            tuned: chosen(
                &sweep.columns,
                &sweep.columns_of(Role::Tuned).collect::<Vec<_>>(),
            ),
            rows: rows(sweep, &reported, &measured),
            baseline: None,
            compared,
            tally,
            failures,
        };
        report.compare(sweep.select.baseline.as_deref());
        report
    }

    /// The rows that differ from a row in the compared column alone, itself among them.
    fn block(&self, at: usize) -> Vec<usize> {
        let others = |row: &Row| -> Vec<Option<Value>> {
            let values = row.values.iter().enumerate();
            let others = values.filter(|(column, _)| Some(*column) != self.compared);
            others.map(|(_, value)| value.clone()).collect()
        };
        let wanted = others(&self.rows[at]);
        (0..self.rows.len())
            .filter(|&row| others(&self.rows[row]) == wanted)
            .collect()
    }

    fn compare(&mut self, baseline: Option<&str>) {
        let Some(compared) = self.compared else {
            return;
        };
        let text = |row: &Row| {
            row.values[compared]
                .as_ref()
                .map(|value| value.text.clone())
        };
        self.baseline = baseline
            .map(str::to_owned)
            .or_else(|| self.rows.iter().find_map(text));
        for at in 0..self.rows.len() {
            let block = self.block(at);
            let reference = block
                .iter()
                .find(|&&row| text(&self.rows[row]) == self.baseline);
            let difference = reference
                .filter(|&&row| row != at)
                .and_then(|&row| self.difference((at, row), LEVEL));
            let best = self.is_best(at, &block);
            let row = &mut self.rows[at];
            row.best = best;
            if let Some(found) = &mut row.found {
                found.difference = difference;
            }
        }
    }

    /// The paired difference of two rows on the test split.
    fn difference(&self, (left, right): (usize, usize), level: f64) -> Option<Interval> {
        let (left, right) = (
            self.rows[left].found.as_ref()?,
            self.rows[right].found.as_ref()?,
        );
        if left.metric != right.metric {
            return None;
        }
        let pair = |(key, value): &(Vec<Option<Value>>, f64)| {
            let other = right.repetitions.iter().find(|(other, _)| other == key)?;
            Some((*value, other.1))
        };
        let pairs: Vec<(f64, f64)> = left.repetitions.iter().filter_map(pair).collect();
        statistics::paired(&pairs, level)
    }

    fn is_best(&self, at: usize, block: &[usize]) -> bool {
        let Some(found) = &self.rows[at].found else {
            return false;
        };
        if block.len() < 2 {
            return false;
        }
        let pairs = block.len() * (block.len() - 1) / 2;
        let level = 1.0 - (1.0 - LEVEL) / pairs as f64;
        let beats = |&other: &usize| {
            let difference = self.difference((at, other), level);
            difference.is_some_and(|d| is_beyond_noise(&d) && is_better(&found.metric, d.mean, 0.0))
        };
        block.iter().filter(|&&other| other != at).all(beats)
    }
}

/// Whether an interval has a width that tells of noise, and 0 lies outside.
fn is_beyond_noise(difference: &Interval) -> bool {
    difference.high - difference.low > SAME && difference.excludes_zero()
}

fn chosen<T: Clone>(all: &[T], places: &[usize]) -> Vec<T> {
    places.iter().map(|&at| all[at].clone()).collect()
}

type Runs<'a> = Vec<(&'a Planned, &'a Measured)>;

fn rows(sweep: &Sweep, reported: &[usize], measured: &Runs<'_>) -> Vec<Row> {
    let key = |run: &Planned| chosen(&run.values, reported);
    let mut rows: Vec<Row> = Vec::new();
    for run in &sweep.runs {
        if rows.iter().any(|row| row.values == key(run)) {
            continue;
        }
        let values = key(run);
        let of = measured.iter().filter(|(run, _)| key(run) == values);
        rows.push(row(
            sweep,
            (reported, values.clone()),
            &of.copied().collect(),
        ));
        let tuned = sweep.columns_of(Role::Tuned).collect::<Vec<_>>();
        let same = |other: &&Planned| {
            key(other) == values && chosen(&other.values, &tuned) == chosen(&run.values, &tuned)
        };
        if let Some(row) = rows.last_mut() {
            row.planned = sweep.runs.iter().filter(same).count();
        }
    }
    rows
}

fn row(sweep: &Sweep, (reported, values): (&[usize], Vec<Option<Value>>), runs: &Runs<'_>) -> Row {
    let tuned: Vec<usize> = sweep.columns_of(Role::Tuned).collect();
    let replicates: Vec<usize> = sweep.columns_of(Role::Replicate).collect();
    let mut settings: Vec<(Vec<Option<Value>>, Runs<'_>)> = Vec::new();
    for &(run, found) in runs {
        let setting = chosen(&run.values, &tuned);
        match settings.iter_mut().find(|(other, _)| *other == setting) {
            Some((_, runs)) => runs.push((run, found)),
            None => settings.push((setting, vec![(run, found)])),
        }
    }
    // Settings are compared over the same repetitions: over all where any setting has them
    // all, else over those that every one has.
    let repetition = |run: &Planned| chosen(&run.values, &replicates);
    let whole = |(setting, runs): &(Vec<Option<Value>>, Runs<'_>)| {
        let planned = sweep.runs.iter().filter(|run| {
            chosen(&run.values, reported) == values && chosen(&run.values, &tuned) == *setting
        });
        planned.count() == runs.len()
    };
    if settings.iter().any(whole) {
        settings.retain(whole);
    }
    let common: Vec<Vec<Option<Value>>> = runs
        .iter()
        .map(|(run, _)| repetition(run))
        .filter(|key| {
            let has = |runs: &Runs<'_>| runs.iter().any(|(run, _)| repetition(run) == *key);
            settings.iter().all(|(_, runs)| has(runs))
        })
        .collect();
    if common.is_empty() {
        // Nothing that they could be compared by.
        settings.clear();
    }
    let mean = |runs: &Runs<'_>| {
        let values: Vec<f64> = runs
            .iter()
            .filter(|(run, _)| common.contains(&repetition(run)))
            .map(|(_, found)| found.on_validation())
            .collect();
        statistics::summary(&values).mean
    };
    let best = settings.into_iter().reduce(|best, other| {
        let metric = &best.1[0].1.metric;
        // A mean that is no number is beaten by any that is.
        let better = is_better(metric, mean(&other.1), mean(&best.1)) || mean(&best.1).is_nan();
        if better { other } else { best }
    });
    let Some((setting, runs)) = best else {
        let tuned = vec![None; tuned.len()];
        return Row {
            values,
            tuned,
            found: None,
            planned: 0,
            best: false,
        };
    };
    let first = runs[0].1;
    let repetitions: Vec<(Vec<Option<Value>>, f64)> = runs
        .iter()
        .map(|(run, found)| (repetition(run), found.on_test()))
        .collect();
    let test: Vec<f64> = repetitions.iter().map(|(_, value)| *value).collect();
    Row {
        values,
        tuned: setting,
        found: Some(Found {
            metric: first.metric.clone(),
            validation: mean(&runs),
            test: statistics::summary(&test),
            difference: None,
            trainable: first.trainable,
            total: first.total,
            repetitions,
        }),
        planned: 0,
        best: false,
    }
}

#[cfg(test)]
pub(super) mod tests;
