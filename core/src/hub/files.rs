//! Which files make up a model.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path};

use serde::Deserialize;

use crate::{Error, Result};

/// The model's configuration.
pub(crate) const CONFIG: &str = "config.json";

/// A way to keep weights: in one file, or in shards that an index lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct WeightFiles {
    pub(crate) single: &'static str,
    pub(crate) index: &'static str,
}

/// The format that is memory-mapped.
pub(crate) const SAFETENSORS: WeightFiles = WeightFiles {
    single: "model.safetensors",
    index: "model.safetensors.index.json",
};

/// `PyTorch`'s older format.
pub(crate) const PICKLE: WeightFiles = WeightFiles {
    single: "pytorch_model.bin",
    index: "pytorch_model.bin.index.json",
};

/// Both, the better one first.
pub(super) const WEIGHTS: [WeightFiles; 2] = [SAFETENSORS, PICKLE];

/// Each of them is a whole tokenizer.
pub(crate) const TOKENIZERS: [&str; 3] = ["tokenizer.json", "spiece.model", "vocab.txt"];

/// Small files that are taken along where there are any.
pub(crate) const EXTRAS: [&str; 7] = [
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "generation_config.json",
    "merges.txt",
    "vocab.json",
    "sentence_bert_config.json",
];

/// The shards of an index file and the names of the tensors that each should hold.
///
/// # Errors
/// [`Error::Model`] when the file is no index, or a shard is not a plain file name: one
/// with a path in it could be any file of this machine.
pub(crate) fn shards(index_path: &Path) -> Result<BTreeMap<String, BTreeSet<String>>> {
    #[derive(Deserialize)]
    struct Index {
        weight_map: BTreeMap<String, String>,
    }
    let json = std::fs::read(index_path).map_err(Error::io(index_path, "read"))?;
    let index: Index = serde_json::from_slice(&json)
        .map_err(|error| Error::model(index_path, format!("not an index of weights: {error}")))?;
    let mut shards: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (tensor, shard) in index.weight_map {
        if !is_plain_name(&shard) {
            let message = format!("names the shard `{shard}`, which is not a file of this folder");
            return Err(Error::model(index_path, message));
        }
        shards.entry(shard).or_default().insert(tensor);
    }
    if shards.is_empty() {
        return Err(Error::model(index_path, "names no shard"));
    }
    Ok(shards)
}

fn is_plain_name(file: &str) -> bool {
    let mut parts = Path::new(file).components();
    matches!(parts.next(), Some(Component::Normal(only)) if only == file) && parts.next().is_none()
}
