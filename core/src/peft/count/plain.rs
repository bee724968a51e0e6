//! The groups of the plain model, all of which full fine-tuning trains.

use super::formula::n;
use crate::Result;
use crate::event::Group;
use crate::model::{Family, ModelShape};
use crate::peft::group;

/// Groups that add up to [`ModelShape::total_parameters`].
pub(super) fn groups(shape: &ModelShape) -> Result<Vec<Group>> {
    match shape.family {
        Family::T5 => t5(shape),
        Family::Bert | Family::Roberta => encoder(shape),
    }
}

fn t5(shape: &ModelShape) -> Result<Vec<Group>> {
    let k = || n(shape.d_model);
    let projections = if shape.gated { 3 } else { 2 };
    let stack = |layers: usize, attentions: usize| {
        let block = n(4 * attentions) * k() * n(shape.inner())
            + n(projections) * k() * n(shape.d_ff)
            + n(attentions + 1) * k();
        n(layers) * block + n(shape.relative_buckets) * n(shape.heads) + k()
    };
    let embedding = || n(shape.vocab) * k();
    let mut groups = vec![
        embedding().group(group::EMBEDDINGS)?,
        stack(shape.encoder_layers, 1).group(group::ENCODER)?,
        stack(shape.decoder_layers, 2).group(group::DECODER)?,
    ];
    if !shape.tied {
        groups.push(embedding().group(group::OUTPUT)?);
    }
    Ok(groups)
}

fn encoder(shape: &ModelShape) -> Result<Vec<Group>> {
    let k = || n(shape.d_model);
    let dense = || k() * k() + k();
    let tables = n(shape.vocab) + n(shape.max_positions) + n(shape.type_vocab);
    let feed_forward = n(2) * k() * n(shape.d_ff) + n(shape.d_ff) + k();
    let block = n(4) * dense() + feed_forward + n(4) * k();
    let mut groups = vec![
        (tables * k() + n(2) * k()).group(group::EMBEDDINGS)?,
        (n(shape.encoder_layers) * block).group(group::ENCODER)?,
    ];
    if shape.pooler {
        groups.push(dense().group(group::POOLER)?);
    }
    Ok(groups)
}
