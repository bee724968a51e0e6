//! Prompt and prefix tuning in PEFT's terms: one tensor, `prompt_embeddings`.
//!
//! | method | rows, columns                                       | ours                                |
//! |--------|-----------------------------------------------------|-------------------------------------|
//! | prompt | `rows`, on T5 `2 · rows`; `d_model`                 | `….prompt`, then what T5 never reads |
//! | prefix | `rows`; for each layer keys and values, `h·e` each  | `….prefix.keys`, `….prefix.values`  |
//!
//! PEFT sets a T5's second half of a prompt aside for a decoder that gets none. What makes the
//! rows of a prefix (`prefix_projection`, here `bottleneck`) is saved by neither: the rows are.
//! A T5's prefix has the rows of as many layers as the encoder has, and hands them to the
//! decoder's self-attentions as [`prefix::layer_of`] says; those that nobody gets are not read.
//!
//! PEFT leaves segments out for a model without a head (`FEATURE_EXTRACTION`), and has those of
//! the tokenizer for one with a head (`SEQ_CLS`), as here.

use serde_json::{Map, Value, json};

use super::super::entry::{Entry, GAP, Tensors};
use super::super::{Export, no_word};
use super::NAME;
use super::settings::Settings;
use crate::config::{MethodConfig, MethodKind, Placement, PrefixConfig, PromptConfig};
use crate::model::{Family, Model, ModelShape};
use crate::peft::{Parameter, prefix};
use crate::{Error, Result};

/// Name of the one tensor.
pub(super) const ROWS: &str = "prompt_embeddings";

/// The method that an adapter is.
///
/// # Errors
/// Fails if its number of rows is not said.
pub(super) fn method(settings: &Settings<'_>, kind: MethodKind) -> Result<MethodConfig> {
    let length = settings.count("num_virtual_tokens")?;
    let lacks = || settings.refused("num_virtual_tokens is missing");
    Ok(MethodConfig {
        length: Some(length.ok_or_else(lacks)?),
        bottleneck: (kind == MethodKind::Prefix).then_some(0),
        placement: Some(Placement::Peft),
        ..MethodConfig::from_kind(kind)
    })
}

/// Refuses a prefix for a model of other layers, heads or stacks.
///
/// # Errors
/// Fails and says of which.
pub(super) fn check_prefix(settings: &Settings<'_>, shape: &ModelShape) -> Result<()> {
    let said = [
        ("num_layers", shape.encoder_layers),
        ("num_attention_heads", shape.heads),
        ("num_transformer_submodules", submodules(shape)),
    ];
    for (key, has) in said {
        if let Some(number) = settings.count(key)?.filter(|number| *number != has) {
            return Err(settings.refused(format!(
                "{key} is {number}, and the model's is {has}: it belongs to another model"
            )));
        }
    }
    Ok(())
}

/// What a prompt's tensor is in ours.
///
/// # Errors
/// Fails if a parameter is no prompt, naming it.
pub(super) fn prompt<'a>(
    config: &PromptConfig,
    shape: &ModelShape,
    held: Option<&Tensors>,
    parameters: impl Iterator<Item = &'a Parameter>,
) -> Result<Vec<Entry>> {
    let twice = shape.family == Family::T5;
    let usual = if twice {
        2 * config.length
    } else {
        config.length
    };
    // A file that has the rows once is read too.
    let rows = held.and_then(|tensors| tensors.get(ROWS)?.dims().first().copied());
    let rows = rows.filter(|rows| *rows == config.length).unwrap_or(usual);
    let entry = |parameter: &Parameter| -> Result<Entry> {
        let name = &parameter.name;
        if !name.ends_with(".prompt") {
            return Err(Error::method(format!("{name} is no prompt")));
        }
        let mut entry = Entry::one(ROWS, [rows, shape.d_model], name.clone());
        entry.unused = rows - config.length;
        Ok(entry)
    };
    parameters.map(entry).collect()
}

/// What a prefix's tensor is in ours, whose rows stand by themselves.
pub(super) fn prefix(config: &PrefixConfig, shape: &ModelShape) -> Vec<Entry> {
    let layers = shape.encoder_layers;
    let mut parts = vec![GAP.to_owned(); 2 * layers];
    let blocks = if shape.has_decoder() {
        shape.decoder_layers
    } else {
        layers
    };
    for block in (0..blocks).rev() {
        let attention = match shape.family {
            Family::T5 => format!("decoder.block.{block}.layer.0.SelfAttention"),
            Family::Bert | Family::Roberta => format!("encoder.layer.{block}.attention.self"),
        };
        // The first block of those that share a layer owns its rows.
        let layer = prefix::layer_of(block, shape);
        parts[2 * layer] = format!("{attention}.prefix.keys");
        parts[2 * layer + 1] = format!("{attention}.prefix.values");
    }
    let columns = 2 * layers * shape.inner();
    let mut entry = Entry::one(ROWS, [config.length, columns], GAP);
    entry.axis = 1;
    entry.parts = parts;
    vec![entry]
}

/// Refuses rows that PEFT would put elsewhere.
///
/// # Errors
/// Fails and says what would be right.
pub(super) fn check_placement(placement: Placement, kind: MethodKind, model: &Model) -> Result<()> {
    let t5 = model.shape.family == Family::T5;
    let elsewhere = match kind {
        _ if placement == Placement::Peft => return Ok(()),
        MethodKind::Prompt if t5 => return Ok(()),
        MethodKind::Prompt => {
            "its rows stand before positions are added and normed, these come after"
        }
        _ if t5 => "its rows stand in the decoder's self-attention only, with positions",
        _ => "its rows move the positions of the tokens after them, these do not",
    };
    Err(no_word(
        NAME,
        format!("{elsewhere}; train with method.placement = \"peft\""),
    ))
}

/// The settings of a prompt, the common ones apart.
pub(super) fn prompt_settings(config: &PromptConfig, shape: &ModelShape) -> Map<String, Value> {
    let mut settings = common(config.length, shape);
    settings.insert("peft_type".to_owned(), json!("PROMPT_TUNING"));
    settings.insert("token_dim".to_owned(), json!(shape.d_model));
    settings.insert("prompt_tuning_init".to_owned(), json!("RANDOM"));
    settings
}

/// The settings of a prefix, the common ones apart.
pub(super) fn prefix_settings(config: &PrefixConfig, shape: &ModelShape) -> Map<String, Value> {
    let mut settings = common(config.length, shape);
    settings.insert("peft_type".to_owned(), json!("PREFIX_TUNING"));
    settings.insert("token_dim".to_owned(), json!(shape.inner()));
    settings.insert("encoder_hidden_size".to_owned(), json!(shape.d_model));
    settings.insert("prefix_projection".to_owned(), json!(false));
    settings
}

fn common(length: usize, shape: &ModelShape) -> Map<String, Value> {
    let settings = json!({
        "num_virtual_tokens": length,
        "num_layers": shape.encoder_layers,
        "num_attention_heads": shape.heads,
        "num_transformer_submodules": submodules(shape),
    });
    settings.as_object().cloned().unwrap_or_default()
}

/// PEFT's number of stacks.
fn submodules(shape: &ModelShape) -> usize {
    if shape.has_decoder() { 2 } else { 1 }
}

/// The tensors of an export, a prefix as the rows that it makes.
pub(super) fn tensors(export: &Export<'_>) -> Result<Tensors> {
    prefix::made(&export.tensors()?)
}
