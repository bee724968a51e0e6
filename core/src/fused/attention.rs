//! Multi-head attention between its four projections.
//!
//! Queries, keys and values of a sequence that attends to itself stand side by side in the
//! same rows; in an attention to the encoder, keys and values have rows of their own.

use super::absorbed::{self, Absorbed};
use super::buffers::Buffer;
use super::elementwise::first_rows;
use super::linear::{Linear, Part};
use super::param::Gradient;
use super::{Context, Planner};
use crate::model::attention::MultiHead;
use crate::ops::Segments;
use crate::ops::attention::{Arrangement, Bias, Geometry, Gradients};
use crate::ops::cpu::{Real, Write};
use crate::{Error, Result};

/// An attention.
#[derive(Debug)]
pub(super) struct Attention {
    query: Linear,
    key: Linear,
    value: Linear,
    output: Linear,
    heads: usize,
    scale: f64,
    path: String,
}

/// Rows of a packed batch, and where each sequence lies among them.
#[derive(Clone, Copy)]
pub(super) struct Rows<'a, T> {
    /// `[tokens, d_model]`
    pub(super) rows: &'a [T],
    pub(super) segments: &'a Segments,
}

/// Where attention looks.
#[derive(Clone, Copy)]
pub(super) enum Looks<'a, T> {
    /// At its own sequence, with a bias on the scores in T5.
    Inside(Option<Bias<'a, T>>),
    /// At its own sequence, from its first row only.
    FromFirst,
    /// At the encoder's output.
    At(Rows<'a, T>),
}

/// What the backward pass reads.
pub(super) struct Kept<'s, T> {
    core: Core<'s, T>,
    probabilities: Buffer<'s, T>,
    mixed: Option<Buffer<'s, T>>, // [tokens, h·e]
}

