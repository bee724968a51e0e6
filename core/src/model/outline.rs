//! A backbone and its modules laid open, for whoever computes them in another way.
//!
//! T5 and BERT are the same to such a reader: stacks of residual branches that norm either
//! before or after. What has no place in that, such as a prompt or a prefix, is refused by
//! name, so nothing that is installed can be overlooked.
//!
//! ```text
//! norm before   h ─▶ norm ─▶ inner ─▶ junction with h ─▶          T5
//! norm after    h ─▶ inner ─▶ junction with h ─▶ norm ─▶          BERT
//! ```

use candle_core::Tensor;

use super::attention::MultiHead;
use super::layers::Junction;
use super::site::Slot;
use super::t5::RelativeBias;
use super::{Linear, Norm, Weight};
use crate::config::NonLinearity;
use crate::{Error, Result};

/// A backbone laid open.
#[derive(Debug)]
pub enum Outline<'a> {
    /// T5.
    EncoderDecoder {
        /// Token embeddings of both stacks, `[vocab, d_model]`.
        shared: &'a Weight,
        /// The encoder.
        encoder: StackOutline<'a>,
        /// The decoder.
        decoder: StackOutline<'a>,
        /// The output layer; `None` where it is the embedding.
        head: Option<&'a Linear>,
        /// Factor of the hidden states before a tied output layer.
        scale: f64,
        /// What is added to the logits, `[vocab]`.
        shift: Option<&'a Tensor>,
    },
    /// BERT.
    Encoder {
        /// Word, position and segment embeddings, `[…, d_model]`.
        tables: [&'a Weight; 3],
        /// The norm of their sum.
        norm: &'a Norm,
        /// The layers.
        stack: StackOutline<'a>,
        /// The pretrained pooler, where it was loaded.
        pooler: Option<&'a Linear>,
    },
}

/// A stack of residual branches.
#[derive(Debug)]
pub struct StackOutline<'a> {
    /// Name of the dropout on its input.
    pub dropout: &'a str,
    /// The branches, in order.
    pub branches: Vec<BranchOutline<'a>>,
    /// The bias by relative position of its self-attentions.
    pub relative: Option<&'a RelativeBias>,
    /// The norm at its end, whose path also names a dropout.
    pub last: Option<&'a Norm>,
}

/// A residual branch.
#[derive(Debug)]
pub struct BranchOutline<'a> {
    /// Its norm.
    pub norm: &'a Norm,
    /// Where that stands.
    pub order: NormOrder,
    /// What is computed.
    pub inner: Inner<'a>,
    /// Where it meets the residual.
    pub junction: &'a Junction,
}

/// Whether a branch norms its input or the sum with the residual.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NormOrder {
    /// T5.
    Before,
    /// BERT.
    After,
}

/// What a branch computes.
#[derive(Debug)]
pub enum Inner<'a> {
    /// Attention of a sequence to itself.
    SelfAttention(&'a MultiHead),
    /// Attention to the encoder's output.
    CrossAttention(&'a MultiHead),
    /// A feed-forward.
    FeedForward {
        /// Into the intermediate width.
        inward: &'a Linear,
        /// What the activations of `inward` are multiplied by.
        gated: Option<&'a Linear>,
        /// Back to the model's width.
        outward: &'a Linear,
        /// Between the two.
        non_linearity: NonLinearity,
        /// Name of the dropout on the intermediate, where there is any.
        dropout: Option<&'a str>,
    },
}

/// Refuses a site that holds a module which an outline has no place for.
pub(super) fn free<M: ?Sized>(slot: &Slot<M>, path: &str, what: &str) -> Result<()> {
    match slot.get() {
        None => Ok(()),
        Some(_) => Err(Error::method(format!(
            "{path} holds {what}, which the hand-written step does not know"
        ))),
    }
}
