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
    /// A number, which an encoder-decoder writes with one decimal.
    Regression,
    /// Any text; needs an encoder-decoder.
    TextToText,
}

/// How the rows of a GLUE or SuperGLUE task are split.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum SplitRule {
    /// The paper's, which has a test split with answers: of small tasks half of the
    /// validation rows; of large ones all of them, with 1,000 training rows for validation.
    Paper,
    /// The official one, whose test split has no answers and is not read.
    Official,
}

/// A peculiarity of the paper's reference code that is a defect, and off unless asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Quirk {
    /// `glue/mnli`: no colon after `hypothesis` in the input.
    MnliNoColon,
    /// `glue/stsb`: answers are rounded to tenths instead of to the nearest 0.2.
    StsbTenths,
    /// `super_glue/copa`: the input lacks the question, whether cause or effect is asked for.
    CopaNoQuestion,
    /// `super_glue/multirc`: the validation rows are halved by answers, which parts questions.
    MultircPartedQuestions,
    /// `super_glue/record`: a query is measured as often as it has right answers.
    RecordRepeatedQueries,
}

impl Quirk {
    /// Every quirk.
    pub const ALL: [Self; 5] = [
        Self::MnliNoColon,
        Self::StsbTenths,
        Self::CopaNoQuestion,
        Self::MultircPartedQuestions,
        Self::RecordRepeatedQueries,
    ];

    /// The quirk as a configuration names it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::MnliNoColon => "mnli-no-colon",
            Self::StsbTenths => "stsb-tenths",
            Self::CopaNoQuestion => "copa-no-question",
            Self::MultircPartedQuestions => "multirc-parted-questions",
            Self::RecordRepeatedQueries => "record-repeated-queries",
        }
    }
}

/// The task: a known one by `name`, or files described here.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TaskConfig {
    /// A task that the program knows, such as `lesson:sentiment`, `glue/rte` or
    /// `super_glue/boolq`.
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
    /// Where a GLUE or SuperGLUE task is: a folder, or a data set of the hub as
    /// `org/name[@revision]`; left out, `nyu-mll/glue` or `aps/super_glue`.
    pub source: Option<String>,
    /// How a GLUE or SuperGLUE task is split: the paper's rule when left out.
    pub split: Option<SplitRule>,
    /// Seed of the rows that a GLUE or SuperGLUE task chooses; 42, the paper's, when left out.
    pub data_seed: Option<u64>,
    /// Whether inputs start with the task's name, as in the paper's runs without adapters;
    /// for T5 on GLUE and SuperGLUE, false when left out.
    pub prefix: Option<bool>,
    /// Defects of the paper's reference code to repeat, each of one GLUE or SuperGLUE task.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub quirks: Vec<Quirk>,
}
