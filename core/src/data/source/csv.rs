//! Comma-separated values as RFC 4180 has them.
//!
//! The `csv` crate reads whatever it is given: a quote that is never closed swallows the rest
//! of the file into one cell. Every record of a well-formed file holds an even number of
//! quotes, so an odd one is refused here with its line.

use std::path::Path;

use csv::{ReaderBuilder, StringRecord};

use super::{Form, Table};
use crate::{Error, Result};

pub(super) fn parse(path: &Path, text: &str, form: &Form<'_>) -> Result<Table> {
    let mut reader = ReaderBuilder::new()
        .has_headers(false)
        .flexible(true) // so that the message about a ragged row is ours
        .from_reader(text.as_bytes());
    let mut record = StringRecord::new();
    let mut table: Option<Table> = None;
    loop {
        let start = reader.position().clone();
        let more = reader.read_record(&mut record);
        if !more.map_err(|error| Error::data(path, None, error.to_string()))? {
            break;
        }
        // Blank lines before the record belong to what was read, but not to the record.
        let line = record.position().map_or(start.line(), csv::Position::line);
        let line = usize::try_from(line).unwrap_or(usize::MAX);
        let raw = raw(text, start.byte(), reader.position().byte());
        let line = line + blank_lines(raw);
        if raw.matches('"').count() % 2 == 1 {
            let message = "a quote is not closed; inside quotes, a quote is written \"\"";
            return Err(Error::data(path, Some(line), message));
        }
        let cells = record.iter().map(str::to_owned);
        match &mut table {
            Some(table) => table.push(line, cells)?,
            None => table = Some(Table::with_columns(path, Some(line), cells.collect())?),
        }
    }
    let table = table.ok_or_else(|| Error::data(path, None, "is empty"))?;
    Ok(table.only(form))
}

/// The text of a record; the reader's positions always lie between characters.
fn raw(text: &str, start: u64, end: u64) -> &str {
    let at = |byte| usize::try_from(byte).unwrap_or(usize::MAX);
    text.get(at(start)..at(end)).unwrap_or_default()
}

fn blank_lines(raw: &str) -> usize {
    raw.chars()
        .take_while(|&c| c == '\n' || c == '\r')
        .filter(|&c| c == '\n')
        .count()
}
