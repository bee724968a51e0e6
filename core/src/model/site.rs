//! Where a fine-tuning module attaches, and what it is handed there.
//!
//! | kind | stands at | is handed | serves |
//! |---|---|---|---|
//! | [`SubLayerModule`] | an attention or feed-forward sub-layer | its input, raw output, residual, dropout and, in BERT, norm | adapters, Compacter, parallel adapters |
//! | [`LinearModule`] | a linear map | the map with weight and bias | `LoRA`, `DoRA`, (IA)³ as AdapterHub has it |
//! | [`KeyValueModule`] | an attention | rows to put before keys and values | prefix tuning |
//! | [`HiddenModule`] | keys, values, the feed-forward's intermediate, T5's logits | the activations | (IA)³, the bias of an output layer |
//! | [`EmbeddingModule`] | a stack's input | rows to put before each sequence | prompt tuning |
//! | [`NormModule`] | a layer norm | its output | biases of T5's norms |
//! | [`Weight`](super::Weight) | any weight | the pretrained tensor | full tuning, layer norms, intrinsic SAID |
//!
//! Each slot holds at most one module; a method that finds a slot taken says so.

use candle_core::Tensor;

use super::{Linear, Norm, Pass};
use crate::config::NonLinearity;
use crate::{Error, Result};

/// A sub-layer as its module sees it. All tensors are `[tokens, d_model]`.
#[derive(Debug)]
pub struct SubLayer<'a> {
    /// What the sub-layer read: in T5 the normed hidden state, in BERT the hidden state.
    pub input: &'a Tensor,
    /// What it computed, before dropout.
    pub output: &'a Tensor,
    /// The hidden state that the result is added to.
    pub residual: &'a Tensor,
    /// The norm that will be applied to the sum (BERT); T5 norms before the sub-layer.
    pub norm: Option<&'a Norm>,
    /// The pass, for dropout.
    pub pass: &'a Pass,
    /// Name of the sub-layer's dropout.
    pub dropout: &'a str,
}

impl SubLayer<'_> {
    /// Applies the sub-layer's dropout.
    ///
    /// # Errors
    /// Fails where the tensor library does.
    pub fn drop(&self, x: &Tensor) -> Result<Tensor> {
        self.pass.dropout(x, self.dropout)
    }

    /// The plain sub-layer: `residual + dropout(output)`.
    ///
    /// # Errors
    /// Fails where the tensor library does.
    pub fn plain(&self) -> Result<Tensor> {
        Ok((self.residual + self.drop(self.output)?)?)
    }
}

/// Acts at a sub-layer.
pub trait SubLayerModule: Send + Sync {
    /// Computes the new hidden state, before the norm that BERT applies to it.
    ///
    /// # Errors
    /// Fails where the tensor library does.
    fn forward(&self, at: &SubLayer<'_>) -> Result<Tensor>;

    /// The module as a bottleneck adapter, if it is one: then the hand-written step can
    /// compute it.
    fn as_adapter(&self) -> Option<AdapterForm<'_>> {
        None
    }
}

/// A bottleneck adapter laid open: `A(x) = Up(act(Down(x)))`.
#[derive(Debug, Clone)]
pub struct AdapterForm<'a> {
    /// From the model's width to the bottleneck's.
    pub down: ProjectionForm<'a>,
    /// Back to the model's width.
    pub up: ProjectionForm<'a>,
    /// Between the two.
    pub non_linearity: NonLinearity,
    /// What it reads.
    pub reads: Reads,
}

/// What an adapter reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reads {
    /// The raw output, and dropout comes after: `h + D(y + A(y))`.
    Output,
    /// The output after dropout: `h + D(y) + A(D(y))`.
    Dropped,
    /// The sum with the residual, in BERT normed: `s + A(LN(s))` with `s = h + D(y)`.
    Sum,
}

/// One of an adapter's two maps, laid open.
#[derive(Debug, Clone)]
pub struct ProjectionForm<'a> {
    /// The weight.
    pub weight: WeightForm<'a>,
    /// `[out]`
    pub bias: &'a Tensor,
}

