//! One block of a T5 stack: attention, in the decoder attention to the encoder, feed-forward.

use candle_core::Tensor;

use super::super::attention::{AttentionSlots, Memory, MultiHead, Rows, through};
use super::super::layers::{BranchOutput, Junction};
use super::super::loader::Loader;
use super::super::outline::{BranchOutline, Inner, NormOrder, free};
use super::super::site::{
    Activations, Branch, HiddenModule, Projection, Site, SiteSlot, SiteVisitor, Slot, Stack,
    WeightVisitor,
};
use super::super::{Linear, Norm, Pass};
use super::Config;
use crate::config::NonLinearity;
use crate::ops::activation::{activation, gated};
use crate::{Error, Result};

#[derive(Debug)]
pub(super) struct Block {
    pub(super) attention: AttentionLayer,
    pub(super) cross: Option<AttentionLayer>,
    pub(super) feed_forward: FeedForward,
}

/// Where a sub-layer is loaded from, and what it is.
#[derive(Debug, Clone)]
struct Place {
    path: String, // such as `encoder.block.0.layer.1`
    stack: Stack,
    block: usize, // over all stacks
    branch: Branch,
}

impl Block {
    pub(super) fn load(
        config: &Config,
        stack: Stack,
        index: usize,
        loader: &mut Loader<'_>,
    ) -> Result<Self> {
        let (name, before) = match stack {
            Stack::Encoder => ("encoder", 0),
            Stack::Decoder => ("decoder", config.num_layers),
        };
        let place = |layer: usize, branch| Place {
            path: format!("{name}.block.{index}.layer.{layer}"),
            stack,
            block: before + index,
            branch,
        };
        let attention = AttentionLayer::load(config, place(0, Branch::SelfAttention), loader)?;
        let cross = match stack {
            Stack::Encoder => None,
            Stack::Decoder => Some(AttentionLayer::load(
                config,
                place(1, Branch::CrossAttention),
                loader,
            )?),
        };
        let last = if cross.is_some() { 2 } else { 1 };
        let feed_forward = FeedForward::load(config, place(last, Branch::FeedForward), loader)?;
        Ok(Self {
            attention,
            cross,
            feed_forward,
        })
    }

    /// Appends the block's branches.
    pub(super) fn outline<'a>(&'a self, branches: &mut Vec<BranchOutline<'a>>) -> Result<()> {
        let Self {
            attention,
            cross,
            feed_forward,
        } = self;
        branches.push(attention.outline(Inner::SelfAttention)?);
        if let Some(cross) = cross {
            branches.push(cross.outline(Inner::CrossAttention)?);
        }
        branches.push(feed_forward.outline()?);
        Ok(())
    }

    /// Number of the block over all stacks.
    pub(super) fn index(&self) -> usize {
        self.feed_forward.place.block
    }

    pub(super) fn visit_sites(&mut self, visit: &mut SiteVisitor<'_>) -> Result<()> {
        self.attention.visit_sites(visit)?;
        if let Some(cross) = &mut self.cross {
            cross.visit_sites(visit)?;
        }
        self.feed_forward.visit_sites(visit)
    }

    pub(super) fn visit_weights(&mut self, visit: &mut WeightVisitor<'_>) -> Result<()> {
        self.attention.visit_weights(visit)?;
        if let Some(cross) = &mut self.cross {
            cross.visit_weights(visit)?;
        }
        self.feed_forward.visit_weights(visit)
    }
}

/// An attention sub-layer: norm, attention, junction.
#[derive(Debug)]
pub(super) struct AttentionLayer {
    place: Place,
    norm: Norm,
    pub(super) attention: MultiHead,
    junction: Junction,
}

