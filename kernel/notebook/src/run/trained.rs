//! A run's best checkpoint in this process: measured, asked, and taken apart.
//!
//! Nothing here touches the run: a tensor that is changed is changed in this value only.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use candle_core::Tensor;
use compacter_core::Error;
use compacter_core::cancel::CancelToken;
use compacter_core::config::RunConfig;
use compacter_core::data::Table as Rows;
use compacter_core::data::task::AnswerColumn;
use compacter_core::model::Prediction;
use compacter_core::peft::factors::views;
use compacter_core::run::Checkpoint;
use compacter_core::train::evaluate;
use compacter_core::train::prepare::Prepared;

use super::factors::{label, plain};
use super::{Row, Run, place, predict};
use crate::error::{NotebookError, Result};
use crate::interrupt::{self, Watched};
use crate::show::html::{aside, title};
use crate::show::{Bundle, Cell, Rich, Table};

/// Names that a mistake lists at most.
const NAMES: usize = 16;

/// A run's best checkpoint, with its model and its data.
pub struct Trained {
    /// The run's name.
    name: String,
    step: u64,
    prepared: Prepared,
    /// The checkpoint's tensors, by name.
    kept: Vec<(String, Tensor)>,
    /// Where the projections stand, such as `enc.1 attn down`, and their names.
    projections: Vec<(String, String)>,
}

impl fmt::Debug for Trained {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Trained({}, step {})", self.name, self.step)
    }
}

impl Run {
    /// The best checkpoint, or the last where none was kept as the best, in this process.
    ///
    /// # Errors
    /// When there is no checkpoint yet, or its model cannot be loaded.
    pub fn trained(&self) -> Result<Trained> {
        cancellable("nothing was loaded", |cancel| Trained::load(self, cancel))
    }
}

/// What can take long, ended by an interrupt of the cell.
fn cancellable<T>(
    left: &str,
    work: impl FnOnce(&CancelToken) -> compacter_core::Result<T>,
) -> Result<T> {
    let watched = Watched::new();
    work(watched.token()).map_err(|error| match error {
        Error::Cancelled => {
            // The flag was for this.
            let _taken = interrupt::check();
            let message = left.to_owned();
            NotebookError::Interrupted { message }
        }
        other => other.into(),
    })
}

impl Trained {
    fn load(run: &Run, cancel: &CancelToken) -> compacter_core::Result<Self> {
        let checkpoints = run.folder.checkpoints();
        let step = match checkpoints.best()? {
            Some(step) => Some(step),
            None => checkpoints.last()?,
        };
        let none = "there is no checkpoint yet: wait for the run's end, or `run.checkpoint()?`";
        let step = step.ok_or_else(|| Error::run(run.path(), none))?;
        let (state, trained) = Checkpoint::load_trained(&checkpoints.folder(step))?;
        let config = RunConfig::parse(Path::new("state.json"), &state.config, &[])?;
        let mut prepared = Prepared::new(config, cancel)?;
        prepared.trainables.restore(&trained)?;
        let views = views(&prepared.method, &prepared.trainables, &mut prepared.model)?;
        let projections = views.into_iter().map(|view| (label(view.place), view.name));
        Ok(Self {
            name: run.name(),
            step,
            projections: projections.collect(),
            prepared,
            kept: trained,
        })
    }

    /// Optimizer steps that the checkpoint has behind it.
    #[must_use]
    pub fn step(&self) -> u64 {
        self.step
    }

    /// The metrics of a split, `train`, `validation` or `test`, as the model stands.
    ///
    /// # Errors
    /// When there is no such split, or the cell is interrupted.
    pub fn evaluate(&self, split: &str) -> Result<BTreeMap<String, f64>> {
        let data = &self.prepared.data;
        let examples = match split {
            "train" => Some(&data.train),
            "validation" => Some(&data.validation),
            "test" => data.test.as_ref(),
            _ => None,
        };
        let examples = examples.ok_or_else(|| NotebookError::Argument {
            message: format!("the task has no split `{split}`"),
            hint: match data.test {
                Some(_) => "it has train, validation and test".to_owned(),
                None => "it has train and validation".to_owned(),
            },
        })?;
        let measured = cancellable("nothing was measured", |cancel| {
            evaluate::evaluate(&self.prepared, examples, cancel)
        })?;
        Ok(measured.metrics)
    }

    /// What the model answers to texts, as it stands.
    ///
    /// # Errors
    /// When a text does not fit the task, or the cell is interrupted.
    pub fn predict<R: Row>(&self, rows: &[R]) -> Result<Table> {
        let columns = predict::columns(&self.prepared.config)?;
        let lines = predict::lines(&columns, rows)?;
        let predictions = cancellable("nothing was predicted", |cancel| {
            self.answer(&lines, cancel)
        });
        predict::table(&columns, rows, &self.prepared, &predictions?)
    }

