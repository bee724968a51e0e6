//! Names and shapes of tensors there.

use std::collections::BTreeSet;
use std::path::Path;

use candle_core::{DType, Tensor};

use crate::config::{Method, SlowWeights};
use crate::interop::entry::{Entry, Tensors};
use crate::interop::no_word;
use crate::model::{Family, Model};
use crate::peft::{Parameter, group};
use crate::{Error, Result};

use super::{NAME, PREFIXES};

/// Where prefixes and prompts stand in a model.
const PREFIX_TUNING: &str = "prefix_tuning.prefix_tunings.";
const PROMPT_TUNING: &str = "prompt_tuning.prompt_tunings.";

/// A name without the prefix of a class.
pub(super) fn bare(name: &str) -> String {
    let prefix = PREFIXES.iter().find(|prefix| name.starts_with(**prefix));
    name[prefix.map_or(0, |prefix| prefix.len())..].to_owned()
}

/// The name of the slow weights that all layers share.
pub(super) fn shared(name: &str) -> String {
    format!("shared_parameters.{name}.phm_rule")
}

/// The tensors of a file by the names that [`entries`] gives them: without the prefix of a
/// class, and a pool of prefixes, of which every layer has a copy, once.
pub(super) fn canonical(tensors: Tensors, name: &str, folder: &Path) -> Result<Tensors> {
    let pool = format!("prefix_tunings.{name}.");
    let mut canonical = Tensors::new();
    for (full, tensor) in tensors {
        let bare = match full.find(&pool) {
            Some(at) => format!("prefix_tuning.{}", &full[at..]),
            None => bare(&full),
        };
        if let Some(other) = canonical.get(&bare)
            && !are_equal(other, &tensor)?
        {
            let message = format!("`{full}` differs from what other layers have of it");
            return Err(Error::model(folder, message));
        }
        canonical.insert(bare, tensor);
    }
    Ok(canonical)
}

fn are_equal(a: &Tensor, b: &Tensor) -> Result<bool> {
    if a.dims() != b.dims() || a.dtype() != b.dtype() {
        return Ok(false);
    }
    let differing = a.ne(b)?.to_dtype(DType::U32)?.sum_all()?;
    Ok(differing.to_scalar::<u32>()? == 0)
}

/// What the tensors of an adapter of this name are in ours, without norms and head.
pub(super) fn entries(
    name: &str,
    method: &Method,
    model: &Model,
    parameters: &[Parameter],
) -> Result<Vec<Entry>> {
    let own = |parameter: &&Parameter| ![group::HEAD, group::NORM].contains(&parameter.group);
    let own: Vec<&Parameter> = parameters.iter().filter(own).collect();
    if let Method::Prefix(prefix) = method {
        return prefixes(name, prefix.bottleneck == 0, model.shape.family, &own);
    }
    let hypercomplex = matches!(method, Method::Compacter { .. });
    let entry = |parameter: &&Parameter| {
        of_parameter(name, &parameter.name, &parameter.shape, hypercomplex)
    };
    let mut entries: Vec<Entry> = own.iter().map(entry).collect::<Result<_>>()?;
    for (constant, n) in constants(method, &own) {
        entries.push(of_parameter(name, &constant, &[n; 3], true)?);
    }
    Ok(entries)
}

/// Slow weights that are used and not trained: their names, and `n`.
pub(super) fn constants(method: &Method, own: &[&Parameter]) -> Vec<(String, usize)> {
    let Method::Compacter { phm, .. } = method else {
        return Vec::new();
    };
    let names: BTreeSet<String> = match phm.slow {
        _ if phm.learn_slow => BTreeSet::new(),
        SlowWeights::Shared => BTreeSet::from(["slow".to_owned()]),
        SlowWeights::Own => {
            let biases = own.iter().filter_map(|p| p.name.strip_suffix(".bias"));
            biases.map(|path| format!("{path}.slow")).collect()
        }
    };
    names.into_iter().map(|name| (name, phm.n)).collect()
}

