//! Merging what a method trains into the weights of the backbone, and taking it out again.
//!
//! | method | merged weight |
//! |---|---|
//! | `full`, `layer-norm`, `bitfit` on BERT | the trained one |
//! | `lora` | `W + α/r · B A` |
//! | `dora` | `m ⊙ (W + α/r · B A) / ‖W + α/r · B A‖` |
//! | `ia3` | rows of the maps to keys and values, columns of the feed-forward's second map, scaled |
//! | `said` | `θ + λ P(z)` |
//!
//! The merged model is a plain one: it computes the same at the cost of the pretrained model.
//! What has no place in a plain model is refused: an adapter's non-linearity, rows before
//! sequences, biases that T5 does not have. The weights before are kept, so undoing is exact
//! to the last bit.

use std::collections::HashMap;

use candle_core::{DType, Tensor};

use crate::model::site::{
    Activations, Backbone, Branch, HiddenModule, LinearModule, Projection, Site, SiteSlot, Slot,
    Stack,
};
use crate::model::{Linear, Model, Weight};
use crate::ops::linear::cast;
use crate::{Error, Result};

/// What merging replaced; see [`Merged::undo`].
#[derive(Default)]
pub struct Merged {
    maps: HashMap<String, Map>,
    hidden: Vec<(String, Activations, Box<dyn HiddenModule>)>,
    weights: HashMap<String, Weight>,
}

/// A linear map as it was.
struct Map {
    weight: Weight,
    bias: Option<Weight>,
    module: Option<Box<dyn LinearModule>>,
}

/// Factors that were taken from activations.
struct Scaled {
    place: (Stack, usize, Branch),
    activations: Activations,
    factors: Tensor, // [width]
}

/// Merges what is installed in a model into its weights.
///
/// Trained values that change later do not reach the merged weights. The task head, which is
/// no part of the backbone, stays as it is.
///
/// # Errors
/// Fails if a module has no place in a plain model, naming its site; nothing is merged then.
pub fn merge(model: &mut Model) -> Result<Merged> {
    check(model)?;
    let mut merged = Merged::default();
    match merged.take_in(model) {
        Ok(()) => Ok(merged),
        Err(error) => {
            merged.undo(model)?;
            Err(error)
        }
    }
}

/// Refuses modules that a plain model has no place for.
fn check(model: &mut Model) -> Result<()> {
    model.visit_sites(&mut |site, slot| match slot {
        SiteSlot::SubLayer(slot) => free(slot, site, "an adapter"),
        SiteSlot::KeyValue(slot) => free(slot, site, "rows before its keys and values"),
        SiteSlot::Embedding(slot) => free(slot, site, "rows before its input"),
        SiteSlot::Norm(norm) => free(&norm.module, site, "a bias that the model does not have"),
        SiteSlot::Hidden(_, slot) => match slot.get() {
            Some(module) if module.as_scale().is_none() => Err(refusal(site, "a module")),
            _ => Ok(()),
        },
        SiteSlot::Linear(_, map) => match map.module.get() {
            Some(module) if module.merged(map)?.is_none() => Err(refusal(site, "a module")),
            _ => Ok(()),
        },
    })
}

fn free<M: ?Sized>(slot: &Slot<M>, site: &Site<'_>, what: &str) -> Result<()> {
    match slot.get() {
        Some(_) => Err(refusal(site, what)),
        None => Ok(()),
    }
}

fn refusal(site: &Site<'_>, what: &str) -> Error {
    let path = site.path;
    Error::method(format!(
        "{path} holds {what}, which cannot be merged into the weights"
    ))
}

