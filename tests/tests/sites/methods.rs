//! Throw-away methods, one of each kind of site, as small as they can be.

use std::sync::Arc;

use candle_core::{D, Tensor};
use compacter_core::Result;
use compacter_core::config::{Placement, PrefixConfig, PromptConfig, PromptInit};
use compacter_core::model::site::{
    Backbone, EmbeddingModule, HiddenModule, KeyValueModule, LinearModule, NormModule, Projection,
    SiteSlot, SubLayer, SubLayerModule,
};
use compacter_core::model::weight::Reparametrisation;
use compacter_core::model::{Linear, Model, Pass, Weight};
use compacter_core::peft::init::Distribution::{Normal, Zero};
use compacter_core::peft::{Builder, prefix, prompt};

const GROUP: &str = "throw-away";

/// What a method is here: something that installs modules and adds their parameters.
pub(crate) type Install = fn(&mut Model, &mut Builder) -> Result<()>;

/// An adapter beside the sub-layer: it reads what the sub-layer reads.
struct ParallelAdapter {
    down: Tensor, // [d_model, r]
    up: Tensor,   // [r, d_model]
}

impl SubLayerModule for ParallelAdapter {
    fn forward(&self, at: &SubLayer<'_>) -> Result<Tensor> {
        let branch = at.input.matmul(&self.down)?.tanh()?.matmul(&self.up)?;
        Ok((at.residual + at.drop(&(at.output + branch)?)?)?)
    }
}

pub(crate) fn parallel_adapters(model: &mut Model, builder: &mut Builder) -> Result<()> {
    let width = model.shape.d_model;
    model.visit_sites(&mut |site, slot| {
        let SiteSlot::SubLayer(slot) = slot else {
            return Ok(());
        };
        let down = format!("{}.down", site.path);
        let up = format!("{}.up", site.path);
        let module = ParallelAdapter {
            down: builder.add(down, GROUP, &[width, 3], Normal(0.1))?,
            up: builder.add(up, GROUP, &[3, width], Zero)?,
        };
        slot.install(Box::new(module), site)
    })
}

/// `DoRA` (Liu et al., arXiv:2402.09353, equation 5): rows of `W + BA` get new lengths.
struct Dora {
    magnitude: Tensor, // [out, 1]
    a: Tensor,         // [r, in]
    b: Tensor,         // [out, r]
}

impl LinearModule for Dora {
    fn forward(&self, x: &Tensor, linear: &Linear, _: &Pass) -> Result<Tensor> {
        let moved = (linear.weight.tensor()? + self.b.matmul(&self.a)?)?;
        let weight = moved
            .broadcast_mul(&self.magnitude)?
            .broadcast_div(&lengths(&moved)?)?;
        let y = x.matmul(&weight.t()?)?;
        match &linear.bias {
            Some(bias) => Ok(y.broadcast_add(&bias.tensor()?)?),
            None => Ok(y),
        }
    }
}

/// Euclidean lengths of the rows: `[out, in]` to `[out, 1]`.
fn lengths(weight: &Tensor) -> Result<Tensor> {
    Ok(weight.sqr()?.sum_keepdim(D::Minus1)?.sqrt()?)
}

pub(crate) fn dora(model: &mut Model, builder: &mut Builder) -> Result<()> {
    model.visit_sites(&mut |site, slot| {
        let SiteSlot::Linear(Projection::Query | Projection::Out, linear) = slot else {
            return Ok(());
        };
        let (out, width) = linear.weight.stored().dims2()?;
        let path = linear.path.clone();
        let start = lengths(linear.weight.stored())?;
        let module = Dora {
            magnitude: builder.add_from(format!("{path}.magnitude"), GROUP, &start)?,
            a: builder.add(format!("{path}.a"), GROUP, &[2, width], Normal(0.1))?,
            b: builder.add(format!("{path}.b"), GROUP, &[out, 2], Zero)?,
        };
        linear.module.install(Box::new(module), site)
    })
}

/// A bias on a map that has none, or one more on a map that has.
struct AddedBias(Tensor); // [out]

impl LinearModule for AddedBias {
    fn forward(&self, x: &Tensor, linear: &Linear, _: &Pass) -> Result<Tensor> {
        Ok(linear.plain(x)?.broadcast_add(&self.0)?)
    }
}

pub(crate) fn added_biases(model: &mut Model, builder: &mut Builder) -> Result<()> {
    model.visit_sites(&mut |site, slot| {
        let SiteSlot::Linear(role, linear) = slot else {
            return Ok(());
        };
        // A bias of keys shifts all scores of a query alike, which softmax does not see.
        if role == Projection::Key {
            return Ok(());
        }
        let out = linear.weight.stored().dim(0)?;
        let bias = builder.add(format!("{}.added", linear.path), GROUP, &[out], Zero)?;
        linear.module.install(Box::new(AddedBias(bias)), site)
    })
}

/// Prefix tuning (Li and Liang, arXiv:2101.00190) without its reparametrisation.
struct Prefix {
    keys: Tensor,   // [rows, h·e]
    values: Tensor, // [rows, h·e]
}

impl KeyValueModule for Prefix {
    fn rows(&self) -> Result<(Tensor, Tensor)> {
        Ok((self.keys.clone(), self.values.clone()))
    }
}

