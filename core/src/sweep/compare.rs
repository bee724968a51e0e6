//! Runs beside each other: parameters, memory, time of a step, metrics with intervals.
//!
//! Runs whose configurations differ in name and seed alone are repetitions of one row; the
//! interval of a metric is that of its mean over them, by Student's t, and one run has none.
//!
//! Memory and time are compared with a baseline `b` in both conventions that are in use, of
//! which the first never falls below −100 % and the second never rises above +100 %:
//!
//! ```text
//! of the baseline  (x − b) / b        what a method saves of what the baseline takes
//! of its own       (x − b) / x        the same difference as a share of what the method takes
//! ```

use std::path::Path;

use super::result::Outcome;
use super::statistics::{self, Interval, Summary};
use super::table::{Cell, Kind, Table};
use crate::config::RunConfig;
use crate::event::{History, Kind as EventKind, Started, Step};
use crate::run::{Best, Checkpoint, RunFolder};
use crate::{Error, Result};

/// Confidence of the intervals.
const LEVEL: f64 = 0.95;
/// Steps left out of the time of a step: the first ones make buffers and caches.
const WARM_UP: usize = 2;
const MIB: f64 = 1_048_576.0;

/// What a run's folder tells for a comparison.
#[derive(Debug, Clone, PartialEq)]
pub struct Observed {
    /// Its name.
    pub name: String,
    /// The configuration in force at its end.
    pub config: RunConfig,
    /// Trained parameters without the task head.
    pub trainable: usize,
    /// Parameters of the plain model.
    pub total: usize,
    /// Most resident memory of its process, in bytes, where the system told.
    pub peak_memory: Option<u64>,
    /// Median wall time of a step, in seconds; `None` before there is one.
    pub step_seconds: Option<f64>,
    /// The metric that decides which checkpoint is best; `None` before an evaluation.
    pub metric: Option<String>,
    /// Its best value on the validation split.
    pub validation: Option<f64>,
    /// The value of the same checkpoint on the test split, where a sweep has measured it.
    pub test: Option<f64>,
}

impl Observed {
    /// Reads a run's folder.
    ///
    /// # Errors
    /// [`Error::Run`] when there is no run in it, or one that has not begun;
    /// [`Error::Checkpoint`] when record or checkpoint are damaged.
    pub fn of(path: &Path) -> Result<Self> {
        let run = RunFolder::open(path)?;
        let history = run.history()?;
        let started = started(&history).ok_or_else(|| {
            Error::run(
                path,
                "has not begun: nothing is known of what it trains yet",
            )
        })?;
        let steps: Vec<&Step> = history.events().iter().filter_map(step).collect();
        let best = match run.checkpoints().last()? {
            Some(last) => Checkpoint::load_state(&run.checkpoints().folder(last))?.best,
            None => None,
        };
        let metric = best.as_ref().map(|best| best.metric.clone());
        Ok(Self {
            name: run.name(),
            config: RunConfig::parse(&run.events_path(), config(&history, started), &[])?,
            trainable: started.trainable,
            total: started.total,
            peak_memory: steps
                .iter()
                .filter_map(|step| step.peak_memory.or(step.memory))
                .max(),
            step_seconds: median(
                steps
                    .iter()
                    .skip(WARM_UP.min(steps.len().saturating_sub(1))),
            ),
            test: best
                .as_ref()
                .map(|best| tested(&run, best))
                .transpose()?
                .flatten(),
            validation: best.map(|best| best.value),
            metric,
        })
    }

    /// Whether two runs are repetitions of one.
    fn repeats(&self, other: &Self) -> bool {
        let mut config = other.config.clone();
        config.name.clone_from(&self.config.name);
        config.train.seed = self.config.train.seed;
        config.output.clone_from(&self.config.output);
        config == self.config
    }
}

fn started(history: &History) -> Option<&Started> {
    history.events().iter().find_map(|event| match &event.kind {
        EventKind::Started(started) => Some(started),
        _ => None,
    })
}

