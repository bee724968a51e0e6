//! Texts as rows of a task, and answers as a table.

use compacter_core::config::RunConfig;
use compacter_core::data::task::benchmark_columns;
use compacter_core::data::template::Template;
use compacter_core::model::Prediction;
use compacter_core::train::evaluate;
use compacter_core::train::prepare::Prepared;
use serde_json::{Map, Value};

use super::Run;
use crate::error::{NotebookError, Result};
use crate::show::{Cell, Table};

/// Column of a task that names none.
const TEXT: &str = "text";

/// A row to be answered: a text, or one for each column that the task reads.
pub trait Row {
    /// The texts, in the order of the task's columns.
    fn texts(&self) -> Vec<&str>;
}

impl Row for &str {
    fn texts(&self) -> Vec<&str> {
        vec![self]
    }
}

impl Row for String {
    fn texts(&self) -> Vec<&str> {
        vec![self]
    }
}

impl<const N: usize> Row for [&str; N] {
    fn texts(&self) -> Vec<&str> {
        self.to_vec()
    }
}

pub(super) fn predict<R: Row>(run: &Run, rows: &[R]) -> Result<Table> {
    // Before a model is loaded for nothing.
    lines(&columns(&run.config()?)?, rows)?;
    run.trained()?.predict(rows)
}

/// The columns that make up the task's input.
pub(super) fn columns(config: &RunConfig) -> Result<Vec<String>> {
    if let Some(template) = &config.task.template {
        let template = Template::parse(template)?;
        let mut columns: Vec<String> = Vec::new();
        for column in template.columns() {
            if !columns.iter().any(|known| known == column) {
                columns.push(column.to_owned());
            }
        }
        return Ok(columns);
    }
    if let Some(columns) = config.task.name.as_deref().and_then(benchmark_columns) {
        return Ok(columns);
    }
    if config.task.text.is_empty() {
        return Ok(vec![TEXT.to_owned()]);
    }
    Ok(config.task.text.clone())
}

/// Rows as lines of JSON.
pub(super) fn lines<R: Row>(columns: &[String], rows: &[R]) -> Result<String> {
    let lines = rows
        .iter()
        .map(|row| Ok(line(columns, &row.texts())? + "\n"));
    lines.collect()
}

/// A row as a line of JSON.
fn line(columns: &[String], texts: &[&str]) -> Result<String> {
    if columns.len() != texts.len() {
        let names = columns.join(", ");
        let example: Vec<&str> = columns.iter().map(|_| "\"…\"").collect();
        return Err(NotebookError::Argument {
            message: format!(
                "the task reads {} texts a row ({names}), found {}",
                columns.len(),
                texts.len()
            ),
            hint: format!("give each row as `[{}]`", example.join(", ")),
        });
    }
    let cells = columns
        .iter()
        .cloned()
        .zip(texts.iter().map(|text| Value::from(*text)));
    Ok(Value::Object(cells.collect::<Map<_, _>>()).to_string())
}

/// A row for each text: what was asked, the answer, and the score of each label.
pub(super) fn table<R: Row>(
    columns: &[String],
    rows: &[R],
    prepared: &Prepared,
    predictions: &[Prediction],
) -> Result<Table> {
    let labels = prepared.data.task.labels();
    let head = columns.iter().map(String::as_str).chain(["prediction"]);
    let mut table = Table::new(head.chain(labels.iter().map(String::as_str)));
    for (row, prediction) in rows.iter().zip(predictions) {
        let texts = row.texts().into_iter().map(Cell::from).collect::<Vec<_>>();
        let answer = Cell::from(evaluate::words(prepared, prediction)?);
        let scores = match prediction {
            Prediction::Class { scores, .. } => scores.clone(),
            _ => Vec::new(),
        };
        let cells = texts.into_iter().chain([answer]);
        table.push(cells.chain(scores.into_iter().map(Cell::from)));
    }
    Ok(table)
}
