//! The tasks of GLUE (arXiv:1804.07461) and SuperGLUE (arXiv:1905.00537) as the Compacter
//! paper's reference code poses them (arXiv:2106.04647; `seq2seq/data/tasks.py`): what stands
//! in which column, the text that T5 reads, the texts that an encoder reads, what is measured
//! and which rows are for what.
//!
//! T5 writes the number of a class, as there; `labels` are the names that the number stands
//! for in the data sets' own order, for people to read. Three things differ from that code:
//! answers are chosen among the labels by likelihood instead of generated freely, STS-B's
//! correlations are taken with the answers as they are instead of rounded, and its defects
//! are off unless [`Quirk`] asks for them.

mod entries;
mod files;
mod rows;
mod split;

use std::path::{Path, PathBuf};

use self::files::Part;
use super::plan::{MAX_LENGTH, Plan, Source, Words};
use super::{AnswerColumn, InputForm, Loader, Task, TaskData};
use crate::Result;
use crate::config::{Quirk, SplitRule, TaskConfig, TaskKind};
use crate::data::split::Validation;
use crate::data::template::Template;
use crate::data::{Table, config as refuse, nearest};
use crate::hub::{Hub, HubId, Kind};

/// The paper's seed of splits and subsets.
const SEED: u64 = 42;

/// A task of GLUE or SuperGLUE.
#[derive(Debug, PartialEq)]
pub(super) struct Benchmark {
    /// `glue/…` or `super_glue/…`, the rest as on the hub.
    name: &'static str,
    /// Name in the official download, which is a folder's.
    folder: &'static str,
    kind: TaskKind,
    /// Names of the classes by number; empty where there are none.
    labels: &'static [&'static str],
    columns: &'static [Column],
    layout: Layout,
    /// What T5 reads; the reference joins parts with single spaces.
    template: &'static str,
    /// What an encoder reads: a text, or a pair of texts; `None` where it makes no sense.
    encoder: Option<&'static [&'static str]>,
    metrics: &'static [&'static str],
    split: Split,
    quirk: Option<(Quirk, Effect)>,
    /// Input tokens where the configuration says nothing.
    max_length: usize,
}

/// A column and what else it is called in some layout.
#[derive(Debug, PartialEq)]
struct Column(&'static str, &'static [&'static str]);

/// What is peculiar about the files or the rows of a task.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Layout {
    /// A row is an example.
    Plain,
    /// As `Plain`; the official TSV files have no header line but these columns.
    Headless(&'static [&'static str]),
    /// As `Plain`; some rows of the official TSV files end too early.
    ShortRows,
    /// Answers of questions of paragraphs, nested in the official files.
    MultiRc,
    /// Queries with several right answers, nested in the official files.
    Record,
    /// Two marked spans of a text.
    Wsc,
}

/// The paper's rule for validation and test rows, as its code has it.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Split {
    /// Fewer than 10,000 training rows: the validation rows, shuffled, are halved.
    Halved,
    /// More: 1,000 shuffled training rows are for validation, the validation rows for test.
    Carved,
    /// MNLI: mismatched rows are for validation, matched ones for test.
    Mnli,
}

/// What a quirk does.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Effect {
    /// Another template.
    Template(&'static str),
    /// Answers are rounded to tenths.
    Tenths,
    /// Rows are halved one by one.
    SingleRows,
    /// Examples to measure are repeated for each right answer.
    Repeated,
}

/// Whether a task's name is one of GLUE or SuperGLUE.
pub(super) fn is_one(name: &str) -> bool {
    name.starts_with("glue/") || name.starts_with("super_glue/")
}

/// The names of all tasks.
pub(super) fn names() -> Vec<String> {
    let names = entries::ALL.iter().map(|entry| entry.name.to_owned());
    names.collect()
}

/// The columns that a task's rows have beside the answer.
pub(super) fn columns(name: &str) -> Option<Vec<String>> {
    let entry = entries::ALL.iter().find(|entry| entry.name == name)?;
    let columns = entry.columns.iter().map(|column| column.0.to_owned());
    Some(columns.filter(|column| column != rows::LABEL).collect())
}

fn find(name: &str) -> Result<&'static Benchmark> {
    let found = entries::ALL.iter().find(|entry| entry.name == name);
    found.ok_or_else(|| {
        let known = names();
        let near = nearest(name, &known);
        let message = format!(
            "no task is named `{name}`{near}; known are {}",
            known.join(", ")
        );
        refuse("task.name", message)
    })
}

