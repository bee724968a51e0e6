//! What the settings of a task come to, checked before any file is read.

use std::path::Path;

use crate::Result;
use crate::config::{TaskConfig, TaskKind};
use crate::data::split::Validation;
use crate::data::template::{Bound, Template};
use crate::data::{Input, InputForm, Table, config as refuse};

/// Longest input and answer, in tokens, where the settings say nothing (the reference's).
pub(super) const MAX_LENGTH: usize = 128;

/// The settings of a task that is described by files.
#[derive(Debug)]
pub(super) struct Plan<'a> {
    pub(super) kind: TaskKind,
    pub(super) train: &'a Path,
    pub(super) held_out: Validation,
    pub(super) label: &'a str,
    pub(super) source: Source,
    pub(super) words: Words,
    pub(super) max_length: usize,
    pub(super) max_target_length: usize,
}

/// How a backbone that writes text writes a class.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Words {
    /// By its name.
    Names,
    /// By its number, as the reference does.
    Numbers,
}

/// How a row becomes the text, or the pair of texts, that a backbone reads.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Source {
    /// One text made from columns.
    Template(Template),
    /// A column as it is, and for pairs a second one.
    Columns(String, Option<String>),
    /// A pair of texts made from columns.
    Pair(Template, Template),
}

/// A source whose columns were found in a table.
#[derive(Debug)]
pub(super) enum BoundSource<'a> {
    Template(Bound<'a>),
    Columns(&'a Table, usize, Option<usize>),
    Pair(Bound<'a>, Bound<'a>),
}

impl<'a> Plan<'a> {
    pub(super) fn new(config: &'a TaskConfig, form: InputForm) -> Result<Self> {
        let kind = config.kind.ok_or_else(|| {
            let known = "classification, regression or text-to-text";
            refuse(
                "task.kind",
                format!("is needed for a task of files: {known}"),
            )
        })?;
        fits(config, kind, form)?;
        let train = config.train.as_deref();
        let label = config.label.as_deref();
        let needed = |field, what| refuse(field, format!("is needed: {what}"));
        Ok(Self {
            kind,
            train: train.ok_or_else(|| needed("task.train", "the training file"))?,
            held_out: Validation::new(
                config.validation.as_ref().map(|_| ()),
                config.validation_fraction,
            )?,
            label: label.ok_or_else(|| needed("task.label", "the column of the answers"))?,
            source: Source::new(config, form)?,
            words: Words::Names,
            max_length: config.max_length.unwrap_or(MAX_LENGTH),
            max_target_length: config.max_target_length.unwrap_or(MAX_LENGTH),
        })
    }
}

/// Refuses settings that a task of this kind has no use for.
fn fits(config: &TaskConfig, kind: TaskKind, form: InputForm) -> Result<()> {
    if kind == TaskKind::TextToText && form == InputForm::Encoder {
        let message = "text-to-text needs an encoder-decoder such as T5; this model is an encoder";
        return Err(refuse("task.kind", message));
    }
    if kind != TaskKind::TextToText && config.max_target_length.is_some() {
        let message = "applies to text-to-text tasks only: leave it out";
        return Err(refuse("task.max_target_length", message));
    }
    if kind != TaskKind::Classification && !config.labels.is_empty() {
        let message = "applies to classification only: leave it out";
        return Err(refuse("task.labels", message));
    }
    if let [only] = &config.labels[..] {
        let message = format!("must name at least two labels, found `{only}` alone");
        return Err(refuse("task.labels", message));
    }
    for (at, label) in config.labels.iter().enumerate() {
        if config.labels[..at].contains(label) {
            return Err(refuse("task.labels", format!("names `{label}` twice")));
        }
    }
    Ok(())
}

impl Source {
    fn new(config: &TaskConfig, form: InputForm) -> Result<Self> {
        if let Some(text) = &config.template {
            let template = Template::parse(text)?;
            let used: Vec<&str> = template.columns().collect();
            let unused = config
                .text
                .iter()
                .find(|name| !used.contains(&name.as_str()));
            return match unused {
                None => Ok(Self::Template(template)),
                Some(name) => {
                    let message = format!("names `{name}`, which task.template does not use");
                    Err(refuse("task.text", message))
                }
            };
        }
        match (form, &config.text[..]) {
            (_, []) => {
                let message = "is needed: the columns of the input, such as [\"sentence\"]";
                Err(refuse("task.text", message))
            }
            (InputForm::EncoderDecoder, columns) => Ok(Self::Template(Template::labelled(columns))),
            (InputForm::Encoder, [one]) => Ok(Self::Columns(one.clone(), None)),
            (InputForm::Encoder, [one, two]) => Ok(Self::Columns(one.clone(), Some(two.clone()))),
            (InputForm::Encoder, more) => {
                let count = more.len();
                let message = format!(
                    "names {count} columns, but an encoder reads one text or a pair: join \
                     them with task.template"
                );
                Err(refuse("task.text", message))
            }
        }
    }

    /// Finds the columns in a table.
    pub(super) fn bind<'a>(&'a self, table: &'a Table) -> Result<BoundSource<'a>> {
        let named_by = "the input (task.template or task.text)";
        match self {
            Self::Template(template) => template.bind(table, named_by).map(BoundSource::Template),
            Self::Pair(one, two) => {
                let two = two.bind(table, named_by)?;
                Ok(BoundSource::Pair(one.bind(table, named_by)?, two))
            }
            Self::Columns(one, two) => {
                let find = |name: &String| table.column(name, "task.text");
                let two = two.as_ref().map(find).transpose()?;
                Ok(BoundSource::Columns(table, find(one)?, two))
            }
        }
    }
}

impl BoundSource<'_> {
    /// The input of a row.
    pub(super) fn fill(&self, row: usize) -> Input {
        match self {
            Self::Template(bound) => Input {
                text: bound.fill(row),
                pair: None,
            },
            Self::Pair(one, two) => Input {
                text: one.fill(row),
                pair: Some(two.fill(row)),
            },
            Self::Columns(table, one, two) => Input {
                text: table.cell(row, *one).to_owned(),
                pair: two.map(|column| table.cell(row, column).to_owned()),
            },
        }
    }
}
