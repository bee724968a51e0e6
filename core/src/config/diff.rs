//! What an edit of the configuration changes, and when each change comes into force.

use std::path::Path;

use toml::{Table, Value};

use super::RunConfig;
use crate::Result;
use crate::event::Change;

/// When a changed field comes into force.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Effect {
    /// At the next optimizer step.
    Live,
    /// When the next pass over the training data begins.
    NextEpoch,
    /// Not in this process: the run has to be started again.
    Restart,
}

/// Fields that apply at the next step.
const LIVE: &[&str] = &[
    "train.learning_rate",
    "train.schedule",
    "train.warmup",
    "train.weight_decay",
    "train.update_scale",
    "train.clip_norm",
    "train.epochs",
    "train.max_steps",
    "train.dropout",
    "train.accumulation",
    "train.checkpoint_every",
    "train.max_skipped",
    "eval.every",
    "eval.patience",
    "eval.batch_size",
    "eval.metric",
    "output.log_every",
    "output.on_finish",
    "watch.factors_every",
];

/// Fields that shape the batches of a pass over the training data.
const NEXT_EPOCH: &[&str] = &["train.batch_size", "train.length_buckets"];

impl Effect {
    /// When a change of the field at a dotted path comes into force.
    ///
    /// What is not known to be safe while a run goes on needs a restart.
    #[must_use]
    pub fn of(field: &str) -> Self {
        if LIVE.contains(&field) {
            Self::Live
        } else if NEXT_EPOCH.contains(&field) {
            Self::NextEpoch
        } else {
            Self::Restart
        }
    }
}

impl RunConfig {
    /// The fields that differ in `new`, by path, with what each needs to come into force.
    ///
    /// A field that is left to its default has an empty text for its value.
    #[must_use]
    pub fn diff(&self, new: &Self) -> Vec<(Change, Effect)> {
        let mut fields = Vec::new();
        gather(self.table(), new.table(), "", &mut fields);
        fields
            .into_iter()
            .map(|change| {
                let effect = Effect::of(&change.field);
                (change, effect)
            })
            .collect()
    }

    /// What `new` changes that no run can change as it goes on, in words:
    /// `method.n was 4 and is 8`.
    #[must_use]
    pub fn fixed_changes(&self, new: &Self) -> Vec<String> {
        let fixed = self.diff(new).into_iter();
        fixed
            .filter(|(_, effect)| *effect == Effect::Restart)
            .map(|(change, _)| change.to_string())
            .collect()
    }
}

impl RunConfig {
    /// This configuration with the fields that differ between two others set as in `to`.
    ///
    /// # Errors
    /// When the result is refused, as by [`RunConfig::validate`].
    pub fn carry(&self, from: &Self, to: &Self) -> Result<Self> {
        let (wanted, mut table) = (to.table(), self.table());
        for (change, _) in from.diff(to) {
            let path: Vec<&str> = change.field.split('.').collect();
            put(&mut table, &path, get(&wanted, &path));
        }
        Self::parse(Path::new("config.toml"), &table.to_string(), &[])
    }
}

pub(super) fn get<'a>(table: &'a Table, path: &[&str]) -> Option<&'a Value> {
    match path {
        [] => None,
        [key] => table.get(*key),
        [key, rest @ ..] => get(table.get(*key)?.as_table()?, rest),
    }
}

pub(super) fn put(table: &mut Table, path: &[&str], value: Option<&Value>) {
    let Some((key, rest)) = path.split_first() else {
        return;
    };
    if let ([], None) = (rest, value) {
        table.remove(*key);
    } else if let ([], Some(value)) = (rest, value) {
        table.insert((*key).to_owned(), value.clone());
    } else {
        let inner = table
            .entry((*key).to_owned())
            .or_insert_with(|| Value::Table(Table::new()));
        if let Value::Table(inner) = inner {
            put(inner, rest, value);
        }
    }
}

