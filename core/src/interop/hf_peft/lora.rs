//! `LoRA` and `DoRA` in PEFT's terms.
//!
//! | ours              | theirs                                | shape      |
//! |-------------------|---------------------------------------|------------|
//! | `….lora_a`        | `….lora_A.weight`                     | `[r, in]`  |
//! | `….lora_b`        | `….lora_B.weight`                     | `[out, r]` |
//! | `….magnitude`     | `….lora_magnitude_vector`             | `[out]`    |
//! | `alpha`           | `lora_alpha`, `√r` times it if `use_rslora` | –    |
//!
//! The factor of an update is `lora_alpha / r`, with `use_rslora` `lora_alpha / √r`. Which maps
//! are updated is read off the tensors: a list of targets can be a pattern.

use serde_json::{Map, Value, json};

use super::super::entry::{Entry, Tensors};
use super::names::{self, module_of, projection};
use super::settings::Settings;
use crate::config::{LoraConfig, MethodConfig, MethodKind};
use crate::model::Family;
use crate::peft::Parameter;
use crate::{Error, Result};

/// PEFT's rank and alpha where a configuration has none.
const DEFAULTS: (usize, f64) = (8, 8.0);

const DOWN: &str = "lora_A.weight";
const UP: &str = "lora_B.weight";
const MAGNITUDE: &str = "lora_magnitude_vector";

/// Our names for the parts.
const PARTS: [(&str, &str); 3] = [("lora_a", DOWN), ("lora_b", UP), ("magnitude", MAGNITUDE)];

/// The method that an adapter's configuration and tensors are.
pub(super) fn method(settings: &Settings<'_>, tensors: &Tensors) -> Result<MethodConfig> {
    let modules = tensors.keys().filter_map(|name| module_of(name, DOWN));
    let modules: Vec<&str> = modules.collect();
    if let Some(other) = modules.iter().find(|module| projection(module).is_none()) {
        return Err(settings.refused(format!(
            "updates `{other}`; updates here are those of an attention's q, k, v and o"
        )));
    }
    let targets = names::projections(&modules);
    if targets.is_empty() {
        return Err(settings.refused("no tensor beside it updates a linear map"));
    }
    let rank = settings.count("r")?.unwrap_or(DEFAULTS.0);
    let alpha = settings.number("lora_alpha")?.unwrap_or(DEFAULTS.1);
    let stable = settings.is_on("use_rslora")?;
    let kind = if settings.is_on("use_dora")? {
        MethodKind::Dora
    } else {
        MethodKind::Lora
    };
    Ok(MethodConfig {
        rank: Some(rank),
        alpha: Some(if stable {
            alpha * (rank as f64).sqrt()
        } else {
            alpha
        }),
        targets: Some(targets),
        dropout: settings.number("lora_dropout")?,
        ..MethodConfig::from_kind(kind)
    })
}

/// What the tensors are in ours.
///
/// # Errors
/// Fails if a parameter is none of an update, naming it.
pub(super) fn entries<'a>(parameters: impl Iterator<Item = &'a Parameter>) -> Result<Vec<Entry>> {
    let entry = |parameter: &Parameter| -> Result<Entry> {
        let name = &parameter.name;
        let theirs = PARTS.iter().find_map(|(ours, theirs)| {
            let module = module_of(name, ours)?;
            Some(format!("{module}.{theirs}"))
        });
        let theirs = theirs.ok_or_else(|| Error::method(format!("{name} is no update")))?;
        Ok(Entry::one(theirs, parameter.shape.clone(), name.clone()))
    };
    parameters.map(entry).collect()
}

/// The settings of an update, the common ones apart.
pub(super) fn settings(
    update: &LoraConfig,
    kind: MethodKind,
    family: Family,
) -> Map<String, Value> {
    let targets: Vec<String> = update
        .targets
        .iter()
        .map(|t| names::target(t, family))
        .collect();
    let settings = json!({
        "peft_type": "LORA",
        "r": update.rank,
        "lora_alpha": short(update.alpha),
        "lora_dropout": update.dropout,
        "target_modules": targets,
        "use_dora": kind == MethodKind::Dora,
        "use_rslora": false,
        "bias": "none",
        "fan_in_fan_out": false,
        "init_lora_weights": true,
    });
    settings.as_object().cloned().unwrap_or_default()
}

/// A number, without a point where it is whole: PEFT's alphas are.
fn short(number: f64) -> Value {
    #[expect(clippy::cast_possible_truncation, reason = "whole and small")]
    if number.fract() == 0.0 && number.abs() < 1e9 {
        json!(number as i64)
    } else {
        json!(number)
    }
}
