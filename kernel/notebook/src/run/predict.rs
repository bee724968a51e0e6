//! Answers of a run's best checkpoint, computed in this process.

use std::path::Path;

use compacter_core::Error;
use compacter_core::cancel::CancelToken;
use compacter_core::config::RunConfig;
use compacter_core::data::Table as Rows;
use compacter_core::data::task::AnswerColumn;
use compacter_core::data::template::Template;
use compacter_core::model::Prediction;
use compacter_core::run::Checkpoint;
use compacter_core::train::evaluate;
use compacter_core::train::prepare::Prepared;
use serde_json::{Map, Value};

use super::Run;
use crate::error::{NotebookError, Result};
use crate::interrupt::Watched;
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
    let config = run.config()?;
    let columns = columns(&config)?;
    let mut lines = String::new();
    for row in rows {
        lines += &(line(&columns, &row.texts())? + "\n");
    }
    let watched = Watched::new();
    let answered = answer(run, &lines, watched.token());
    let (prepared, predictions) = answered.map_err(|error| match error {
        Error::Cancelled => {
            // The flag was for this.
            let _taken = crate::interrupt::check();
            let message = "nothing was predicted".to_owned();
            NotebookError::Interrupted { message }
        }
        other => other.into(),
    })?;
    table(&columns, rows, &prepared, &predictions)
}

/// The columns that make up the task's input.
fn columns(config: &RunConfig) -> Result<Vec<String>> {
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
    if config.task.text.is_empty() {
        return Ok(vec![TEXT.to_owned()]);
    }
    Ok(config.task.text.clone())
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

fn answer(
    run: &Run,
    lines: &str,
    cancel: &CancelToken,
) -> compacter_core::Result<(Prepared, Vec<Prediction>)> {
    let checkpoints = run.folder.checkpoints();
    let step = match checkpoints.best()? {
        Some(step) => Some(step),
        None => checkpoints.last()?,
    };
    let none = "there is no checkpoint yet: wait for the run's end, or `run.checkpoint()?`";
    let step = step.ok_or_else(|| Error::run(run.path(), none))?;
    let path = checkpoints.folder(step);
    let (state, trained) = Checkpoint::load_trained(&path)?;
    let config = RunConfig::parse(Path::new("state.json"), &state.config, &[])?;
    let rows = Rows::from_jsonl("cell", lines.as_bytes())?;
    let prepared = Prepared::new(config, cancel)?;
    prepared.trainables.restore(&trained)?;
    let examples = prepared.read(&rows, AnswerColumn::Optional, cancel)?;
    let (predictions, _) = evaluate::predict(&prepared, &examples, cancel)?;
    Ok((prepared, predictions))
}

fn table<R: Row>(
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