impl Benchmark {
    /// The task's name on the hub, without that of its collection.
    fn hub_config(&self) -> &'static str {
        self.name
            .split_once('/')
            .map_or(self.name, |(_, config)| config)
    }

    /// The data set that the hub has of it.
    fn hub_repository(&self) -> &'static str {
        match self.name.split_once('/') {
            Some(("glue", _)) => "nyu-mll/glue",
            _ => "aps/super_glue",
        }
    }

    /// The task's name in the reference code.
    fn prefix(&self) -> String {
        let config = self.hub_config();
        match self.name.split_once('/') {
            Some(("glue", _)) => config.to_owned(),
            _ => format!("superglue-{config}"),
        }
    }

    /// The quirks asked for; refuses those of other tasks.
    fn effect(&self, config: &TaskConfig) -> Result<Option<Effect>> {
        let mut effect = None;
        for quirk in &config.quirks {
            effect = match self.quirk {
                Some((own, does)) if own == *quirk => Some(does),
                _ => {
                    let (name, own) = (self.name, self.quirk.map(|(own, _)| own.name()));
                    let own = own.map_or_else(|| "none".to_owned(), |own| format!("`{own}`"));
                    let message = format!("`{name}` has no `{}`; it has {own}", quirk.name());
                    return Err(refuse("task.quirks", message));
                }
            };
        }
        Ok(effect)
    }

    fn source(
        &self,
        config: &TaskConfig,
        effect: Option<Effect>,
        form: InputForm,
    ) -> Result<Source> {
        if form == InputForm::EncoderDecoder {
            let template = match effect {
                Some(Effect::Template(template)) => template,
                _ => self.template,
            };
            let prefix = match config.prefix {
                Some(true) => self.prefix() + " ",
                _ => String::new(),
            };
            return Ok(Source::Template(Template::parse(&(prefix + template))?));
        }
        for (field, given) in [
            ("task.prefix", config.prefix == Some(true)),
            (
                "task.quirks",
                matches!(effect, Some(Effect::Template(_) | Effect::Tenths)),
            ),
        ] {
            if given {
                let message = "is about what T5 reads or writes, and this model is an encoder";
                return Err(refuse(field, message));
            }
        }
        let name = self.name;
        match self.encoder {
            Some([one]) => Ok(Source::Template(Template::parse(one)?)),
            Some([one, two]) => Ok(Source::Pair(Template::parse(one)?, Template::parse(two)?)),
            _ => {
                let message = format!(
                    "`{name}` needs an encoder-decoder such as T5: an encoder's \
                                       head has no class for what is to be chosen"
                );
                Err(refuse("task.name", message))
            }
        }
    }

    fn plan(
        &self,
        config: &TaskConfig,
        effect: Option<Effect>,
        form: InputForm,
    ) -> Result<Plan<'static>> {
        if self.kind != TaskKind::TextToText && config.max_target_length.is_some() {
            let message = "applies to text-to-text tasks only: leave it out";
            return Err(refuse("task.max_target_length", message));
        }
        Ok(Plan {
            kind: self.kind,
            train: Path::new(self.name),
            held_out: Validation::OwnFile,
            label: rows::LABEL,
            source: self.source(config, effect, form)?,
            words: Words::Numbers,
            max_length: config.max_length.unwrap_or(self.max_length),
            max_target_length: config.max_target_length.unwrap_or(MAX_LENGTH),
        })
    }

    fn labels(&self) -> Vec<String> {
        self.labels.iter().map(|&label| label.to_owned()).collect()
    }

    /// What the paper's code or T5's own rounds STS-B's answers to, as steps a unit.
    fn steps(effect: Option<Effect>) -> f64 {
        if effect == Some(Effect::Tenths) {
            10.0
        } else {
            5.0
        }
    }
}

