//! One checkpoint: the trained tensors, the optimizer's, and the state of everything else.
//!
//! `state.json` also lists the tensors of both files, in their order and with their shapes,
//! so that a file that was swapped, cut or written by something else is noticed before
//! training goes on from it.

use std::fs;
use std::path::Path;

use candle_core::{DType, Device, Tensor};
use safetensors::SafeTensors;
use serde::{Deserialize, Serialize};

use super::State;
use crate::atomic;
use crate::tensor_file;
use crate::{Error, Result};

/// Version of the checkpoint format.
const FORMAT: u32 = 1;
const STATE: &str = "state.json";
const TRAINED: &str = "trained.safetensors";
const OPTIMIZER: &str = "optimizer.safetensors";

/// Tensors in the order that training holds them.
pub type Named = Vec<(String, Tensor)>;

/// Everything that training goes on from.
#[derive(Debug, Clone)]
pub struct Checkpoint {
    /// Where training stands.
    pub state: State,
    /// The trained tensors, f32 or f64.
    pub trained: Named,
    /// The optimizer's tensors, f32 or f64.
    pub optimizer: Named,
}

/// What `state.json` holds.
#[derive(Serialize, Deserialize)]
struct Saved {
    format: u32,
    state: State,
    trained: Vec<Entry>,
    optimizer: Vec<Entry>,
}

/// A tensor as `state.json` lists it.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Entry {
    name: String,
    dtype: String,
    shape: Vec<usize>,
}

impl Checkpoint {
    /// Writes the checkpoint as the folder `path`, whole or not at all.
    ///
    /// # Errors
    /// [`Error::Io`] when the disk refuses, [`Error::Checkpoint`] for a tensor that is
    /// neither f32 nor f64. What was at `path` before is then still there.
    pub fn write(&self, path: &Path) -> Result<()> {
        let saved = Saved {
            format: FORMAT,
            state: self.state.clone(),
            trained: entries(&self.trained),
            optimizer: entries(&self.optimizer),
        };
        atomic::write_dir(path, |folder| {
            write_tensors(&folder.join(TRAINED), &self.trained)?;
            write_tensors(&folder.join(OPTIMIZER), &self.optimizer)?;
            let path = folder.join(STATE);
            let text = serde_json::to_vec_pretty(&saved)
                .map_err(|error| Error::checkpoint(&path, error.to_string()))?;
            fs::write(&path, text).map_err(Error::io(&path, "write"))
        })
    }

    /// Reads the checkpoint in the folder `path`; its tensors are on the CPU.
    ///
    /// # Errors
    /// [`Error::Checkpoint`] naming the file that is missing, cut, or does not hold what
    /// `state.json` lists, with what to do about it.
    pub fn load(path: &Path) -> Result<Self> {
        let saved = read_saved(path)?;
        Ok(Self {
            trained: read_tensors(&path.join(TRAINED), &saved.trained)?,
            optimizer: read_tensors(&path.join(OPTIMIZER), &saved.optimizer)?,
            state: saved.state,
        })
    }

    /// Reads only the trained tensors and the state, for evaluation and prediction.
    ///
    /// # Errors
    /// Those of [`Self::load`].
    pub fn load_trained(path: &Path) -> Result<(State, Named)> {
        let saved = read_saved(path)?;
        let trained = read_tensors(&path.join(TRAINED), &saved.trained)?;
        Ok((saved.state, trained))
    }

    /// Reads only the state of the checkpoint in the folder `path`.
    ///
    /// # Errors
    /// [`Error::Checkpoint`] when `state.json` is missing or damaged.
    pub fn load_state(path: &Path) -> Result<State> {
        read_saved(path).map(|saved| saved.state)
    }
}

fn entries(tensors: &Named) -> Vec<Entry> {
    let entry = |(name, tensor): &(String, Tensor)| Entry {
        name: name.clone(),
        dtype: tensor.dtype().as_str().to_owned(),
        shape: tensor.dims().to_vec(),
    };
    tensors.iter().map(entry).collect()
}

fn write_tensors(path: &Path, tensors: &Named) -> Result<()> {
    let mut host = Vec::with_capacity(tensors.len());
    for (name, tensor) in tensors {
        if !matches!(tensor.dtype(), DType::F32 | DType::F64) {
            let found = tensor.dtype().as_str();
            return Err(Error::checkpoint(
                path,
                format!("{name} is {found}, expected f32 or f64"),
            ));
        }
        host.push((name.as_str(), tensor.to_device(&Device::Cpu)?));
    }
    let host = host.iter().map(|(name, tensor)| (*name, tensor));
    tensor_file::write(path, host, None, |why| Error::checkpoint(path, why))
}

fn read_saved(folder: &Path) -> Result<Saved> {
    let path = folder.join(STATE);
    let bytes = read_file(&path)?;
    let value: serde_json::Value =
        serde_json::from_slice(&bytes).map_err(|error| damaged(&path, error))?;
    let format = value.get("format").and_then(serde_json::Value::as_u64);
    if format != Some(u64::from(FORMAT)) {
        let found = format.map_or("none".to_owned(), |format| format.to_string());
        let message = format!(
            "checkpoint format {found}, this program reads {FORMAT}: use the version of compacter that wrote it, or a newer one"
        );
        return Err(Error::checkpoint(path, message));
    }
    serde_json::from_value(value).map_err(|error| damaged(&path, error))
}

fn read_tensors(path: &Path, listed: &[Entry]) -> Result<Named> {
    let bytes = read_file(path)?;
    let file = SafeTensors::deserialize(&bytes).map_err(|error| damaged(path, error))?;
    if file.len() != listed.len() {
        let (found, expected) = (file.len(), listed.len());
        return Err(damaged(
            path,
            format!("holds {found} tensors, {STATE} lists {expected}"),
        ));
    }
    listed
        .iter()
        .map(|entry| read_tensor(path, &file, entry))
        .collect()
}

fn read_tensor(path: &Path, file: &SafeTensors<'_>, entry: &Entry) -> Result<(String, Tensor)> {
    use candle_core::safetensors::Load;

    let view = file
        .tensor(&entry.name)
        .map_err(|error| damaged(path, error))?;
    let tensor = view.load(&Device::Cpu)?;
    let (found, expected) = (tensor.dims(), entry.shape.as_slice());
    if found != expected || tensor.dtype().as_str() != entry.dtype {
        return Err(damaged(
            path,
            format!(
                "{} is {} {found:?}, {STATE} lists {} {expected:?}",
                entry.name,
                tensor.dtype().as_str(),
                entry.dtype
            ),
        ));
    }
    Ok((entry.name.clone(), tensor))
}

fn read_file(path: &Path) -> Result<Vec<u8>> {
    match fs::read(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Err(damaged(path, "missing")),
        read => read.map_err(Error::io(path, "read")),
    }
}

fn damaged(path: &Path, why: impl std::fmt::Display) -> Error {
    Error::checkpoint(
        path,
        format!(
            "{why}; remove this checkpoint's folder to go on from the one before it, or start over with --fresh"
        ),
    )
}

#[cfg(test)]
pub(super) mod tests;
