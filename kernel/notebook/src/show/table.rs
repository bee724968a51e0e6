//! A table of numbers and words.

use std::fmt::Write;

use super::colour::FAINT;
use super::html::escape;
use super::{Bundle, Rich, number};
use crate::error::{NotebookError, Result};

/// Rows shown from the start of a long table, and from its end.
const FIRST: usize = 30;
const LAST: usize = 10;

/// What stands in a place of a table.
#[derive(Debug, Clone, PartialEq)]
pub enum Cell {
    /// Words.
    Text(String),
    /// A number.
    Number(f64),
    /// A count.
    Count(u64),
    /// Nothing.
    Empty,
}

impl Cell {
    fn shown(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Number(value) => number::short(*value),
            Self::Count(count) => number::grouped(*count),
            Self::Empty => String::new(),
        }
    }

    /// Whether it reads as words: a number written out, and what is left out, do not.
    fn is_text(&self) -> bool {
        match self {
            Self::Text(text) => !text.is_empty() && text != "…" && text.parse::<f64>().is_err(),
            Self::Number(_) | Self::Count(_) | Self::Empty => false,
        }
    }
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<f64> for Cell {
    fn from(value: f64) -> Self {
        Self::Number(value)
    }
}

impl From<u64> for Cell {
    fn from(count: u64) -> Self {
        Self::Count(count)
    }
}

impl From<usize> for Cell {
    fn from(count: usize) -> Self {
        Self::Count(count as u64)
    }
}

/// As a count, which an `i32` is in a cell: the type of a whole number that has no other.
impl From<i32> for Cell {
    fn from(number: i32) -> Self {
        match u64::try_from(number) {
            Ok(count) => Self::Count(count),
            Err(_) => Self::Text(number.to_string()),
        }
    }
}

impl From<f32> for Cell {
    fn from(value: f32) -> Self {
        Self::Number(f64::from(value))
    }
}

impl<T: Into<Cell>> From<Option<T>> for Cell {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Empty, Into::into)
    }
}

/// A row of a table from values of several types: words, numbers, counts.
///
/// # Examples
/// ```
/// use compacter_notebook::prelude::*;
///
/// let mut table = Table::new(["method", "trained", "% of model"]);
/// table.push(row!["compacter++", 104_704, 0.047]);
/// assert_eq!(table.column("trained").unwrap(), [104_704.0]);
/// ```
#[macro_export]
macro_rules! row {
    ($($cell:expr),+ $(,)?) => {
        [$($crate::show::Cell::from($cell)),+]
    };
}

/// A table, with a name for each column.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Table {
    columns: Vec<String>,
    rows: Vec<Vec<Cell>>,
}

impl Table {
    /// An empty table with these columns.
    #[must_use]
    pub fn new<S: Into<String>>(columns: impl IntoIterator<Item = S>) -> Self {
        Self {
            columns: columns.into_iter().map(Into::into).collect(),
            rows: Vec::new(),
        }
    }

    /// A table of numbers, row by row, whose columns are counted from 0.
    ///
    /// # Examples
    /// ```
    /// use compacter_notebook::show::Table;
    ///
    /// let table = Table::numbers(&[vec![1.0, 2.0], vec![3.0, 4.0]]);
    /// assert_eq!(table.column("1").unwrap(), [2.0, 4.0]);
    /// ```
    #[must_use]
    pub fn numbers(rows: &[Vec<f64>]) -> Self {
        let width = rows.iter().map(Vec::len).max().unwrap_or(0);
        let mut table = Self::new((0..width).map(|at| at.to_string()));
        for row in rows {
            table.push(row.iter().copied());
        }
        table
    }

    /// Appends a row; places that it lacks are empty, those beyond the last column are left out.
    pub fn push<C: Into<Cell>>(&mut self, row: impl IntoIterator<Item = C>) {
        let mut row: Vec<Cell> = row.into_iter().map(Into::into).collect();
        row.resize(self.columns.len(), Cell::Empty);
        self.rows.push(row);
    }

    /// Names of the columns.
    #[must_use]
    pub fn columns(&self) -> &[String] {
        &self.columns
    }

    /// The rows, a cell for each column.
    #[must_use]
    pub fn rows(&self) -> &[Vec<Cell>] {
        &self.rows
    }

    /// The numbers of a column, from top to bottom; where there is none, NaN.
    ///
    /// # Errors
    /// [`NotebookError::Argument`] naming the columns, when there is none of the name.
    pub fn column(&self, name: &str) -> Result<Vec<f64>> {
        let at = self.columns.iter().position(|column| column == name);
        let at = at.ok_or_else(|| NotebookError::Argument {
            message: format!("the table has no column `{name}`"),
            hint: format!("it has {}", self.columns.join(", ")),
        })?;
        let numbers = self.rows.iter().map(|row| match row[at] {
            Cell::Number(value) => value,
            Cell::Count(count) => count as f64,
            Cell::Text(_) | Cell::Empty => f64::NAN,
        });
        Ok(numbers.collect())
    }

