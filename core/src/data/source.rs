//! Tables of text read from JSONL, CSV, TSV and Parquet files.
//!
//! | extension  | form                                                                    |
//! |------------|-------------------------------------------------------------------------|
//! | `.jsonl`   | an object a line; values are strings, numbers or booleans               |
//! | `.csv`     | a header line, commas, quoting as in RFC 4180                           |
//! | `.tsv`     | a header line, tabs, no quoting: a `"` is a character like any other     |
//! | `.parquet` | flat columns of strings, numbers or booleans (crate feature `parquet`)  |
//!
//! Text files are UTF-8, with or without a byte-order mark, with LF or CRLF. Blank lines are
//! skipped. Whatever else is odd is an error that names the line: a table that was read
//! holds exactly what the file says.

mod csv;
mod jsonl;
#[cfg(feature = "parquet")]
mod parquet;
mod tsv;

use std::path::{Path, PathBuf};

use crate::{Error, Result};

const KNOWN: &str = ".jsonl, .csv, .tsv or .parquet";

/// What is known of a file beyond its extension.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Form<'a> {
    /// The columns to keep; what is nested in them is kept as JSON text. `None` is for all
    /// columns, none of which may be nested.
    pub(super) only: Option<&'a [&'a str]>,
    /// What the columns of a TSV file are called if no line of it says so.
    pub(super) header: Option<&'a [&'a str]>,
    /// Whether TSV rows that end too early are left out, with a warning.
    pub(super) without_short_rows: bool,
}

impl Form<'_> {
    fn keeps(&self, column: &str) -> bool {
        self.only.is_none_or(|only| only.contains(&column))
    }
}

/// A table of text in memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    path: PathBuf,
    columns: Vec<String>,
    cells: Vec<String>, // [row, column]
    lines: Vec<usize>,  // [row]
}

impl Table {
    /// Reads a file in the form that its extension says.
    ///
    /// # Errors
    ///
    /// [`Error::Data`], with the line at fault, when there is no such file, its extension is
    /// not known or its content is not a table with at least one row; [`Error::Io`] when it
    /// cannot be read.
    pub fn read(path: &Path) -> Result<Self> {
        Self::read_as(path, &Form::default())
    }

    /// Reads a file in a form that may depart from what its extension says.
    ///
    /// # Errors
    ///
    /// As [`Self::read`].
    pub(super) fn read_as(path: &Path, form: &Form<'_>) -> Result<Self> {
        let extension = path.extension().unwrap_or_default().to_string_lossy();
        let parse = match extension.to_ascii_lowercase().as_str() {
            "jsonl" => jsonl::parse,
            "csv" => csv::parse,
            "tsv" => tsv::parse,
            "parquet" => return read_parquet(path, form)?.filled(),
            "" => {
                let message = format!("no extension says how to read it; known are {KNOWN}");
                return Err(Error::data(path, None, message));
            }
            other => {
                let message = format!("cannot read `.{other}` files; known are {KNOWN}");
                return Err(Error::data(path, None, message));
            }
        };
        let bytes = std::fs::read(path).map_err(unreadable(path))?;
        parse(path, text(path, &bytes)?, form)?.filled()
    }

    /// Reads JSON lines that do not stand in a file; messages name them `name`.
    ///
    /// # Errors
    ///
    /// [`Error::Data`] as [`Self::read`].
    pub fn from_jsonl(name: &str, bytes: &[u8]) -> Result<Self> {
        let path = Path::new(name);
        jsonl::parse(path, text(path, bytes)?, &Form::default())?.filled()
    }

    /// An empty table with these columns; refuses two of one name.
    pub(super) fn with_columns(
        path: &Path,
        line: Option<usize>,
        columns: Vec<String>,
    ) -> Result<Self> {
        for (at, name) in columns.iter().enumerate() {
            if let Some(first) = columns[..at].iter().position(|other| other == name) {
                let (first, second) = (first + 1, at + 1);
                let message = format!("columns {first} and {second} are both named `{name}`");
                return Err(Error::data(path, line, message));
            }
        }
        Ok(Self {
            path: path.to_path_buf(),
            columns,
            cells: Vec::new(),
            lines: Vec::new(),
        })
    }

    /// Appends a row; refuses one that has not a cell for each column.
    pub(super) fn push(
        &mut self,
        line: usize,
        cells: impl IntoIterator<Item = String>,
    ) -> Result<()> {
        let before = self.cells.len();
        self.cells.extend(cells);
        let (found, expected) = (self.cells.len() - before, self.columns.len());
        if found != expected {
            let message = format!("expected {expected} cells, found {found}");
            return Err(self.error(line, message));
        }
        self.lines.push(line);
        Ok(())
    }

    fn filled(self) -> Result<Self> {
        if self.lines.is_empty() {
            return Err(Error::data(&self.path, None, "has no rows"));
        }
        Ok(self)
    }

