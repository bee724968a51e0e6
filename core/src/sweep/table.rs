//! A report as a table: Markdown for people, CSV, JSON lines and Parquet for programs.

#[cfg(feature = "parquet")]
mod parquet;

use std::fmt::Write;

use serde_json::{Map, Value as Json};

use super::grid::{Column, Value};
use super::report::{Found, Report, Row};
use super::statistics::Interval;
use crate::{Error, Result};

#[cfg(feature = "parquet")]
pub use self::parquet::parquet;

/// What stands in a place of a table.
#[derive(Debug, Clone, PartialEq)]
pub enum Cell {
    /// Words.
    Text(String),
    /// A count.
    Count(u64),
    /// A number; one that is not finite stands in JSON as words.
    Number(f64),
    /// Yes or no.
    Flag(bool),
    /// Nothing.
    Empty,
}

/// What all places of a column hold, where they are not empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Words.
    Text,
    /// Counts.
    Count,
    /// Numbers.
    Number,
    /// Yes or no.
    Flag,
}

/// A table, with a name and a kind for each column.
#[derive(Debug, Clone, PartialEq)]
pub struct Table {
    /// The columns.
    pub columns: Vec<(String, Kind)>,
    /// The rows; each has a cell for every column.
    pub rows: Vec<Vec<Cell>>,
}

/// Columns behind those of the grid.
const MEASURED: [(&str, Kind); 14] = [
    ("metric", Kind::Text),
    ("n", Kind::Count),
    ("planned", Kind::Count),
    ("validation_mean", Kind::Number),
    ("test_mean", Kind::Number),
    ("test_sd", Kind::Number),
    ("baseline", Kind::Text),
    ("difference", Kind::Number),
    ("difference_low", Kind::Number),
    ("difference_high", Kind::Number),
    ("difference_n", Kind::Count),
    ("best", Kind::Flag),
    ("trainable", Kind::Count),
    ("percent", Kind::Number),
];

impl Table {
    /// The table of a report: what varies, settings chosen, and what was measured.
    #[must_use]
    pub fn of(report: &Report) -> Self {
        let reported = report.columns.iter().enumerate().map(|(at, column)| {
            (
                column.name.clone(),
                kind(report.rows.iter().map(|row| &row.values[at])),
            )
        });
        let tuned = report.tuned.iter().enumerate().map(|(at, column)| {
            (
                column.name.clone(),
                kind(report.rows.iter().map(|row| &row.tuned[at])),
            )
        });
        let measured = MEASURED
            .iter()
            .map(|(name, kind)| ((*name).to_owned(), *kind));
        let columns: Vec<(String, Kind)> = reported.chain(tuned).chain(measured).collect();
        let rows = report.rows.iter().map(|row| {
            let values = row.values.iter().chain(&row.tuned).zip(&columns);
            let mut cells: Vec<Cell> = values
                .map(|(value, (_, kind))| cell(value.as_ref(), *kind))
                .collect();
            cells.extend(measured_cells(report, row));
            cells
        });
        let rows = rows.collect();
        Self { columns, rows }
    }

    /// The table as CSV, with a head; numbers with as many digits as tell them apart.
    ///
    /// # Errors
    /// [`Error::Io`], which writing to memory gives no reason for.
    pub fn csv(&self) -> Result<String> {
        let failed = |error: csv::Error| Error::io("table", "write")(error.into());
        let mut writer = csv::Writer::from_writer(Vec::new());
        let head = self.columns.iter().map(|(name, _)| name);
        writer.write_record(head).map_err(failed)?;
        for row in &self.rows {
            writer
                .write_record(row.iter().map(Cell::text))
                .map_err(failed)?;
        }
        let bytes = writer.into_inner();
        let bytes = bytes.map_err(|error| Error::io("table", "write")(error.into_error()))?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// The rows as JSON objects; what is empty is left out.
    #[must_use]
    pub fn objects(&self) -> Vec<Map<String, Json>> {
        let object = |row: &Vec<Cell>| {
            let cells = self.columns.iter().zip(row);
            let cells = cells.filter_map(|((name, _), cell)| Some((name.clone(), cell.json()?)));
            cells.collect()
        };
        self.rows.iter().map(object).collect()
    }

    /// The table as a JSON object a line.
    #[must_use]
    pub fn jsonl(&self) -> String {
        let mut text = String::new();
        for object in self.objects() {
            // Writing to a string cannot fail.
            let _ok = writeln!(text, "{}", Json::Object(object));
        }
        text
    }
}

impl Cell {
    /// The cell in words; empty for nothing.
    #[must_use]
    pub fn text(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Count(count) => count.to_string(),
            Self::Number(number) => number.to_string(),
            Self::Flag(flag) => flag.to_string(),
            Self::Empty => String::new(),
        }
    }

    fn json(&self) -> Option<Json> {
        Some(match self {
            Self::Text(text) => Json::from(text.clone()),
            Self::Count(count) => Json::from(*count),
            Self::Number(number) if number.is_finite() => Json::from(*number),
            // As in a run's record.
            Self::Number(number) if number.is_nan() => Json::from("NaN"),
            Self::Number(number) if *number > 0.0 => Json::from("Infinity"),
            Self::Number(_) => Json::from("-Infinity"),
            Self::Flag(flag) => Json::from(*flag),
            Self::Empty => return None,
        })
    }
}