/// The weight of an adapter's map.
#[derive(Debug, Clone)]
pub enum WeightForm<'a> {
    /// `W: [out, in]`
    Dense(&'a Tensor),
    /// `S T: [in, out]`
    LowRank {
        /// `S: [in, r]`
        left: &'a Tensor,
        /// `T: [r, out]`
        right: &'a Tensor,
    },
    /// `Σᵢ Aᵢ ⊗ Bᵢ: [in, out]` with `A: [n, n, n]` and `B: [n, in/n, out/n]`.
    Kronecker {
        /// `A`
        slow: &'a Tensor,
        /// `B`
        fast: &'a Tensor,
    },
    /// The same with `Bᵢ = sᵢ tᵢ`.
    LowRankKronecker {
        /// `A`
        slow: &'a Tensor,
        /// `s: [n, in/n, r]`
        left: &'a Tensor,
        /// `t: [n, r, out/n]`
        right: &'a Tensor,
    },
}

/// Acts in place of a linear map.
pub trait LinearModule: Send + Sync {
    /// Maps `x: [tokens, in]` to `[tokens, out]`; `linear.plain(x)` is the frozen map.
    ///
    /// # Errors
    /// Fails where the tensor library does.
    fn forward(&self, x: &Tensor, linear: &Linear, pass: &Pass) -> Result<Tensor>;

    /// The module as a low-rank update, if it is one: then the hand-written step can
    /// compute it.
    fn as_low_rank(&self) -> Option<LowRankForm<'_>> {
        None
    }

    /// Weight and bias with which the plain map computes what the module does without
    /// dropout, if there are such.
    ///
    /// # Errors
    /// Fails where the tensor library does.
    fn merged(&self, linear: &Linear) -> Result<Option<(Tensor, Option<Tensor>)>> {
        let _ = linear;
        Ok(None)
    }
}

/// A low-rank update laid open: `y + scale · (D(x) Aᵀ) Bᵀ`.
#[derive(Debug, Clone)]
pub struct LowRankForm<'a> {
    /// `A: [r, in]`
    pub a: &'a Tensor,
    /// `B: [out, r]`
    pub b: &'a Tensor,
    /// Factor of the update.
    pub scale: f64,
    /// Rate and name of the dropout on its input.
    pub dropout: (f64, &'a str),
}

/// Puts rows before the keys and values of every sequence.
pub trait KeyValueModule: Send + Sync {
    /// The rows before the keys and before the values: `[rows, h·e]` each.
    ///
    /// # Errors
    /// Fails where the tensor library does.
    fn rows(&self) -> Result<(Tensor, Tensor)>;

    /// How many positions the rows take, before those of the tokens: as many as they are, or
    /// 0. A stack asks the module of its first attention.
    fn positions(&self) -> usize {
        0
    }

    /// Whether queries stand after these positions as their keys do. Where not, every key is
    /// further from every query by so many positions.
    fn moves_queries(&self) -> bool {
        true
    }
}

/// Acts on activations inside a sub-layer.
pub trait HiddenModule: Send + Sync {
    /// Maps activations `[tokens, width]` to the same shape.
    ///
    /// # Errors
    /// Fails where the tensor library does.
    fn forward(&self, hidden: &Tensor) -> Result<Tensor>;

    /// The factors `[width]`, if that is all the module is: then they can be merged into
    /// the weights beside it.
    fn as_scale(&self) -> Option<&Tensor> {
        None
    }

    /// The bias `[width]` that is added, if that is all the module does: then the
    /// hand-written step can compute it where it stands on logits.
    fn as_shift(&self) -> Option<&Tensor> {
        None
    }
}

/// Puts embedded rows before every input sequence.
pub trait EmbeddingModule: Send + Sync {
    /// The rows: `[rows, d_model]`.
    ///
    /// # Errors
    /// Fails where the tensor library does.
    fn rows(&self) -> Result<Tensor>;

    /// How many positions the rows take in BERT, before those of the tokens: as many as they
    /// are, and they enter as words do, in segment 0; or 0, and they stand after the norm.
    fn positions(&self) -> usize {
        0
    }
}

/// Acts on the output of a layer norm.
pub trait NormModule: Send + Sync {
    /// Maps the norm's output `[tokens, d_model]` to the same shape.
    ///
    /// # Errors
    /// Fails where the tensor library does.
    fn forward(&self, normed: &Tensor) -> Result<Tensor>;