    pub(super) fn error(&self, line: usize, message: impl Into<String>) -> Error {
        Error::data(&self.path, Some(line), message)
    }

    /// The rows of several tables of the same columns, one after the other; messages name
    /// the first row's file as `path`.
    pub(super) fn concatenated(path: &Path, tables: Vec<Self>) -> Result<Self> {
        let mut tables = tables.into_iter();
        let Some(mut all) = tables.next() else {
            return Err(Error::data(path, None, "is no file"));
        };
        for table in tables {
            if table.columns != all.columns {
                let message = format!("has other columns than {}", all.path.display());
                return Err(Error::data(table.path, None, message));
            }
            all.cells.extend(table.cells);
            all.lines.extend(table.lines);
        }
        all.path = path.to_path_buf();
        Ok(all)
    }

    /// The table with some of its columns, in its own order.
    fn only(self, form: &Form<'_>) -> Self {
        let kept: Vec<bool> = self.columns.iter().map(|name| form.keeps(name)).collect();
        if kept.iter().all(|&kept| kept) {
            return self;
        }
        let pick = |all: Vec<String>| -> Vec<String> {
            let chosen = all.into_iter().zip(kept.iter().cycle());
            chosen
                .filter_map(|(text, &kept)| kept.then_some(text))
                .collect()
        };
        Self {
            columns: pick(self.columns),
            cells: pick(self.cells),
            ..self
        }
    }

    /// The file that the table was read from.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The names of the columns, in the file's order.
    #[must_use]
    pub fn columns(&self) -> &[String] {
        &self.columns
    }

    /// Number of rows.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.lines.len()
    }

    /// The text of a cell.
    ///
    /// # Panics
    ///
    /// When the table has no such row or column.
    #[must_use]
    pub fn cell(&self, row: usize, column: usize) -> &str {
        let width = self.columns.len();
        assert!(column < width, "column {column} of {width}");
        &self.cells[row * width + column]
    }

    /// The line of the file, counted from 1, that a row starts at; in a Parquet file, which
    /// has no lines, the row's number counted from 1.
    ///
    /// # Panics
    ///
    /// When the table has no such row.
    #[must_use]
    pub fn line(&self, row: usize) -> usize {
        self.lines[row]
    }

    /// Finds a column by its name, which the setting `named_by` of the configuration gives.
    ///
    /// # Errors
    ///
    /// [`Error::Data`] with the nearest name and the columns that there are.
    pub fn column(&self, name: &str, named_by: &str) -> Result<usize> {
        let found = self.columns.iter().position(|column| column == name);
        found.ok_or_else(|| {
            let near = super::nearest(name, &self.columns);
            let there = super::quoted(&self.columns);
            let message = format!(
                "no column `{name}`, which {named_by} names{near}; the columns are {there}"
            );
            Error::data(&self.path, None, message)
        })
    }
}

#[cfg(feature = "parquet")]
fn read_parquet(path: &Path, form: &Form<'_>) -> Result<Table> {
    parquet::read(path, form)
}

#[cfg(not(feature = "parquet"))]
fn read_parquet(path: &Path, _form: &Form<'_>) -> Result<Table> {
    let message = "this build does not read Parquet files: build it with the feature `parquet`, \
                   or convert the file to .jsonl";
    Err(Error::data(path, None, message))
}

/// A file that is not there is the user's to correct; other failures are the system's.
fn unreadable(path: &Path) -> impl FnOnce(std::io::Error) -> Error {
    use std::io::ErrorKind::{IsADirectory, NotFound};
    move |error| match error.kind() {
        NotFound => Error::data(path, None, "no such file"),
        IsADirectory => Error::data(path, None, "is a folder; name a file in it"),
        _ => Error::io(path, "read")(error),
    }
}

/// The text of a file without its byte-order mark.
fn text<'a>(path: &Path, bytes: &'a [u8]) -> Result<&'a str> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    match std::str::from_utf8(bytes) {
        Ok(text) if text.trim().is_empty() => Err(Error::data(path, None, "is empty")),
        Ok(text) => Ok(text),
        Err(error) => {
            let (valid, rest) = bytes.split_at(error.valid_up_to());
            let line = valid.split(|&byte| byte == b'\n').count();
            let byte = rest.first().copied().unwrap_or_default();
            let message = format!("not UTF-8 (byte 0x{byte:02x}): convert the file to UTF-8");
            Err(Error::data(path, Some(line), message))
        }
    }
}

/// The lines that are not blank, with their numbers and without their ends.
fn lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    (1..)
        .zip(text.split('\n'))
        .map(|(number, line)| (number, line.strip_suffix('\r').unwrap_or(line)))
        .filter(|(_, line)| !line.is_empty())
}

#[cfg(test)]
mod tests;
