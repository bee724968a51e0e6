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

use std::path::Path;

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

/// The files of each part, in their order, among the paths `names` relative to `root`.
///
/// # Errors
/// [`Error::Data`] when a part is missing, is there twice or lacks one of its files.
pub(super) fn find(
    entry: &Benchmark,
    root: &Path,
    names: &[String],
    parts: &[Part],
) -> Result<Vec<Vec<String>>> {
    let bases = bases(entry);
    let has_train = |base: &&String| {
        let found = candidates(names, base, Part::Train);
        !found.is_empty()
    };
    let Some(base) = bases.iter().find(has_train) else {
        let (official, hub) = (entry.folder, entry.hub_config());
        let message = format!(
            "holds no training file of `{}`: train.tsv, .csv, .jsonl, .parquet or \
             train-00000-of-00001.parquet, there or in {official} or {hub}",
            entry.name
        );
        return Err(Error::data(root, None, message));
    };
    let found = parts.iter().map(|&part| one(root, names, base, part));
    found.collect()
}

/// The paths below a folder that may be a task's files.
pub(super) fn listing(entry: &Benchmark, root: &Path, parts: &[Part]) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for base in bases(entry) {
        names.extend(listed(root, &base)?);
        for name in parts.iter().flat_map(|part| part.names()) {
            names.extend(listed(root, &format!("{base}{name}/"))?);
        }
    }
    Ok(names)
}

/// Where a task's files may be, the most particular first.
fn bases(entry: &Benchmark) -> [String; 3] {
    let inner = |name: &str| format!("{name}/");
    [
        inner(entry.folder),
        inner(entry.hub_config()),
        String::new(),
    ]
}

/// The only way in which a part is there.
fn one(root: &Path, names: &[String], base: &str, part: Part) -> Result<Vec<String>> {
    let mut found = candidates(names, base, part);
    if found.len() > 1 {
        let file = |at: usize| root.join(&found[at][0]);
        let message = format!("{} is there too: leave one of the two", file(1).display());
        return Err(Error::data(file(0), None, message));
    }
    let Some(files) = found.pop() else {
        let names = part.names();
        let message = format!(
            "lacks a file named {} (.tsv, .csv, .jsonl, .parquet, or a part such as \
             {}-00000-of-00001.parquet)",
            names.join(", "),
            names[0]
        );
        return Err(Error::data(root.join(base), None, message));
    };
    let count = part_count(&files[0]).unwrap_or(files.len());
    if count != files.len() {
        let there = files.len();
        let message = format!("is one of {count} files, and {there} are there: fetch all of them");
        return Err(Error::data(root.join(&files[0]), None, message));
    }
    Ok(files)
}

/// Each way in which a part is there, as its files.
fn candidates(names: &[String], base: &str, part: Part) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    for part in part.names() {
        let start = format!("{base}{part}");
        for extension in EXTENSIONS {
            let file = format!("{start}.{extension}");
            found.extend(names.contains(&file).then(|| vec![file]));
        }
        for mark in ["-", "/"] {
            let parquet = |name: &&String| {
                let rest = name
                    .strip_prefix(&start)
                    .and_then(|rest| rest.strip_prefix(mark));
                let rest = rest.and_then(|rest| rest.strip_suffix(".parquet"));
                rest.is_some_and(|rest| mark == "/" && !rest.contains('/') || rest.contains("-of-"))
            };
            let mut files: Vec<String> = names.iter().filter(parquet).cloned().collect();
            files.sort();
            files.dedup();
            found.extend((!files.is_empty()).then_some(files));
        }
    }
    found
}

/// Of how many files one says that it is, as `train-00000-of-00002.parquet` does.
fn part_count(file: &str) -> Option<usize> {
    let (_, count) = file.strip_suffix(".parquet")?.rsplit_once("-of-")?;
    count.parse().ok()
}

/// The paths of the files in a folder of `root`; none where there is no such folder.
fn listed(root: &Path, inner: &str) -> Result<Vec<String>> {
    let folder = root.join(inner);
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    let read = || -> std::io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in std::fs::read_dir(&folder)? {
            // A name that is no UTF-8 is none of ours.
            let name = entry?.file_name().into_string();
            names.extend(name.map(|name| format!("{inner}{name}")).ok());
        }
        Ok(names)
    };
    let names = read().map_err(Error::io(&folder, "read"))?;
    let files = names.into_iter().filter(|name| root.join(name).is_file());
    Ok(files.collect())
}
