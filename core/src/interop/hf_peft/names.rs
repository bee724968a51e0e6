//! Names of tensors in files of PEFT, and of the modules that they belong to.
//!
//! ```text
//! base_model.model.bert.encoder.layer.0.attention.self.query.lora_A.default.weight
//! └── wrapper ───┘ └base┘└──────────── module ──────────────┘└ part ┘└ name ┘
//! ```
//!
//! Wrapper, base and the adapter's name depend on how the model was wrapped and saved, so they
//! are taken off when a file is read: what is left is a [`plain`] name.

use std::path::Path;

use super::super::entry::Tensors;
use crate::model::{Family, Model};
use crate::{Error, Result};

/// Projections in the order that a method lists them, and their modules' ends in T5 and BERT.
const PROJECTIONS: [(&str, &str, &str); 4] = [
    ("q", "Attention.q", ".attention.self.query"),
    ("k", "Attention.k", ".attention.self.key"),
    ("v", "Attention.v", ".attention.self.value"),
    ("o", "Attention.o", ".attention.output.dense"),
];

/// What PEFT wraps adapters in: the model's modules stand behind it.
pub(super) const WRAPPER: &str = "base_model.model.";

/// What PEFT wraps a model in whose adapter is no module: prompts and prefixes.
pub(super) const PROMPT_WRAPPER: &str = "base_model.";

/// A name without wrapper, base and adapter.
pub(super) fn plain(name: &str) -> String {
    let bare = name.strip_prefix(PROMPT_WRAPPER).unwrap_or(name);
    let bare = bare.strip_prefix("model.").unwrap_or(bare);
    let stacks = ["encoder.", "decoder."];
    let starts = stacks.iter().flat_map(|stack| bare.match_indices(stack));
    let at_module = |at: &usize| *at == 0 || bare[..*at].ends_with('.');
    let start = starts.map(|(at, _)| at).filter(at_module).min();
    let kept = bare[start.unwrap_or(0)..].split('.');
    let kept: Vec<&str> = kept
        .filter(|part| !matches!(*part, "default" | "modules_to_save"))
        .collect();
    let plain = kept.join(".");
    match plain.strip_suffix(".lora_magnitude_vector.weight") {
        Some(module) => format!("{module}.lora_magnitude_vector"),
        None => plain,
    }
}

/// The tensors of the adapter in a folder under their plain names.
///
/// # Errors
/// Fails if two tensors have one, naming it.
pub(super) fn plainly(tensors: Tensors, folder: &Path) -> Result<Tensors> {
    let mut named = Tensors::new();
    for (name, tensor) in tensors {
        let plain = plain(&name);
        if named.insert(plain, tensor).is_some() {
            let message = format!("holds two tensors for `{}`", self::plain(&name));
            return Err(Error::model(folder, message));
        }
    }
    Ok(named)
}

/// The family whose base the modules stand in, where names tell it.
pub(super) fn family<'a>(mut names: impl Iterator<Item = &'a String>) -> Option<Family> {
    names.find_map(|name| {
        let module = name.strip_prefix(WRAPPER)?;
        match module.split('.').next()? {
            "bert" => Some(Family::Bert),
            "roberta" => Some(Family::Roberta),
            _ => None,
        }
    })
}

/// The module that a tensor belongs to, if it is the part named.
pub(super) fn module_of<'a>(name: &'a str, part: &str) -> Option<&'a str> {
    name.strip_suffix(part)?.strip_suffix('.')
}

/// The projection that a module is, by our name; `None` for other modules.
pub(super) fn projection(module: &str) -> Option<&'static str> {
    let ends = |(_, t5, bert): &&(&str, &str, &str)| module.ends_with(t5) || module.ends_with(bert);
    PROJECTIONS.iter().find(ends).map(|(ours, ..)| *ours)
}

/// The projections that modules are, each once, in our order.
pub(super) fn projections(modules: &[&str]) -> Vec<String> {
    let names = PROJECTIONS.iter().map(|(ours, ..)| *ours);
    let found = names.filter(|ours| modules.iter().any(|of| projection(of) == Some(ours)));
    found.map(str::to_owned).collect()
}

/// PEFT's word for a projection of ours in a list of targets.
pub(super) fn target(ours: &str, family: Family) -> String {
    let known = PROJECTIONS.iter().find(|(name, ..)| *name == ours);
    match (known, family) {
        (Some((ours, ..)), Family::T5) => (*ours).to_owned(),
        (Some(("o", ..)), _) => "attention.output.dense".to_owned(),
        (Some((.., bert)), _) => bert.rsplit('.').next().unwrap_or_default().to_owned(),
        (None, _) => ours.to_owned(),
    }
}

/// Where the backbone stands in a model with a classification head.
pub(super) fn base(model: &Model) -> &'static str {
    match model.shape.family {
        Family::T5 => "",
        Family::Bert => "bert.",
        Family::Roberta => "roberta.",
    }
}
