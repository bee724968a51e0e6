//! The `[task]` table: a known task by name, or the files of one.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What kind of answer a task asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum TaskKind {
    /// One of a list of labels.
    Classification,
    /// A number.
    Regression,
    /// Any text; needs an encoder-decoder.
    TextToText,
}

/// The task: a known one by `name`, or files described here.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TaskConfig {
    /// A task that the program knows, such as `lesson:sentiment`.
    pub name: Option<String>,
    /// What kind of answer is asked for; needed without `name`.
    pub kind: Option<TaskKind>,
    /// Training file: `.jsonl`, `.csv`, `.tsv` or `.parquet`.
    pub train: Option<PathBuf>,
    /// Validation file; without one, `validation_fraction` of the training rows.
    pub validation: Option<PathBuf>,
    /// Test file.
    pub test: Option<PathBuf>,
    /// Share of the training rows held out where no validation file is given, 0 to 1.
    pub validation_fraction: Option<f64>,
    /// Columns that make up the input, in order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub text: Vec<String>,
    /// Input template with `{column}` in it; replaces the default joining of columns.
    pub template: Option<String>,
    /// Column that holds the answer.
    pub label: Option<String>,
    /// Names of the classes, in the order of their numbers.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<String>,
    /// Use only the first rows of a seeded permutation of the training rows.
    pub max_train_samples: Option<usize>,
    /// Longest input in tokens; longer ones are cut.
    pub max_length: Option<usize>,
    /// Longest answer in tokens, for text-to-text tasks.
    pub max_target_length: Option<usize>,
}
