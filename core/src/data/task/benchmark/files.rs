//! Where a task's files are in a folder.
//!
//! The folder itself may hold them, or one in it with the task's name in the official
//! download (`RTE`) or on the hub (`rte`); a split is one of
//!
//! | file                               | of                                      |
//! |------------------------------------|-----------------------------------------|
//! | `train.tsv`, `dev.tsv`             | GLUE's official download                |
//! | `train.jsonl`, `val.jsonl`         | SuperGLUE's official download           |
//! | `train-00000-of-00001.parquet`     | the hub's data sets                     |
//! | `train/0000.parquet`               | the hub's branch `refs/convert/parquet` |
//! | `train`, `validation` as `.tsv`, `.csv`, `.jsonl`, `.parquet` | anybody      |

use std::path::{Path, PathBuf};

use super::Benchmark;
use crate::{Error, Result};

const EXTENSIONS: [&str; 4] = ["tsv", "csv", "jsonl", "parquet"];

/// A part of the data as it is published.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    Train,
    Validation,
    /// MNLI's validation rows of the training rows' genres.
    Matched,
    /// MNLI's validation rows of other genres.
    Mismatched,
}

impl Part {
    /// What files of the part are called, on the hub first.
    pub(super) fn names(self) -> &'static [&'static str] {
        match self {
            Self::Train => &["train"],
            Self::Validation => &["validation", "dev", "val"],
            Self::Matched => &["validation_matched", "dev_matched"],
            Self::Mismatched => &["validation_mismatched", "dev_mismatched"],
        }
    }
}

/// The folder that holds a task's files, given the one that the user named.
pub(super) fn task_folder(entry: &Benchmark, given: &Path) -> Result<PathBuf> {
    let inner = [entry.folder, entry.hub_config()].map(|name| given.join(name));
    for folder in inner.iter().chain([&given.to_path_buf()]) {
        if !candidates(folder, Part::Train)?.is_empty() {
            return Ok(folder.clone());
        }
    }
    let (official, hub) = (entry.folder, entry.hub_config());
    let message = format!(
        "holds no training file of `{}`: train.tsv, .csv, .jsonl, .parquet or \
         train-00000-of-00001.parquet, there or in {official} or {hub}",
        entry.name
    );
    Err(Error::data(given, None, message))
}

/// The files of a part, in their order.
pub(super) fn of(folder: &Path, part: Part) -> Result<Vec<PathBuf>> {
    let mut found = candidates(folder, part)?;
    if found.len() > 1 {
        let file = |at: usize| found[at][0].display().to_string();
        let message = format!("{} is there too: leave one of the two", file(1));
        return Err(Error::data(file(0), None, message));
    }
    found.pop().ok_or_else(|| {
        let names = part.names().join(", ");
        let message = format!(
            "lacks a file named {names} (.tsv, .csv, .jsonl, .parquet, or a part such as \
             {}-00000-of-00001.parquet)",
            part.names()[0]
        );
        Error::data(folder, None, message)
    })
}

/// Each way in which a folder holds a part, as its files.
fn candidates(folder: &Path, part: Part) -> Result<Vec<Vec<PathBuf>>> {
    let mut found = Vec::new();
    for name in part.names() {
        for extension in EXTENSIONS {
            let file = folder.join(format!("{name}.{extension}"));
            if file.is_file() {
                found.push(vec![file]);
            }
        }
        let shards = shards(folder, name)?;
        let converted = listed(&folder.join(name))?
            .into_iter()
            .filter(|file| is_parquet(file))
            .collect::<Vec<_>>();
        found.extend(
            [shards, converted]
                .into_iter()
                .filter(|files| !files.is_empty()),
        );
    }
    Ok(found)
}

/// The files `name-…-of-….parquet`; all of them must be there.
fn shards(folder: &Path, name: &str) -> Result<Vec<PathBuf>> {
    let mut shards = Vec::new();
    let mut count = 0;
    for file in listed(folder)? {
        let stem = file
            .file_stem()
            .and_then(|stem| stem.to_str())
            .unwrap_or("");
        let numbers = stem
            .strip_prefix(name)
            .and_then(|rest| rest.strip_prefix('-'));
        let numbers = numbers.and_then(|rest| rest.split_once("-of-"));
        if let (true, Some((_, all))) = (is_parquet(&file), numbers) {
            count = all.parse().unwrap_or(0);
            shards.push(file);
        }
    }
    if shards.len() != count && !shards.is_empty() {
        let found = shards.len();
        let message = format!("is one of {count} files, and {found} are there: fetch all of them");
        return Err(Error::data(&shards[0], None, message));
    }
    Ok(shards)
}

fn is_parquet(file: &Path) -> bool {
    file.extension()
        .is_some_and(|extension| extension == "parquet")
}

/// What is in a folder, in order; nothing where there is none.
fn listed(folder: &Path) -> Result<Vec<PathBuf>> {
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    let read = || -> std::io::Result<Vec<PathBuf>> {
        let entries = std::fs::read_dir(folder)?;
        entries.map(|entry| Ok(entry?.path())).collect()
    };
    let mut files = read().map_err(Error::io(folder, "read"))?;
    files.sort();
    Ok(files)
}
