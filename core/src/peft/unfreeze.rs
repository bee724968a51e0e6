//! Training what the model already has, all of it or its norms, and the task head.

use super::group;
use super::init::Distribution;
use super::trainables::Builder;
use crate::Result;
use crate::model::Model;
use crate::model::head::Head;
use crate::model::site::{Backbone, SiteSlot};

/// Standard deviation that a head starts with, as BERT's own layers did.
const HEAD_STD: f64 = 0.02;

/// Trains every weight of the backbone.
///
/// # Errors
/// Fails where the tensor library does.
pub fn everything(model: &mut Model, builder: &mut Builder) -> Result<()> {
    model.visit_weights(&mut |name, weight| builder.unfreeze(name.to_owned(), part(name), weight))
}

/// The part of the backbone that a weight belongs to, by the first step of its name.
fn part(name: &str) -> &'static str {
    match name.split('.').next() {
        Some("encoder") => group::ENCODER,
        Some("decoder") => group::DECODER,
        Some("lm_head") => group::OUTPUT,
        Some("pooler") => group::POOLER,
        _ => group::EMBEDDINGS, // `shared` or `embeddings`
    }
}

/// Trains the layer norms of the backbone.
///
/// # Errors
/// Fails where the tensor library does.
pub fn layer_norms(model: &mut Model, builder: &mut Builder) -> Result<()> {
    model.visit_sites(&mut |_, slot| {
        let SiteSlot::Norm(norm) = slot else {
            return Ok(());
        };
        builder.unfreeze(
            format!("{}.weight", norm.path),
            group::NORM,
            &mut norm.weight,
        )?;
        match &mut norm.bias {
            Some(bias) => builder.unfreeze(format!("{}.bias", norm.path), group::NORM, bias),
            None => Ok(()),
        }
    })
}

/// Adds the trained head of an encoder.
///
/// # Errors
/// Fails where the tensor library does.
pub fn add_head(outputs: usize, model: &mut Model, builder: &mut Builder) -> Result<()> {
    let width = model.shape.d_model;
    let from = Distribution::Normal(HEAD_STD);
    let weight = builder.add(
        "head.weight".to_owned(),
        group::HEAD,
        &[outputs, width],
        from,
    )?;
    let bias = builder.add(
        "head.bias".to_owned(),
        group::HEAD,
        &[outputs],
        Distribution::Zero,
    )?;
    model.head = Some(Head { weight, bias });
    Ok(())
}