impl TaskData {
    /// Reads a task of GLUE or SuperGLUE from a folder or the hub.
    pub(super) fn of_benchmark(
        name: &str,
        config: &TaskConfig,
        loader: &Loader<'_>,
    ) -> Result<Self> {
        let entry = find(name)?;
        let effect = entry.effect(config)?;
        let plan = entry.plan(config, effect, loader.form)?;
        let rule = config.split.unwrap_or(SplitRule::Paper);
        if rule == SplitRule::Official {
            if effect == Some(Effect::SingleRows) {
                let message = "parts questions while rows are halved, which the official split \
                               does not do: leave it out";
                return Err(refuse("task.quirks", message));
            }
            if config.data_seed.is_some() && config.max_train_samples.is_none() {
                let message = "decides nothing where all rows are used: leave it out, or set \
                               task.max_train_samples";
                return Err(refuse("task.data_seed", message));
            }
        }
        let parts = match (entry.split, rule) {
            (Split::Mnli, SplitRule::Paper) => vec![Part::Train, Part::Mismatched, Part::Matched],
            (Split::Mnli, SplitRule::Official) => vec![Part::Train, Part::Matched],
            _ => vec![Part::Train, Part::Validation],
        };
        let found = found(entry, config, &parts, &Hub::from_env(), loader.cancelled)?;
        let tables = found.iter().map(|paths| rows::read(entry, paths));
        let mut tables: Vec<Table> = tables.collect::<Result<_>>()?;
        let held_out = tables.split_off(1);
        let train = tables.remove(0);

        let rows = split::Rows {
            train: &train,
            held_out: &held_out,
            seed: config.data_seed.unwrap_or(SEED),
            limit: config.max_train_samples,
        };
        let chosen = rows.choose(entry, rule, effect)?;
        let mut task = Task::new(plan, &entry.labels(), &train, loader)?;
        task.benchmark = Some(entry);
        task.decimal_steps = (entry.kind == TaskKind::Regression).then(|| Benchmark::steps(effect));
        let make = |(table, rows): (usize, Vec<usize>)| {
            let table = if table == 0 {
                &train
            } else {
                &held_out[table - 1]
            };
            task.examples(table, &rows, AnswerColumn::Needed, loader)
        };
        let measured = |examples| match effect {
            Some(Effect::Repeated) => task.repeated(examples, loader),
            _ => Ok(examples),
        };
        Ok(Self {
            train: task.repeated(make((0, chosen.train))?, loader)?,
            validation: measured(make(chosen.validation)?)?,
            test: chosen.test.map(|test| measured(make(test)?)).transpose()?,
            task,
        })
    }
}

/// The files of each part, on this machine: in the folder named, or from the hub.
fn found(
    entry: &Benchmark,
    config: &TaskConfig,
    parts: &[Part],
    hub: &Hub,
    cancelled: &(dyn Fn() -> bool + Sync),
) -> Result<Vec<Vec<PathBuf>>> {
    let source = config.source.as_deref().unwrap_or(entry.hub_repository());
    let given = Path::new(source);
    let folder = if given.is_dir() {
        given.to_path_buf()
    } else if given.exists() {
        let message = format!("{source} is a file; give the folder that holds it");
        return Err(refuse("task.source", message));
    } else {
        let id = HubId::parse(Kind::DataSet, source)?;
        let choose = |names: &[String]| {
            let found = files::find(entry, Path::new(source), names, parts)?;
            Ok(found.concat())
        };
        hub.data_set(&id, &choose, cancelled)?
    };
    let names = files::listing(entry, &folder, parts)?;
    let found = files::find(entry, &folder, &names, parts)?.into_iter();
    let whole = |files: Vec<String>| files.iter().map(|file| folder.join(file)).collect();
    Ok(found.map(whole).collect())
}

/// A user's table as the task's own; columns that it lacks are complained about later.
pub(super) fn table(entry: &Benchmark, table: &Table) -> Result<Table> {
    rows::prepared(entry, table)
}

/// The names of a task's metrics, the main one first.
pub(super) fn metrics(entry: &Benchmark) -> &'static [&'static str] {
    entry.metrics
}

/// The column that says which rows count as one.
pub(super) fn group(entry: &Benchmark) -> Option<&'static str> {
    (entry.layout == Layout::MultiRc).then_some(rows::GROUP)
}

/// Whether a row may have several right answers, as a list in JSON.
pub(super) fn has_several(entry: &Benchmark) -> bool {
    entry.layout == Layout::Record
}

/// The right answers that a cell holds, at least one.
pub(super) fn answers(cell: &str) -> Result<Vec<String>, String> {
    rows::answers(cell)
}

#[cfg(test)]
mod tests;
