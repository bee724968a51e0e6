//! Tab-separated values: no quoting, no escapes.

use std::path::Path;

use super::{Form, Table, lines};
use crate::{Error, Result};

pub(super) fn parse(path: &Path, text: &str, form: &Form<'_>) -> Result<Table> {
    let mut rows = lines(text).map(|(line, row)| (line, row.split('\t').map(str::to_owned)));
    let Some((line, first)) = rows.next() else {
        return Err(Error::data(path, None, "is empty"));
    };
    let first: Vec<String> = first.collect();
    let mut table = match form.header.filter(|header| is_row(&first, header)) {
        None => Table::with_columns(path, Some(line), first)?,
        Some(header) => {
            let names = header.iter().map(|&name| name.to_owned());
            let mut table = Table::with_columns(path, None, names.collect())?;
            table.push(line, first)?;
            table
        }
    };
    let mut short = Vec::new();
    for (line, row) in rows {
        if form.without_short_rows && row.clone().count() < table.columns.len() {
            short.push(line);
        } else {
            table.push(line, row)?;
        }
    }
    if !short.is_empty() {
        tracing::warn!(
            file = %path.display(),
            lines = ?short,
            "left out rows that end too early, as the hub's copy of the data does"
        );
    }
    Ok(table.only(form))
}

/// Whether the first line of a file is no header but a row of it.
fn is_row(first: &[String], header: &[&str]) -> bool {
    first.len() == header.len() && !first.iter().any(|cell| header.contains(&cell.as_str()))
}
