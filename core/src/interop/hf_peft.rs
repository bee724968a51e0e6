//! Hugging Face PEFT 0.21.
//!
//! | file          | what                                                         |
//! |---------------|--------------------------------------------------------------|
//! | `settings.rs` | a configuration, and which of its settings cannot be computed |
//! | `names.rs`    | names of tensors and modules                                 |
//! | `lora.rs`     | `LoRA` and `DoRA`                                            |
//! | `ia3.rs`      | (IA)³                                                        |
//! | `rows.rs`     | prompt and prefix tuning                                     |
//! | `head.rs`     | classification heads                                         |
//!
//! An adapter is `adapter_config.json` with `adapter_model.safetensors`, in older folders
//! `adapter_model.bin`. What is computed is what PEFT 0.21 computes with transformers 4.57.

mod head;
mod ia3;
mod lora;
mod names;
mod rows;
mod settings;
#[cfg(test)]
mod tests;

use std::path::Path;

use serde_json::{Map, Value, json};

use super::entry::{self, Entry, Tensors};
use super::{Adapter, Export, Head, Library, files, no_word};
use crate::config::{Method, MethodKind};
use crate::model::{Family, Model};
use crate::peft::{Parameter, group};
use crate::{Error, Result, atomic};
pub(super) use head::is_of_head;

use head::Form;
use settings::{Kind, Settings};

const NAME: &str = "PEFT";
const VERSION: &str = "0.21.2";
const SAFE: &str = "adapter_model.safetensors";
const PICKLED: &str = "adapter_model.bin";

/// Reads the adapter in a folder.
pub(super) fn read(folder: &Path, config: Value) -> Result<Adapter> {
    let settings = Settings::new(folder, &config)?;
    let kind = settings.kind()?;
    let tensors = files::tensors(folder, SAFE, PICKLED)?;
    let family = names::family(tensors.keys());
    let mut tensors = names::plainly(tensors, folder)?;
    let method = match kind {
        Kind::Lora => lora::method(&settings, &tensors)?,
        Kind::Ia3 => {
            let (method, one_each) = ia3::method(&settings, tensors)?;
            tensors = one_each;
            method
        }
        Kind::Prompt => rows::method(&settings, MethodKind::Prompt)?,
        Kind::Prefix => rows::method(&settings, MethodKind::Prefix)?,
    };
    method.resolve()?;
    let head = Form::of(&tensors)?;
    if head.is_some() {
        settings.check_head()?;
    }
    Ok(Adapter {
        library: Library::Peft,
        method,
        head: head.map_or(Head::None, |form| form.head(&tensors)),
        name: String::new(),
        folder: folder.to_path_buf(),
        family,
        config,
        tensors,
    })
}

/// What the tensors of an adapter are in ours.
pub(super) fn entries(
    adapter: &Adapter,
    method: &Method,
    model: &Model,
    parameters: &[Parameter],
) -> Result<Vec<Entry>> {
    check_family(adapter, model)?;
    if let Method::Prefix(_) = method {
        let settings = Settings::new(&adapter.folder, &adapter.config)?;
        rows::check_prefix(&settings, &model.shape)?;
    }
    let own = parameters.iter().filter(|p| p.group != group::HEAD);
    let mut entries = of_method(method, model, Some(&adapter.tensors), own)?;
    check_whole(&entries, &adapter.tensors)?;
    if let Some(form) = Form::of(&adapter.tensors)? {
        entries.extend(form.entries(model, parameters)?);
        entries.extend(form.check_dense(&adapter.tensors, model)?);
    }
    Ok(entries)
}

/// Refuses an adapter of another family, whose tensors may have the same names.
fn check_family(adapter: &Adapter, model: &Model) -> Result<()> {
    let ours = model.shape.family;
    match adapter.family {
        Some(theirs) if theirs != ours => {
            let named = |family| match family {
                Family::T5 => "a T5",
                Family::Bert => "a BERT",
                Family::Roberta => "a RoBERTa",
            };
            let (theirs, ours) = (named(theirs), named(ours));
            let message = format!("its tensors are those of {theirs}, but the model is {ours}");
            Err(Error::model(&adapter.folder, message))
        }
        _ => Ok(()),
    }
}