enum Core<'s, T> {
    Projected(Geometry, Projected<'s, T>),
    Absorbed(absorbed::Kept<'s, T>),
}

/// Queries, keys and values, or their gradients.
pub(super) enum Projected<'s, T> {
    Joint(Buffer<'s, T>),                // [tokens, 3·h·e]
    Apart(Buffer<'s, T>, Buffer<'s, T>), // [tokens, h·e], [memory tokens, 2·h·e]
}

/// Gradients on the way from the core to the inputs.
pub(super) enum Pulled<'s, T> {
    /// Those of queries, keys and values.
    All(Projected<'s, T>),
    /// Those of the queries, `[tokens, h·e]`, where there are no keys and values.
    Queries(Buffer<'s, T>),
}

/// Where gradients of what is not the branch's own input go.
pub(super) struct Elsewhere<'a, T> {
    /// The encoder's output, for an attention to it: its rows and their gradient.
    pub(super) memory: Option<(&'a [T], Option<&'a mut [T]>)>,
    /// The gradient of the bias, where its table is trained, and its shape.
    pub(super) bias: Option<(&'a mut [T], [usize; 3])>,
}

impl Attention {
    pub(super) fn plan(attention: &MultiHead, planner: Planner<'_>) -> Result<Self> {
        let linear = |linear| Linear::plan(linear, planner);
        Ok(Self {
            query: linear(&attention.query)?,
            key: linear(&attention.key)?,
            value: linear(&attention.value)?,
            output: linear(&attention.output)?,
            heads: attention.heads,
            scale: attention.scale,
            path: attention.path.clone(),
        })
    }

    pub(super) fn is_trained(&self) -> bool {
        let all = [&self.query, &self.key, &self.value, &self.output];
        all.into_iter().any(Linear::is_trained)
    }

    /// Whether the backward pass reads the input.
    pub(super) fn reads_input(&self) -> bool {
        let inward = [&self.query, &self.key, &self.value];
        inward.into_iter().any(Linear::reads_input)
    }

    /// h·e
    fn width(&self) -> usize {
        self.query.out()
    }

    /// Attends from rows `x`; the output goes to `y: [tokens, d_model]`, `[b, d_model]` from
    /// first rows only.
    pub(super) fn forward<'s, T: Real>(
        &self,
        x: Rows<'_, T>,
        looks: Looks<'_, T>,
        y: &mut [T],
        context: &Context<'s, T>,
    ) -> Result<Kept<'s, T>> {
        let (width, tokens) = (self.width(), x.segments.tokens());
        let buffers = context.buffers;
        let part = |stride, first| Part { stride, first };
        let noise = (self.scale, context.pass.noise(&self.path));
        let (arrangement, to, bias, projected) = match looks {
            Looks::Inside(bias) => {
                let mut joint = buffers.take(tokens * 3 * width);
                for (at, linear) in [&self.query, &self.key, &self.value]
                    .into_iter()
                    .enumerate()
                {
                    let part = part(3 * width, at * width);
                    linear.forward(x.rows, (&mut joint, part), context)?;
                }
                let arrangement = Arrangement::joint(width);
                (arrangement, x.segments, bias, Projected::Joint(joint))
            }
            Looks::FromFirst => {
                let of_first = context.of_first_rows(x.segments);
                let projected = self.project_first(x, (context, &of_first))?;
                let shape = (width, self.heads);
                let segments = (&Segments::single_rows(x.segments.batch()), x.segments);
                let geometry = Geometry::new(shape, Arrangement::apart(width), noise, segments)
                    .numbered_among(x.segments.longest());
                return self.attend((geometry, projected, None), y, &of_first);
            }
            Looks::At(memory) => {
                let mut queries = buffers.take(tokens * width);
                let whole = part(width, 0);
                self.query.forward(x.rows, (&mut queries, whole), context)?;
                let absorbed = Absorbed::of((&self.key, &self.value), self.heads)?;
                let ends = (x.segments, memory.segments);
                if let Some(absorbed) = absorbed.filter(|form| form.pays(ends.0, ends.1)) {
                    let mut mixed = buffers.take(queries.len());
                    let (kept, probabilities) =
                        absorbed.forward(&queries, (x, memory), noise, &mut mixed, context);
                    let core = Core::Absorbed(kept);
                    return self.finish((core, probabilities, mixed), y, context);
                }
                let mut pairs = buffers.take(memory.segments.tokens() * 2 * width);
                for (at, linear) in [&self.key, &self.value].into_iter().enumerate() {
                    let part = part(2 * width, at * width);
                    linear.forward(memory.rows, (&mut pairs, part), context)?;
                }
                let arrangement = Arrangement::apart(width);
                let projected = Projected::Apart(queries, pairs);
                (arrangement, memory.segments, None, projected)
            }
        };
        let shape = (width, self.heads);
        let geometry = Geometry::new(shape, arrangement, noise, (x.segments, to));
        self.attend((geometry, projected, bias), y, context)
    }

    /// Queries of the first row of each sequence, keys and values of all rows.
    fn project_first<'s, T: Real>(
        &self,
        x: Rows<'_, T>,
        (context, of_first): (&Context<'s, T>, &Context<'s, T>),
    ) -> Result<Projected<'s, T>> {
        let (buffers, width) = (context.buffers, self.width());
        let part = |stride, first| Part { stride, first };
        let first = first_rows(x.rows, x.segments, buffers);
        let mut queries = buffers.take(x.segments.batch() * width);
        let whole = part(width, 0);
        self.query
            .forward(&first, (&mut queries, whole), of_first)?;
        let mut pairs = buffers.take(x.segments.tokens() * 2 * width);
        for (at, linear) in [&self.key, &self.value].into_iter().enumerate() {
            let part = part(2 * width, at * width);
            linear.forward(x.rows, (&mut pairs, part), context)?;
        }
        Ok(Projected::Apart(queries, pairs))
    }

    fn attend<'s, T: Real>(
        &self,
        (geometry, projected, bias): (Geometry, Projected<'s, T>, Option<Bias<'_, T>>),
        y: &mut [T],
        context: &Context<'s, T>,
    ) -> Result<Kept<'s, T>> {
        let mut probabilities = context.buffers.take(geometry.scores());
        let (q, kv) = projected.rows();
        geometry.probabilities((q, kv), bias, &mut probabilities);
        let mut mixed = context.buffers.take(geometry.outputs());
        geometry.mix(&probabilities, kv, &mut mixed);
        let core = Core::Projected(geometry, projected);
        self.finish((core, probabilities, mixed), y, context)
    }

    /// Maps what heads found to the output.
    fn finish<'s, T: Real>(
        &self,
        (core, probabilities, mixed): (Core<'s, T>, Buffer<'s, T>, Buffer<'s, T>),
        y: &mut [T],
        context: &Context<'s, T>,
    ) -> Result<Kept<'s, T>> {
        let whole = Part {
            stride: self.output.out(),
            first: 0,
        };
        self.output.forward(&mixed, (y, whole), context)?;
        Ok(Kept {
            core,
            probabilities,
            mixed: self.output.reads_input().then_some(mixed),
        })
    }

    /// From the gradient of the output, those of queries, keys and values.
    pub(super) fn pull<'s, T: Real>(
        &self,
        kept: Kept<'s, T>,
        dy: &[T],
        elsewhere: &mut Elsewhere<'_, T>,
        context: &Context<'s, T>,
        gradient: &mut Gradient<'_, T>,
    ) -> Result<Pulled<'s, T>> {
        let (buffers, width) = (context.buffers, self.width());
        let whole = Part {
            stride: self.output.out(),
            first: 0,
        };
        let tokens = dy.len() / whole.stride;
        let mut dmixed = buffers.take(tokens * width);
        self.output.backward(
            kept.mixed.as_deref(),
            (dy, whole),
            Some((&mut dmixed, Write::Replace)),
            context,
            gradient,
        )?;
        let mut scores = kept.probabilities;
        let (geometry, projected) = match kept.core {
            Core::Projected(geometry, projected) => (geometry, projected),
            Core::Absorbed(core) => {
                let absorbed = Absorbed::of((&self.key, &self.value), self.heads)?;
                let (Some(absorbed), Some((memory, dmemory))) = (absorbed, &mut elsewhere.memory)
                else {
                    return Err(Error::method(
                        "attention to the encoder has nothing to look at",
                    ));
                };
                let inner = (&mut *scores, &*dmixed);
                let ends = (*memory, dmemory.as_deref_mut());
                let dqueries = absorbed.backward(&core, inner, ends, context);
                return Ok(Pulled::Queries(dqueries));
            }
        };
        let (q, kv) = projected.rows();
        let pulled = match &projected {
            Projected::Joint(joint) => {
                let mut pulled = buffers.take(joint.len());
                let target = Gradients::Joint(&mut pulled);
                geometry.backward((q, kv, &dmixed), &mut scores, target);
                Projected::Joint(pulled)
            }
            Projected::Apart(queries, pairs) => {
                let mut pulled = (buffers.take(queries.len()), buffers.take(pairs.len()));
                let target = Gradients::Apart(&mut pulled.0, &mut pulled.1);
                geometry.backward((q, kv, &dmixed), &mut scores, target);
                Projected::Apart(pulled.0, pulled.1)
            }
        };
        if let Some((total, shape)) = &mut elsewhere.bias {
            geometry.add_bias_gradient(&scores, *shape, total);
        }
        Ok(Pulled::All(pulled))
    }

    /// The gradient of the input, where it is wanted, as [`Write`] says; `x` is needed where
    /// [`Self::reads_input`].
    pub(super) fn push<T: Real>(
        &self,
        pulled: &Pulled<'_, T>,
        x: Option<&[T]>,
        dx: Option<(&mut [T], Write)>,
        elsewhere: &mut Elsewhere<'_, T>,
        context: &Context<'_, T>,
        gradient: &mut Gradient<'_, T>,
    ) -> Result<()> {
        let width = self.width();
        let (mut dx, mut write) = dx.map_or((None, Write::Add), |(dx, write)| (Some(dx), write));
        let whole = Part {
            stride: width,
            first: 0,
        };
        match pulled {
            Pulled::Queries(queries) => {
                let target = dx.map(|dx| (dx, write));
                self.query
                    .backward(x, (queries, whole), target, context, gradient)?;
            }
            Pulled::All(Projected::Joint(joint)) => {
                for (at, linear) in [&self.query, &self.key, &self.value]
                    .into_iter()
                    .enumerate()
                {
                    let part = Part {
                        stride: 3 * width,
                        first: at * width,
                    };
                    let target = dx.as_deref_mut().map(|dx| (dx, write));
                    linear.backward(x, (joint, part), target, context, gradient)?;
                    write = Write::Add;
                }
            }
            Pulled::All(Projected::Apart(queries, pairs)) => {
                let target = dx.map(|dx| (dx, write));
                self.query
                    .backward(x, (queries, whole), target, context, gradient)?;
                let Some((memory, dmemory)) = &mut elsewhere.memory else {
                    return Ok(());
                };
                for (at, linear) in [&self.key, &self.value].into_iter().enumerate() {
                    let part = Part {
                        stride: 2 * width,
                        first: at * width,
                    };
                    let target = dmemory.as_deref_mut().map(|dx| (dx, Write::Add));
                    linear.backward(Some(memory), (pairs, part), target, context, gradient)?;
                }
            }
        }
        Ok(())
    }
}

