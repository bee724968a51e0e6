//! AdapterHub 1.3.

use std::path::Path;

use serde_json::Value;

use super::entry::Entry;
use super::{Adapter, Export, no_word};
use crate::Result;
use crate::config::Method;
use crate::model::Model;
use crate::peft::Parameter;

const NAME: &str = "AdapterHub";

/// Reads the adapter in a folder.
pub(super) fn read(_folder: &Path, _config: Value) -> Result<Adapter> {
    Err(no_word(NAME, "not built yet"))
}

/// What the tensors of an adapter are in ours.
pub(super) fn entries(
    _adapter: &Adapter,
    _method: &Method,
    _model: &Model,
    _parameters: &[Parameter],
) -> Result<Vec<Entry>> {
    Err(no_word(NAME, "not built yet"))
}

/// Writes an adapter into a new folder.
pub(super) fn write(_export: &Export<'_>, _folder: &Path) -> Result<()> {
    Err(no_word(NAME, "not built yet"))
}
