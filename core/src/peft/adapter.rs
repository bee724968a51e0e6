//! Bottleneck adapters: the module every adapter shares, and the one with dense projections.
//!
//! ```text
//! A(y) = Up(act(Down(y)))                     Houlsby et al., arXiv:1902.00751, section 2.1
//!
//! placement    positions     T5                       BERT
//! paper        any           h + D(y + A(y))          LN(h + D(y + A(y)))
//! adapterhub   both          h + D(y) + A(D(y))       LN(h + D(y) + A(D(y)))
//! adapterhub   one           h + D(y) + A(h + D(y))   LN(h + D(y) + A(LN(h + D(y))))
//! ```
//!
//! `h` is the residual, `y` the raw sub-layer output, `D` the sub-layer's dropout. No
//! adapter stands after the decoder's attention to the encoder.

use candle_core::Tensor;

use super::count::{adapted_blocks, bottleneck_width};
use super::init::Distribution;
use super::trainables::Builder;
use super::{group, unfreeze};
use crate::Result;
use crate::config::{BottleneckConfig, NonLinearity, Placement, Positions};
use crate::model::Model;
use crate::model::site::{
    AdapterForm, Backbone, Branch, ProjectionForm, Reads, Site, SiteSlot, SubLayer, SubLayerModule,
    WeightForm,
};
use crate::ops::activation::activation;
#[cfg(feature = "cuda")]
use crate::ops::cuda;
use crate::ops::linear::{cast, linear};

/// One of an adapter's two maps.
pub trait AdapterProjection: Send + Sync {
    /// Multiplies `x: [tokens, in]` by the weight: `[tokens, out]`, without the bias.
    ///
    /// # Errors
    /// Fails where the tensor library does.
    fn product(&self, x: &Tensor) -> Result<Tensor>;

    /// What is added to every row, `[out]`.
    fn bias(&self) -> &Tensor;

    /// Maps `x: [tokens, in]` to `[tokens, out]`, bias included.
    ///
    /// # Errors
    /// Fails where the tensor library does.
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        add_bias(&self.product(x)?, self.bias())
    }

    /// The map laid open; `None` where its weight is of no kind that
    /// [`WeightForm`] knows.
    fn form(&self) -> Option<ProjectionForm<'_>> {
        None
    }
}

/// A dense projection `x Wᵀ + b`.
pub(super) struct Dense {
    weight: Tensor, // [out, in]
    bias: Tensor,   // [out]
}

impl AdapterProjection for Dense {
    fn product(&self, x: &Tensor) -> Result<Tensor> {
        linear(x, &self.weight)
    }

    fn bias(&self) -> &Tensor {
        &self.bias
    }

    fn form(&self) -> Option<ProjectionForm<'_>> {
        Some(ProjectionForm {
            weight: WeightForm::Dense(&self.weight),
            bias: &self.bias,
        })
    }
}

impl Dense {
    /// A projection whose weight starts from a distribution, and whose bias from 0.
    pub(super) fn add(
        builder: &mut Builder,
        Mapping { path, width, out }: &Mapping,
        from: Distribution,
    ) -> Result<Self> {
        let weight = builder.add(
            format!("{path}.weight"),
            group::ADAPTER,
            &[*out, *width],
            from,
        )?;
        let bias = add_bias_of(builder, path, *out)?;
        Ok(Self { weight, bias })
    }
}

/// Adds the bias of an adapter's projection, `[out]`, which starts from 0.
///
/// # Errors
/// Fails where the tensor library does.
pub(super) fn add_bias_of(builder: &mut Builder, path: &str, out: usize) -> Result<Tensor> {
    let name = format!("{path}.bias");
    builder.add(name, group::BIAS, &[out], Distribution::Zero)
}

/// Adds `bias: [out]` to rows `[tokens, out]`, in the rows' number format.
///
/// # Errors
/// Fails where the tensor library does.
pub fn add_bias(rows: &Tensor, bias: &Tensor) -> Result<Tensor> {
    Ok(rows.broadcast_add(&cast(bias, rows.dtype())?)?)
}

/// What an adapter's projection maps between, and the name of its tensors.
#[derive(Debug, Clone)]
pub struct Mapping {
    /// Name, such as `encoder.block.0.layer.1.adapter.down`.
    pub path: String,
    /// Width of the input.
    pub width: usize,
    /// Width of the output.
    pub out: usize,
}

/// Two projections with a non-linearity between: `A(x) = Up(act(Down(x)))`.
#[derive(Debug)]
pub struct Bottleneck<P> {
    /// From the model's width to the bottleneck's.
    pub down: P,
    /// Back to the model's width.
    pub up: P,
    /// Between the two.
    pub non_linearity: NonLinearity,
}

impl<P: AdapterProjection> Bottleneck<P> {
    /// Computes `A(x)` of rows `x: [tokens, d_model]`.
    ///
    /// # Errors
    /// Fails where the tensor library does.
    pub fn branch(&self, x: &Tensor) -> Result<Tensor> {
        self.up.forward(&self.narrow(x)?)
    }