/// The configuration in force at the end, as TOML.
fn config<'a>(history: &'a History, started: &'a Started) -> &'a str {
    let edits = history.events().iter().rev();
    let mut edits = edits.filter_map(|event| match &event.kind {
        EventKind::ConfigApplied(edit) => Some(edit.config.as_str()),
        _ => None,
    });
    edits.next().unwrap_or(&started.config)
}

fn step(event: &crate::event::Event) -> Option<&Step> {
    match &event.kind {
        EventKind::Step(step) => Some(step),
        _ => None,
    }
}

fn median<'a>(steps: impl Iterator<Item = &'a &'a Step>) -> Option<f64> {
    let mut seconds: Vec<f64> = steps.map(|step| step.seconds).collect();
    seconds.sort_by(f64::total_cmp);
    let half = seconds.len() / 2;
    match seconds.len() {
        0 => None,
        odd if odd % 2 == 1 => Some(seconds[half]),
        _ => Some(f64::midpoint(seconds[half - 1], seconds[half])),
    }
}

/// What a sweep measured of the run's best checkpoint on the test split, where the run is one
/// of a sweep's and that still is its best.
fn tested(run: &RunFolder, best: &Best) -> Result<Option<f64>> {
    let Some(sweep) = run.path().parent().and_then(Path::parent) else {
        return Ok(None);
    };
    let path = sweep.join("results").join(format!("{}.json", run.name()));
    let text = match std::fs::read(&path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        read => read.map_err(Error::io(&path, "read"))?,
    };
    let outcome: Outcome = serde_json::from_slice(&text).map_err(|error| {
        let message = format!("{} is no result of a sweep: {error}", path.display());
        Error::run(run.path(), message)
    })?;
    Ok(match outcome {
        Outcome::Measured(found) if found.step == best.step && found.metric == best.metric => {
            found.test.get(&best.metric).copied()
        }
        _ => None,
    })
}

/// Repetitions of one run.
#[derive(Debug, Clone, PartialEq)]
pub struct Group {
    /// The name of the first, and how many others there are.
    pub name: String,
    /// The runs.
    pub runs: Vec<Observed>,
    /// Mean of the most resident memory, in bytes.
    pub peak_memory: Option<f64>,
    /// Mean of the median time of a step, in seconds.
    pub step_seconds: Option<f64>,
    /// The metric, where all have the same.
    pub metric: Option<String>,
    /// Its values on the validation split, and the interval of their mean.
    pub validation: Option<(Summary, Option<Interval>)>,
    /// The same of the test split, where all have it.
    pub test: Option<(Summary, Option<Interval>)>,
}

/// A difference in percent, in both conventions.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Delta {
    /// `100 (x − b) / b`
    pub of_baseline: f64,
    /// `100 (x − b) / x`
    pub of_own: f64,
}

impl Delta {
    /// The difference of `x` from the baseline `b`, both above 0.
    #[must_use]
    pub fn new(x: f64, b: f64) -> Self {
        Self {
            of_baseline: 100.0 * (x - b) / b,
            of_own: 100.0 * (x - b) / x,
        }
    }
}

/// Puts repetitions together, in the order in which the first of each comes.
#[must_use]
pub fn groups(runs: Vec<Observed>) -> Vec<Group> {
    let mut groups: Vec<Vec<Observed>> = Vec::new();
    for run in runs {
        let seed = run.config.train.seed;
        // The same seed again is a copy, and tells nothing of how far results scatter.
        let repeated = |group: &&mut Vec<Observed>| {
            group[0].repeats(&run) && group.iter().all(|other| other.config.train.seed != seed)
        };
        match groups.iter_mut().find(repeated) {
            Some(group) => group.push(run),
            None => groups.push(vec![run]),
        }
    }
    groups.into_iter().map(Group::of).collect()
}

impl Group {
    fn of(runs: Vec<Observed>) -> Self {
        let first = &runs[0];
        let same = runs.iter().all(|run| run.metric == first.metric);
        let name = match runs.len() {
            1 => first.name.clone(),
            n => format!("{} +{}", first.name, n - 1),
        };
        Self {
            name,
            peak_memory: mean(
                runs.iter()
                    .map(|run| run.peak_memory.map(|bytes| bytes as f64)),
            ),
            step_seconds: mean(runs.iter().map(|run| run.step_seconds)),
            metric: first.metric.clone().filter(|_| same),
            validation: measured(same, runs.iter().map(|run| run.validation)),
            test: measured(same, runs.iter().map(|run| run.test)),
            runs,
        }
    }

