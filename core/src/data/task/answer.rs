//! Answers: what a row's answer is, and how a backbone that writes text writes it.

use std::collections::{BTreeSet, HashMap};

use super::{InputForm, Loader, Task, benchmark};
use crate::config::TaskKind;
use crate::data::{Gold, Table, Tokenizer, nearest, quoted};
use crate::{Error, Result};

/// Answers of this kind are never cut: a cut label or number would be another one.
const WHOLE: usize = usize::MAX;

/// The answers in a table.
pub(super) struct Answers<'a> {
    task: &'a Task,
    table: &'a Table,
    column: usize,
    loader: &'a Loader<'a>,
}

impl<'a> Answers<'a> {
    pub(super) fn new(task: &'a Task, table: &'a Table, loader: &'a Loader<'a>) -> Result<Self> {
        Ok(Self {
            task,
            table,
            column: table.column(&task.label, "task.label")?,
            loader,
        })
    }

    /// The answer of a row, and the tokens to write; none for encoders.
    pub(super) fn of(&self, row: usize) -> Result<(Gold, Vec<u32>)> {
        let cell = self.table.cell(row, self.column);
        let written = |text: &str, max_length| match self.loader.form {
            InputForm::EncoderDecoder => self.loader.tokenizer.encode_target(text, max_length),
            InputForm::Encoder => Ok(Vec::new()),
        };
        match self.task.kind {
            TaskKind::Classification => {
                let class = self.class(row, cell)?;
                let target = self
                    .task
                    .verbalizers
                    .get(class)
                    .cloned()
                    .unwrap_or_default();
                let class = u32::try_from(class).map_err(|_| self.error(row, "too many labels"))?;
                Ok((Gold::Class(class), target))
            }
            TaskKind::Regression => {
                let value = self.value(row, cell)?;
                let shown = match self.task.decimal_steps {
                    // To even, as Python and TensorFlow round.
                    Some(steps) => (value * steps).round_ties_even() / steps,
                    None => value,
                };
                Ok((Gold::Value(value), written(&format!("{shown:.1}"), WHOLE)?))
            }
            TaskKind::TextToText if self.task.benchmark.is_some_and(benchmark::has_several) => {
                let answers = benchmark::answers(cell).map_err(|what| self.error(row, what))?;
                let target = written(&answers[0], self.task.max_target_length)?;
                Ok((Gold::AnyOf(answers), target))
            }
            TaskKind::TextToText => {
                let target = written(cell, self.task.max_target_length)?;
                Ok((Gold::Text(cell.to_owned()), target))
            }
        }
    }

    /// The number of the class that a cell names, or, where no label is a number itself, whose
    /// number it is.
    fn class(&self, row: usize, cell: &str) -> Result<usize> {
        let labels = &self.task.labels;
        let by_name = labels.iter().position(|label| label == cell);
        let are_words = || labels.iter().all(|label| label.parse::<i64>().is_err());
        let by_number = || {
            let number = cell.parse().ok();
            number.filter(|&number: &usize| number < labels.len() && are_words())
        };
        by_name.or_else(by_number).ok_or_else(|| {
            let near = nearest(cell, labels);
            let known = quoted(labels);
            self.error(
                row,
                format!("unknown label `{cell}`{near}; known are {known}"),
            )
        })
    }

    fn value(&self, row: usize, cell: &str) -> Result<f64> {
        let value = cell.trim().parse().ok();
        value
            .filter(|value: &f64| value.is_finite())
            .ok_or_else(|| {
                let column = &self.task.label;
                self.error(
                    row,
                    format!("`{column}` must be a finite number, found `{cell}`"),
                )
            })
    }

    fn error(&self, row: usize, message: impl Into<String>) -> Error {
        Error::data(self.table.path(), Some(self.table.line(row)), message)
    }
}

/// The labels that a column holds: numbers in their order where all are whole numbers.
pub(super) fn distinct(table: &Table, column: usize) -> Result<Vec<String>> {
    let cells: BTreeSet<&str> = (0..table.rows())
        .map(|row| table.cell(row, column))
        .collect();
    if let (1, Some(only)) = (cells.len(), cells.first()) {
        let name = &table.columns()[column];
        let message = format!("column `{name}` holds `{only}` only; two labels are the least");
        return Err(Error::data(table.path(), None, message));
    }
    let numbers: Option<Vec<i64>> = cells.iter().map(|cell| cell.parse().ok()).collect();
    let mut labels: Vec<(Option<i64>, &str)> = match numbers {
        Some(numbers) => numbers.into_iter().map(Some).zip(cells).collect(),
        None => cells.into_iter().map(|cell| (None, cell)).collect(),
    };
    labels.sort_unstable();
    Ok(labels
        .into_iter()
        .map(|(_, label)| label.to_owned())
        .collect())
}

/// The tokens of each label; no two may be the same, or the answers could not be told apart.
pub(super) fn verbalizers(labels: &[String], tokenizer: &Tokenizer) -> Result<Vec<Vec<u32>>> {
    let mut seen: HashMap<Vec<u32>, &String> = HashMap::new();
    let mut verbalizers = Vec::with_capacity(labels.len());
    for label in labels {
        let ids = tokenizer.encode_target(label, WHOLE)?;
        if let Some(other) = seen.insert(ids.clone(), label) {
            let message = format!(
                "`{other}` and `{label}` are the same to the model's tokenizer: choose names \
                 that differ in it"
            );
            return Err(crate::data::config("task.labels", message));
        }
        verbalizers.push(ids);
    }
    Ok(verbalizers)
}
