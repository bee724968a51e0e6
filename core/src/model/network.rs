//! A pretrained backbone with the answer that a task asks of it.

use std::path::Path;

use candle_core::{D, DType, Device, Tensor};

use super::Pass;
use super::answer::{Answer, Prediction};
use super::bert::{self, Bert, Pooler};
use super::head::{Head, first_rows, mean_pool};
use super::loader::Loader;
use super::outline::Outline;
use super::shape::{Family, ModelShape};
use super::site::{Backbone, SiteVisitor, WeightVisitor};
use super::t5::{self, T5};
use super::weights::Weights;
use crate::cancel::CancelToken;
use crate::config::Pooling;
use crate::data::{Batch, Gold, Packed};
use crate::hub::{ModelFiles, files};
use crate::ops::Segments;
use crate::ops::cross_entropy::{cross_entropy, log_softmax};
use crate::{Error, Result};

/// A backbone, its task head where it has one, and the kind of answer asked for.
#[derive(Debug)]
pub struct Model {
    /// The pretrained part.
    pub network: Network,
    /// The head of an encoder; installed by a method, which trains it.
    pub head: Option<Head>,
    /// The kind of answer.
    pub answer: Answer,
    /// What the backbone looks like.
    pub shape: ModelShape,
    /// Where the model lives.
    pub device: Device,
    /// Number format of frozen weights and activations.
    pub dtype: DType,
    pooling: Pooling,
}

/// The pretrained backbones.
#[derive(Debug)]
pub enum Network {
    /// An encoder-decoder, which answers in text.
    T5(Box<T5>),
    /// An encoder, which answers through a head.
    Bert(Box<Bert>),
}

/// What an encoder made of a batch.
#[derive(Debug)]
pub struct Encoded {
    /// `[tokens, d_model]`, or, where nothing else is read, the first row of each sequence.
    pub hidden: Tensor,
    /// Where the sequences lie among the rows, prepended ones included.
    pub segments: Segments,
}

/// Where a model is to live and how it is to be held.
#[derive(Debug, Clone)]
pub struct Placement {
    /// The device.
    pub device: Device,
    /// Number format of frozen weights and activations.
    pub dtype: DType,
    /// How an encoder's states become one vector.
    pub pooling: Pooling,
    /// Number format that matrices are kept in, where it is not `dtype`.
    pub frozen_dtype: Option<DType>,
}

impl Network {
    fn load(shape: &ModelShape, config: &str, loader: &mut Loader<'_>) -> Result<Self> {
        let path = loader.weights.folder().join("config.json");
        let parse = |e: serde_json::Error| Error::model(&path, e.to_string());
        Ok(match shape.family {
            Family::T5 => {
                let config: t5::Config = serde_json::from_str(config).map_err(parse)?;
                Self::T5(Box::new(T5::load(config, loader)?))
            }
            Family::Bert | Family::Roberta => {
                let config: bert::Config = serde_json::from_str(config).map_err(parse)?;
                let pooler = if shape.pooler {
                    Pooler::Load
                } else {
                    Pooler::Skip
                };
                Self::Bert(Box::new(Bert::load(config, pooler, loader)?))
            }
        })
    }

    /// What a checkpoint may hold beside the backbone.
    fn ignorable(&self) -> &'static [&'static str] {
        match self {
            Self::T5(_) => T5::IGNORABLE,
            Self::Bert(_) => Bert::IGNORABLE,
        }
    }
}

impl Model {
    /// Loads the backbone in a folder that Hugging Face's libraries would load.
    ///
    /// # Errors
    /// Fails if configuration or weights cannot be used, naming file and tensor, and if
    /// the task asks for text and the backbone has no decoder.
    pub fn load(folder: &Path, answer: Answer, placement: Placement) -> Result<Self> {
        let path = folder.join("config.json");
        let text = std::fs::read_to_string(&path).map_err(Error::io(&path, "read"))?;
        Self::build(Weights::open(folder)?, &text, answer, placement)
    }

    /// Loads the backbone from a model's files.
    ///
    /// # Errors
    /// As [`Self::load`].
    pub fn of(files: &ModelFiles, answer: Answer, placement: Placement) -> Result<Self> {
        let config = files.read_text(files::CONFIG)?;
        Self::build(Weights::of(files)?, &config, answer, placement)
    }