impl Merged {
    /// Merges site by site and weight by weight, in the model's number format, whatever its
    /// matrices are kept in.
    fn take_in(&mut self, model: &mut Model) -> Result<()> {
        let dtype = model.dtype;
        let mut scaled = Vec::new();
        model.visit_sites(&mut |site, slot| match slot {
            SiteSlot::Linear(_, map) => self.merge_module(map, dtype),
            SiteSlot::Hidden(activations, slot) => {
                let Some(module) = slot.take() else {
                    return Ok(());
                };
                if let Some(factors) = module.as_scale() {
                    scaled.push(Scaled {
                        place: (site.stack, site.block, site.branch),
                        activations,
                        factors: factors.detach(),
                    });
                }
                let path = site.path.to_owned();
                self.hidden.push((path, activations, module));
                Ok(())
            }
            _ => Ok(()),
        })?;
        model.visit_sites(&mut |site, slot| {
            let SiteSlot::Linear(role, map) = slot else {
                return Ok(());
            };
            let place = (site.stack, site.block, site.branch);
            for scaled in scaled.iter().filter(|scaled| scaled.place == place) {
                self.scale(role, map, scaled, dtype)?;
            }
            Ok(())
        })?;
        model.visit_weights(&mut |name, weight| {
            if !matches!(weight, Weight::Frozen(_)) {
                let plain = cast(&weight.tensor()?.detach(), dtype)?.copy()?;
                let before = std::mem::replace(weight, Weight::Frozen(plain));
                self.weights.insert(name.to_owned(), before);
            }
            Ok(())
        })
    }

    /// Puts everything back as it was before the merge.
    ///
    /// # Errors
    /// Fails if the model is another one.
    pub fn undo(mut self, model: &mut Model) -> Result<()> {
        model.visit_weights(&mut |name, weight| {
            if let Some(before) = self.weights.remove(name) {
                *weight = before;
            }
            Ok(())
        })?;
        model.visit_sites(&mut |site, slot| match slot {
            SiteSlot::Linear(_, map) => {
                let Some(before) = self.maps.remove(&map.path) else {
                    return Ok(());
                };
                (map.weight, map.bias) = (before.weight, before.bias);
                match before.module {
                    Some(module) => map.module.install(module, site),
                    None => Ok(()),
                }
            }
            SiteSlot::Hidden(activations, slot) => {
                let here = |(path, of, _): &(String, Activations, _)| {
                    path == site.path && *of == activations
                };
                match self.hidden.iter().position(here) {
                    Some(at) => slot.install(self.hidden.swap_remove(at).2, site),
                    None => Ok(()),
                }
            }
            _ => Ok(()),
        })?;
        if self.maps.is_empty() && self.hidden.is_empty() && self.weights.is_empty() {
            Ok(())
        } else {
            Err(Error::method("the weights were merged in another model"))
        }
    }

    fn merge_module(&mut self, map: &mut Linear, dtype: DType) -> Result<()> {
        let Some(module) = map.module.get() else {
            return Ok(());
        };
        let Some((weight, bias)) = module.merged(map)? else {
            return Ok(()); // refused by `check`
        };
        self.replace(map, (weight, bias), dtype)
    }

    /// Scales a map whose output, or input, was scaled.
    fn scale(
        &mut self,
        role: Projection,
        map: &mut Linear,
        scaled: &Scaled,
        dtype: DType,
    ) -> Result<()> {
        let factors = &scaled.factors;
        let wide = |weight: &Weight| cast(&weight.tensor()?, factors.dtype());
        let (weight, bias) = (wide(&map.weight)?, map.bias.as_ref().map(wide).transpose()?);
        let (weight, bias) = match (role, scaled.activations) {
            (Projection::Key, Activations::Keys) | (Projection::Value, Activations::Values) => {
                let bias = bias.map(|bias| bias * factors).transpose()?;
                (weight.broadcast_mul(&factors.unsqueeze(1)?)?, bias)
            }
            (Projection::Out, Activations::Intermediate) => (weight.broadcast_mul(factors)?, bias),
            _ => return Ok(()),
        };
        self.replace(map, (weight, bias), dtype)
    }

    /// Gives a map another weight and bias in the place of its module, and keeps what it was
    /// at first.
    fn replace(
        &mut self,
        map: &mut Linear,
        (weight, bias): (Tensor, Option<Tensor>),
        dtype: DType,
    ) -> Result<()> {
        let plain = |tensor: &Tensor| -> Result<Weight> {
            Ok(Weight::Frozen(cast(&tensor.detach(), dtype)?))
        };
        let (weight, bias) = (plain(&weight)?, bias.as_ref().map(plain).transpose()?);
        let before = Map {
            weight: std::mem::replace(&mut map.weight, weight),
            bias: std::mem::replace(&mut map.bias, bias),
            module: map.module.take(),
        };
        self.maps.entry(map.path.clone()).or_insert(before);
        Ok(())
    }
}

impl std::fmt::Debug for Merged {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let replaced = self.maps.len() + self.weights.len();
        write!(f, "Merged({replaced} maps and weights)")
    }
}
