//! Tab-separated values: no quoting, no escapes.

use std::path::Path;

use super::{Table, lines};
use crate::{Error, Result};

pub(super) fn parse(path: &Path, text: &str) -> Result<Table> {
    let mut rows = lines(text).map(|(line, row)| (line, row.split('\t').map(str::to_owned)));
    let Some((line, header)) = rows.next() else {
        return Err(Error::data(path, None, "is empty"));
    };
    let mut table = Table::with_columns(path, Some(line), header.collect())?;
    for (line, row) in rows {
        table.push(line, row)?;
    }
    Ok(table)
}