impl AttentionLayer {
    fn load(config: &Config, place: Place, loader: &mut Loader<'_>) -> Result<Self> {
        let name = if place.branch == Branch::CrossAttention {
            "EncDecAttention"
        } else {
            "SelfAttention"
        };
        let path = format!("{}.{name}", place.path);
        let (width, inner) = (config.d_model, config.num_heads * config.d_kv);
        let attention = MultiHead {
            query: loader.linear(format!("{path}.q"), inner, width)?,
            key: loader.linear(format!("{path}.k"), inner, width)?,
            value: loader.linear(format!("{path}.v"), inner, width)?,
            output: loader.linear(format!("{path}.o"), width, inner)?,
            heads: config.num_heads,
            scale: 1.0,
            place: (place.stack, place.block, place.branch),
            slots: AttentionSlots::default(),
            path,
        };
        let norm = loader.rms_norm(
            format!("{}.layer_norm", place.path),
            width,
            config.layer_norm_epsilon,
        )?;
        let junction = Junction::new(place.path.clone());
        Ok(Self {
            place,
            norm,
            attention,
            junction,
        })
    }

    /// Attention of a sequence to itself; `memory` makes keys and values of the normed rows.
    pub(super) fn forward(
        &self,
        x: &Rows<'_>,
        bias: Option<&Tensor>,
        pass: &Pass,
        memory: impl FnOnce(&MultiHead, &Rows<'_>) -> Result<Memory>,
    ) -> Result<Tensor> {
        self.through(x, pass, |attention, rows| {
            attention.attend(rows, &memory(attention, rows)?, bias, pass)
        })
    }

    /// The sub-layer around an attention from its normed rows.
    pub(super) fn through(
        &self,
        x: &Rows<'_>,
        pass: &Pass,
        attend: impl FnOnce(&MultiHead, &Rows<'_>) -> Result<Tensor>,
    ) -> Result<Tensor> {
        let normed = self.norm.forward(x.rows)?;
        let output = attend(&self.attention, &Rows::new(&normed, x.segments))?;
        let branch = BranchOutput {
            input: &normed,
            output: &output,
            residual: x.rows,
            norm: None,
        };
        self.junction.join(&branch, pass)
    }

    fn outline<'a>(&'a self, inner: fn(&'a MultiHead) -> Inner<'a>) -> Result<BranchOutline<'a>> {
        self.attention.check_outline()?;
        Ok(BranchOutline {
            norm: &self.norm,
            order: NormOrder::Before,
            inner: inner(&self.attention),
            junction: &self.junction,
        })
    }

    fn visit_sites(&mut self, visit: &mut SiteVisitor<'_>) -> Result<()> {
        self.attention.visit_sites(visit)?;
        visit_ends(&self.place, &mut self.norm, &mut self.junction, visit)
    }

    fn visit_weights(&mut self, visit: &mut WeightVisitor<'_>) -> Result<()> {
        self.norm.visit_weights(visit)?;
        self.attention.visit_weights(visit)
    }
}

/// The feed-forward sub-layer: norm, `wo(act(wi x))` or, gated, `wo(act(wi_0 x) · wi_1 x)`.
#[derive(Debug)]
pub(super) struct FeedForward {
    place: Place,
    norm: Norm,
    inward: Linear,        // [d_ff, d_model]
    gated: Option<Linear>, // [d_ff, d_model]
    outward: Linear,       // [d_model, d_ff]
    non_linearity: NonLinearity,
    intermediate: Slot<dyn HiddenModule>,
    junction: Junction,
}

impl FeedForward {
    fn load(config: &Config, place: Place, loader: &mut Loader<'_>) -> Result<Self> {
        let (width, inner) = (config.d_model, config.d_ff);
        let path = format!("{}.DenseReluDense", place.path);
        let (inward, gated) = if config.feed_forward_proj.gated {
            let gated = loader.linear(format!("{path}.wi_1"), inner, width)?;
            (
                loader.linear(format!("{path}.wi_0"), inner, width)?,
                Some(gated),
            )
        } else {
            (loader.linear(format!("{path}.wi"), inner, width)?, None)
        };
        Ok(Self {
            norm: loader.rms_norm(
                format!("{}.layer_norm", place.path),
                width,
                config.layer_norm_epsilon,
            )?,
            outward: loader.linear(format!("{path}.wo"), width, inner)?,
            non_linearity: non_linearity(config, loader)?,
            intermediate: Slot::default(),
            junction: Junction::new(place.path.clone()),
            inward,
            gated,
            place,
        })
    }

