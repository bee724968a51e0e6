//! Classification heads as `transformers` has them, and as they are here.
//!
//! | model   | there                                                | here, with `model.pooling = "pooler"` |
//! |---------|------------------------------------------------------|---------------------------------------|
//! | BERT    | `classifier` of the pretrained pooler's output       | the same                              |
//! | RoBERTa | `classifier.out_proj` of `tanh` of `classifier.dense` of the first token | the same where `classifier.dense` is the pretrained pooler |
//!
//! With other poolings a head reads something that no head there does.

use candle_core::Tensor;

use super::super::entry::{Entry, Tensors};
use super::super::{Export, Head, no_word};
use super::NAME;
use crate::config::Pooling;
use crate::model::{Family, Model, Network};
use crate::ops::linear::cast;
use crate::peft::{Parameter, group};
use crate::{Error, Result};

/// What a head is made of there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// One map of the pooler's output.
    Linear,
    /// A dense layer with `tanh`, then a map.
    Dense,
}

const DENSE: [&str; 2] = ["classifier.dense.weight", "classifier.dense.bias"];

impl Form {
    fn output(self) -> &'static str {
        match self {
            Self::Linear => "classifier",
            Self::Dense => "classifier.out_proj",
        }
    }

    /// The form of the head among an adapter's tensors.
    ///
    /// # Errors
    /// Fails if there is a head of another kind, naming a tensor.
    pub(super) fn of(tensors: &Tensors) -> Result<Option<Self>> {
        let has = |form: Self| tensors.contains_key(&format!("{}.weight", form.output()));
        let heads = [Self::Linear, Self::Dense];
        let known = heads.into_iter().find(|form| has(*form));
        match tensors.keys().find(|name| is_of_head(name)) {
            Some(other) if known.is_none() => Err(Error::method(format!(
                "`{other}` belongs to a task head that is none of BERT's or RoBERTa's for classification"
            ))),
            _ => Ok(known),
        }
    }

    /// The head among an adapter's tensors.
    pub(super) fn head(self, tensors: &Tensors) -> Head {
        let weight = tensors.get(&format!("{}.weight", self.output()));
        match weight.and_then(|weight| weight.dims().first()) {
            Some(&outputs) => Head::Linear {
                outputs,
                pooling: Pooling::Pooler,
                labels: Vec::new(),
            },
            None => Head::None,
        }
    }

    /// The form that a model's head has there; `None` where none computes the same.
    fn like(model: &Model) -> Option<Self> {
        match (model.shape.family, model.pooling()) {
            (Family::Bert, Pooling::Pooler) => Some(Self::Linear),
            (Family::Roberta, Pooling::Pooler) => Some(Self::Dense),
            _ => None,
        }
    }

    /// The form in which a model's head is written.
    ///
    /// # Errors
    /// Fails if it reads something that no head there does, saying what would be right.
    pub(super) fn to_write(export: &Export<'_>) -> Result<Option<Self>> {
        if export.model.head.is_none() || !export.head {
            return Ok(None);
        }
        let form = Self::like(export.model).ok_or_else(|| {
            no_word(
                NAME,
                "a classification head of transformers reads the pretrained pooler; train with \
                 model.pooling = \"pooler\", or write the adapter without its head",
            )
        })?;
        Ok(Some(form))
    }

    /// What the head's tensors are in ours.
    ///
    /// # Errors
    /// Fails if the model's head is not of this form.
    pub(super) fn entries(self, model: &Model, parameters: &[Parameter]) -> Result<Vec<Entry>> {
        if Self::like(model) != Some(self) {
            let family = match self {
                Self::Linear => "a BERT",
                Self::Dense => "a RoBERTa",
            };
            return Err(Error::method(format!(
                "the adapter comes with a head that belongs to {family} with model.pooling = \
                 \"pooler\"; set that, or take the adapter without its head"
            )));
        }
        let of_head = parameters.iter().filter(|p| p.group == group::HEAD);
        let entry = |parameter: &Parameter| {
            let part = parameter.name.rsplit('.').next().unwrap_or_default();
            let name = format!("{}.{part}", self.output());
            Entry::one(name, parameter.shape.clone(), parameter.name.clone())
        };
        Ok(of_head.map(entry).collect())
    }

    /// The dense layer that goes along with a head.
    pub(super) fn dense(self, model: &Model) -> Result<Tensors> {
        if self == Self::Linear {
            return Ok(Tensors::new());
        }
        let named = DENSE.iter().map(|name| (*name).to_owned());
        Ok(named.zip(pooler(model)?).collect())
    }

    /// Checks that the dense layer among an adapter's tensors is the model's pooler, and what
    /// its tensors are then.
    pub(super) fn check_dense(self, tensors: &Tensors, model: &Model) -> Result<Vec<Entry>> {
        let mut entries = Vec::new();
        for (name, ours) in self.dense(model)? {
            let theirs = tensors.get(&name);
            let same = theirs.map_or(Ok(false), |theirs| is_same(theirs, &ours))?;
            if !same {
                return Err(Error::method(format!(
                    "`{name}` of the adapter's head is not the model's pooler, which is the \
                     only such layer here: take the adapter without its head and train one"
                )));
            }
            entries.push(Entry::gap(name, ours.dims()));
        }
        Ok(entries)
    }
}

/// Whether a tensor belongs to a task head.
pub(in crate::interop) fn is_of_head(name: &str) -> bool {
    let heads = ["classifier.", "score.", "classification_head."];
    heads.iter().any(|head| name.starts_with(head))
}

/// Weight and bias of the pretrained pooler.
fn pooler(model: &Model) -> Result<[Tensor; 2]> {
    let lacks = || Error::method("the model was loaded without its pooler");
    let Network::Bert(bert) = &model.network else {
        return Err(lacks());
    };
    let pooler = bert.pooler().ok_or_else(lacks)?;
    let bias = pooler.bias.as_ref().ok_or_else(lacks)?;
    Ok([pooler.weight.tensor()?, bias.tensor()?])
}

/// Whether two tensors are equal in the number format of the second.
fn is_same(theirs: &Tensor, ours: &Tensor) -> Result<bool> {
    if theirs.dims() != ours.dims() {
        return Ok(false);
    }
    let theirs = cast(&theirs.to_device(ours.device())?, ours.dtype())?;
    Ok(theirs.ne(ours)?.max_all()?.to_scalar::<u8>()? == 0)
}
