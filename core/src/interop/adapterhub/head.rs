//! Task heads, which have files of their own there.
//!
//! A head here is one linear map of a pooled state. `adapters` has the same as a
//! classification head of one layer, on the first token's state or on the pooler's output;
//! it has none on the mean of all states. T5 answers by its own output layer, here and there.

use std::path::Path;

use serde_json::{Value, json};

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
    if class.starts_with("T5") {
        return Ok(Head::None);
    }
    let head = &config["config"];
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
    let found = files::tensors(folder, SAFE, PICKLED)?;
    let mut found =
        found.ok_or_else(|| Error::model(folder, format!("holds neither {SAFE} nor {PICKLED}")))?;
    let mut take = |name: &str| {
        let tensor = found.remove(name);
        tensor.ok_or_else(|| Error::model(folder, format!("{SAFE}: holds no `{name}`")))
    };
    let (weight, bias) = (take(&weight)?, take(&bias)?);
    let outputs = weight.dim(0)?;
    tensors.insert("head.weight".to_owned(), weight);
    tensors.insert("head.bias".to_owned(), bias);
    let labels = labels(&head["label2id"]).or_else(|| labels(&config["label2id"]));
    Ok(Head::Linear {
        outputs,
        pooling,
        labels: labels.unwrap_or_default(),
    })
}

/// The classes' names in the order of their numbers.
fn labels(ids: &Value) -> Option<Vec<String>> {
    let mut labels: Vec<(u64, String)> = Vec::new();
    for (label, id) in ids.as_object()? {
        labels.push((id.as_u64()?, label.clone()));
    }
    labels.sort();
    Some(labels.into_iter().map(|(_, label)| label).collect())
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
    let ids: serde_json::Map<String, Value> = export
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