/// What one of our tensors is there.
fn of_parameter(name: &str, ours: &str, shape: &[usize], hypercomplex: bool) -> Result<Entry> {
    let unknown = || no_word(NAME, format!("it has no name for `{ours}`"));
    if ours == "slow" {
        return Ok(Entry::one(shared(name), shape, ours));
    }
    if ours.ends_with(".prompt") {
        let theirs = format!("{PROMPT_TUNING}{name}.prompt_embedding.weight");
        return Ok(Entry::one(theirs, shape, ours));
    }
    let (path, part) = ours.rsplit_once('.').ok_or_else(unknown)?;
    if let Some((site, side)) = path.rsplit_once(".adapter.") {
        let side = match side {
            "down" => "down.0",
            "up" => "up",
            _ => return Err(unknown()),
        };
        let part = match part {
            "left" => "W_left",
            "right" => "W_right",
            "fast" => "W",
            "slow" => "phm_rule",
            "bias" if hypercomplex => "b",
            "bias" => "bias",
            "weight" => "weight",
            _ => return Err(unknown()),
        };
        let theirs = format!("{site}.adapters.{name}.adapter_{side}.{part}");
        return Ok(Entry::one(theirs, shape, ours));
    }
    if let Some(scaled) = part.strip_prefix("ia3_") {
        let module = scaled_module(path, scaled).ok_or_else(unknown)?;
        let width = shape.iter().product();
        let theirs = format!("{module}.loras.{name}.lora_B");
        return Ok(Entry::one(theirs, vec![width, 1], ours));
    }
    let low_rank = |part: &str| format!("{path}.loras.{name}.{part}");
    Ok(match part {
        "lora_a" => Entry::one(low_rank("lora_A"), shape, ours),
        "lora_b" => Entry::one(low_rank("lora_B"), shape, ours),
        "magnitude" => {
            let shape = vec![shape.iter().product(), 1];
            Entry::one(low_rank("m.weight"), shape, ours)
        }
        _ => return Err(unknown()),
    })
}

/// The linear map there whose output is scaled.
fn scaled_module(path: &str, scaled: &str) -> Option<String> {
    let bert = path.starts_with("encoder.layer.");
    Some(match scaled {
        "keys" => format!("{path}.{}", if bert { "key" } else { "k" }),
        "values" => format!("{path}.{}", if bert { "value" } else { "v" }),
        // The map itself, or T5's gated feed-forward, where the second map will do.
        "intermediate" if path.rsplit('.').next() == Some("wi") || bert => path.to_owned(),
        "intermediate" => format!("{path}.DenseReluDense.wi_1"),
        _ => return None,
    })
}

/// A kind of attention: its name there, the pool of its prefixes here, and whether an
/// attention is of it.
type Kind = (&'static str, &'static str, fn(&str) -> bool);

/// Prefixes: those of all layers of a kind of attention are one tensor there.
fn prefixes(name: &str, flat: bool, family: Family, own: &[&Parameter]) -> Result<Vec<Entry>> {
    let kinds: &[Kind] = match family {
        Family::T5 => &[
            ("encoder_prefix", "encoder.prefix", |name| {
                name.starts_with("encoder.block.")
            }),
            ("self_prefix", "decoder.prefix", |name| {
                name.starts_with("decoder.") && name.contains(".SelfAttention.")
            }),
            ("cross_prefix", "decoder.cross_prefix", |name| {
                name.contains(".EncDecAttention.")
            }),
        ],
        Family::Bert | Family::Roberta => &[("self_prefix", "encoder.prefix", |name| {
            name.starts_with("encoder.layer.")
        })],
    };
    let mut entries = Vec::new();
    for (kind, pool, is_of_kind) in kinds {
        let of_kind: Vec<&&Parameter> = own.iter().filter(|p| is_of_kind(&p.name)).collect();
        let theirs = format!("{PREFIX_TUNING}{name}.{kind}");
        if flat {
            entries.push(joined(&format!("{theirs}.control_trans"), 1, &of_kind, "")?.flat());
            continue;
        }
        for (part, ours) in [
            ("wte.weight", "rows"),
            ("control_trans.0.weight", "down.weight"),
            ("control_trans.0.bias", "down.bias"),
        ] {
            let ours = format!("{pool}.{ours}");
            let found = own.iter().find(|parameter| parameter.name == ours);
            let found = found.ok_or_else(|| Error::method(format!("{ours} is not trained")))?;
            entries.push(Entry::one(
                format!("{theirs}.{part}"),
                found.shape.as_slice(),
                ours,
            ));
        }
        for part in ["weight", "bias"] {
            let theirs = format!("{theirs}.control_trans.2.{part}");
            entries.push(joined(&theirs, 0, &of_kind, &format!(".{part}"))?);
        }
    }
    Ok(entries)
}

/// Keys and values of all layers, one layer after another along an axis.
fn joined(theirs: &str, axis: usize, of_kind: &[&&Parameter], part: &str) -> Result<Entry> {
    let ends: [String; 2] = ["keys", "values"].map(|what| format!(".prefix.{what}{part}"));
    let mut parts: Vec<&&Parameter> = Vec::new();
    for keys in of_kind.iter().filter(|p| p.name.ends_with(&ends[0])) {
        let path = keys.name.trim_end_matches(ends[0].as_str());
        let wanted = format!("{path}{}", ends[1]);
        let values = of_kind.iter().find(|p| p.name == wanted);
        let values = values.ok_or_else(|| Error::method(format!("{wanted} is not trained")))?;
        parts.extend([keys, values]);
    }
    let first = parts.first();
    let first = first.ok_or_else(|| Error::method("the model has no attention of a kind"))?;
    let mut shape = first.shape.clone();
    shape[axis] *= parts.len();
    let mut entry = Entry::one(theirs, shape, "");
    entry.axis = axis;
    entry.parts = parts.iter().map(|p| p.name.clone()).collect();
    Ok(entry)
}
