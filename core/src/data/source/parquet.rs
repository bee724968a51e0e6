//! Parquet files, through the row interface: task files are small, and Arrow is not.

use std::fs::File;
use std::path::Path;

use parquet::errors::ParquetError;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::{Field, Row};
use serde_json::Value;

use super::{Form, Table, unreadable};
use crate::{Error, Result};

pub(super) fn read(path: &Path, form: &Form<'_>) -> Result<Table> {
    let file = File::open(path).map_err(unreadable(path))?;
    if file.metadata().map_err(unreadable(path))?.is_dir() {
        return Err(unreadable(path)(std::io::ErrorKind::IsADirectory.into()));
    }
    let refused = |error| Error::data(path, None, told(&error));
    let reader = SerializedFileReader::new(file).map_err(refused)?;
    let schema = reader.metadata().file_metadata().schema();
    let names = schema
        .get_fields()
        .iter()
        .map(|field| field.name().to_owned())
        .filter(|name| form.keeps(name));
    let mut table = Table::with_columns(path, None, names.collect())?;
    for (number, row) in (1..).zip(reader.get_row_iter(None).map_err(refused)?) {
        let cells = cells(&row.map_err(refused)?, form)
            .map_err(|message| Error::data(path, Some(number), message))?;
        table.push(number, cells)?;
    }
    Ok(table)
}

/// The library's reason, without its own preamble.
fn told(error: &ParquetError) -> String {
    match error {
        ParquetError::General(why) => {
            match why.strip_prefix("Disabled feature at compile time: ") {
                Some(codec) => format!(
                    "is compressed with {codec}, which is not read: write it with snappy, gzip or \
                 no compression"
                ),
                None => format!("cannot be read as Parquet: {why}"),
            }
        }
        other => format!("cannot be read as Parquet: {other}"),
    }
}

fn cells(row: &Row, form: &Form<'_>) -> Result<Vec<String>, String> {
    row.get_column_iter()
        .filter(|(name, _)| form.keeps(name))
        .map(|(name, field)| match field {
            Field::Group(_) | Field::ListInternal(_) if form.only.is_some() => {
                Ok(json(name, field)?.to_string())
            }
            field => scalar(name, field),
        })
        .collect()
}

/// A nested value, whose innermost values become texts.
fn json(name: &str, field: &Field) -> Result<Value, String> {
    match field {
        Field::Group(row) => {
            let pairs = row.get_column_iter();
            let pairs = pairs.map(|(key, field)| Ok((key.clone(), json(name, field)?)));
            pairs.collect::<Result<_, String>>().map(Value::Object)
        }
        Field::ListInternal(list) => {
            let elements = list.elements().iter().map(|field| json(name, field));
            elements.collect::<Result<_, String>>().map(Value::Array)
        }
        field => scalar(name, field).map(Value::String),
    }
}

fn scalar(name: &str, field: &Field) -> Result<String, String> {
    let refused = |kind: &str| {
        let must = "a value must be a string, a number or a boolean";
        Err(format!("`{name}` is {kind}; {must}"))
    };
    match field {
        Field::Str(text) => Ok(text.clone()),
        // Files of old writers do not say which of their bytes are text.
        Field::Bytes(bytes) => match std::str::from_utf8(bytes.data()) {
            Ok(text) => Ok(text.to_owned()),
            Err(_) => refused("not UTF-8"),
        },
        Field::Float16(value) => Ok(value.to_string()),
        // Not the crate's own form, which has exponents where nobody expects them.
        Field::Float(value) => Ok(value.to_string()),
        Field::Double(value) => Ok(value.to_string()),
        Field::Null => refused("null"),
        Field::Group(_) => refused("a group"),
        Field::ListInternal(_) => refused("a list"),
        Field::MapInternal(_) => refused("a map"),
        Field::Date(_)
        | Field::TimeMillis(_)
        | Field::TimeMicros(_)
        | Field::TimestampMillis(_)
        | Field::TimestampMicros(_) => refused("a date or time"),
        number_or_boolean => Ok(number_or_boolean.to_string()),
    }
}
