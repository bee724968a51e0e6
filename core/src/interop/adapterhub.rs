//! `AdapterHub`'s `adapters` 1.3: folders with `adapter_config.json` and
//! `adapter.safetensors` (or `pytorch_adapter.bin`, read only), and heads beside them.
//!
//! | here                              | there                                                     |
//! |-----------------------------------|-----------------------------------------------------------|
//! | `….adapter.down.left`             | `….adapters.NAME.adapter_down.0.W_left`                   |
//! | `slow`                            | `shared_parameters.NAME.phm_rule`                         |
//! | `….query.lora_a`, `….magnitude`   | `….query.loras.NAME.lora_A`, `….loras.NAME.m.weight`      |
//! | `….ia3_keys`: `[h·e]`             | `….key.loras.NAME.lora_B`: `[h·e, 1]`                     |
//! | `….prefix.keys`, `.values`, by layer | one map, `prefix_tunings.NAME.….control_trans.2`       |
//! | `embeddings.prompt`               | `prompt_tuning.prompt_tunings.NAME.prompt_embedding.weight` |
//! | `head.weight`                     | `heads.NAME.1.weight`, in `model_head.safetensors`        |
//!
//! Names there start with that of the class: `bert.`, `roberta.`, `transformer.` of
//! `T5AdapterModel`, which is what is written, or nothing of `T5ForConditionalGeneration`.
//!
//! `adapters` saves a `T5ForConditionalGeneration` without the slow weights that its layers
//! share (the filter for their name asks for a dot that is not there). What such a file
//! computes cannot be known, so it is refused.
//!
//! Layer norms that are trained beside adapters have no place in these files. They are
//! written beside them on request, to `layer_norms.safetensors`.

mod configuration;
mod head;
mod names;
mod settings;

use std::path::Path;

use serde_json::{Value, json};

use super::entry::{self, Entry, Tensors};
use super::{Adapter, Export, Head, Library, files};
use crate::config::{Method, MethodConfig, MethodKind, SlowWeights};
use crate::model::{Family, Model};
use crate::peft::{Parameter, group};
use crate::{Error, Result, atomic};

const NAME: &str = "AdapterHub";
const SAFE: &str = "adapter.safetensors";
const PICKLED: &str = "pytorch_adapter.bin";
const NORMS: &str = "layer_norms.safetensors";

/// Prefixes that one class writes and another does not.
const PREFIXES: [&str; 3] = ["bert.", "roberta.", "transformer."];

/// Reads the adapter in a folder.
pub(super) fn read(folder: &Path, config: Value) -> Result<Adapter> {
    let path = folder.join(files::CONFIG);
    let name = config.get("name").and_then(Value::as_str);
    let name = name
        .ok_or_else(|| Error::model(&path, "has no `name`"))?
        .to_owned();
    let mut method = settings::method(&config, &path)?;
    let found = files::tensors(folder, SAFE, PICKLED)?;
    let mut tensors = names::canonical(found, &name, folder)?;
    check_slow_weights(&method, &tensors, &name, folder)?;
    if let Some(norms) = files::safetensors(&folder.join(NORMS))? {
        method.train_layer_norms = Some(true);
        tensors.extend(
            norms
                .into_iter()
                .map(|(name, norm)| (names::bare(&name), norm)),
        );
    }
    let head = head::read(folder, &mut tensors)?;
    Ok(Adapter {
        family: None,
        library: Library::AdapterHub,
        method,
        head,
        name,
        folder: folder.to_path_buf(),
        config,
        tensors,
    })
}

/// Whether a tensor that was read belongs to the task head.
pub(super) fn is_of_head(name: &str) -> bool {
    name.starts_with("head.")
}

/// Refuses a file without the slow weights that its layers share.
fn check_slow_weights(
    method: &MethodConfig,
    tensors: &Tensors,
    name: &str,
    folder: &Path,
) -> Result<()> {
    let compacter = matches!(
        method.kind,
        MethodKind::Compacter | MethodKind::CompacterPlusPlus
    );
    let shared = compacter && method.slow != Some(SlowWeights::Own);
    if !shared || tensors.contains_key(&names::shared(name)) {
        return Ok(());
    }
    let message = "the adapter's slow weights (`phm_rule`) are not in the file. `adapters` leaves \
                   them out when it saves the adapter of a T5ForConditionalGeneration, and then \
                   draws new ones when it loads it, so nobody can know what this adapter computed. \
                   Save it again from the model that it was trained in, as a T5AdapterModel, or \
                   with `model.shared_parameters` added to the file";
    Err(Error::model(folder, message))
}

