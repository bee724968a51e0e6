//! Tasks: what is asked, how rows become inputs and answers, and what is measured.
//!
//! A task is the same for every backbone. An encoder answers a classification by choosing a
//! label and a regression by a number; an encoder-decoder writes the label, or the number
//! with one decimal (the reference's form for STS-B), as text.

mod answer;
mod benchmark;
mod lesson;
mod plan;

use std::collections::HashMap;
use std::path::Path;

use self::answer::Answers;
use self::benchmark::Benchmark;
use self::plan::{Plan, Source, Words};
use rayon::prelude::*;

use super::split::choose;
use super::tokenize::map_all;
use super::{Example, Gold, Input, Table, Tokenizer};
use crate::config::{TaskConfig, TaskKind};
use crate::{Error, Result};

/// How a backbone takes its inputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InputForm {
    /// A text or a pair of texts; the answer is not part of what the backbone reads.
    Encoder,
    /// One text, and the answer as text.
    EncoderDecoder,
}

/// What turns rows into examples.
#[derive(Clone, Copy)]
pub struct Loader<'a> {
    /// The model's tokenizer.
    pub tokenizer: &'a Tokenizer,
    /// How the model takes its inputs.
    pub form: InputForm,
    /// Says whether to stop; asked before each example.
    pub cancelled: &'a (dyn Fn() -> bool + Sync),
}

/// A task.
#[derive(Debug, Clone, PartialEq)]
pub struct Task {
    kind: TaskKind,
    labels: Vec<String>,
    verbalizers: Vec<Vec<u32>>,
    source: Source,
    label: String,
    max_length: usize,
    max_target_length: usize,
    /// Where written numbers are rounded, how many steps make one.
    decimal_steps: Option<f64>,
    /// What it is of GLUE or SuperGLUE.
    benchmark: Option<&'static Benchmark>,
}

/// A task with the examples of its splits.
#[derive(Debug, Clone, PartialEq)]
pub struct TaskData {
    /// The task.
    pub task: Task,
    /// What is trained on.
    pub train: Vec<Example>,
    /// What decides which checkpoint is best.
    pub validation: Vec<Example>,
    /// What is looked at last.
    pub test: Option<Vec<Example>>,
}

/// Whether rows must have an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AnswerColumn {
    /// A file without the column is refused.
    Needed,
    /// In a file without the column, the answers are [`Gold::Unknown`].
    Optional,
}

impl TaskData {
    /// Reads a task's files, or one that the program knows; `seed` chooses rows where the
    /// configuration has no `data_seed` for that.
    ///
    /// # Errors
    ///
    /// [`crate::Error::Config`] for settings that are missing, unknown or at odds;
    /// [`crate::Error::Data`] and [`crate::Error::Io`] for what is wrong with a file;
    /// [`crate::Error::Cancelled`].
    pub fn load(config: &TaskConfig, seed: u64, loader: &Loader<'_>) -> Result<Self> {
        if let Some(name) = config
            .name
            .as_deref()
            .filter(|name| benchmark::is_one(name))
        {
            return Self::of_benchmark(name, config, loader);
        }
        if let Some(name) = &config.name {
            return Self::of_lesson(lesson::find(name)?, config, seed, loader);
        }
        let plan = Plan::new(config, loader.form)?;
        let read = |path: Option<&Path>| path.map(Table::read).transpose();
        let train = Table::read(plan.train)?;
        let validation = read(config.validation.as_deref())?;
        let test = read(config.test.as_deref())?;
        let split = choose(train.rows(), seed, plan.held_out, config.max_train_samples)?;

        let task = Task::new(plan, &config.labels, &train, loader)?;
        let needed = AnswerColumn::Needed;
        let all = |table: &Table| task.examples(table, &all_rows(table), needed, loader);
        let validation = match &validation {
            Some(table) => all(table)?,
            None => task.examples(&train, &split.validation, needed, loader)?,
        };
        let train = task.examples(&train, &split.train, needed, loader)?;
        task.check_values(&train, loader.form)?;
        Ok(Self {
            validation,
            train,
            test: test.as_ref().map(all).transpose()?,
            task,
        })
    }
}

impl Task {
    fn new(plan: Plan<'_>, names: &[String], train: &Table, loader: &Loader<'_>) -> Result<Self> {
        let column = train.column(plan.label, "task.label")?;
        let labels = match plan.kind {
            TaskKind::Classification if names.is_empty() => answer::distinct(train, column)?,
            _ => names.to_vec(),
        };
        let verbalizers = match (loader.form, plan.words) {
            (InputForm::Encoder, _) => Vec::new(),
            (InputForm::EncoderDecoder, Words::Names) => {
                answer::verbalizers(&labels, loader.tokenizer)?
            }
            (InputForm::EncoderDecoder, Words::Numbers) => {
                let numbers: Vec<String> = (0..labels.len()).map(|n| n.to_string()).collect();
                answer::verbalizers(&numbers, loader.tokenizer)?
            }
        };
        Ok(Self {
            kind: plan.kind,
            labels,
            verbalizers,
            source: plan.source,
            label: plan.label.to_owned(),
            max_length: plan.max_length,
            max_target_length: plan.max_target_length,
            decimal_steps: None,
            benchmark: None,
        })
    }

