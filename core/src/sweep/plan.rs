//! A sweep's file, read: every run with its configuration.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::grid::{self, Column, Grid, Point, Role, Value};
use super::name;
use crate::Result;
use crate::config::complaint::ensure;
use crate::config::{self, Complaint, RunConfig, SplitRule, Tree};

/// The tables that are the sweep's own.
const OWN: [&str; 3] = ["grid", "select", "jobs"];
/// What runs are repeated over, where the file does not say.
const SEED: &str = "train.seed";
const THREADS: &str = "train.threads";

/// A sweep: its runs, and what is made of them.
#[derive(Debug, Clone)]
pub struct Sweep {
    /// The file.
    pub path: PathBuf,
    /// Its name.
    pub name: String,
    /// Its folder: the configuration's `output.directory` and the name.
    pub folder: PathBuf,
    /// What varies.
    pub columns: Vec<Column>,
    /// The runs, in the order of the grid.
    pub runs: Vec<Planned>,
    /// How values are chosen and compared.
    pub select: Select,
    /// How runs are started.
    pub jobs: Jobs,
    /// Fields overridden in every run, as `KEY=VALUE`.
    pub overrides: Vec<String>,
}

/// A run of a sweep.
#[derive(Debug, Clone, PartialEq)]
pub struct Planned {
    /// Its name.
    pub name: String,
    /// Its configuration, in the sweep's own folder of runs.
    pub config: RunConfig,
    /// Its value in each of the sweep's columns; `None` where it has none of its own.
    pub values: Vec<Option<Value>>,
}

/// The table `[select]`: how values are chosen and compared.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Select {
    /// Fields whose values are chosen on the validation split, one for each row of the table.
    pub tune: Vec<String>,
    /// Fields that repetitions differ in; `train.seed` when left out.
    pub replicates: Option<Vec<String>>,
    /// The column whose values are compared; the first one with words in it when left out.
    pub compare: Option<String>,
    /// The value that the others are compared with; the first one when left out.
    pub baseline: Option<String>,
}

/// The table `[jobs]`: how runs are started.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Jobs {
    /// Runs at a time; as many as cores and memory allow when left out.
    pub parallel: Option<usize>,
    /// Memory that a run takes at most, in MiB, where it is known beforehand.
    pub memory_mib: Option<u64>,
    /// Numbers of the GPUs to use, one run each.
    pub gpus: Vec<u32>,
    /// Options of `sbatch`, such as `--time=01:00:00`.
    pub slurm: Vec<String>,
}

impl Sweep {
    /// Reads a sweep's file.
    ///
    /// Paths in it are those of a configuration: task files and a model's folder are found
    /// beside the file, `output.directory` in the working directory.
    ///
    /// # Errors
    /// [`crate::Error::Config`] with line and field, when the file cannot be read, one of its
    /// tables or one of its runs is refused, or its task has no test split.
    pub fn load(path: &Path) -> Result<Self> {
        Self::load_with(path, &[])
    }

    /// [`Self::load`] with fields overridden in every run, such as `model.path=…`.
    ///
    /// # Errors
    /// As [`Self::load`], and for a field that the sweep varies itself.
    pub fn load_with(path: &Path, overrides: &[String]) -> Result<Self> {
        Self::parse(path, &config::read_text(path)?, overrides)
    }

    /// Reads a sweep from the text of the file at `path`.
    ///
    /// # Errors
    /// As [`Self::load_with`].
    pub fn parse(path: &Path, text: &str, overrides: &[String]) -> Result<Self> {
        let tree = Tree::parse(path, text, overrides)?;
        let refuse = |complaint| tree.refuse(complaint);
        let select: Select = table(&tree, "select").map_err(refuse)?;
        let jobs: Jobs = table(&tree, "jobs").map_err(refuse)?;
        jobs.check().map_err(refuse)?;
        let Some(grid) = tree.root().entry("grid") else {
            let message =
                "is missing; a sweep lists values of fields there, as in train.seed = [1, 2, 3]";
            return Err(refuse(Complaint::new("grid", message)));
        };
        let grid = Grid::read(&grid.value).map_err(refuse)?;
        select.check_fields(&grid.fields()).map_err(refuse)?;
        check_overrides(overrides, &grid.fields()).map_err(refuse)?;
        let columns = grid.columns(|field| select.role(field)).map_err(refuse)?;
        let (base, mut runs) = (tree.without(&OWN), Vec::new());
        for points in grid.runs() {
            runs.push(planned((&base, path), (&grid, &columns), (&points, &jobs))?);
        }
        let (sweep, directory) = (&runs[0].config.name, &runs[0].config.output.directory);
        let mut sweep = Self {
            path: path.to_path_buf(),
            name: sweep.clone(),
            folder: directory.join(sweep),
            columns,
            runs,
            select,
            jobs,
            overrides: overrides.to_vec(),
        };
        sweep.check_runs().map_err(refuse)?;
        sweep.check_compared().map_err(refuse)?;
        let directory = sweep.folder.join("runs");
        for run in &mut sweep.runs {
            run.config.name.clone_from(&run.name);
            run.config.output.directory.clone_from(&directory);
        }
        Ok(sweep)
    }