impl Attention {
    /// [`Self::push`] for [`Looks::FromFirst`]: the gradient of the rows, into `dx`, is that
    /// of keys and values; that of the queries is added to `dfirst: [b, d_model]`.
    pub(super) fn push_first<T: Real>(
        &self,
        pulled: &Pulled<'_, T>,
        (x, segments): (Option<&[T]>, &Segments),
        mut wanted: Option<(&mut [T], &mut [T])>, // dfirst, dx
        context: &Context<'_, T>,
        gradient: &mut Gradient<'_, T>,
    ) -> Result<()> {
        let Pulled::All(Projected::Apart(queries, pairs)) = pulled else {
            return Err(Error::method(
                "queries of first rows have rows of their own",
            ));
        };
        let width = self.width();
        let whole = Part {
            stride: width,
            first: 0,
        };
        let first = x.map(|x| first_rows(x, segments, context.buffers));
        let dfirst = wanted
            .as_mut()
            .map(|(dfirst, _)| (&mut **dfirst, Write::Add));
        let of_first = context.of_first_rows(segments);
        let dy = (&**queries, whole);
        self.query
            .backward(first.as_deref(), dy, dfirst, &of_first, gradient)?;
        let maps = [(&self.key, Write::Replace), (&self.value, Write::Add)];
        for (at, (linear, write)) in maps.into_iter().enumerate() {
            let part = Part {
                stride: 2 * width,
                first: at * width,
            };
            let dx = wanted.as_mut().map(|(_, dx)| (&mut **dx, write));
            linear.backward(x, (pairs, part), dx, context, gradient)?;
        }
        Ok(())
    }
}

impl<T: Real> Projected<'_, T> {
    /// Rows with the queries, and those with keys and values.
    fn rows(&self) -> (&[T], &[T]) {
        match self {
            Self::Joint(joint) => (joint, joint),
            Self::Apart(queries, pairs) => (queries, pairs),
        }
    }
}
