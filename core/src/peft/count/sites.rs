//! What stands at linear maps, attentions, inputs, or every weight.

use std::collections::BTreeSet;

use super::formula::{Formula, n};
use crate::config::{LoraConfig, Placement, PrefixConfig, PromptConfig, PromptInit, SaidConfig};
use crate::event::Group;
use crate::model::{Family, ModelShape};
use crate::peft::{group, prefix, said};
use crate::{Error, Result};

/// Attentions of the model: a decoder's block attends twice, to itself and to the encoder.
fn attentions(shape: &ModelShape) -> usize {
    shape.encoder_layers + 2 * shape.decoder_layers
}

/// `A: [r, in]` and `B: [out, r]` for each projection: `in + out = k + h·e` for all four.
pub(super) fn low_rank(update: &LoraConfig, shape: &ModelShape) -> Result<Group> {
    if update.rank == 0 {
        return Err(Error::method("rank cannot be 0"));
    }
    if update.targets.is_empty() {
        return Err(Error::method("targets is empty; name some of q, k, v, o"));
    }
    for (at, target) in update.targets.iter().enumerate() {
        if !["q", "k", "v", "o"].contains(&target.as_str()) {
            let message = format!("targets holds `{target}`; those there are: q, k, v, o");
            return Err(Error::method(message));
        }
        if update.targets[..at].contains(target) {
            return Err(Error::method(format!("targets holds `{target}` twice")));
        }
    }
    let updates = n(attentions(shape)) * n(update.targets.len());
    (updates * n(update.rank) * (n(shape.d_model) + n(shape.inner()))).group(group::LORA)
}

/// A low-rank update and a length for each output of a projection.
pub(super) fn directions(update: &LoraConfig, shape: &ModelShape) -> Result<Vec<Group>> {
    let updates = low_rank(update, shape)?;
    let back = usize::from(update.targets.iter().any(|target| target == "o"));
    let outputs = match (update.targets.len() - back, back) {
        (into, 0) => n(into) * n(shape.inner()),
        (0, _) => n(shape.d_model),
        (into, _) => n(into) * n(shape.inner()) + n(shape.d_model),
    };
    let magnitudes = (n(attentions(shape)) * outputs).group(group::MAGNITUDES)?;
    Ok(vec![updates, magnitudes])
}

/// Every bias of an encoder; of T5 those that are added.
pub(super) fn biases(shape: &ModelShape) -> Result<Group> {
    let k = || n(shape.d_model);
    match shape.family {
        Family::T5 => {
            let maps = if shape.gated { 2 } else { 1 };
            let block = |attentions: usize| {
                n(3 * attentions) * n(shape.inner())
                    + n(maps) * n(shape.d_ff)
                    // One for each attention and the feed-forward, and one for its norm.
                    + n(2 * (attentions + 1)) * k()
            };
            let blocks = n(shape.encoder_layers) * block(1) + n(shape.decoder_layers) * block(2);
            (blocks + n(shape.vocab)).group(group::BIAS)
        }
        Family::Bert | Family::Roberta => {
            let layers = n(shape.encoder_layers) * (n(7) * k() + n(shape.d_ff));
            let pooler = usize::from(shape.pooler);
            (layers + n(1 + pooler) * k()).group(group::OWN_BIASES)
        }
    }
}

/// Factors of keys, values and intermediates.
pub(super) fn scales(shape: &ModelShape) -> Result<Group> {
    let attention = n(attentions(shape)) * n(2) * n(shape.inner());
    (attention + n(shape.layers()) * n(shape.d_ff)).group(group::SCALES)
}

/// Rows before every input.
pub(super) fn prompt(prompt: &PromptConfig, shape: &ModelShape) -> Result<Group> {
    check_length(prompt.length)?;
    if prompt.init == PromptInit::Vocab && prompt.length > shape.vocab {
        return Err(Error::method(format!(
            "length {} is more than the {} rows of the token embedding that a prompt starts from",
            prompt.length, shape.vocab
        )));
    }
    (n(prompt.length) * n(shape.d_model)).group(group::PROMPT)
}

/// Rows before keys and values, or what makes them.
pub(super) fn prefixes(prefix: &PrefixConfig, shape: &ModelShape) -> Result<Group> {
    check_length(prefix.length)?;
    let (rows, between) = (|| n(prefix.length), || n(prefix.bottleneck));
    let owners = match prefix.placement {
        Placement::Peft => layers_with_rows(shape)?,
        Placement::Paper | Placement::Adapterhub => attentions(shape),
    };
    let pairs = || n(owners) * n(2);
    if prefix.bottleneck == 0 {
        return (pairs() * rows() * n(shape.inner())).group(group::PREFIX);
    }
    // The encoder's attentions, the decoder's to itself and to the encoder.
    let everywhere = prefix.placement != Placement::Peft;
    let kinds = if everywhere && shape.has_decoder() {
        3
    } else {
        1
    };
    let pool = rows() * n(shape.d_model) + affine(n(shape.d_model), between());
    (n(kinds) * pool + pairs() * affine(between(), n(shape.inner()))).group(group::PREFIX)
}

/// Layers whose rows `peft` hands to an attention.
fn layers_with_rows(shape: &ModelShape) -> Result<usize> {
    if !shape.has_decoder() {
        return Ok(shape.encoder_layers);
    }
    let (encoder, decoder) = (shape.encoder_layers, shape.decoder_layers);
    if decoder > encoder {
        return Err(Error::method(format!(
            "placement \"peft\" has rows for {encoder} blocks of a decoder, as many as the encoder \
             has, and this one has {decoder}: use placement \"paper\""
        )));
    }
    let layers: BTreeSet<usize> = (0..decoder).map(|i| prefix::layer_of(i, shape)).collect();
    Ok(layers.len())
}

fn affine(width: Formula, out: Formula) -> Formula {
    width * out.clone() + out
}

fn check_length(length: usize) -> Result<()> {
    if length == 0 {
        return Err(Error::method("length cannot be 0"));
    }
    Ok(())
}

/// Coordinates in a subspace, and a scale for each weight.
pub(super) fn subspace(config: &SaidConfig, shape: &ModelShape) -> Result<Group> {
    let weights = weights(shape);
    if config.dimension <= weights {
        return Err(said::too_small(config.dimension, weights));
    }
    let total = shape.total_parameters();
    if config.dimension > total {
        return Err(Error::method(format!(
            "dimension {} is more than the {total} parameters of the model",
            config.dimension
        )));
    }
    n(config.dimension).group(group::INTRINSIC)
}

/// Number of tensors of the plain model.
fn weights(shape: &ModelShape) -> usize {
    match shape.family {
        Family::T5 => {
            let maps = if shape.gated { 3 } else { 2 };
            // Four maps and a norm an attention; the feed-forward's maps and a norm.
            let block = |attentions: usize| 5 * attentions + maps + 1;
            let stacks = shape.encoder_layers * block(1) + shape.decoder_layers * block(2);
            // Relative positions and the last norm of each stack; the embedding; the head.
            stacks + 4 + 1 + usize::from(!shape.tied)
        }
        Family::Bert | Family::Roberta => {
            // Six maps and two norms a layer, each with weight and bias.
            let pooler = if shape.pooler { 2 } else { 0 };
            16 * shape.encoder_layers + 3 + 2 + pooler
        }
    }
}