/// Refuses an adapter that acts in some layers only.
fn check_whole(entries: &[Entry], tensors: &Tensors) -> Result<()> {
    let (held, lacking): (Vec<&Entry>, Vec<&Entry>) = entries
        .iter()
        .partition(|entry| tensors.contains_key(&entry.name));
    match lacking.first() {
        Some(entry) if !held.is_empty() => Err(Error::method(format!(
            "the adapter has no `{}`: it acts in some layers or attentions only, and here a \
             method acts in all of the model's",
            entry.name
        ))),
        _ => Ok(()),
    }
}

/// What the tensors of a method, without a head, are in ours; `held` are those of a file that
/// is read.
fn of_method<'a>(
    method: &Method,
    model: &Model,
    held: Option<&Tensors>,
    own: impl Iterator<Item = &'a Parameter>,
) -> Result<Vec<Entry>> {
    let shape = &model.shape;
    match method {
        Method::Lora(_) | Method::Dora(_) => lora::entries(own),
        Method::Ia3 { placement } => ia3::entries(*placement, shape, own),
        Method::Prompt(config) => {
            rows::check_placement(config.placement, MethodKind::Prompt, model)?;
            rows::prompt(config, shape, held, own)
        }
        Method::Prefix(config) => {
            rows::check_placement(config.placement, MethodKind::Prefix, model)?;
            Ok(rows::prefix(config, shape))
        }
        _ => Err(no_word(
            NAME,
            "it has lora, dora, ia3, prompt and prefix of the methods here",
        )),
    }
}

/// Writes an adapter into a new folder.
pub(super) fn write(export: &Export<'_>, folder: &Path) -> Result<()> {
    files::check_free(folder)?;
    let (model, parameters) = (export.model, export.trainables.parameters());
    let form = Form::to_write(export)?;
    if let (Method::Prefix(_), Some(Form::Dense)) = (export.method, form) {
        return Err(no_word(
            NAME,
            "it fails on a RoBERTa with a prefix and a classification head (0.21 takes the cache \
             for the head's input); write the adapter without its head",
        ));
    }
    let mut entries = of_method(export.method, model, None, export.of_method())?;
    if let Some(form) = form {
        entries.extend(form.entries(model, parameters)?);
    }
    let mut plain = entry::to_theirs(&entries, &rows::tensors(export)?)?;
    if let Some(form) = form {
        plain.extend(form.dense(model)?);
    }
    let tensors = named(plain, export.method, model, form)?;
    let config = configuration(export, form);
    atomic::write_dir(folder, |folder| {
        files::write_json(&folder.join(files::CONFIG), &config)?;
        files::write_tensors(&folder.join(SAFE), &tensors)
    })
}

/// Tensors under the names that PEFT's wrapper gives them.
fn named(plain: Tensors, method: &Method, model: &Model, form: Option<Form>) -> Result<Tensors> {
    let wrapper = match method {
        Method::Prompt(_) | Method::Prefix(_) => names::PROMPT_WRAPPER,
        _ => names::WRAPPER,
    };
    let base = form.map_or("", |_| names::base(model));
    let full = |(name, tensor): (String, candle_core::Tensor)| -> Result<_> {
        let full = if name == rows::ROWS {
            name
        } else if is_of_head(&name) {
            format!("{wrapper}{name}")
        } else {
            format!("{wrapper}{base}{name}")
        };
        Ok((full, tensor.contiguous()?))
    };
    plain.into_iter().map(full).collect()
}

/// The configuration that belongs to an adapter.
fn configuration(export: &Export<'_>, form: Option<Form>) -> Value {
    let shape = &export.model.shape;
    let mut settings = match export.method {
        Method::Lora(update) => lora::settings(update, MethodKind::Lora, shape.family),
        Method::Dora(dora) => lora::settings(&dora.update, MethodKind::Dora, shape.family),
        Method::Ia3 { placement } => ia3::settings(*placement, shape),
        Method::Prompt(config) => rows::prompt_settings(config, shape),
        Method::Prefix(config) => rows::prefix_settings(config, shape),
        _ => Map::new(),
    };
    let task = match (shape.family, form) {
        (Family::T5, _) => "SEQ_2_SEQ_LM",
        (_, Some(_)) => "SEQ_CLS",
        (_, None) => "FEATURE_EXTRACTION",
    };
    let saved = form.map(|_| ["classifier", "score"]);
    let common = json!({
        "auto_mapping": null,
        "base_model_name_or_path": export.base,
        "inference_mode": true,
        "modules_to_save": saved,
        "peft_version": VERSION,
        "revision": null,
        "task_type": task,
    });
    settings.extend(common.as_object().cloned().unwrap_or_default());
    Value::Object(settings)
}