    /// `residual + A(x)`, both `[tokens, d_model]`.
    fn added_to(&self, residual: &Tensor, x: &Tensor) -> Result<Tensor> {
        let wide = self.up.product(&self.narrow(x)?)?;
        #[cfg(feature = "cuda")]
        if cuda::take(&wide) {
            return cuda::biased_sum(&wide, self.up.bias(), residual);
        }
        Ok((residual + add_bias(&wide, self.up.bias())?)?)
    }

    /// `act(Down(x))`: `[tokens, bottleneck]`.
    fn narrow(&self, x: &Tensor) -> Result<Tensor> {
        let narrow = self.down.product(x)?;
        #[cfg(feature = "cuda")]
        if cuda::take(&narrow) {
            return cuda::biased_activation(&narrow, self.down.bias(), self.non_linearity);
        }
        activation(&add_bias(&narrow, self.down.bias())?, self.non_linearity)
    }

    /// Computes `x + A(x)` of rows `x: [tokens, d_model]`: the adapter of the paper.
    ///
    /// # Errors
    /// Fails where the tensor library does.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        self.added_to(x, x)
    }
}

/// An adapter at a sub-layer.
struct Adapter<P> {
    bottleneck: Bottleneck<P>,
    reads: Reads,
}

impl<P: AdapterProjection> SubLayerModule for Adapter<P> {
    fn forward(&self, at: &SubLayer<'_>) -> Result<Tensor> {
        if self.reads == Reads::Output {
            let adapted = at.drop(&self.bottleneck.forward(at.output)?)?;
            return Ok((at.residual + adapted)?);
        }
        let dropped = at.drop(at.output)?;
        let sum = (at.residual + &dropped)?;
        let read = match (self.reads, at.norm) {
            (Reads::Sum, Some(norm)) => norm.forward(&sum)?,
            (Reads::Sum, None) => sum.clone(),
            _ => dropped,
        };
        self.bottleneck.added_to(&sum, &read)
    }

    fn as_adapter(&self) -> Option<AdapterForm<'_>> {
        Some(AdapterForm {
            down: self.bottleneck.down.form()?,
            up: self.bottleneck.up.form()?,
            non_linearity: self.bottleneck.non_linearity,
            reads: self.reads,
        })
    }
}

/// Installs an adapter with projections made by `project` at every place that the
/// configuration names, and trains the layer norms where it says so.
///
/// # Errors
/// Fails if a site is taken by another module.
pub fn install_with<P: AdapterProjection + 'static>(
    config: &BottleneckConfig,
    model: &mut Model,
    builder: &mut Builder,
    project: impl FnMut(&mut Builder, Mapping) -> Result<P>,
) -> Result<()> {
    let reads = reads(config);
    let module =
        |bottleneck| -> Box<dyn SubLayerModule> { Box::new(Adapter { bottleneck, reads }) };
    place(config, (model, builder), project, module)
}

/// [`install_with`], with the module that `module` makes of each bottleneck.
///
/// # Errors
/// As [`install_with`].
pub(super) fn place<P: AdapterProjection>(
    config: &BottleneckConfig,
    (model, builder): (&mut Model, &mut Builder),
    mut project: impl FnMut(&mut Builder, Mapping) -> Result<P>,
    module: impl Fn(Bottleneck<P>) -> Box<dyn SubLayerModule>,
) -> Result<()> {
    let width = model.shape.d_model;
    let narrow = bottleneck_width(config, width)?;
    let blocks = adapted_blocks(config, &model.shape)?;
    model.visit_sites(&mut |site, slot| {
        let SiteSlot::SubLayer(slot) = slot else {
            return Ok(());
        };
        if !(has_adapter(config, site) && blocks.contains(&site.block)) {
            return Ok(());
        }
        let path = format!("{}.adapter", site.path);
        let down = Mapping {
            path: format!("{path}.down"),
            width,
            out: narrow,
        };
        let up = Mapping {
            path: format!("{path}.up"),
            width: narrow,
            out: width,
        };
        let bottleneck = Bottleneck {
            down: project(builder, down)?,
            up: project(builder, up)?,
            non_linearity: config.non_linearity,
        };
        slot.install(module(bottleneck), site)
    })?;
    if config.train_layer_norms {
        unfreeze::layer_norms(model, builder)?;
    }
    Ok(())
}

/// Installs adapters with dense projections whose weights start normal with `init_std`.
///
/// # Errors
/// As [`install_with`].
pub fn install(
    config: &BottleneckConfig,
    init_std: f64,
    model: &mut Model,
    builder: &mut Builder,
) -> Result<()> {
    install_with(config, model, builder, |builder, mapping| {
        Dense::add(builder, &mapping, Distribution::Normal(init_std))
    })
}

/// Whether the configuration puts adapters after such sub-layers.
fn has_adapter(config: &BottleneckConfig, site: &Site<'_>) -> bool {
    match site.branch {
        Branch::SelfAttention => config.positions != Positions::FeedForward,
        Branch::FeedForward => config.positions != Positions::SelfAttention,
        Branch::CrossAttention => false,
    }
}

fn reads(config: &BottleneckConfig) -> Reads {
    match (config.placement, config.positions) {
        // The third is that of rows; no configuration gives it to an adapter.
        (Placement::Paper | Placement::Peft, _) => Reads::Output,
        (Placement::Adapterhub, Positions::Both) => Reads::Dropped,
        (Placement::Adapterhub, _) => Reads::Sum,
    }
}