fn kind<'a>(mut values: impl Iterator<Item = &'a Option<Value>>) -> Kind {
    let numeric = values.all(|value| value.as_ref().is_none_or(|value| value.number.is_some()));
    if numeric { Kind::Number } else { Kind::Text }
}

fn cell(value: Option<&Value>, kind: Kind) -> Cell {
    match (value, kind) {
        (
            Some(Value {
                number: Some(number),
                ..
            }),
            Kind::Number,
        ) => Cell::Number(*number),
        (Some(value), _) => Cell::Text(value.text.clone()),
        (None, _) => Cell::Empty,
    }
}

fn measured_cells(report: &Report, row: &Row) -> Vec<Cell> {
    let count = |count: usize| Cell::Count(count as u64);
    let Some(found) = &row.found else {
        let mut cells = vec![Cell::Empty; MEASURED.len()];
        (cells[1], cells[2]) = (count(0), count(row.planned));
        return cells;
    };
    let difference = found.difference;
    let number = |of: fn(&Interval) -> f64| {
        difference
            .as_ref()
            .map_or(Cell::Empty, |d| Cell::Number(of(d)))
    };
    let baseline = report.baseline.clone().filter(|_| difference.is_some());
    vec![
        Cell::Text(found.metric.clone()),
        count(found.test.n),
        count(row.planned),
        Cell::Number(found.validation),
        Cell::Number(found.test.mean),
        found.test.sd.map_or(Cell::Empty, Cell::Number),
        baseline.map_or(Cell::Empty, Cell::Text),
        number(|d| d.mean),
        number(|d| d.low),
        number(|d| d.high),
        difference.map_or(Cell::Empty, |d| count(d.n)),
        Cell::Flag(row.best),
        count(found.trainable),
        Cell::Number(percent(found)),
    ]
}

fn percent(found: &Found) -> f64 {
    100.0 * found.trainable as f64 / found.total.max(1) as f64
}

/// The report as a table in Markdown, with what it means below.
#[must_use]
pub fn markdown(report: &Report) -> String {
    let mut head: Vec<String> = names(&report.columns);
    head.extend(
        report
            .tuned
            .iter()
            .map(|column| format!("{} (chosen)", column.name)),
    );
    head.extend(["trained", "n", "metric", "test"].map(str::to_owned));
    if let Some(baseline) = &report.baseline {
        head.push(format!("− {baseline} [95 %]"));
    }
    let mut text = line(&head);
    text += &line(&vec!["---".to_owned(); head.len()]);
    for row in &report.rows {
        text += &line(&markdown_row(report, row));
    }
    text.push('\n');
    text += &notes(report);
    text
}

fn names(columns: &[Column]) -> Vec<String> {
    columns.iter().map(|column| column.name.clone()).collect()
}

fn markdown_row(report: &Report, row: &Row) -> Vec<String> {
    let word = |value: &Option<Value>| value.as_ref().map_or("–".to_owned(), ToString::to_string);
    let mut cells: Vec<String> = row.values.iter().chain(&row.tuned).map(word).collect();
    let Some(found) = &row.found else {
        cells.extend([
            "–".to_owned(),
            format!("0/{}", row.planned),
            "–".to_owned(),
            "–".to_owned(),
        ]);
        cells.extend(report.baseline.as_ref().map(|_| "–".to_owned()));
        return cells;
    };
    let n = found.test.n;
    let mut value = match found.test.sd {
        Some(sd) => format!("{:.4} ± {sd:.4}", found.test.mean),
        None => format!("{:.4}", found.test.mean),
    };
    if row.best {
        value = format!("**{value}**");
    }
    cells.push(found.trainable.to_string());
    cells.push(if n == row.planned {
        n.to_string()
    } else {
        format!("{n}/{}", row.planned)
    });
    cells.push(found.metric.clone());
    cells.push(value);
    if report.baseline.is_some() {
        cells.push(match &found.difference {
            Some(d) => format!("{:+.4} [{:+.4}, {:+.4}]", d.mean, d.low, d.high),
            None => "–".to_owned(),
        });
    }
    cells
}

fn notes(report: &Report) -> String {
    let mut text =
        String::from("Values are of the test split: mean ± standard deviation over n repetitions.");
    if !report.tuned.is_empty() {
        text += " Settings marked (chosen) have the best mean on the validation split.";
    }
    text.push('\n');
    if report.baseline.is_some() {
        text += "Intervals are of the paired differences, by Student's t; they tell of repetitions, not of other test examples.\n";
        text += "**Bold** is better than every other row of its kind beyond the noise: by a paired interval without 0, corrected for the number of pairs";
        text += if report.rows.iter().any(|row| row.best) {
            ".\n"
        } else {
            "; no row is.\n"
        };
    }
    let tally = report.tally;
    if tally.open > 0 {
        // Writing to a string cannot fail.
        let _ok = writeln!(
            text,
            "Not complete: {} runs are still to be done.",
            tally.open
        );
    }
    if tally.failed > 0 {
        let _ok = writeln!(text, "\nLeft out, {} runs:", tally.failed);
        for (run, why) in &report.failures {
            let _ok = writeln!(text, "- `{run}`: {}", why.replace('\n', " "));
        }
    }
    text
}

fn line(cells: &[String]) -> String {
    let cells: Vec<String> = cells.iter().map(|cell| cell.replace('|', "\\|")).collect();
    format!("| {} |\n", cells.join(" | "))
}

#[cfg(test)]
mod tests;
