//! (IA)³ in PEFT's terms.
//!
//! | ours                 | theirs, T5                        | theirs, BERT                    | shape       |
//! |----------------------|-----------------------------------|---------------------------------|-------------|
//! | `….ia3_keys`         | `….k.ia3_l`                       | `….key.ia3_l`                   | `[h·e, 1]`  |
//! | `….ia3_values`       | `….v.ia3_l`                       | `….value.ia3_l`                 | `[h·e, 1]`  |
//! | `….ia3_intermediate` | `….wo.ia3_l`                      | `….output.dense.ia3_l`          | `[1, d_ff]` |
//! | the same, before the non-linearity | `….wi.ia3_l`        | `….intermediate.dense.ia3_l`    | `[d_ff, 1]` |
//!
//! A column scales what a map gives, a row what it is given. What goes into an attention's
//! output is a mean of its values, so factors of the one are factors of the other: PEFT's
//! default for BERT has both, and their product is ours. Factors of the gate's product
//! (`wi_1`) are those of what `wo` is given.

use candle_core::{DType, Tensor};
use serde_json::{Map, Value, json};

use super::super::entry::{Entry, Tensors};
use super::head;
use super::names::{module_of, projection};
use super::settings::Settings;
use crate::config::{MethodConfig, MethodKind, Placement};
use crate::model::{Family, ModelShape};
use crate::peft::Parameter;
use crate::{Error, Result};

const PART: &str = "ia3_l";

/// Which side of a map is scaled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Output,
    Input,
}

/// What is scaled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scaled {
    Keys,
    Values,
    /// The intermediate, after its non-linearity.
    After,
    /// The intermediate, before its non-linearity.
    Before,
}

impl Scaled {
    /// What factors on a side of a module scale, and the module that carries them here.
    fn by(module: &str, side: Side) -> Option<(Self, String)> {
        let own = || module.to_owned();
        let moved = |from: &str, to: &str| Some(format!("{}{to}", module.strip_suffix(from)?));
        match (projection(module), side) {
            (Some("k"), Side::Output) => return Some((Self::Keys, own())),
            (Some("v"), Side::Output) => return Some((Self::Values, own())),
            (Some("o"), Side::Input) => {
                let t5 = moved("Attention.o", "Attention.v");
                let values = t5.or_else(|| moved("output.dense", "self.value"))?;
                return Some((Self::Values, values));
            }
            (Some(_), _) => return None,
            (None, _) => {}
        }
        let ends = |end: &str| module.ends_with(end);
        match side {
            Side::Input if ends(".DenseReluDense.wo") || ends(".output.dense") => {
                Some((Self::After, own()))
            }
            Side::Output if ends(".wi_1") => Some((Self::After, moved(".wi_1", ".wo")?)),
            Side::Output if ends(".DenseReluDense.wi") || ends(".intermediate.dense") => {
                Some((Self::Before, own()))
            }
            _ => None,
        }
    }

    /// The shape of so many factors.
    fn shape(self, factors: usize) -> [usize; 2] {
        match self {
            Self::After => [1, factors],
            Self::Keys | Self::Values | Self::Before => [factors, 1],
        }
    }
}

/// The method that an adapter is, and its tensors with one for each of ours.
///
/// # Errors
/// Fails if it scales something that the method here does not, or not all that it does.
pub(super) fn method(settings: &Settings<'_>, tensors: Tensors) -> Result<(MethodConfig, Tensors)> {
    let mut kept = Tensors::new();
    let mut found = Vec::new();
    for (name, tensor) in tensors {
        let Some(module) = module_of(&name, PART) else {
            if head::is_of_head(&name) {
                kept.insert(name, tensor);
                continue;
            }
            return Err(settings.refused(format!("speaks of (IA)³, and there is `{name}`")));
        };
        let side = match tensor.dims() {
            [_, 1] => Side::Output,
            _ => Side::Input,
        };
        let Some((scaled, carrier)) = Scaled::by(module, side) else {
            let side = match side {
                Side::Output => "what it gives",
                Side::Input => "what it is given",
            };
            return Err(settings.refused(format!(
                "scales `{module}`, {side}; (IA)³ here scales keys, values and the feed-forward's \
                 intermediate"
            )));
        };
        found.push(scaled);
        insert(&mut kept, format!("{carrier}.{PART}"), scaled, &tensor)?;
    }
    let method = MethodConfig {
        placement: Some(placement(settings, &found)?),
        ..MethodConfig::from_kind(MethodKind::Ia3)
    };
    Ok((method, kept))
}

