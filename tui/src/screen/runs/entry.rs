//! What the list shows of a run, from a cheap look at its folder.

use std::collections::BTreeMap;
use std::fs::{self, Metadata};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use compacter_core::config::RunConfig;
use compacter_core::run::{Checkpoint, RunFolder, State};
use compacter_core::view::{RunView, Status, glimpse};

use crate::screen::process::{Life, Trainer};
use crate::screen::seen::{Seen, Stand};

/// A larger `state.json` is none of ours.
const STATE: u64 = 1 << 20;
/// The most characters that are kept of a text from a record.
const TEXT: usize = 100;

/// A run of the list.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Entry {
    /// Its folder.
    pub(crate) path: PathBuf,
    /// Its name, as it can be shown.
    pub(crate) name: String,
    /// How it stands.
    pub(crate) stand: Stand,
    /// Steps done.
    pub(crate) step: u64,
    /// Steps planned; 0 while that is unknown.
    pub(crate) total: u64,
    /// Newest values of the validation split, by name.
    pub(crate) values: BTreeMap<String, f64>,
    /// The metric that decides which evaluation is best; empty while nothing was evaluated.
    pub(crate) metric: String,
    /// Its best value.
    pub(crate) best: Option<f64>,
    /// Trained parameters in percent of the model's.
    pub(crate) trained: Option<f64>,
    /// What the configuration in force says.
    pub(crate) set: Set,
    /// Edits of the configuration since the start.
    pub(crate) edits: u32,
    /// When it began, in seconds since 1970.
    pub(crate) began: f64,
    stamp: Option<Stamp>,
}

/// What the configuration in force says.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Set {
    /// The method.
    pub(crate) method: String,
    /// The task, where it has a name.
    pub(crate) task: String,
    /// The model.
    pub(crate) model: String,
    /// The peak learning rate.
    pub(crate) rate: Option<f64>,
    metric: Option<String>,
}

/// Length and age of a record: as long as they stay, so does what it says.
type Stamp = (u64, SystemTime);

impl Entry {
    /// Looks at a run's folder at the time `now`; `known` is what an earlier look found.
    /// `None` where there is no run.
    pub(crate) fn look(path: &Path, known: Option<&Self>, now: f64) -> Option<Self> {
        let folder = RunFolder::open(path).ok()?;
        let stamp = fs::metadata(folder.events_path())
            .ok()
            .and_then(|metadata| stamp(&metadata));
        let gone = Trainer::of(path).is_some_and(|trainer| trainer.life() == Life::Gone);
        // What stands still for long is not read again and again.
        let still = |stand: Stand| !stand.goes_on() || (stand == Stand::Silent && !gone);
        if let Some(same) = known.filter(|known| known.stamp == stamp && still(known.stand)) {
            return Some(same.clone());
        }
        let length = stamp.map_or(0, |(length, _)| length);
        let view = glimpse(&folder.events_path(), length).unwrap_or_default();
        Some(Self {
            stamp,
            ..Self::of(&folder, &view, (now, gone))
        })
    }

    fn of(folder: &RunFolder, view: &RunView, (now, gone): (f64, bool)) -> Self {
        let name = plain(&folder.name());
        let seen = Seen {
            name: &name,
            view,
            now,
            gone,
        };
        let stand = seen.stand();
        let state = state(folder);
        let best = state.as_ref().and_then(|state| state.best.as_ref());
        let set = Set::of(view.config().unwrap_or_default());
        let values = seen.last().map(|eval| eval.metrics.clone());
        let values = values.unwrap_or_default();
        let decides = best.map(|best| best.metric.clone());
        let metric = decides.or_else(|| set.metric.clone());
        let metric = metric.unwrap_or_else(|| main_metric(&values));
        let finished = match view.status(now) {
            Status::Finished { best, .. } => best,
            _ => None,
        };
        let recorded = finished.or_else(|| seen.best().map(|eval| eval.metrics.clone()));
        let recorded = recorded.and_then(|values| values.get(&metric).copied());
        let started = view.started.as_ref().filter(|started| started.total > 0);
        let edits = view.config_version().saturating_sub(1);
        Self {
            path: folder.path().to_path_buf(),
            stand,
            step: view.step,
            total: view.total_steps,
            values,
            best: recorded.or(best.map(|best| best.value)),
            metric: plain(&metric),
            trained: started.map(|s| 100.0 * s.trainable as f64 / s.total as f64),
            set,
            edits: edits.max(state.map_or(0, |state| state.config_version.saturating_sub(1))),
            began: view.began().unwrap_or(0.0),
            stamp: None,
            name,
        }
    }

    /// The newest value of the metric that decides.
    pub(crate) fn newest(&self) -> Option<f64> {
        self.values.get(&self.metric).copied()
    }

    /// The newest loss of the validation split.
    pub(crate) fn loss(&self) -> Option<f64> {
        self.values.get("loss").copied()
    }
}

impl Set {
    fn of(config: &str) -> Self {
        let Ok(config) = RunConfig::parse(Path::new("config.toml"), config, &[]) else {
            return Self::default();
        };
        Self {
            method: config.method.kind.as_str().to_owned(),
            task: plain(config.task.name.as_deref().unwrap_or_default()),
            model: plain(&config.model.path),
            rate: Some(config.learning_rate()),
            metric: config.eval.metric,
        }
    }
}

fn stamp(metadata: &Metadata) -> Option<Stamp> {
    Some((metadata.len(), metadata.modified().ok()?))
}

/// The state of the last checkpoint, which knows the best evaluation of a long record.
fn state(folder: &RunFolder) -> Option<State> {
    let checkpoints = folder.checkpoints();
    let last = checkpoints.folder(checkpoints.last().ok()??);
    let metadata = fs::metadata(last.join("state.json")).ok()?;
    let usual = metadata.is_file() && metadata.len() <= STATE;
    usual.then(|| Checkpoint::load_state(&last).ok()).flatten()
}

/// What decides where nobody has said it.
fn main_metric(values: &BTreeMap<String, f64>) -> String {
    let known = ["accuracy", "pearson", "exact_match"];
    let main = known.into_iter().find(|name| values.contains_key(*name));
    let other = || values.keys().find(|name| *name != "loss").cloned();
    main.map(str::to_owned).or_else(other).unwrap_or_default()
}

/// A text from a record, as it can be shown.
pub(crate) fn plain(text: &str) -> String {
    let shown = text.chars().filter(|c| !c.is_control());
    shown.take(TEXT).collect()
}
