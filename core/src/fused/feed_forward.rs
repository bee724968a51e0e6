//! The feed-forward: `wo(act(wi x))` or, gated, `wo(act(wi_0 x) · wi_1 x)`.

use super::buffers::Buffer;
use super::elementwise::{map, map2, update, update_pair, update2};
use super::linear::{Linear, Part};
use super::param::Gradient;
use super::{Context, Planner};
use crate::Result;
use crate::config::NonLinearity;
use crate::model;
use crate::ops::activation::{Unit as _, unit, with_unit};
use crate::ops::cpu::{Real, Write};
use crate::random::Key;

/// A feed-forward.
#[derive(Debug)]
pub(super) struct FeedForward {
    inward: Linear,
    gated: Option<Linear>,
    outward: Linear,
    non_linearity: NonLinearity,
    dropout: Option<String>, // on the intermediate
}

/// What the backward pass reads.
pub(super) enum Kept<'s, T> {
    /// The intermediate itself, after its dropout: enough for `relu`.
    Rectified(Buffer<'s, T>),
    /// What goes into the non-linearity, and what its result is multiplied by.
    Before(Buffer<'s, T>, Option<Buffer<'s, T>>),
}

/// The gradients of the inward maps' outputs.
pub(super) struct Pulled<'s, T>(Buffer<'s, T>, Option<Buffer<'s, T>>);

impl FeedForward {
    pub(super) fn plan(
        (inward, gated, outward): (&model::Linear, Option<&model::Linear>, &model::Linear),
        non_linearity: NonLinearity,
        dropout: Option<&str>,
        planner: Planner<'_>,
    ) -> Result<Self> {
        let gated = gated.map(|gated| Linear::plan(gated, planner));
        Ok(Self {
            inward: Linear::plan(inward, planner)?,
            gated: gated.transpose()?,
            outward: Linear::plan(outward, planner)?,
            non_linearity,
            dropout: dropout.map(str::to_owned),
        })
    }

    pub(super) fn is_trained(&self) -> bool {
        let maps = [&self.inward, &self.outward].into_iter();
        maps.chain(&self.gated).any(Linear::is_trained)
    }

    /// Whether the backward pass reads the input.
    pub(super) fn reads_input(&self) -> bool {
        let inward = std::iter::once(&self.inward);
        inward.chain(&self.gated).any(Linear::reads_input)
    }

    fn noise<T>(&self, context: &Context<'_, T>) -> Option<(f64, Key)> {
        context.pass.noise(self.dropout.as_deref()?)
    }

    fn inner(&self) -> Part {
        Part {
            stride: self.inward.out(),
            first: 0,
        }
    }

    fn outer(&self) -> Part {
        Part {
            stride: self.outward.out(),
            first: 0,
        }
    }

    /// Maps rows `x` to `y`, both `[tokens, d_model]`.
    pub(super) fn forward<'s, T: Real>(
        &self,
        x: &[T],
        y: &mut [T],
        context: &Context<'s, T>,
    ) -> Result<Kept<'s, T>> {
        let tokens = y.len() / self.outward.out();
        let size = tokens * self.inward.out();
        let mut before = context.buffers.take(size);
        self.inward
            .forward(x, (&mut before, self.inner()), context)?;
        let factor = match &self.gated {
            None => None,
            Some(gated) => {
                let mut factor = context.buffers.take(size);
                gated.forward(x, (&mut factor, self.inner()), context)?;
                Some(factor)
            }
        };
        if self.non_linearity == NonLinearity::Relu && factor.is_none() {
            let mut hidden = before;
            update(
                &mut hidden,
                #[inline(always)]
                |x| unit::Relu.at(x).0,
            );
            context.drop(&mut hidden, self.noise(context));
            self.outward.forward(&hidden, (y, self.outer()), context)?;
            return Ok(Kept::Rectified(hidden));
        }
        let hidden = self.hidden(&before, factor.as_deref(), context);
        self.outward.forward(&hidden, (y, self.outer()), context)?;
        Ok(Kept::Before(before, factor))
    }

    /// The intermediate, after its dropout.
    fn hidden<'s, T: Real>(
        &self,
        before: &[T],
        factor: Option<&[T]>,
        context: &Context<'s, T>,
    ) -> Buffer<'s, T> {
        let kind = self.non_linearity;
        let mut hidden = context.buffers.take(before.len());
        with_unit!(kind, unit => match factor {
            Some(factor) => map2(&mut hidden, (before, factor), #[inline(always)] |x, factor| unit.at(x).0 * factor),
            None => map(&mut hidden, before, #[inline(always)] |x| unit.at(x).0),
        });
        context.drop(&mut hidden, self.noise(context));
        hidden
    }

    /// From the gradient of the output, those of the inward maps' outputs.
    pub(super) fn pull<'s, T: Real>(
        &self,
        kept: Kept<'s, T>,
        dy: &[T],
        context: &Context<'s, T>,
        gradient: &mut Gradient<'_, T>,
    ) -> Result<Pulled<'s, T>> {
        let tokens = dy.len() / self.outward.out();
        let mut dhidden = context.buffers.take(tokens * self.inward.out());
        let made = match &kept {
            Kept::Before(before, factor) if self.outward.reads_input() => {
                Some(self.hidden(before, factor.as_deref(), context))
            }
            _ => None,
        };
        let hidden = match &kept {
            Kept::Rectified(hidden) => Some(&**hidden),
            Kept::Before(..) => made.as_deref(),
        };
        let target = Some((&mut *dhidden, Write::Replace));
        self.outward
            .backward(hidden, (dy, self.outer()), target, context, gradient)?;
        std::mem::drop(made);
        context.drop(&mut dhidden, self.noise(context));
        let kind = self.non_linearity;
        Ok(match kept {
            Kept::Rectified(hidden) => {
                let zero = T::zero();
                update2(
                    &mut dhidden,
                    &hidden,
                    |d, h| if h > zero { d } else { zero },
                );
                Pulled(dhidden, None)
            }
            Kept::Before(before, None) => {
                with_unit!(kind, unit => update2(&mut dhidden, &before, #[inline(always)] |d, x| d * unit.at(x).1));
                Pulled(dhidden, None)
            }
            Kept::Before(before, Some(mut factor)) => {
                with_unit!(kind, unit => update_pair(&mut dhidden, &mut factor, &before, #[inline(always)] |d, factor, x| {
                    let (value, slope) = unit.at(x);
                    (d * slope * factor, d * value)
                }));
                Pulled(dhidden, Some(factor))
            }
        })
    }

    /// The gradient of the input, where it is wanted, as [`Write`] says; `x` is needed where
    /// [`Self::reads_input`].
    pub(super) fn push<T: Real>(
        &self,
        Pulled(inward, gated): &Pulled<'_, T>,
        x: Option<&[T]>,
        dx: Option<(&mut [T], Write)>,
        context: &Context<'_, T>,
        gradient: &mut Gradient<'_, T>,
    ) -> Result<()> {
        let (mut dx, write) = dx.map_or((None, Write::Add), |(dx, write)| (Some(dx), write));
        let target = dx.as_deref_mut().map(|dx| (dx, write));
        self.inward
            .backward(x, (inward, self.inner()), target, context, gradient)?;
        if let (Some(map), Some(pulled)) = (&self.gated, gated) {
            let target = dx.map(|dx| (dx, Write::Add));
            map.backward(x, (pulled, self.inner()), target, context, gradient)?;
        }
        Ok(())
    }
}