    fn answer(&self, lines: &str, cancel: &CancelToken) -> compacter_core::Result<Vec<Prediction>> {
        let rows = Rows::from_jsonl("cell", lines.as_bytes())?;
        let examples = self.prepared.read(&rows, AnswerColumn::Optional, cancel)?;
        let (predictions, _) = evaluate::predict(&self.prepared, &examples, cancel)?;
        Ok(predictions)
    }

    /// The places where the method stands, such as `enc.1 attn`, in the order of the forward
    /// pass; none for a method that adds nothing.
    #[must_use]
    pub fn layers(&self) -> Vec<String> {
        let mut layers: Vec<String> = Vec::new();
        for (label, _) in &self.projections {
            // All but the role.
            let layer = label
                .rsplit_once(' ')
                .map_or(label.as_str(), |(layer, _)| layer);
            if !layers.iter().any(|known| known == layer) {
                layers.push(layer.to_owned());
            }
        }
        layers
    }

    /// Takes the method away from a part of the model: one layer such as `enc.1 attn`, all of
    /// a block, `enc.1`, or of a stack, `enc`. What it trained there is 0 from here on, so an
    /// adapter hands its input on. Layer norms and slow weights that layers share stay.
    ///
    /// # Errors
    /// When the method does not stand there.
    pub fn remove(&self, part: &str) -> Result<()> {
        let asked = plain(part);
        let is_in = |label: &str| {
            let rest = plain(label).strip_prefix(&asked).map(str::to_owned);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '.']))
        };
        let there = self.projections.iter().filter(|(label, _)| is_in(label));
        let there: Vec<String> = there.map(|(_, name)| format!("{name}.")).collect();
        if there.is_empty() || asked.is_empty() {
            return Err(unknown(part, &self.layers()));
        }
        let trainables = &self.prepared.trainables;
        let mut values = trainables.named(trainables.values())?;
        for (name, tensor) in &mut values {
            if there.iter().any(|start| name.starts_with(start)) {
                *tensor = tensor.zeros_like()?;
            }
        }
        Ok(trainables.restore(&values)?)
    }

    /// Puts the checkpoint's values back.
    ///
    /// # Errors
    /// Where the tensor library fails.
    pub fn restore(&self) -> Result<()> {
        Ok(self.prepared.trainables.restore(&self.kept)?)
    }

    /// A copy of a trained tensor, as the model stands, by its name in [`Self::table`].
    ///
    /// # Errors
    /// When none is trained under that name.
    pub fn tensor(&self, name: &str) -> Result<Tensor> {
        let trainables = &self.prepared.trainables;
        let parameter = trainables.parameter(name);
        let parameter = parameter.ok_or_else(|| self.no_tensor(name))?;
        Ok(trainables.slice(trainables.values(), parameter)?.copy()?)
    }

    /// Gives a trained tensor other values.
    ///
    /// # Errors
    /// When none is trained under that name, or it has another shape.
    pub fn set(&self, name: &str, tensor: &Tensor) -> Result<()> {
        let trainables = &self.prepared.trainables;
        let mut values = trainables.named(trainables.values())?;
        let there = values.iter_mut().find(|(known, _)| known == name);
        there.ok_or_else(|| self.no_tensor(name))?.1 = tensor.clone();
        Ok(trainables.restore(&values)?)
    }

    fn no_tensor(&self, asked: &str) -> NotebookError {
        let parameters = self.prepared.trainables.parameters();
        let names: Vec<String> = parameters.iter().map(|known| known.name.clone()).collect();
        unknown(asked, &names)
    }

    /// The trained tensors: a row for each.
    #[must_use]
    pub fn table(&self) -> Table {
        let mut table = Table::new(["tensor", "group", "shape", "count"]);
        for parameter in self.prepared.trainables.parameters() {
            let shape: Vec<String> = parameter.shape.iter().map(usize::to_string).collect();
            table.push([
                Cell::from(parameter.name.as_str()),
                parameter.group.into(),
                shape.join(" × ").into(),
                parameter.len().into(),
            ]);
        }
        table
    }
}

/// The mistake of a name that is not one of those there are.
fn unknown(asked: &str, names: &[String]) -> NotebookError {
    let near = place::nearest(asked, names.iter().map(String::as_str));
    let hint = match near {
        Some(near) => format!("did you mean `{near}`?"),
        None if names.is_empty() => "the method adds nothing to the model".to_owned(),
        None if names.len() > NAMES => format!("there are {}, …", names[..NAMES].join(", ")),
        None => format!("there are {}", names.join(", ")),
    };
    let asked = asked.to_owned();
    NotebookError::NoLayer { asked, hint }
}

impl Rich for Trained {
    fn bundle(&self) -> Bundle {
        let head = format!("{}, the checkpoint of step {}", self.name, self.step);
        let table = self.table();
        let text = format!("{head}\n{}", table.to_text());
        let note = aside("`.remove(part)?` takes the method away from a part of the model");
        Bundle::plain(text).with_html(title(&head) + &table.to_html() + &note)
    }
}
