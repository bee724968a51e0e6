//! Task heads, which have files of their own there.
//!
//! A head here is one linear map of a pooled state. `adapters` has the same as a
//! classification head of one layer, on the first token's state or on the pooler's output;
//! it has none on the mean of all states. T5 answers by its own output layer, here and there.

use std::path::Path;

use serde_json::{Map, Value, json};

use super::{NAME, files, full_config};
use crate::config::Pooling;
use crate::interop::entry::Tensors;
use crate::interop::{Export, Head, no_word};
use crate::{Error, Result};

const CONFIG: &str = "head_config.json";
const SAFE: &str = "model_head.safetensors";
const PICKLED: &str = "pytorch_model_head.bin";

/// Reads the head beside an adapter, and adds its tensors to those of the adapter.
pub(super) fn read(folder: &Path, tensors: &mut Tensors) -> Result<Head> {
    let path = folder.join(CONFIG);
    if !path.exists() {
        return Ok(Head::None);
    }
    let config = files::json(&path)?;
    let of = |key: &str| config.get(key).and_then(Value::as_str).unwrap_or_default();
    let class = of("model_class");
    let head = &config["config"];
    if class.starts_with("T5") {
        // Its own output layer, which is no part of an adapter.
        return Ok(match head["head_type"].as_str() {
            None | Some("seq2seq_lm") => Head::None,
            Some(other) => Head::LeftOut(format!("a `{other}` head: T5 answers in text here")),
        });
    }
    let (weight, bias, pooling) = if head.is_null() {
        if class != "BertForSequenceClassification" {
            let why = format!("heads of {class} have no like here");
            return Ok(Head::LeftOut(why));
        }
        (
            "classifier.weight".to_owned(),
            "classifier.bias".to_owned(),
            Pooling::Pooler,
        )
    } else {
        if head["head_type"] != "classification" || head["layers"] != 1 {
            let why = format!(
                "only classification heads of one layer have their like here; this is a `{}` \
                 head of {} layers",
                head["head_type"].as_str().unwrap_or_default(),
                head["layers"]
            );
            return Ok(Head::LeftOut(why));
        }
        if head["bias"] == json!(false) {
            return Ok(Head::LeftOut("it has no bias".to_owned()));
        }
        let pooling = match head["use_pooler"].as_bool() {
            Some(true) => Pooling::Pooler,
            _ => Pooling::Cls,
        };
        let name = of("name");
        (
            format!("heads.{name}.1.weight"),
            format!("heads.{name}.1.bias"),
            pooling,
        )
    };
    let mut found = files::tensors(folder, SAFE, PICKLED)?;
    let mut take = |name: &str| {
        let tensor = found.remove(name);
        tensor.ok_or_else(|| Error::model(folder, format!("its head holds no `{name}`")))
    };
    let (weight, bias) = (take(&weight)?, take(&bias)?);
    let &[outputs, _] = weight.dims() else {
        let message = format!("the weight of its head is {:?}", weight.dims());
        return Err(Error::model(folder, message));
    };
    tensors.insert("head.weight".to_owned(), weight);
    tensors.insert("head.bias".to_owned(), bias);
    let ids = [&head["label2id"], &config["label2id"]];
    let ids = ids.into_iter().find_map(Value::as_object);
    let labels = match ids {
        None => Vec::new(),
        Some(ids) => labels(ids, outputs).ok_or_else(|| {
            let message = format!("label2id does not number {outputs} classes from 0");
            Error::model(&path, message)
        })?,
    };
    Ok(Head::Linear {
        outputs,
        pooling,
        labels,
    })
}

/// The classes' names in the order of their numbers; `None` where these are not `0..count`.
fn labels(ids: &Map<String, Value>, count: usize) -> Option<Vec<String>> {
    let mut labels = vec![None; count];
    for (label, id) in ids {
        let at = usize::try_from(id.as_u64()?).ok()?;
        *labels.get_mut(at)? = Some(label.clone());
    }
    labels.into_iter().collect()
}

/// A head that is to be written.
pub(super) struct Written {
    config: Value,
    tensors: Tensors,
}

/// The files of a model's head; `None` where it has none or none is asked for.
pub(super) fn written(export: &Export<'_>, ours: &Tensors) -> Result<Option<Written>> {
    let (Some(weight), Some(bias)) = (ours.get("head.weight"), ours.get("head.bias")) else {
        return Ok(None);
    };
    if !export.head {
        return Ok(None);
    }
    let use_pooler = match export.model.pooling() {
        Pooling::Cls => false,
        Pooling::Pooler => true,
        Pooling::Mean => {
            return Err(no_word(
                NAME,
                "its heads read the first token's state or the pooler's, this one the mean of all \
                 states; train with model.pooling = \"cls\", or write the adapter without its head",
            ));
        }
    };
    let ids: Map<String, Value> = export
        .labels
        .iter()
        .enumerate()
        .map(|(id, label)| (label.clone(), json!(id)))
        .collect();
    let head = json!({
        "head_type": "classification",
        "num_labels": weight.dim(0)?,
        "layers": 1,
        "activation_function": null,
        "label2id": if ids.is_empty() { Value::Null } else { Value::Object(ids) },
        "use_pooler": use_pooler,
        "bias": true,
        "dropout_prob": null,
    });
    let name = export.name;
    let tensors = [
        (format!("heads.{name}.1.weight"), weight.clone()),
        (format!("heads.{name}.1.bias"), bias.clone()),
    ];
    Ok(Some(Written {
        config: full_config(export, name, &head),
        tensors: tensors.into(),
    }))
}

impl Written {
    pub(super) fn write(&self, folder: &Path) -> Result<()> {
        files::write_json(&folder.join(CONFIG), &self.config)?;
        files::write_tensors(&folder.join(SAFE), &self.tensors)
    }
}
