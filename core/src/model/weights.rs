//! The tensors of a checkpoint folder, by their standard Hugging Face names.
//!
//! Checkpoints of one architecture differ in details that are settled here, so that no
//! backbone has to know them:
//!
//! | in the file                                   | here                      |
//! |-----------------------------------------------|---------------------------|
//! | `bert.…`, `roberta.…`, `transformer.…`        | the name without it       |
//! | `….gamma`, `….beta`                           | `….weight`, `….bias`      |
//! | one file, or shards with an index             | one set of names          |
//! | safetensors, or a pickled `pytorch_model.bin` | one set of names          |
//! | f16, bf16, f32, f64                           | the dtype that is asked for |
//!
//! A backbone [`take`](Weights::take)s each tensor with the shape that its configuration
//! implies, then calls [`finish`](Weights::finish): a tensor that is missing, of another
//! shape, or left over is an error that names the nearest names there are.

mod open;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};

use candle_core::{DType, Device, Tensor};
use rayon::prelude::*;

use super::nearest::{nearest, quoted};
use crate::hub::ModelFiles;
use crate::random::Key;
use crate::{Error, Result};
use open::Store;

/// Prefixes that one class of a library writes and another does not.
const PREFIXES: [&str; 3] = ["bert.", "roberta.", "transformer."];

/// What checkpoints hold beside the backbone and no backbone needs: buffers, pretraining
/// heads, T5's copies of its embedding and a table that its cross-attention never reads.
const IGNORABLE: [&str; 5] = [
    "embeddings.position_ids",
    "cls.",
    "encoder.embed_tokens.weight",
    "decoder.embed_tokens.weight",
    "decoder.block.0.layer.1.EncDecAttention.relative_attention_bias.weight",
];

/// Left-over tensors that an error lists before it only counts them.
const LISTED: usize = 5;

/// The tensors of a checkpoint, read as they are taken.
#[derive(Debug)]
pub struct Weights {
    folder: PathBuf,
    stores: Vec<Store>,
    entries: BTreeMap<String, Entry>,
    wanted: BTreeSet<String>,
    /// Makes up every tensor that is asked for.
    random: Option<Key>,
}

/// One tensor of the checkpoint.
#[derive(Debug)]
struct Entry {
    /// Its name in the file.
    original: String,
    /// Which of the stores holds it.
    store: usize,
    taken: bool,
}

impl Weights {
    /// Opens the weights of a folder: `model.safetensors`, its shards by
    /// `model.safetensors.index.json`, `pytorch_model.bin`, or its shards.
    ///
    /// Reads headers only; safetensors files stay memory-mapped until this value goes.
    ///
    /// # Errors
    /// [`Error::Model`] when there are no weights, or a file is empty, cut off, damaged or
    /// missing from an index.
    pub fn open(folder: &Path) -> Result<Self> {
        Self::gather(folder, open::stores(folder)?)
    }