    /// The run of a name.
    #[must_use]
    pub fn run(&self, name: &str) -> Option<&Planned> {
        self.runs.iter().find(|run| run.name == name)
    }

    /// Places of the columns with a role.
    pub(super) fn columns_of(&self, role: Role) -> impl Iterator<Item = usize> + '_ {
        let columns = self.columns.iter().enumerate();
        columns
            .filter(move |(_, column)| column.role == role)
            .map(|(at, _)| at)
    }

    /// Place of the column whose values are compared: the one named, or the first with words
    /// in it, or the first.
    pub(super) fn compared(&self) -> Option<usize> {
        if let Some(name) = &self.select.compare {
            return self
                .columns_of(Role::Reported)
                .find(|&at| *name == self.columns[at].name);
        }
        let is_word = |run: &Planned, at: usize| {
            let value = run.values[at].as_ref();
            value.is_some_and(|value| value.number.is_none())
        };
        let has_words = |at: &usize| self.runs.iter().any(|run| is_word(run, *at));
        let mut reported = self.columns_of(Role::Reported);
        reported
            .find(has_words)
            .or_else(|| self.columns_of(Role::Reported).next())
    }

    fn check_compared(&self) -> config::Outcome {
        let compared = self.compared();
        if let (Some(name), None) = (&self.select.compare, compared) {
            let reported = self.columns_of(Role::Reported);
            let names: Vec<&str> = reported.map(|at| self.columns[at].name.as_str()).collect();
            return Err(Complaint::not_one_of("select.compare", name, &names));
        }
        let Some(baseline) = &self.select.baseline else {
            return Ok(());
        };
        let mut texts: Vec<&str> = Vec::new();
        for value in self
            .runs
            .iter()
            .filter_map(|run| run.values[compared?].as_ref())
        {
            if !texts.contains(&value.text.as_str()) {
                texts.push(&value.text);
            }
        }
        if texts.contains(&baseline.as_str()) {
            return Ok(());
        }
        Err(Complaint::not_one_of("select.baseline", baseline, &texts))
    }

    fn check_runs(&self) -> config::Outcome {
        for (at, run) in self.runs.iter().enumerate() {
            if let Some(other) = self.runs[..at].iter().find(|other| other.name == run.name) {
                let same = other.values == run.values;
                let message = if same {
                    format!("lists `{}` twice; remove one", run.name)
                } else {
                    format!(
                        "has two runs that would be called `{}`; give them a `label` each",
                        run.name
                    )
                };
                return Err(Complaint::new("grid", message));
            }
        }
        Ok(())
    }
}

/// A table of the sweep's own; its default where it is not there.
fn table<T: Default + for<'de> Deserialize<'de>>(tree: &Tree, key: &str) -> config::Outcome<T> {
    match tree.root().entry(key) {
        Some(entry) => config::read(&entry.value).map_err(|complaint| complaint.within(key)),
        None => Ok(T::default()),
    }
}

fn planned(
    (base, path): (&Tree, &Path),
    (grid, columns): (&Grid, &[Column]),
    (points, jobs): (&[&Point], &Jobs),
) -> Result<Planned> {
    let mut tree = base.clone();
    for field in points.iter().flat_map(|point| &point.fields) {
        tree.put(&field.path, &field.entry)?;
    }
    let mut config = RunConfig::of_tree(&tree, path)?;
    let checked = check_splits(&config).and_then(|()| jobs.check_device(&config.model.device));
    checked.map_err(|complaint| tree.refuse(complaint))?;
    let threads: Vec<String> = THREADS.split('.').map(str::to_owned).collect();
    if tree.root().at(&threads).is_none() {
        // Runs beside each other take a thread each; what they compute is the same.
        config.train.threads = 1;
    }
    let values = columns
        .iter()
        .map(|column| grid::value_of(grid, points, column));
    let values: Vec<Option<Value>> = values.collect();
    Ok(Planned {
        name: name::of(columns, &values),
        config,
        values,
    })
}