    /// Whether the run of a folder's name is among them.
    #[must_use]
    pub fn holds(&self, name: &str) -> bool {
        self.runs.iter().any(|run| run.name == name)
    }
}

/// The mean of values that are all there.
fn mean(values: impl Iterator<Item = Option<f64>>) -> Option<f64> {
    let values: Vec<f64> = values.collect::<Option<_>>()?;
    Some(statistics::summary(&values).mean)
}

fn measured(
    same: bool,
    values: impl Iterator<Item = Option<f64>>,
) -> Option<(Summary, Option<Interval>)> {
    let values: Vec<f64> = values.collect::<Option<_>>()?;
    same.then(|| {
        (
            statistics::summary(&values),
            statistics::interval(&values, LEVEL),
        )
    })
}

const COLUMNS: [(&str, Kind); 22] = [
    ("run", Kind::Text),
    ("method", Kind::Text),
    ("n", Kind::Count),
    ("trainable", Kind::Count),
    ("percent", Kind::Number),
    ("peak_mib", Kind::Number),
    ("memory_of_baseline", Kind::Number),
    ("memory_of_own", Kind::Number),
    ("step_ms", Kind::Number),
    ("time_of_baseline", Kind::Number),
    ("time_of_own", Kind::Number),
    ("metric", Kind::Text),
    ("validation_mean", Kind::Number),
    ("validation_sd", Kind::Number),
    ("validation_low", Kind::Number),
    ("validation_high", Kind::Number),
    ("test_mean", Kind::Number),
    ("test_sd", Kind::Number),
    ("test_low", Kind::Number),
    ("test_high", Kind::Number),
    ("model", Kind::Text),
    ("learning_rate", Kind::Number),
];

/// A row for each group; memory and time are compared with those of `baseline`.
#[must_use]
pub fn table(groups: &[Group], baseline: &Group) -> Table {
    let number = |value: Option<f64>| value.map_or(Cell::Empty, Cell::Number);
    let row = |group: &Group| {
        let first = &group.runs[0];
        let delta = |of: fn(&Group) -> Option<f64>| Some(Delta::new(of(group)?, of(baseline)?));
        let (memory, time) = (delta(|g| g.peak_memory), delta(|g| g.step_seconds));
        let mut cells = vec![
            Cell::Text(group.name.clone()),
            Cell::Text(first.config.method.kind.to_string()),
            Cell::Count(group.runs.len() as u64),
            Cell::Count(first.trainable as u64),
            Cell::Number(100.0 * first.trainable as f64 / first.total.max(1) as f64),
            number(group.peak_memory.map(|bytes| bytes / MIB)),
            number(memory.map(|delta| delta.of_baseline)),
            number(memory.map(|delta| delta.of_own)),
            number(group.step_seconds.map(|seconds| 1000.0 * seconds)),
            number(time.map(|delta| delta.of_baseline)),
            number(time.map(|delta| delta.of_own)),
            group.metric.clone().map_or(Cell::Empty, Cell::Text),
        ];
        for split in [&group.validation, &group.test] {
            let interval = split.and_then(|(_, interval)| interval);
            cells.push(number(split.map(|(summary, _)| summary.mean)));
            cells.push(number(split.and_then(|(summary, _)| summary.sd)));
            cells.push(number(interval.map(|interval| interval.low)));
            cells.push(number(interval.map(|interval| interval.high)));
        }
        cells.push(Cell::Text(first.config.model.path.clone()));
        cells.push(Cell::Number(first.config.learning_rate()));
        cells
    };
    Table {
        columns: COLUMNS
            .iter()
            .map(|(name, kind)| ((*name).to_owned(), *kind))
            .collect(),
        rows: groups.iter().map(row).collect(),
    }
}

#[cfg(test)]
mod tests;