    /// Opens the weights among a model's files.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn of(files: &ModelFiles) -> Result<Self> {
        match files {
            ModelFiles::Folder(folder) => Self::open(folder),
            ModelFiles::Embedded(model) => {
                Self::gather(&files.location(), vec![open::embedded(model)?])
            }
        }
    }

    /// Holds tensors that were made in memory, such as random ones for a test.
    ///
    /// # Errors
    /// [`Error::Model`] when two names mean the same tensor (`bert.x` and `x`).
    pub fn from_map(tensors: HashMap<String, Tensor>) -> Result<Self> {
        Self::gather(Path::new("in memory"), vec![Store::Memory(tensors)])
    }

    /// Makes up every tensor that is asked for: norms of 1, biases of 0, and weights that
    /// keep the variance of what they map. For measuring a model without its files.
    #[must_use]
    pub fn random(key: Key) -> Self {
        Self {
            folder: PathBuf::from("made up"),
            stores: Vec::new(),
            entries: BTreeMap::new(),
            wanted: BTreeSet::new(),
            random: Some(key),
        }
    }

    fn gather(folder: &Path, stores: Vec<Store>) -> Result<Self> {
        let mut entries: BTreeMap<String, Entry> = BTreeMap::new();
        for (store, held) in stores.iter().enumerate() {
            for original in held.names() {
                let entry = Entry {
                    store,
                    taken: false,
                    original: original.clone(),
                };
                if let Some(other) = entries.insert(standard_name(&original), entry) {
                    return Err(Error::model(
                        folder,
                        format!(
                            "tensors `{}` and `{original}` are two versions of one: \
                             remove one of them",
                            other.original
                        ),
                    ));
                }
            }
        }
        Ok(Self {
            folder: folder.to_path_buf(),
            stores,
            entries,
            wanted: BTreeSet::new(),
            random: None,
        })
    }

    /// Whether there is a tensor of this name.
    #[must_use]
    pub fn contains(&self, name: &str) -> bool {
        self.entries.contains_key(&standard_name(name))
    }

    /// The standard names of all tensors, in alphabetical order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.entries.keys().map(String::as_str)
    }

    /// The folder that was opened.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Reads a tensor, which must have the shape given, onto a device as `dtype`.
    ///
    /// # Errors
    /// [`Error::Model`] when there is no such tensor (with the nearest names), its shape is
    /// another, it holds no floats, or its data cannot be read.
    pub fn take(
        &mut self,
        name: &str,
        shape: &[usize],
        dtype: DType,
        device: &Device,
    ) -> Result<Tensor> {
        match self.take_optional(name, shape, dtype, device)? {
            Some(tensor) => Ok(tensor),
            None => Err(Error::model(self.whole(), self.missing(name))),
        }
    }

    /// Reads a tensor like [`Self::take`], or gives `None` when there is none of that name.
    ///
    /// # Errors
    /// Those of [`Self::take`], but for a missing tensor.
    pub fn take_optional(
        &mut self,
        name: &str,
        shape: &[usize],
        dtype: DType,
        device: &Device,
    ) -> Result<Option<Tensor>> {
        let name = standard_name(name);
        if let Some(key) = self.random {
            let tensor = made_up(&name, shape, key, device)
                .map_err(|error| Error::model(&self.folder, format!("tensor `{name}`: {error}")))?;
            return Ok(Some(tensor.to_dtype(dtype)?));
        }
        let found = self.entries.get_mut(&name);
        self.wanted.insert(name);
        let Some(entry) = found else {
            return Ok(None);
        };
        entry.taken = true;
        let store = &self.stores[entry.store];
        let original = &entry.original;
        let refuse = |why: String| {
            Error::model(
                store.path(&self.folder),
                format!("tensor `{original}`: {why}"),
            )
        };
        let header = store.header(original).map_err(refuse)?;
        if header.shape != shape {
            return Err(refuse(format!(
                "expected shape {shape:?}, found {:?}: do config.json and the weights \
                 belong together?",
                header.shape
            )));
        }
        if !header.is_float {
            return Err(refuse(format!(
                "expected floating-point numbers, found {}",
                header.dtype
            )));
        }
        let tensor = store.load(original, device).map_err(refuse)?;
        Ok(Some(tensor.to_device(device)?.to_dtype(dtype)?))
    }

    /// Ends loading: every tensor must have been taken or be one that may be ignored.
    ///
    /// A pattern of `ignorable` that ends in a dot means all names that begin with it
    /// (`lm_head.`), any other pattern one name. Pretraining heads, position buffers and
    /// T5's copies of its embedding are always ignored.
    ///
    /// # Errors
    /// [`Error::Model`] that lists the tensors left over and the nearest names that the
    /// model asked for.
    pub fn finish(self, ignorable: &[&str]) -> Result<()> {
        let ignored = |name: &str| {
            IGNORABLE
                .iter()
                .chain(ignorable)
                .any(|pattern| match pattern.strip_suffix('.') {
                    Some(_) => name.starts_with(pattern),
                    None => name == *pattern,
                })
        };
        let left: Vec<(&String, &Entry)> = self
            .entries
            .iter()
            .filter(|(name, entry)| !entry.taken && !ignored(name))
            .collect();
        if left.is_empty() {
            return Ok(());
        }
        let listed = left
            .iter()
            .take(LISTED)
            .map(|(name, entry)| self.left_over(name, entry));
        let more = match left.len().saturating_sub(LISTED) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        let message = format!(
            "holds tensors that have no place in the model that config.json describes: {}{more}",
            listed.collect::<Vec<_>>().join(", ")
        );
        Err(Error::model(self.whole(), message))
    }

    /// What to name where no one tensor is to blame: the file, or the folder of several.
    fn whole(&self) -> PathBuf {
        match &self.stores[..] {
            [only] => only.path(&self.folder).to_path_buf(),
            _ => self.folder.clone(),
        }
    }

    fn left_over(&self, name: &str, entry: &Entry) -> String {
        let original = &entry.original;
        match nearest(name, self.wanted.iter().map(String::as_str), 1).first() {
            Some(near) => format!("`{original}` (nearest: `{near}`)"),
            None => format!("`{original}`"),
        }
    }

    fn missing(&self, name: &str) -> String {
        let near = nearest(&standard_name(name), self.names(), 3);
        if !near.is_empty() {
            let near: Vec<&str> = near.iter().map(|n| &*self.entries[*n].original).collect();
            return format!(
                "there is no tensor `{name}`; the nearest are {}",
                quoted(&near)
            );
        }
        let some: Vec<&str> = self
            .entries
            .values()
            .map(|e| &*e.original)
            .take(3)
            .collect();
        format!(
            "there is no tensor `{name}` nor one like it among {} such as {}",
            self.entries.len(),
            quoted(&some)
        )
    }
}

/// A random tensor of the kind that its name says.
fn made_up(name: &str, shape: &[usize], key: Key, device: &Device) -> candle_core::Result<Tensor> {
    let key = key.named(name);
    let bound = match shape {
        [_] if name.ends_with("weight") => return Tensor::ones(shape, DType::F32, device),
        [_] => return Tensor::zeros(shape, DType::F32, device),
        _ if name.contains("embed") || name == "shared.weight" => 1.0,
        [.., inputs] => (3.0 / *inputs as f32).sqrt(),
        [] => 0.0,
    };
    let mut values = vec![0f32; shape.iter().product()];
    values
        .par_chunks_mut(1 << 16)
        .enumerate()
        .for_each(|(block, values)| {
            for (at, value) in values.iter_mut().enumerate() {
                let position = ((block << 16) + at) as u64;
                // 24 bits are what the significand of an f32 holds.
                let share = (key.bits(position) >> 40) as f32 / (1u32 << 23) as f32 - 1.0;
                *value = bound * share;
            }
        });
    Tensor::from_vec(values, shape, device)
}

/// The name that all spellings of one tensor share.
fn standard_name(name: &str) -> String {
    let name = PREFIXES
        .iter()
        .find_map(|prefix| name.strip_prefix(prefix))
        .unwrap_or(name);
    for (old, new) in [(".gamma", ".weight"), (".beta", ".bias")] {
        if let Some(stem) = name.strip_suffix(old) {
            return format!("{stem}{new}");
        }
    }
    name.to_owned()
}

#[cfg(test)]
mod tests;
