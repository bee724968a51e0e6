//! Rows in a task's own columns, whatever the file calls them and however it nests them.
//!
//! Beside the columns of the task, a table has those that are made of them:
//!
//! | column   | of                  | what                                                |
//! |----------|---------------------|-----------------------------------------------------|
//! | `group`  | `MultiRc`           | which answers belong to one question                |
//! | `marked` | `Wsc`               | the text with `* … *` and `# … #` around its spans  |
//! | `label`  | `Record`            | the right answers, a list in JSON                   |

mod multirc;
mod record;
mod wsc;

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::de::DeserializeOwned;

use super::{Benchmark, Column, Layout};
use crate::data::Table;
use crate::data::source::Form;
use crate::{Error, Result};

/// The column of the answer.
pub(super) const LABEL: &str = "label";
/// The column that says which rows belong together.
pub(super) const GROUP: &str = "group";
/// The answer of a query that has none (the reference's).
const NO_ANSWER: &str = "<unk>";

/// Reads a part of a task, from one file or several.
pub(super) fn read(entry: &Benchmark, paths: &[PathBuf]) -> Result<Table> {
    let listed = listed(entry);
    let form = Form {
        only: Some(&listed),
        header: match entry.layout {
            Layout::Headless(header) => Some(header),
            _ => None,
        },
        without_short_rows: entry.layout == Layout::ShortRows,
    };
    let tables = paths.iter().map(|path| Table::read_as(path, &form));
    let tables: Vec<Table> = tables.collect::<Result<_>>()?;
    let path = match paths {
        [only] => only.clone(),
        several => several[0].with_file_name("*.parquet"),
    };
    let table = Table::concatenated(&path, tables)?;
    let table = prepared(entry, &table)?;
    for Column(name, others) in entry.columns {
        if !table.columns().iter().any(|column| column == name) {
            let or = others.iter().map(|other| format!(" or `{other}`"));
            let or: String = or.collect();
            let task = entry.name;
            let there = crate::data::quoted(table.columns());
            let message = format!(
                "no column `{name}`{or}, which {task} needs; of those that it \
                                   can use there are {there}"
            );
            return Err(Error::data(table.path(), None, message));
        }
    }
    Ok(table)
}

/// Every name that a column of use may have.
fn listed(entry: &Benchmark) -> Vec<&'static str> {
    let own = entry
        .columns
        .iter()
        .flat_map(|Column(name, others)| std::iter::once(*name).chain(others.iter().copied()));
    let nested: &[&str] = match entry.layout {
        Layout::MultiRc => &["passage", "idx"],
        Layout::Record => &["qas"],
        Layout::Wsc => &["target"],
        Layout::Plain | Layout::Headless(_) | Layout::ShortRows => &[],
    };
    own.chain(nested.iter().copied()).collect()
}

/// A table with the task's columns, as far as they are there, and those made of them.
pub(super) fn prepared(entry: &Benchmark, table: &Table) -> Result<Table> {
    let has = |name: &str| table.columns().iter().any(|column| column == name);
    match entry.layout {
        Layout::Plain | Layout::Headless(_) | Layout::ShortRows => renamed(entry, table),
        Layout::MultiRc if has("passage") => multirc::official(table),
        Layout::MultiRc => multirc::hub(table, &renamed(entry, table)?),
        Layout::Record if has("qas") => record::official(table),
        Layout::Record => record::hub(&renamed(entry, table)?),
        Layout::Wsc if has("target") => wsc::with_marks(&wsc::flat(table)?),
        Layout::Wsc => wsc::with_marks(&renamed(entry, table)?),
    }
}

/// The rows of each group, in the order in which groups come first.
pub(super) fn groups(table: &Table) -> Result<Vec<Vec<usize>>> {
    let column = table.column(GROUP, "task.name")?;
    let mut numbers: BTreeMap<&str, usize> = BTreeMap::new();
    let mut groups: Vec<Vec<usize>> = Vec::new();
    for row in 0..table.rows() {
        let number = *numbers
            .entry(table.cell(row, column))
            .or_insert(groups.len());
        if number == groups.len() {
            groups.push(Vec::new());
        }
        groups[number].push(row);
    }
    Ok(groups)
}

/// The right answers that a cell holds, at least one.
pub(super) fn answers(cell: &str) -> Result<Vec<String>, String> {
    let mut answers = list(cell)?;
    if answers.is_empty() {
        answers.push(NO_ANSWER.to_owned());
    }
    Ok(answers)
}

/// A list in JSON, or a text that stands for itself.
fn list(cell: &str) -> Result<Vec<String>, String> {
    if !cell.starts_with('[') {
        return Ok(vec![cell.to_owned()]);
    }
    serde_json::from_str(cell).map_err(|error| format!("not a list of texts: {error}"))
}

/// Keeps the task's columns under their own names.
fn renamed(entry: &Benchmark, table: &Table) -> Result<Table> {
    let find = |name: &str| table.columns().iter().position(|column| column == name);
    let mut names = Vec::new();
    let mut from = Vec::new();
    for Column(name, others) in entry.columns {
        let found = find(name).or_else(|| others.iter().find_map(|other| find(other)));
        if let Some(at) = found {
            names.push((*name).to_owned());
            from.push(at);
        }
    }
    let rows = (0..table.rows()).map(|row| {
        let cells = from
            .iter()
            .map(|&column| table.cell(row, column).to_owned());
        Ok((row, vec![cells.collect()]))
    });
    rebuilt(table, names, rows)
}

/// A table of other columns and rows, each of which comes from a row of `table`.
fn rebuilt(
    table: &Table,
    columns: Vec<String>,
    rows: impl Iterator<Item = Result<(usize, Vec<Vec<String>>)>>,
) -> Result<Table> {
    let mut built = Table::with_columns(table.path(), None, columns)?;
    for made in rows {
        let (row, made) = made?;
        for cells in made {
            built.push(table.line(row), cells)?;
        }
    }
    Ok(built)
}

/// The table with some cells of each row changed or added; `change` gets the row by name.
fn mapped(
    table: &Table,
    added: &[&str],
    change: impl Fn(usize, &mut BTreeMap<&str, String>) -> Result<()>,
) -> Result<Table> {
    let names: Vec<&str> = table
        .columns()
        .iter()
        .map(String::as_str)
        .chain(added.iter().copied())
        .collect();
    let rows = (0..table.rows()).map(|row| {
        let own = table.columns().iter().enumerate();
        let mut cells: BTreeMap<&str, String> = own
            .map(|(at, name)| (name.as_str(), table.cell(row, at).to_owned()))
            .collect();
        change(row, &mut cells)?;
        let cells = names
            .iter()
            .map(|name| cells.remove(name).unwrap_or_default());
        Ok((row, vec![cells.collect()]))
    });
    let columns = names.iter().map(|&name| name.to_owned()).collect();
    rebuilt(table, columns, rows)
}

/// A nested value, or what is wrong with it and where.
fn nested<T: DeserializeOwned>(table: &Table, row: usize, column: &str) -> Result<T> {
    let cell = table.cell(row, table.column(column, "task.name")?);
    serde_json::from_str(cell).map_err(|error| {
        let text = error.to_string();
        let what = text
            .split(" at line ")
            .next()
            .unwrap_or_default()
            .to_owned();
        table.error(table.line(row), format!("`{column}`: {what}"))
    })
}

fn owned<const N: usize>(names: [&str; N]) -> Vec<String> {
    names.map(str::to_owned).to_vec()
}