/// Adds factors to those that there are, which they multiply.
fn insert(kept: &mut Tensors, name: String, scaled: Scaled, factors: &Tensor) -> Result<()> {
    let factors = factors.reshape(&scaled.shape(factors.elem_count())[..])?;
    let all = match kept.get(&name) {
        // In f64, so that a product is rounded no more than what it is made of.
        Some(others) => (others.to_dtype(DType::F64)? * factors.to_dtype(DType::F64)?)?,
        None => factors,
    };
    kept.insert(name, all);
    Ok(())
}

fn placement(settings: &Settings<'_>, found: &[Scaled]) -> Result<Placement> {
    let has = |scaled: Scaled| found.contains(&scaled);
    let lacks = |what: &str| {
        settings.refused(format!(
            "has no factors of {what}; (IA)³ here scales keys, values and the feed-forward's \
             intermediate"
        ))
    };
    match (has(Scaled::Before), has(Scaled::After)) {
        _ if !has(Scaled::Keys) => Err(lacks("keys")),
        _ if !has(Scaled::Values) => Err(lacks("values")),
        (false, false) => Err(lacks("the intermediate")),
        (true, true) => {
            Err(settings.refused("scales the intermediate before and after its non-linearity"))
        }
        (false, true) => Ok(Placement::Paper),
        (true, false) => Ok(Placement::Adapterhub),
    }
}

/// What the tensors are in ours.
///
/// # Errors
/// Fails if a parameter is none of the method's, naming it.
pub(super) fn entries<'a>(
    placement: Placement,
    shape: &ModelShape,
    parameters: impl Iterator<Item = &'a Parameter>,
) -> Result<Vec<Entry>> {
    let entry = |parameter: &Parameter| -> Result<Entry> {
        let name = &parameter.name;
        let carried = carrier(name, placement, shape);
        let (scaled, module) =
            carried.ok_or_else(|| Error::method(format!("{name} is no factor of (IA)³")))?;
        let factors = scaled.shape(parameter.len());
        Ok(Entry::one(
            format!("{module}.{PART}"),
            factors,
            name.clone(),
        ))
    };
    parameters.map(entry).collect()
}

/// What a parameter of ours scales, and the module that carries it there.
fn carrier(name: &str, placement: Placement, shape: &ModelShape) -> Option<(Scaled, String)> {
    let t5 = shape.family == Family::T5;
    let before = placement == Placement::Adapterhub && !shape.gated;
    if let Some(attention) = module_of(name, "ia3_keys") {
        let module = if t5 { "k" } else { "key" };
        return Some((Scaled::Keys, format!("{attention}.{module}")));
    }
    if let Some(attention) = module_of(name, "ia3_values") {
        let module = if t5 { "v" } else { "value" };
        return Some((Scaled::Values, format!("{attention}.{module}")));
    }
    let module = module_of(name, "ia3_intermediate")?;
    Some(match (before, t5) {
        (true, _) => (Scaled::Before, module.to_owned()),
        (false, true) => (Scaled::After, format!("{module}.DenseReluDense.wo")),
        (false, false) => {
            let layer = module.strip_suffix("intermediate.dense")?;
            (Scaled::After, format!("{layer}output.dense"))
        }
    })
}

/// The settings of an adapter, the common ones apart.
pub(super) fn settings(placement: Placement, shape: &ModelShape) -> Map<String, Value> {
    let before = placement == Placement::Adapterhub && !shape.gated;
    let (targets, inputs) = match (shape.family, before) {
        (Family::T5, false) => (json!(["k", "v", "wo"]), json!(["wo"])),
        (Family::T5, true) => (json!(["k", "v", "wi"]), json!([])),
        // A pattern: by name, the attention's output would be one of them.
        (_, false) => (
            json!(r".*\.attention\.self\.(key|value)|.*\.layer\.\d+\.output\.dense"),
            json!(r".*\.layer\.\d+\.output\.dense"),
        ),
        (_, true) => (json!(["key", "value", "intermediate.dense"]), json!([])),
    };
    let settings = json!({
        "peft_type": "IA3",
        "target_modules": targets,
        "feedforward_modules": inputs,
        "fan_in_fan_out": false,
        "init_ia3_weights": true,
    });
    settings.as_object().cloned().unwrap_or_default()
}