    /// Rows that are shown; `None` stands for those left out.
    fn shown(&self) -> Vec<Option<&Vec<Cell>>> {
        if self.rows.len() <= FIRST + LAST {
            return self.rows.iter().map(Some).collect();
        }
        let last = self.rows.len() - LAST;
        let (first, last) = (self.rows[..FIRST].iter(), self.rows[last..].iter());
        first
            .map(Some)
            .chain([None])
            .chain(last.map(Some))
            .collect()
    }

    fn left_out(&self) -> String {
        let count = (self.rows.len() - FIRST - LAST) as u64;
        format!("… {} rows", number::grouped(count))
    }

    /// Whether a column holds words, which stand to the left.
    fn is_text(&self, column: usize) -> bool {
        self.rows.iter().any(|row| row[column].is_text())
    }

    /// The table as plain text, columns below each other.
    #[must_use]
    pub fn to_text(&self) -> String {
        let words = |row: &Vec<Cell>| row.iter().map(Cell::shown).collect();
        let rows = self.shown();
        let head = std::iter::once(Some(self.columns.clone()));
        let lines: Vec<Option<Vec<String>>> =
            head.chain(rows.iter().map(|row| row.map(words))).collect();
        let width = |column: usize| {
            let widths = lines
                .iter()
                .flatten()
                .map(|line| line[column].chars().count());
            widths.max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..self.columns.len()).map(width).collect();
        let lines = lines.iter().map(|line| match line {
            Some(cells) => self.line(cells, &widths),
            None => self.left_out(),
        });
        lines.collect::<Vec<_>>().join("\n")
    }

    fn line(&self, cells: &[String], widths: &[usize]) -> String {
        let mut line = String::new();
        for (column, (cell, width)) in cells.iter().zip(widths).enumerate() {
            let _infallible = if self.is_text(column) {
                write!(line, "{cell:<width$}  ")
            } else {
                write!(line, "{cell:>width$}  ")
            };
        }
        line.trim_end().to_owned()
    }

    /// The table as HTML.
    #[must_use]
    pub fn to_html(&self) -> String {
        let align = |column: usize| {
            if self.is_text(column) {
                "left"
            } else {
                "right"
            }
        };
        let cell = |tag: &str, column: usize, text: &str| {
            format!(
                "<{tag} style=\"text-align:{};padding:2px 10px;background:transparent\">{}</{tag}>",
                align(column),
                escape(text)
            )
        };
        let head = self.columns.iter().enumerate();
        let head: String = head.map(|(at, name)| cell("th", at, name)).collect();
        let mut html = format!(
            "<table style=\"border-collapse:collapse;font-variant-numeric:tabular-nums\"><thead><tr style=\"border-bottom:1px solid;background:transparent\">{head}</tr></thead><tbody>"
        );
        for row in self.shown() {
            let cells: String = match row {
                Some(row) => {
                    let cells = row.iter().enumerate();
                    cells
                        .map(|(at, value)| cell("td", at, &value.shown()))
                        .collect()
                }
                None => format!(
                    "<td colspan=\"{}\" style=\"opacity:{FAINT}\">{}</td>",
                    self.columns.len(),
                    self.left_out()
                ),
            };
            let _infallible = write!(html, "<tr style=\"background:transparent\">{cells}</tr>");
        }
        html + "</tbody></table>"
    }
}

impl Rich for Table {
    fn bundle(&self) -> Bundle {
        Bundle::plain(self.to_text()).with_html(self.to_html())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_table_says_how_much_of_it_is_left_out() {
        let rows: Vec<Vec<f64>> = (0..100).map(|at| vec![f64::from(at)]).collect();
        let bundle = Table::numbers(&rows).bundle();
        assert!(bundle.text().contains("… 60 rows"), "{}", bundle.text());
        assert!(bundle.html().contains("… 60 rows"));
        assert_eq!(bundle.text().lines().count(), 1 + 40 + 1);
    }

    #[test]
    fn a_row_has_values_of_several_types() {
        let mut table = Table::new(["words", "count", "number", "left out"]);
        table.push(crate::row!["a", 1_000, 0.5_f32]);
        table.push(crate::row![String::from("b"), -1, 7_usize, None::<f64>]);
        let text = table.to_text();
        assert!(text.contains("1,000") && text.contains("0.5000"), "{text}");
        assert!(text.contains("-1"), "{text}");
    }

    #[test]
    fn words_of_others_are_escaped() {
        let mut table = Table::new(["<b>"]);
        table.push(["<script>alert(1)</script>"]);
        let html = table.bundle().html().to_owned();
        assert!(
            !html.contains("<script>") && !html.contains("<b>"),
            "{html}"
        );
        assert!(table.to_text().contains("<script>"));
    }
}
