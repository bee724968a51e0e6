//! One layer of BERT: self-attention and feed-forward, each followed by a norm.

use candle_core::Tensor;
use candle_transformers::models::bert::HiddenAct;

use super::super::attention::{AttentionSlots, MultiHead, Rows, through};
use super::super::layers::{BranchOutput, Junction};
use super::super::loader::Loader;
use super::super::outline::{BranchOutline, Inner, NormOrder, free};
use super::super::site::{
    Activations, Branch, HiddenModule, Projection, Site, SiteSlot, SiteVisitor, Slot, Stack,
    WeightVisitor,
};
use super::super::{Linear, Norm, Pass};
use super::Config;
use crate::Result;
use crate::config::NonLinearity;
use crate::ops::Segments;
use crate::ops::activation::activation;

#[derive(Debug)]
pub(super) struct Layer {
    index: usize,
    attention: MultiHead,
    attention_end: End,
    inward: Linear, // [d_ff, d_model]
    non_linearity: NonLinearity,
    intermediate: Slot<dyn HiddenModule>,
    outward: Linear, // [d_model, d_ff]
    feed_forward_end: End,
}

/// Where a sub-layer meets its residual, and the norm after it.
#[derive(Debug)]
struct End {
    junction: Junction,
    norm: Norm,
}

impl End {
    fn load(config: &Config, path: String, loader: &mut Loader<'_>) -> Result<Self> {
        let norm = loader.layer_norm(
            format!("{path}.LayerNorm"),
            config.hidden_size,
            config.layer_norm_eps,
        )?;
        Ok(Self {
            junction: Junction::new(path),
            norm,
        })
    }

    fn outline<'a>(&'a self, inner: Inner<'a>) -> BranchOutline<'a> {
        BranchOutline {
            norm: &self.norm,
            order: NormOrder::After,
            inner,
            junction: &self.junction,
        }
    }

    fn forward(&self, residual: &Tensor, output: &Tensor, pass: &Pass) -> Result<Tensor> {
        let norm = Some(&self.norm);
        let branch = BranchOutput {
            input: residual,
            output,
            residual,
            norm,
        };
        self.norm.forward(&self.junction.join(&branch, pass)?)
    }

    fn visit_sites(
        &mut self,
        block: usize,
        branch: Branch,
        visit: &mut SiteVisitor<'_>,
    ) -> Result<()> {
        let site = |path| Site {
            path,
            stack: Stack::Encoder,
            block,
            branch,
        };
        visit(
            &site(&self.junction.path),
            SiteSlot::SubLayer(&mut self.junction.module),
        )?;
        let path = self.norm.path.clone();
        visit(&site(&path), SiteSlot::Norm(&mut self.norm))
    }
}

impl Layer {
    pub(super) fn load(config: &Config, index: usize, loader: &mut Loader<'_>) -> Result<Self> {
        let (width, inner) = (config.hidden_size, config.intermediate_size);
        let path = format!("encoder.layer.{index}");
        let own = format!("{path}.attention.self");
        let attention = MultiHead {
            query: loader.biased_linear(format!("{own}.query"), width, width)?,
            key: loader.biased_linear(format!("{own}.key"), width, width)?,
            value: loader.biased_linear(format!("{own}.value"), width, width)?,
            output: loader.biased_linear(format!("{path}.attention.output.dense"), width, width)?,
            heads: config.num_attention_heads,
            scale: ((width / config.num_attention_heads) as f64).powf(-0.5),
            place: (Stack::Encoder, index, Branch::SelfAttention),
            slots: AttentionSlots::default(),
            path: own,
        };
        Ok(Self {
            index,
            attention,
            attention_end: End::load(config, format!("{path}.attention.output"), loader)?,
            inward: loader.biased_linear(format!("{path}.intermediate.dense"), inner, width)?,
            non_linearity: match config.hidden_act {
                HiddenAct::Gelu => NonLinearity::Gelu,
                HiddenAct::GeluApproximate => NonLinearity::GeluNew,
                HiddenAct::Relu => NonLinearity::Relu,
            },
            intermediate: Slot::default(),
            outward: loader.biased_linear(format!("{path}.output.dense"), width, inner)?,
            feed_forward_end: End::load(config, format!("{path}.output"), loader)?,
        })
    }

    /// How many positions come before the first token's.
    pub(super) fn positions_before(&self) -> usize {
        self.attention.positions_before()
    }

    pub(super) fn forward(
        &self,
        hidden: &Tensor,
        segments: &Segments,
        pass: &Pass,
    ) -> Result<Tensor> {
        let memory = self.attention.memory(hidden, segments, pass)?;
        let rows = Rows::new(hidden, segments);
        let attended = self.attention.attend(&rows, &memory, None, pass)?;
        let hidden = self.attention_end.forward(hidden, &attended, pass)?;

        let inner = activation(&self.inward.forward(&hidden, pass)?, self.non_linearity)?;
        let inner = through(&self.intermediate, inner)?;
        let output = self.outward.forward(&inner, pass)?;
        self.feed_forward_end.forward(&hidden, &output, pass)
    }

    pub(super) fn outline(&self) -> Result<[BranchOutline<'_>; 2]> {
        self.attention.check_outline()?;
        let what = "a module on the intermediate";
        free(&self.intermediate, &self.inward.path, what)?;
        let feed_forward = Inner::FeedForward {
            inward: &self.inward,
            gated: None,
            outward: &self.outward,
            non_linearity: self.non_linearity,
            dropout: None,
        };
        Ok([
            self.attention_end
                .outline(Inner::SelfAttention(&self.attention)),
            self.feed_forward_end.outline(feed_forward),
        ])
    }

    pub(super) fn visit_sites(&mut self, visit: &mut SiteVisitor<'_>) -> Result<()> {
        let (block, branch) = (self.index, Branch::FeedForward);
        self.attention.visit_sites(visit)?;
        self.attention_end
            .visit_sites(block, Branch::SelfAttention, visit)?;
        for (role, linear) in [
            (Projection::In, &mut self.inward),
            (Projection::Out, &mut self.outward),
        ] {
            let path = linear.path.clone();
            let site = Site {
                path: &path,
                stack: Stack::Encoder,
                block,
                branch,
            };
            visit(&site, SiteSlot::Linear(role, linear))?;
        }
        let path = self.inward.path.clone();
        let site = Site {
            path: &path,
            stack: Stack::Encoder,
            block,
            branch,
        };
        visit(
            &site,
            SiteSlot::Hidden(Activations::Intermediate, &mut self.intermediate),
        )?;
        self.feed_forward_end.visit_sites(block, branch, visit)
    }

    pub(super) fn visit_weights(&mut self, visit: &mut WeightVisitor<'_>) -> Result<()> {
        self.attention.visit_weights(visit)?;
        self.attention_end.norm.visit_weights(visit)?;
        self.inward.visit_weights(visit)?;
        self.outward.visit_weights(visit)?;
        self.feed_forward_end.norm.visit_weights(visit)
    }
}