/// Gathers the leaves that differ between two tables.
fn gather(mut old: Table, mut new: Table, path: &str, changes: &mut Vec<Change>) {
    let mut keys: Vec<String> = old.keys().chain(new.keys()).cloned().collect();
    keys.sort_unstable();
    keys.dedup();
    for key in keys {
        let field = match path {
            "" => key.clone(),
            path => format!("{path}.{key}"),
        };
        match (old.remove(&key), new.remove(&key)) {
            (Some(Value::Table(old)), Some(Value::Table(new))) => {
                gather(old, new, &field, changes);
            }
            (old, new) if old != new => changes.push(Change {
                field,
                old: old.map(|value| value.to_string()).unwrap_or_default(),
                new: new.map(|value| value.to_string()).unwrap_or_default(),
            }),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use std::collections::BTreeSet;
    use std::path::Path;

    use super::*;
    use crate::config::schema;

    const TEXT: &str = "name = 'a'\n[model]\npath = '/m'\n[task]\nname = 't'\n";

    fn with(sets: &[&str]) -> RunConfig {
        let sets: Vec<String> = sets.iter().map(|&set| set.to_owned()).collect();
        RunConfig::parse(Path::new("run.toml"), TEXT, &sets).unwrap()
    }

    #[test]
    fn the_same_configuration_has_no_changes() {
        let config = with(&["train.epochs=3", "method.n=2"]);
        assert_eq!(config.diff(&config.clone()), []);
    }

    #[test]
    fn a_change_tells_both_values_as_toml_and_when_it_applies() {
        let old = with(&["train.learning_rate=1e-3", "method.kind=lora"]);
        let new = with(&[
            "train.warmup=7",
            "train.batch_size=8",
            "method.kind=lora",
            "method.targets=[\"q\"]",
            "output.log_every=1",
        ]);
        let change = |field: &str, old: &str, new: &str| Change {
            field: field.to_owned(),
            old: old.to_owned(),
            new: new.to_owned(),
        };
        let expected = [
            (change("method.targets", "", "[\"q\"]"), Effect::Restart),
            (change("output.log_every", "10", "1"), Effect::Live),
            (change("train.batch_size", "32", "8"), Effect::NextEpoch),
            (change("train.learning_rate", "0.001", ""), Effect::Live),
            (change("train.warmup", "\"10%\"", "7"), Effect::Live),
        ];
        assert_eq!(old.diff(&new), expected);
    }

    #[test]
    fn what_shapes_the_run_needs_a_restart_and_the_rest_does_not() {
        let restart: Vec<String> = schema::keys()
            .into_iter()
            .filter(|key| Effect::of(key) == Effect::Restart)
            .filter(|key| !key.starts_with("model.") && !key.starts_with("method."))
            .collect();
        let expected = [
            "name",
            "output.directory",
            "output.tensorboard",
            "task.data_seed",
            "task.kind",
            "task.label",
            "task.labels",
            "task.max_length",
            "task.max_target_length",
            "task.max_train_samples",
            "task.name",
            "task.prefix",
            "task.quirks",
            "task.source",
            "task.split",
            "task.template",
            "task.test",
            "task.text",
            "task.train",
            "task.validation",
            "task.validation_fraction",
            "train.gradient_checkpointing",
            "train.mixed_precision",
            "train.seed",
            "train.step",
            "train.threads",
        ];
        let restart: BTreeSet<&str> = restart.iter().map(String::as_str).collect();
        assert_eq!(restart, BTreeSet::from(expected));
    }

    #[test]
    fn every_field_named_as_live_exists_and_belongs_to_no_model_or_method() {
        let known = schema::keys();
        for field in LIVE.iter().chain(NEXT_EPOCH) {
            assert!(known.iter().any(|key| key == field), "{field}");
            assert!(!field.starts_with("model.") && !field.starts_with("method."));
        }
    }
}