/// Checks that nothing is overridden that the grid varies, or that is the sweep's own.
fn check_overrides(overrides: &[String], varied: &[String]) -> config::Outcome {
    for set in overrides {
        let field = set.split('=').next().unwrap_or_default().trim();
        let inside = |varied: &String| {
            varied == field
                || varied.starts_with(&format!("{field}."))
                || field.starts_with(&format!("{varied}."))
        };
        if let Some(varied) = varied.iter().find(|varied| inside(varied)) {
            let message = format!("the grid varies `{varied}`; leave `--set {set}` out");
            return Err(Complaint::new("grid", message));
        }
        let table = field.split('.').next().unwrap_or_default();
        if OWN.contains(&table) {
            let message =
                format!("is the sweep's own; change it in the file, not by `--set {set}`");
            return Err(Complaint::new(table, message));
        }
    }
    Ok(())
}

/// Checks that what values are chosen on is not what is told of them.
fn check_splits(config: &RunConfig) -> config::Outcome {
    let task = &config.task;
    if task.name.is_some() {
        // A known task has splits of its own.
        let message = "is official, which has no test split to tell values of: use \"paper\"";
        let official = task.split == Some(SplitRule::Official);
        return ensure(!official, "task.split", message);
    }
    let field = "task.test";
    let Some(test) = &task.test else {
        let message = "is missing; a sweep chooses on the validation split and tells the values of a test split";
        return Err(Complaint::new(field, message));
    };
    for (split, other) in [("train", &task.train), ("validation", &task.validation)] {
        if other.as_ref().is_some_and(|other| same_file(other, test)) {
            let message = format!(
                "is the same file as task.{split}; values told have to come from other rows"
            );
            return Err(Complaint::new(field, message));
        }
    }
    Ok(())
}

fn same_file(one: &Path, other: &Path) -> bool {
    let canonical = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_path_buf());
    canonical(one) == canonical(other)
}

impl Select {
    fn role(&self, field: &str) -> Role {
        let replicates = self.replicates.as_deref();
        let has = |fields: &[String]| fields.iter().any(|name| name == field);
        if has(&self.tune) {
            Role::Tuned
        } else if replicates.map_or(field == SEED, has) {
            Role::Replicate
        } else {
            Role::Reported
        }
    }

    fn check_fields(&self, fields: &[String]) -> config::Outcome {
        let known: Vec<&str> = fields.iter().map(String::as_str).collect();
        let replicates = self.replicates.as_deref().unwrap_or_default();
        for (list, names) in [("tune", &*self.tune), ("replicates", replicates)] {
            for (at, name) in names.iter().enumerate() {
                let path = format!("select.{list}.{at}");
                if !fields.contains(name) {
                    return Err(Complaint::not_one_of(&path, name, &known));
                }
                if list == "replicates" && self.tune.contains(name) {
                    let message = format!("`{name}` is in select.tune too; remove one");
                    return Err(Complaint::new(&path, message));
                }
            }
        }
        Ok(())
    }
}

impl Jobs {
    /// Checks that a run goes where its GPU is shown to it.
    fn check_device(&self, device: &str) -> config::Outcome {
        if self.gpus.is_empty() || matches!(device, "auto" | "cuda:0") {
            return Ok(());
        }
        let message = format!(
            "is {device}, and jobs.gpus gives each run one GPU, which it sees as cuda:0: set it to that"
        );
        Err(Complaint::new("model.device", message))
    }

    fn check(&self) -> config::Outcome {
        let refuse = |field: &str, message: &str| Err(Complaint::new(field, message));
        if self.parallel == Some(0) {
            return refuse("jobs.parallel", "must be at least 1, or left out");
        }
        if self.memory_mib == Some(0) {
            return refuse("jobs.memory_mib", "must be at least 1, or left out");
        }
        for (at, gpu) in self.gpus.iter().enumerate() {
            if self.gpus[..at].contains(gpu) {
                return refuse(
                    &format!("jobs.gpus.{at}"),
                    "is listed twice; a GPU takes one run",
                );
            }
        }
        if let Some(parallel) = self.parallel
            && !self.gpus.is_empty()
            && parallel > self.gpus.len()
        {
            return refuse(
                "jobs.parallel",
                "is more than there are in jobs.gpus; a GPU takes one run",
            );
        }
        for (at, option) in self.slurm.iter().enumerate() {
            if !option.starts_with('-') || option.contains('\n') {
                let message = "must be an option of sbatch, such as --time=01:00:00";
                return refuse(&format!("jobs.slurm.{at}"), message);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
