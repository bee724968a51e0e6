//! Folders of adapters: a configuration in JSON, tensors in safetensors or a pickle.

use std::fs;
use std::path::Path;

use candle_core::{Device, pickle};
use serde_json::Value;

use super::entry::Tensors;
use crate::tensor_file;
use crate::{Error, Result};

/// Name of the configuration, in both libraries.
pub(super) const CONFIG: &str = "adapter_config.json";

/// Reads the configuration of the adapter in a folder.
pub(super) fn config(folder: &Path) -> Result<Value> {
    if !folder.is_dir() {
        let message = "there is no such folder; give the one that holds adapter_config.json";
        return Err(Error::model(folder, message));
    }
    let path = folder.join(CONFIG);
    if !path.exists() {
        let message = format!("holds no {CONFIG}: it is no adapter of AdapterHub or PEFT");
        return Err(Error::model(folder, message));
    }
    json(&path)
}

/// Reads a file of JSON.
pub(super) fn json(path: &Path) -> Result<Value> {
    let text = fs::read_to_string(path).map_err(Error::io(path, "read"))?;
    serde_json::from_str(&text).map_err(|error| Error::model(path, format!("damaged: {error}")))
}

/// Reads the tensors of the first of two files that there is: safetensors, or a pickle.
///
/// # Errors
/// Fails if there is neither, or it is damaged.
pub(super) fn tensors(folder: &Path, safe: &str, pickled: &str) -> Result<Tensors> {
    if let Some(tensors) = safetensors(&folder.join(safe))? {
        return Ok(tensors);
    }
    let path = folder.join(pickled);
    if !path.exists() {
        let message = format!("holds neither {safe} nor {pickled}");
        return Err(Error::model(folder, message));
    }
    let read = pickle::read_all(&path).map_err(|error| damaged(&path, &error))?;
    Ok(read.into_iter().collect())
}

/// Reads the tensors of a safetensors file; `None` where there is none.
pub(super) fn safetensors(path: &Path) -> Result<Option<Tensors>> {
    if !path.exists() {
        return Ok(None);
    }
    let read = candle_core::safetensors::load(path, &Device::Cpu);
    let read = read.map_err(|error| damaged(path, &error))?;
    Ok(Some(read.into_iter().collect()))
}

fn damaged(path: &Path, error: &candle_core::Error) -> Error {
    let text = error.to_string();
    let first = text.lines().next().unwrap_or_default();
    Error::model(path, format!("cut off or damaged: {first}"))
}

/// Writes a configuration as people read it.
pub(super) fn write_json(path: &Path, value: &Value) -> Result<()> {
    let text = format!("{value:#}\n");
    fs::write(path, text).map_err(Error::io(path, "write"))
}

/// Writes tensors as safetensors.
pub(super) fn write_tensors(path: &Path, tensors: &Tensors) -> Result<()> {
    let tensors = tensors.iter().map(|(name, tensor)| (name.as_str(), tensor));
    let metadata = [("format".to_owned(), "pt".to_owned())];
    let refuse = |why| Error::model(path, format!("cannot be written: {why}"));
    tensor_file::write(path, tensors, Some(metadata.into()), refuse)
}

/// Refuses to write over anything.
pub(super) fn check_free(folder: &Path) -> Result<()> {
    if folder.exists() {
        return Err(Error::model(folder, "exists already; name a new folder"));
    }
    Ok(())
}