pub(crate) fn prefixes(model: &mut Model, builder: &mut Builder) -> Result<()> {
    let inner = model.shape.inner();
    model.visit_sites(&mut |site, slot| {
        let SiteSlot::KeyValue(slot) = slot else {
            return Ok(());
        };
        let mut rows = |part: &str| {
            let name = format!("{}.prefix.{part}", site.path);
            builder.add(name, GROUP, &[3, inner], Normal(0.5))
        };
        let module = Prefix {
            keys: rows("keys")?,
            values: rows("values")?,
        };
        slot.install(Box::new(module), site)
    })
}

/// Prefix rows with positions, as the library's own method has them.
pub(crate) fn placed_prefixes(model: &mut Model, builder: &mut Builder) -> Result<()> {
    let config = PrefixConfig {
        length: 3,
        bottleneck: 0,
        placement: Placement::Peft,
    };
    prefix::install(&config, model, builder)
}

/// Prompt rows with positions, as the library's own method has them.
pub(crate) fn placed_prompts(model: &mut Model, builder: &mut Builder) -> Result<()> {
    let config = PromptConfig {
        length: 3,
        init: PromptInit::Uniform,
        placement: Placement::Peft,
    };
    prompt::install(&config, model, builder)
}

/// (IA)³ (Liu et al., arXiv:2205.05638, section 3.3): activations are rescaled.
struct Scale(Tensor); // [width]

impl HiddenModule for Scale {
    fn forward(&self, hidden: &Tensor) -> Result<Tensor> {
        Ok(hidden.broadcast_mul(&self.0)?)
    }
}

pub(crate) fn scales(model: &mut Model, builder: &mut Builder) -> Result<()> {
    use compacter_core::model::site::Activations;
    let (inner, d_ff) = (model.shape.inner(), model.shape.d_ff);
    let (dtype, device) = (model.dtype, model.device.clone());
    model.visit_sites(&mut |site, slot| {
        let SiteSlot::Hidden(activations, slot) = slot else {
            return Ok(());
        };
        let width = match activations {
            Activations::Keys | Activations::Values => inner,
            Activations::Intermediate => d_ff,
            Activations::Logits => return Ok(()),
        };
        let name = format!("{}.{activations:?}", site.path);
        let ones = Tensor::ones(width, dtype, &device)?;
        let scale = Scale(builder.add_from(name, GROUP, &ones)?);
        slot.install(Box::new(scale), site)
    })
}

/// Prompt tuning (Lester et al., arXiv:2104.08691): rows before every input.
struct Prompt(Tensor); // [rows, d_model]

impl EmbeddingModule for Prompt {
    fn rows(&self) -> Result<Tensor> {
        Ok(self.0.clone())
    }
}

pub(crate) fn prompts(model: &mut Model, builder: &mut Builder) -> Result<()> {
    use compacter_core::model::site::Stack;
    let width = model.shape.d_model;
    model.visit_sites(&mut |site, slot| {
        let SiteSlot::Embedding(slot) = slot else {
            return Ok(());
        };
        if site.stack == Stack::Decoder {
            return Ok(());
        }
        let name = format!("{}.prompt", site.path);
        let rows = builder.add(name, GROUP, &[3, width], Normal(0.5))?;
        slot.install(Box::new(Prompt(rows)), site)
    })
}

/// A bias on a norm, which T5's have not.
struct NormBias(Tensor); // [d_model]

impl NormModule for NormBias {
    fn forward(&self, normed: &Tensor) -> Result<Tensor> {
        Ok(normed.broadcast_add(&self.0)?)
    }
}

pub(crate) fn norm_biases(model: &mut Model, builder: &mut Builder) -> Result<()> {
    let width = model.shape.d_model;
    model.visit_sites(&mut |site, slot| {
        let SiteSlot::Norm(norm) = slot else {
            return Ok(());
        };
        let bias = builder.add(format!("{}.added", norm.path), GROUP, &[width], Zero)?;
        norm.module.install(Box::new(NormBias(bias)), site)
    })
}

/// A random subspace of all weights at once, as in intrinsic SAID (Aghajanyan et al.,
/// arXiv:2012.13255) with dense projections: `θ + P z`.
struct Subspace {
    z: Tensor,          // [dimension], one for the whole model
    projection: Tensor, // [elements of the weight, dimension]
}

impl Reparametrisation for Subspace {
    fn apply(&self, frozen: &Tensor) -> Result<Tensor> {
        let offset = self.projection.matmul(&self.z.unsqueeze(1)?)?;
        Ok((frozen + offset.reshape(frozen.shape())?)?)
    }
}

pub(crate) fn subspace(model: &mut Model, builder: &mut Builder) -> Result<()> {
    const DIMENSION: usize = 8;
    let z = builder.add("z".to_owned(), GROUP, &[DIMENSION], Zero)?;
    model.visit_weights(&mut |name, weight| {
        let frozen = weight.stored().clone();
        let shape = [frozen.elem_count(), DIMENSION];
        let projection = builder.constant(name, &shape, Normal(0.05))?;
        let z = z.clone();
        *weight = Weight::Derived(frozen, Arc::new(Subspace { z, projection }));
        Ok(())
    })
}