    pub(super) fn forward(&self, x: &Tensor, pass: &Pass) -> Result<Tensor> {
        let normed = self.norm.forward(x)?;
        let inward = self.inward.forward(&normed, pass)?;
        let hidden = match &self.gated {
            Some(up) => gated(&inward, &up.forward(&normed, pass)?, self.non_linearity)?,
            None => activation(&inward, self.non_linearity)?,
        };
        let hidden = through(&self.intermediate, hidden)?;
        let hidden = pass.dropout(&hidden, &self.outward.path)?;
        let output = self.outward.forward(&hidden, pass)?;
        let branch = BranchOutput {
            input: &normed,
            output: &output,
            residual: x,
            norm: None,
        };
        self.junction.join(&branch, pass)
    }

    fn outline(&self) -> Result<BranchOutline<'_>> {
        let what = "a module on the intermediate";
        free(&self.intermediate, &self.place.path, what)?;
        Ok(BranchOutline {
            norm: &self.norm,
            order: NormOrder::Before,
            inner: Inner::FeedForward {
                inward: &self.inward,
                gated: self.gated.as_ref(),
                outward: &self.outward,
                non_linearity: self.non_linearity,
                dropout: Some(&self.outward.path),
            },
            junction: &self.junction,
        })
    }

    fn visit_sites(&mut self, visit: &mut SiteVisitor<'_>) -> Result<()> {
        let Place {
            stack,
            block,
            branch,
            ..
        } = self.place;
        let inward = std::iter::once(&mut self.inward).chain(self.gated.as_mut());
        let linears = inward.map(|linear| (Projection::In, linear));
        for (role, linear) in linears.chain([(Projection::Out, &mut self.outward)]) {
            let path = linear.path.clone();
            visit(
                &Site {
                    path: &path,
                    stack,
                    block,
                    branch,
                },
                SiteSlot::Linear(role, linear),
            )?;
        }
        let site = Site {
            path: &self.place.path,
            stack,
            block,
            branch,
        };
        visit(
            &site,
            SiteSlot::Hidden(Activations::Intermediate, &mut self.intermediate),
        )?;
        visit_ends(&self.place, &mut self.norm, &mut self.junction, visit)
    }

    fn visit_weights(&mut self, visit: &mut WeightVisitor<'_>) -> Result<()> {
        self.norm.visit_weights(visit)?;
        self.inward.visit_weights(visit)?;
        if let Some(gated) = &mut self.gated {
            gated.visit_weights(visit)?;
        }
        self.outward.visit_weights(visit)
    }
}

fn visit_ends(
    place: &Place,
    norm: &mut Norm,
    junction: &mut Junction,
    visit: &mut SiteVisitor<'_>,
) -> Result<()> {
    let Place {
        stack,
        block,
        branch,
        ..
    } = *place;
    let path = norm.path.clone();
    visit(
        &Site {
            path: &path,
            stack,
            block,
            branch,
        },
        SiteSlot::Norm(norm),
    )?;
    let site = Site {
        path: &place.path,
        stack,
        block,
        branch,
    };
    visit(&site, SiteSlot::SubLayer(&mut junction.module))
}

fn non_linearity(config: &Config, loader: &Loader<'_>) -> Result<NonLinearity> {
    use candle_nn::Activation;
    match config.feed_forward_proj.activation {
        Activation::Relu => Ok(NonLinearity::Relu),
        Activation::Gelu => Ok(NonLinearity::Gelu),
        Activation::NewGelu | Activation::GeluPytorchTanh => Ok(NonLinearity::GeluNew),
        Activation::Silu | Activation::Swish => Ok(NonLinearity::Swish),
        other => Err(Error::model(
            loader.weights.folder().join("config.json"),
            format!(
                "feed_forward_proj: {other:?} is not supported; relu, gelu, gated-gelu and gated-silu are"
            ),
        )),
    }
}
