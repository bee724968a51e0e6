//! From a configuration to everything that a run trains and measures.

use super::objective::{Objective, task_loss};
use crate::cancel::CancelToken;
use crate::config::{Method, RunConfig, TaskKind};
use crate::data::task::{InputForm, Loader, TaskData};
use crate::data::tokenize::{TokenCache, Tokenizer};
use crate::hub::{self, ModelFiles};
use crate::model::{Answer, Model, ModelShape, Placement, device};
use crate::peft::{self, Trainables};
use crate::{Error, Result};

/// A model with its method installed, and the examples of its task.
#[derive(Debug)]
pub struct Prepared {
    /// The configuration in force.
    pub config: RunConfig,
    /// The method with every field decided.
    pub method: Method,
    /// The model, with the method installed.
    pub model: Model,
    /// What is minimised.
    pub objective: Box<dyn Objective>,
    /// What is trained.
    pub trainables: Trainables,
    /// The task and its examples.
    pub data: TaskData,
    /// The model's tokenizer.
    pub tokenizer: Tokenizer,
    /// The files that the model was loaded from.
    pub files: ModelFiles,
}

impl Prepared {
    /// Loads model and data, and installs the method.
    ///
    /// # Errors
    /// Fails if the configuration names something that cannot be used, naming file and
    /// field, and if `cancel` is raised.
    pub fn new(config: RunConfig, cancel: &CancelToken) -> Result<Self> {
        let method = config.method.resolve()?;
        let device = device::open_for(&config.model)?;
        let files = hub::resolve(&config.model.path, cancel)?;
        let shape = ModelShape::of(&files)?;
        let cache = TokenCache::of_user(|name| std::env::var_os(name));
        let tokenizer = Tokenizer::of(&files)?.cached(cache);
        let cancelled = || cancel.is_cancelled();
        let loader = Loader {
            tokenizer: &tokenizer,
            form: form(&shape),
            cancelled: &cancelled,
        };
        let data = TaskData::load(&config.task, config.train.seed, &loader)?;
        cancel.check()?;

        let dtype = device::dtype(config.model.dtype);
        let placement = Placement {
            device,
            dtype,
            pooling: config.model.pooling,
            frozen_dtype: config.model.frozen_dtype.map(device::dtype),
        };
        let mut model = Model::of(&files, answer(&config, &data), placement)?;
        let trainables = peft::install(&method, &mut model, config.train.seed)?;
        let objective = task_loss(&config.train, &model, &trainables)?;
        let prepared = Self {
            config,
            method,
            model,
            objective,
            trainables,
            data,
            tokenizer,
            files,
        };
        prepared.check(&prepared.config)?;
        prepared.check_examples()?;
        Ok(prepared)
    }

    /// The metric that decides which checkpoint is best.
    #[must_use]
    pub fn metric(&self) -> &str {
        self.metric_of(&self.config)
    }

    fn metric_of<'a>(&self, config: &'a RunConfig) -> &'a str {
        let chosen = config.eval.metric.as_deref();
        chosen.unwrap_or_else(|| self.data.task.main_metric())
    }

    /// What reads further rows of the task, until `cancelled` says to stop.
    #[must_use]
    pub fn loader<'a>(&'a self, cancelled: &'a (dyn Fn() -> bool + Sync)) -> Loader<'a> {
        Loader {
            tokenizer: &self.tokenizer,
            form: form(&self.model.shape),
            cancelled,
        }
    }

    /// Refuses a configuration with a metric that the task does not have.
    pub(super) fn check(&self, config: &RunConfig) -> Result<()> {
        let metrics = self.data.task.metrics();
        let metric = self.metric_of(config);
        if metric != "loss" && !metrics.contains(&metric) {
            let known = metrics.join(", ");
            let message = format!("the task has no `{metric}`; it has {known} and loss");
            return Err(Error::setting("eval.metric", message));
        }
        Ok(())
    }
}

fn form(shape: &ModelShape) -> InputForm {
    if shape.has_decoder() {
        InputForm::EncoderDecoder
    } else {
        InputForm::Encoder
    }
}

/// What the task asks of the model.
fn answer(config: &RunConfig, data: &TaskData) -> Answer {
    match data.task.kind() {
        TaskKind::Classification => Answer::Class {
            count: data.task.labels().len(),
            verbalizers: data.task.verbalizers().to_vec(),
        },
        TaskKind::Regression => Answer::Value,
        TaskKind::TextToText => Answer::Text {
            longest: config.task.max_target_length.unwrap_or(LONGEST_ANSWER),
        },
    }
}

/// Longest generated answer in tokens, as in the paper's reference implementation.
const LONGEST_ANSWER: usize = 128;
