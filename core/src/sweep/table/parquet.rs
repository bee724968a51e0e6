//! A table as a Parquet file: optional columns, one row group, Snappy.

use std::sync::Arc;

use parquet::basic::{Compression, LogicalType, Repetition, Type as Physical};
use parquet::column::writer::ColumnWriter;
use parquet::data_type::ByteArray;
use parquet::errors::{ParquetError, Result as Outcome};
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::Type;

use super::{Cell, Kind, Table};
use crate::{Error, Result};

/// The bytes of a Parquet file with the table.
///
/// # Errors
/// [`Error::Io`], which writing to memory gives no reason for.
pub fn parquet(table: &Table) -> Result<Vec<u8>> {
    written(table).map_err(|error| Error::io("table", "write")(std::io::Error::other(error)))
}

fn written(table: &Table) -> Outcome<Vec<u8>> {
    let fields = table.columns.iter().map(|(name, kind)| field(name, *kind));
    let fields = fields.collect::<Outcome<Vec<_>>>()?;
    let schema = Type::group_type_builder("table")
        .with_fields(fields)
        .build()?;
    let properties = WriterProperties::builder().set_compression(Compression::SNAPPY);
    let properties = Arc::new(properties.build());
    let mut writer = SerializedFileWriter::new(Vec::new(), Arc::new(schema), properties)?;
    let mut group = writer.next_row_group()?;
    let mut at = 0;
    while let Some(mut column) = group.next_column()? {
        let cells: Vec<&Cell> = table.rows.iter().map(|row| &row[at]).collect();
        write(column.untyped(), &cells)?;
        column.close()?;
        at += 1;
    }
    group.close()?;
    writer.into_inner()
}

fn field(name: &str, kind: Kind) -> Outcome<Arc<Type>> {
    let (physical, logical) = match kind {
        Kind::Text => (Physical::BYTE_ARRAY, Some(LogicalType::String)),
        Kind::Count => (Physical::INT64, None),
        Kind::Number => (Physical::DOUBLE, None),
        Kind::Flag => (Physical::BOOLEAN, None),
    };
    let field = Type::primitive_type_builder(name, physical);
    let field = field.with_repetition(Repetition::OPTIONAL);
    Ok(Arc::new(field.with_logical_type(logical).build()?))
}

/// Writes a column: values that are there, and for each row whether one is.
fn write(column: &mut ColumnWriter<'_>, cells: &[&Cell]) -> Outcome<()> {
    let levels: Vec<i16> = cells
        .iter()
        .map(|cell| i16::from(**cell != Cell::Empty))
        .collect();
    let levels = Some(levels.as_slice());
    let there = cells.iter().filter(|cell| ***cell != Cell::Empty);
    match column {
        ColumnWriter::ByteArrayColumnWriter(column) => {
            let values: Vec<ByteArray> = there.map(|cell| cell.text().as_str().into()).collect();
            column.write_batch(&values, levels, None)?;
        }
        ColumnWriter::Int64ColumnWriter(column) => {
            let value = |cell: &&Cell| match cell {
                Cell::Count(count) => {
                    i64::try_from(*count).map_err(|e| ParquetError::External(e.into()))
                }
                other => Err(misplaced(other)),
            };
            let values = there.map(value).collect::<Outcome<Vec<i64>>>()?;
            column.write_batch(&values, levels, None)?;
        }
        ColumnWriter::DoubleColumnWriter(column) => {
            let value = |cell: &&Cell| match cell {
                Cell::Number(number) => Ok(*number),
                other => Err(misplaced(other)),
            };
            let values = there.map(value).collect::<Outcome<Vec<f64>>>()?;
            column.write_batch(&values, levels, None)?;
        }
        ColumnWriter::BoolColumnWriter(column) => {
            let value = |cell: &&Cell| match cell {
                Cell::Flag(flag) => Ok(*flag),
                other => Err(misplaced(other)),
            };
            let values = there.map(value).collect::<Outcome<Vec<bool>>>()?;
            column.write_batch(&values, levels, None)?;
        }
        _ => {
            return Err(ParquetError::General(
                "a column of no kind of ours".to_owned(),
            ));
        }
    }
    Ok(())
}

fn misplaced(cell: &Cell) -> ParquetError {
    ParquetError::General(format!("{cell:?} is of another kind than its column"))
}