/// What the tensors of an adapter are in ours.
pub(super) fn entries(
    adapter: &Adapter,
    method: &Method,
    model: &Model,
    parameters: &[Parameter],
) -> Result<Vec<Entry>> {
    check_family(adapter, model)?;
    let mut entries = names::entries(&adapter.name, method, model, parameters)?;
    for parameter in parameters {
        let shape = parameter.shape.as_slice();
        if parameter.group == group::NORM {
            entries.push(Entry::one(&parameter.name, shape, &parameter.name));
        }
        if parameter.group == group::HEAD && matches!(adapter.head, Head::Linear { .. }) {
            entries.push(Entry::one(&parameter.name, shape, &parameter.name));
        }
    }
    Ok(entries)
}

/// Refuses an adapter of another architecture, whose tensors may have the same names.
fn check_family(adapter: &Adapter, model: &Model) -> Result<()> {
    let ours = model_type(model.shape.family);
    match adapter.config["model_type"].as_str() {
        Some(theirs) if theirs != ours => {
            let path = adapter.folder.join(files::CONFIG);
            let message = format!("model_type is `{theirs}`, but the model is a `{ours}`");
            Err(Error::model(path, message))
        }
        _ => Ok(()),
    }
}

/// What configurations of models call an architecture.
fn model_type(family: Family) -> &'static str {
    match family {
        Family::T5 => "t5",
        Family::Bert => "bert",
        Family::Roberta => "roberta",
    }
}

/// Writes an adapter into a new folder.
pub(super) fn write(export: &Export<'_>, folder: &Path) -> Result<()> {
    files::check_free(folder)?;
    let mut tensors = export.tensors()?;
    let config = configuration::written(export)?;
    let parameters: Vec<Parameter> = export.of_method().cloned().collect();
    let own: Vec<&Parameter> = parameters.iter().collect();
    for (name, _) in names::constants(export.method, &own) {
        if let Some(slow) = export.trainables.drawn(&name)? {
            tensors.insert(name, slow);
        }
    }
    let entries = names::entries(export.name, export.method, export.model, &parameters)?;
    let prefix = prefix(export.model);
    let of_class = |(name, tensor)| (format!("{prefix}{name}"), tensor);
    let theirs = entry::to_theirs(&entries, &tensors)?;
    let theirs: Tensors = theirs.into_iter().map(of_class).collect();
    let norms: Tensors = parameters
        .iter()
        .filter(|parameter| parameter.group == group::NORM)
        .filter_map(|parameter| tensors.remove_entry(&parameter.name))
        .map(of_class)
        .collect();
    if !norms.is_empty() && !export.layer_norms {
        return Err(super::no_word(
            NAME,
            "it trains the model's layer norms, for which these files have no place. Train with \
             method.train_layer_norms = false, or have them written beside the adapter, to be \
             loaded into the model by whoever loads it",
        ));
    }
    let head = head::written(export, &tensors)?;
    let full = full_config(export, export.name, &config);
    atomic::write_dir(folder, |folder| {
        files::write_json(&folder.join(files::CONFIG), &full)?;
        files::write_tensors(&folder.join(SAFE), &theirs)?;
        if !norms.is_empty() {
            files::write_tensors(&folder.join(NORMS), &norms)?;
        }
        match &head {
            Some(head) => head.write(folder),
            None => Ok(()),
        }
    })
}

/// What `adapters` writes around every configuration.
fn full_config(export: &Export<'_>, name: &str, config: &Value) -> Value {
    let shape = &export.model.shape;
    let class = match shape.family {
        Family::T5 => "T5AdapterModel",
        Family::Bert => "BertAdapterModel",
        Family::Roberta => "RobertaAdapterModel",
    };
    json!({
        "config": config,
        "hidden_size": shape.d_model,
        "model_class": class,
        "model_name": export.base,
        "model_type": model_type(shape.family),
        "name": name,
        "version": "adapters.1.3.0",
    })
}

/// Prefix of the class that is written for.
fn prefix(model: &Model) -> &'static str {
    match model.shape.family {
        Family::T5 => "transformer.",
        Family::Bert => "bert.",
        Family::Roberta => "roberta.",
    }
}