    /// The bias `[d_model]` that is added, if that is all the module does: then the
    /// hand-written step can compute it.
    fn as_shift(&self) -> Option<&Tensor> {
        None
    }
}

/// A place for at most one module.
pub struct Slot<M: ?Sized>(Option<Box<M>>);

impl<M: ?Sized> Slot<M> {
    /// The module, where one is installed.
    #[must_use]
    pub fn get(&self) -> Option<&M> {
        self.0.as_deref()
    }

    /// Takes the module out, which leaves the place free.
    pub fn take(&mut self) -> Option<Box<M>> {
        self.0.take()
    }

    /// Installs a module.
    ///
    /// # Errors
    /// Fails where another module stands already.
    pub fn install(&mut self, module: Box<M>, site: &Site<'_>) -> Result<()> {
        if self.0.is_some() {
            return Err(Error::method(format!(
                "{} is taken by another module",
                site.path
            )));
        }
        self.0 = Some(module);
        Ok(())
    }
}

impl<M: ?Sized> Default for Slot<M> {
    fn default() -> Self {
        Self(None)
    }
}

impl<M: ?Sized> std::fmt::Debug for Slot<M> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if self.0.is_some() { "taken" } else { "free" })
    }
}

/// Which stack of a backbone a site belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stack {
    /// The encoder; all of BERT.
    Encoder,
    /// T5's decoder.
    Decoder,
}

/// The role of a sub-layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Branch {
    /// Attention to the sequence itself.
    SelfAttention,
    /// The decoder's attention to the encoder.
    CrossAttention,
    /// The feed-forward.
    FeedForward,
}

/// The role of a linear map in an attention.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Projection {
    /// To queries.
    Query,
    /// To keys.
    Key,
    /// To values.
    Value,
    /// From the heads back to the model's width.
    Output,
    /// Into the feed-forward's intermediate width (T5's gate included).
    In,
    /// Back from the feed-forward's intermediate width.
    Out,
}

/// The activations that a [`HiddenModule`] can act on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Activations {
    /// Keys, `[tokens, h·e]`.
    Keys,
    /// Values, `[tokens, h·e]`.
    Values,
    /// The feed-forward's intermediate, after its non-linearity.
    Intermediate,
    /// What T5's output layer gives, `[tokens, vocab]`.
    Logits,
}

/// A site: where it is, by the names that checkpoints use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Site<'a> {
    /// Module path as in Hugging Face checkpoints, without a leading `bert.`.
    pub path: &'a str,
    /// The stack.
    pub stack: Stack,
    /// Number of the block over all stacks, the encoder's first.
    pub block: usize,
    /// The sub-layer.
    pub branch: Branch,
}

/// A slot with what kind it is.
#[derive(Debug)]
pub enum SiteSlot<'a> {
    /// A whole sub-layer.
    SubLayer(&'a mut Slot<dyn SubLayerModule>),
    /// A linear map.
    Linear(Projection, &'a mut Linear),
    /// Keys and values of an attention.
    KeyValue(&'a mut Slot<dyn KeyValueModule>),
    /// Activations.
    Hidden(Activations, &'a mut Slot<dyn HiddenModule>),
    /// A stack's input.
    Embedding(&'a mut Slot<dyn EmbeddingModule>),
    /// A layer norm.
    Norm(&'a mut Norm),
}

/// A model that offers its sites and weights.
pub trait Backbone {
    /// Shows every site to `visit`, in order of the forward pass.
    ///
    /// # Errors
    /// Passes on the visitor's first error.
    fn visit_sites(&mut self, visit: &mut SiteVisitor<'_>) -> Result<()>;

    /// Shows every weight to `visit`, by its name in checkpoints, the token embedding first.
    ///
    /// # Errors
    /// Passes on the visitor's first error.
    fn visit_weights(&mut self, visit: &mut WeightVisitor<'_>) -> Result<()>;
}

/// What [`Backbone::visit_sites`] calls.
pub type SiteVisitor<'v> = dyn FnMut(&Site<'_>, SiteSlot<'_>) -> Result<()> + 'v;

/// What [`Backbone::visit_weights`] calls.
pub type WeightVisitor<'v> = dyn FnMut(&str, &mut super::Weight) -> Result<()> + 'v;