    /// Refuses values to regress on that differ, and are the same once they are written.
    fn check_values(&self, examples: &[Example], form: InputForm) -> Result<()> {
        if self.kind != TaskKind::Regression || form != InputForm::EncoderDecoder {
            return Ok(());
        }
        let pairs = || examples.windows(2);
        let differ = pairs().any(|pair| pair[0].gold != pair[1].gold);
        if differ && pairs().all(|pair| pair[0].target == pair[1].target) {
            let message = "an encoder-decoder writes values with one decimal, which makes all of \
                           these the same: scale the column";
            return Err(Error::setting("task.label", message));
        }
        Ok(())
    }

    /// A text-to-text task whose examples are made by the caller.
    #[must_use]
    pub fn text_to_text(max_length: usize, max_target_length: usize) -> Self {
        Self {
            kind: TaskKind::TextToText,
            labels: Vec::new(),
            verbalizers: Vec::new(),
            source: Source::Columns("source".to_owned(), None),
            label: "target".to_owned(),
            max_length,
            max_target_length,
            decimal_steps: None,
            benchmark: None,
        }
    }

    /// What kind of answer is asked for.
    #[must_use]
    pub fn kind(&self) -> TaskKind {
        self.kind
    }

    /// The names of the classes, in the order of their numbers; empty for other tasks.
    #[must_use]
    pub fn labels(&self) -> &[String] {
        &self.labels
    }

    /// The token ids of each label, end marker included; empty for encoders.
    #[must_use]
    pub fn verbalizers(&self) -> &[Vec<u32>] {
        &self.verbalizers
    }

    /// The names of the task's metrics, the main one first.
    ///
    /// `f1` is that of class 1 where there are two classes, else the mean over the classes
    /// that occur; `average` is the mean of the others, which decides in the paper.
    #[must_use]
    pub fn metrics(&self) -> &'static [&'static str] {
        if let Some(entry) = self.benchmark {
            return benchmark::metrics(entry);
        }
        match self.kind {
            TaskKind::Classification => &["accuracy", "f1", "matthews"],
            TaskKind::Regression => &["pearson", "spearman"],
            TaskKind::TextToText => &["exact_match"],
        }
    }

    /// The metric that decides which checkpoint is best, unless the configuration names one.
    #[must_use]
    pub fn main_metric(&self) -> &'static str {
        self.metrics()[0]
    }

    /// Makes examples of all rows of another table, such as one to predict.
    ///
    /// # Errors
    ///
    /// As [`TaskData::load`].
    pub fn read(
        &self,
        table: &Table,
        answers: AnswerColumn,
        loader: &Loader<'_>,
    ) -> Result<Vec<Example>> {
        if let Some(entry) = self.benchmark {
            let table = benchmark::table(entry, table)?;
            return self.examples(&table, &all_rows(&table), answers, loader);
        }
        self.examples(table, &all_rows(table), answers, loader)
    }

    /// Examples with several right answers once for each of them; others as they are.
    fn repeated(&self, examples: Vec<Example>, loader: &Loader<'_>) -> Result<Vec<Example>> {
        let mut repeated = Vec::with_capacity(examples.len());
        for example in examples {
            let Gold::AnyOf(answers) = &example.gold else {
                repeated.push(example);
                continue;
            };
            for answer in answers {
                let tokenizer = loader.tokenizer;
                repeated.push(Example {
                    target: tokenizer.encode_target(answer, self.max_target_length)?,
                    ..example.clone()
                });
            }
        }
        Ok(repeated)
    }

    fn examples(
        &self,
        table: &Table,
        rows: &[usize],
        answers: AnswerColumn,
        loader: &Loader<'_>,
    ) -> Result<Vec<Example>> {
        let there = table.columns().contains(&self.label);
        let answers = match answers {
            AnswerColumn::Optional if !there => None,
            _ => Some(Answers::new(self, table, loader)?),
        };
        let source = self.source.bind(table)?;
        let inputs: Vec<Input> = rows.par_iter().map(|&row| source.fill(row)).collect();
        let (tokenizer, cancelled) = (loader.tokenizer, loader.cancelled);
        let sources = tokenizer.encode_all(&inputs, self.max_length, cancelled)?;
        let answer = |&row: &usize| match &answers {
            Some(answers) => answers.of(row),
            None => Ok((Gold::Unknown, Vec::new())),
        };
        let answers = map_all(rows, cancelled, answer)?;
        let groups = self.groups(table, rows)?;
        let pairs = sources.into_iter().zip(answers).zip(groups);
        let example = |((source, (gold, target)), group)| Example {
            source,
            target,
            gold,
            group,
        };
        Ok(pairs.map(example).collect())
    }

    /// The number of each row's group, by the first row of the group in the table.
    fn groups(&self, table: &Table, rows: &[usize]) -> Result<Vec<Option<u32>>> {
        let Some(column) = self.benchmark.and_then(benchmark::group) else {
            return Ok(vec![None; rows.len()]);
        };
        let column = table.column(column, "task.name")?;
        let mut first: HashMap<&str, u32> = HashMap::new();
        let groups = rows.iter().map(|&row| {
            let next = u32::try_from(first.len()).ok();
            let next =
                next.ok_or_else(|| Error::data(table.path(), None, "has too many groups"))?;
            Ok(Some(*first.entry(table.cell(row, column)).or_insert(next)))
        });
        groups.collect()
    }
}

/// The columns that rows of a GLUE or SuperGLUE task have beside the answer; `None` for
/// names of other tasks.
#[must_use]
pub fn benchmark_columns(name: &str) -> Option<Vec<String>> {
    benchmark::columns(name)
}

fn all_rows(table: &Table) -> Vec<usize> {
    (0..table.rows()).collect()
}

impl std::fmt::Debug for Loader<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Loader")
            .field("form", &self.form)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
