//! The folder in which all Hugging Face libraries keep what they downloaded.
//!
//! ```text
//! models--org--name/refs/main                   the commit that a branch or tag stands for
//! models--org--name/snapshots/<commit>/…        the files, as links
//! models--org--name/blobs/<hash>                what the links point to
//! datasets--org--name/…                         the same of a data set
//! ```

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::files::{self, CONFIG, TOKENIZERS, WEIGHTS};
use super::{HubId, Kind};
use crate::Result;

/// What the cache has of a model.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Cached {
    /// All of it, in this folder.
    Whole(PathBuf),
    /// Not all; what is missing, in words.
    Lacks(String),
}

/// The cache folder, by the variables that other libraries go by.
pub(super) fn folder(variable: impl Fn(&str) -> Option<OsString>) -> PathBuf {
    let path = |name| variable(name).map(PathBuf::from);
    if let Some(cache) = path("HF_HUB_CACHE").or_else(|| path("HUGGINGFACE_HUB_CACHE")) {
        return cache;
    }
    let home = path("HF_HOME")
        .or_else(|| path("XDG_CACHE_HOME").map(|cache| cache.join("huggingface")))
        .or_else(|| path("HOME").map(|home| home.join(".cache/huggingface")))
        .unwrap_or_else(|| std::env::temp_dir().join("huggingface"));
    home.join("hub")
}

/// The folder of a repository in the cache.
pub(super) fn repository(cache: &Path, id: &HubId) -> PathBuf {
    let kind = match id.kind {
        Kind::Model => "models",
        Kind::DataSet => "datasets",
    };
    cache.join(format!("{kind}--{}", id.repository.replace('/', "--")))
}

/// Whether a revision is a commit, which never changes what it stands for.
pub(super) fn is_commit(revision: &str) -> bool {
    revision.len() == 40 && revision.bytes().all(|b| b.is_ascii_hexdigit())
}

/// Looks a model up.
pub(super) fn find(cache: &Path, id: &HubId) -> Result<Cached> {
    let Some(snapshot) = snapshot(cache, id) else {
        return Ok(Cached::Lacks("this model".to_owned()));
    };
    Ok(match lacking(&snapshot)? {
        None => Cached::Whole(snapshot),
        Some(what) => Cached::Lacks(what),
    })
}

/// The folder of a revision's files, where the cache knows its commit; it need not exist.
pub(super) fn snapshot(cache: &Path, id: &HubId) -> Option<PathBuf> {
    let repository = repository(cache, id);
    let commit = if is_commit(&id.revision) {
        id.revision.clone()
    } else {
        // Unreadable is as good as absent: the hub knows the commit too.
        let reference = std::fs::read_to_string(repository.join("refs").join(&id.revision));
        reference.unwrap_or_default().trim().to_owned()
    };
    is_commit(&commit).then(|| repository.join("snapshots").join(commit))
}

/// The paths of all files below a folder, relative to it and with `/` between their parts.
pub(super) fn listing(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![String::new()];
    while let Some(inner) = folders.pop() {
        // What cannot be read is not there for who looks for it.
        for entry in std::fs::read_dir(folder.join(&inner))
            .into_iter()
            .flatten()
            .flatten()
        {
            let Ok(name) = entry.file_name().into_string() else {
                continue;
            };
            let path = format!("{inner}{name}");
            // Through links: a file is one whose content is there.
            if folder.join(&path).is_dir() {
                folders.push(path + "/");
            } else if folder.join(&path).is_file() {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// What a folder lacks to be a whole model.
pub(super) fn lacking(folder: &Path) -> Result<Option<String>> {
    let has = |file: &str| folder.join(file).is_file();
    if !has(CONFIG) {
        return Ok(Some(format!("its {CONFIG}")));
    }
    if !TOKENIZERS.iter().any(|file| has(file)) {
        return Ok(Some(format!("a tokenizer ({})", TOKENIZERS.join(", "))));
    }
    for weights in WEIGHTS {
        if has(weights.single) {
            return Ok(None);
        }
        if has(weights.index) {
            let shards = files::shards(&folder.join(weights.index))?;
            let missing = shards.into_keys().find(|shard| !has(shard));
            return Ok(missing.map(|shard| format!("the shard {shard}")));
        }
    }
    let singles: Vec<&str> = WEIGHTS.iter().map(|weights| weights.single).collect();
    Ok(Some(format!("weights ({})", singles.join(" or "))))
}
