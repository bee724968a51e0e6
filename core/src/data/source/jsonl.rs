//! An object a line. The first one names the columns; the others must have the same keys,
//! in any order.

use std::fmt;
use std::path::Path;

use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::Value;

use super::{Form, Table, lines};
use crate::{Error, Result};

pub(super) fn parse(path: &Path, text: &str, form: &Form<'_>) -> Result<Table> {
    let mut table: Option<Table> = None;
    for (line, row) in lines(text).filter(|(_, row)| !row.trim().is_empty()) {
        let record = record(row, form).map_err(|message| Error::data(path, Some(line), message))?;
        let table = match &mut table {
            Some(table) => table,
            None if record.is_empty() => {
                let message = match form.only {
                    None => "has no keys, so no columns".to_owned(),
                    Some(only) => format!("has none of the keys {}", only.join(", ")),
                };
                return Err(Error::data(path, Some(line), message));
            }
            None => {
                let names = record.iter().map(|(key, _)| key.clone()).collect();
                table.insert(Table::with_columns(path, Some(line), names)?)
            }
        };
        let cells = aligned(table, record).map_err(|m| Error::data(path, Some(line), m))?;
        table.push(line, cells)?;
    }
    table.ok_or_else(|| Error::data(path, None, "is empty"))
}

/// The cells of an object in the order of the table's columns.
fn aligned(table: &Table, record: Vec<(String, String)>) -> Result<Vec<String>, String> {
    let mut cells = vec![None; table.columns.len()];
    for (key, text) in record {
        let at = table.columns.iter().position(|column| *column == key);
        let at =
            at.ok_or_else(|| format!("has the key `{key}`, which the first object has not"))?;
        if cells[at].replace(text).is_some() {
            return Err(format!("has the key `{key}` twice"));
        }
    }
    let named = cells.into_iter().zip(&table.columns);
    named
        .map(|(cell, name)| cell.ok_or_else(|| format!("lacks the key `{name}`")))
        .collect()
}

/// The keys and values of one line, in its order.
fn record(row: &str, form: &Form<'_>) -> Result<Vec<(String, String)>, String> {
    let mut deserializer = serde_json::Deserializer::from_str(row);
    let pairs = deserializer.deserialize_map(Pairs);
    let pairs = pairs.and_then(|pairs| deserializer.end().map(|()| pairs));
    let pairs = pairs.map_err(|error| {
        let text = error.to_string();
        // The parser saw one line only; the line number in its text is always 1.
        let what = text.split(" at line ").next().unwrap_or_default();
        format!("not a JSON object, column {}: {what}", error.column())
    })?;
    let kept = pairs.into_iter().filter(|(key, _)| form.keeps(key));
    let texts = kept.map(|(key, value)| {
        let text = match value {
            Value::Array(_) | Value::Object(_) if form.only.is_some() => Ok(value.to_string()),
            value => scalar(value),
        };
        let text = text.map_err(|kind| {
            format!("`{key}` is {kind}; a value must be a string, a number or a boolean")
        })?;
        Ok((key, text))
    });
    texts.collect()
}

fn scalar(value: Value) -> Result<String, &'static str> {
    match value {
        Value::String(text) => Ok(text),
        Value::Number(number) => Ok(number.to_string()),
        Value::Bool(truth) => Ok(truth.to_string()),
        Value::Null => Err("null"),
        Value::Array(_) => Err("an array"),
        Value::Object(_) => Err("an object"),
    }
}

/// Keeps the order of the keys, and keys that come twice.
struct Pairs;

impl<'de> Visitor<'de> for Pairs {
    type Value = Vec<(String, Value)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object such as {\"text\": \"…\", \"label\": 1}")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut pairs = Vec::new();
        while let Some(pair) = map.next_entry()? {
            pairs.push(pair);
        }
        Ok(pairs)
    }
}