    /// Builds the model from tensors and the text of a `config.json`.
    ///
    /// # Errors
    /// As [`Self::load`].
    pub fn build(
        mut weights: Weights,
        config: &str,
        answer: Answer,
        placement: Placement,
    ) -> Result<Self> {
        let path = weights.folder().join("config.json");
        let mut shape = ModelShape::from_config_json(config, &path)?;
        if !shape.has_decoder() && matches!(answer, Answer::Text { .. }) {
            return Err(Error::model(
                weights.folder(),
                "an encoder cannot generate text: use a T5 model for a text-to-text task",
            ));
        }
        shape.pooler &= placement.pooling == Pooling::Pooler;
        let mut loader = Loader {
            weights: &mut weights,
            dtype: placement.dtype,
            matrices: placement.frozen_dtype.unwrap_or(placement.dtype),
            device: placement.device.clone(),
        };
        let network = Network::load(&shape, config, &mut loader)?;
        weights.finish(network.ignorable())?;
        Ok(Self {
            network,
            head: None,
            answer,
            shape,
            device: placement.device,
            dtype: placement.dtype,
            pooling: placement.pooling,
        })
    }

    /// The backbone laid open.
    ///
    /// # Errors
    /// Fails if a module is installed that an outline has no place for.
    pub fn outline(&self) -> Result<Outline<'_>> {
        match &self.network {
            Network::T5(t5) => t5.outline(),
            Network::Bert(bert) => bert.outline(),
        }
    }

    /// How an encoder's states become one vector.
    #[must_use]
    pub fn pooling(&self) -> Pooling {
        self.pooling
    }

    /// Number of outputs that an encoder's head needs; `None` for backbones without one.
    #[must_use]
    pub fn head_outputs(&self) -> Option<usize> {
        match (&self.network, &self.answer) {
            (Network::T5(_), _) => None,
            (Network::Bert(_), Answer::Class { count, .. }) => Some(*count),
            (Network::Bert(_), Answer::Value | Answer::Text { .. }) => Some(1),
        }
    }

    /// The pretrained model's own dropout probability.
    #[must_use]
    pub fn dropout(&self) -> f64 {
        match &self.network {
            Network::T5(t5) => t5.config.dropout_rate,
            Network::Bert(bert) => bert.config.hidden_dropout_prob,
        }
    }

    /// Mean loss of a batch, a scalar: cross-entropy over classes or target tokens, or the
    /// mean squared error of values.
    ///
    /// # Errors
    /// Fails where the tensor library does, and if an answer is of another kind.
    pub fn loss(&self, batch: &Batch, pass: &Pass) -> Result<Tensor> {
        match &self.network {
            Network::T5(t5) => {
                self.token_loss(t5, &t5.encode(&batch.source, pass)?, &batch.target, pass)
            }
            Network::Bert(bert) => {
                let outputs = self.outputs(bert, &self.encode(&batch.source, pass)?, pass)?;
                self.head_loss(&outputs, batch)
            }
        }
    }

    /// What the encoder makes of inputs.
    ///
    /// # Errors
    /// Fails where the tensor library does, and if an input is too long.
    pub fn encode(&self, source: &Packed, pass: &Pass) -> Result<Encoded> {
        match &self.network {
            Network::T5(t5) => t5.encode(source, pass),
            Network::Bert(bert) => {
                let (hidden, segments) = bert.encode(source, pass)?;
                Ok(Encoded { hidden, segments })
            }
        }
    }

    /// Answers a batch without training noise; the loss comes along where the right
    /// answers are known.
    ///
    /// # Errors
    /// Fails where the tensor library does, and if `cancel` is raised.
    pub fn predict(
        &self,
        batch: &Batch,
        cancel: &CancelToken,
    ) -> Result<(Vec<Prediction>, Option<f64>)> {
        self.answer(
            &self.encode(&batch.source, &Pass::EVALUATION)?,
            batch,
            cancel,
        )
    }

    /// [`Self::predict`] from what the encoder made of the inputs.
    ///
    /// # Errors
    /// As [`Self::predict`].
    pub fn answer(
        &self,
        encoded: &Encoded,
        batch: &Batch,
        cancel: &CancelToken,
    ) -> Result<(Vec<Prediction>, Option<f64>)> {
        let pass = &Pass::EVALUATION;
        let known = !batch.gold.contains(&Gold::Unknown);
        match &self.network {
            Network::T5(t5) => {
                let loss = known
                    .then(|| self.token_loss(t5, encoded, &batch.target, pass))
                    .transpose()?;
                let answers = match &self.answer {
                    Answer::Class { verbalizers, .. } => {
                        self.score(t5, encoded, verbalizers, cancel)?
                    }
                    Answer::Value => texts(t5.generate(encoded, LONGEST_NUMBER, cancel)?),
                    Answer::Text { longest } => texts(t5.generate(encoded, *longest, cancel)?),
                };
                Ok((answers, loss.as_ref().map(scalar).transpose()?))
            }
            Network::Bert(bert) => {
                let outputs = self.outputs(bert, encoded, pass)?;
                let loss = known.then(|| self.head_loss(&outputs, batch)).transpose()?;
                Ok((
                    self.answer.read(&outputs)?,
                    loss.as_ref().map(scalar).transpose()?,
                ))
            }
        }
    }

    /// Logits of an encoder's head, `[b, outputs]`.
    ///
    /// # Errors
    /// Fails where the tensor library does, and for backbones without a head.
    pub fn head_logits(&self, batch: &Batch, pass: &Pass) -> Result<Tensor> {
        match &self.network {
            Network::Bert(bert) => self.outputs(bert, &self.encode(&batch.source, pass)?, pass),
            Network::T5(_) => Err(Error::method("an encoder-decoder has no head")),
        }
    }

    /// One vector for each input of an encoder, `[b, d_model]`.
    ///
    /// # Errors
    /// Fails where the tensor library does.
    pub fn pool(
        &self,
        bert: &Bert,
        hidden: &Tensor,
        segments: &Segments,
        pass: &Pass,
    ) -> Result<Tensor> {
        match self.pooling {
            Pooling::Mean => mean_pool(hidden, segments),
            Pooling::Cls => first_rows(hidden, segments),
            Pooling::Pooler => bert.pool(&first_rows(hidden, segments)?, pass),
        }
    }

    fn outputs(&self, bert: &Bert, encoded: &Encoded, pass: &Pass) -> Result<Tensor> {
        let Some(head) = &self.head else {
            return Err(Error::method(
                "the model has no task head: install a method first",
            ));
        };
        let Encoded { hidden, segments } = encoded;
        head.forward(&self.pool(bert, hidden, segments, pass)?, pass)
    }

    fn head_loss(&self, outputs: &Tensor, batch: &Batch) -> Result<Tensor> {
        if let Answer::Class { .. } = self.answer {
            return cross_entropy(outputs, &Tensor::new(batch.classes()?, &self.device)?);
        }
        let values = Tensor::new(batch.values()?, &self.device)?;
        let values = values.to_dtype(outputs.dtype())?;
        Ok((outputs.squeeze(1)? - values)?.sqr()?.mean_all()?)
    }

    fn token_loss(
        &self,
        t5: &T5,
        encoded: &Encoded,
        target: &Packed,
        pass: &Pass,
    ) -> Result<Tensor> {
        let logits = t5.decode(encoded, target, pass)?; // [tokens, vocab]
        cross_entropy(&logits, &Tensor::new(&target.ids[..], &self.device)?)
    }

    /// Scores each class by the log-likelihood of its verbaliser.
    fn score(
        &self,
        t5: &T5,
        encoded: &Encoded,
        verbalizers: &[Vec<u32>],
        cancel: &CancelToken,
    ) -> Result<Vec<Prediction>> {
        let batch = encoded.segments.batch();
        let mut scores = vec![Vec::with_capacity(verbalizers.len()); batch];
        for ids in verbalizers {
            cancel.check()?;
            let types = vec![0; ids.len()];
            let target = Packed::new((0..batch).map(|_| (&ids[..], &types[..])));
            let logits = t5
                .decode(encoded, &target, &Pass::EVALUATION)?
                .to_dtype(DType::F32)?;
            let ids = Tensor::new(&target.ids[..], &self.device)?.unsqueeze(1)?;
            let chosen = log_softmax(&logits)?.gather(&ids, 1)?; // [b·tokens, 1]
            let sums = chosen.reshape((batch, types.len()))?.sum(D::Minus1)?;
            let sums = sums.to_dtype(DType::F64)?.to_vec1::<f64>()?;
            scores
                .iter_mut()
                .zip(sums)
                .for_each(|(scores, sum)| scores.push(sum));
        }
        Ok(scores
            .into_iter()
            .map(|scores| Prediction::likeliest(&scores))
            .collect())
    }
}

/// Tokens that a number with a sign and a decimal may take.
const LONGEST_NUMBER: usize = 12;

impl Backbone for Model {
    fn visit_sites(&mut self, visit: &mut SiteVisitor<'_>) -> Result<()> {
        match &mut self.network {
            Network::T5(t5) => t5.visit_sites(visit),
            Network::Bert(bert) => bert.visit_sites(visit),
        }
    }

    fn visit_weights(&mut self, visit: &mut WeightVisitor<'_>) -> Result<()> {
        match &mut self.network {
            Network::T5(t5) => t5.visit_weights(visit),
            Network::Bert(bert) => bert.visit_weights(visit),
        }
    }
}

fn texts(ids: Vec<Vec<u32>>) -> Vec<Prediction> {
    ids.into_iter().map(Prediction::Text).collect()
}

/// The value of a scalar tensor.
///
/// # Errors
/// Fails where the tensor library does.
pub fn scalar(tensor: &Tensor) -> Result<f64> {
    Ok(tensor.to_dtype(DType::F64)?.to_scalar()?)
}
