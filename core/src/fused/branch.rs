//! A residual branch: norm, attention or feed-forward, adapter, residual.
//!
//! ```text
//! T5     n = norm(h)   y = inner(n)                       h' = join(h, y)
//! BERT                 y = inner(h)   s = join(h, y)      h' = norm(s)
//! ```
//!
//! where `join` is `h + D(y)`, or one of the forms with an adapter that
//! [`Reads`](crate::model::site::Reads) lists.

use super::adapter::Adapter;
use super::attention::{self, Attention, Elsewhere, Looks, Rows};
use super::buffers::Buffer;
use super::elementwise::{add, add_to_first_rows, first_rows};
use super::feed_forward::{self, FeedForward};
use super::norm::Norm;
use super::param::Gradient;
use super::{Context, Planner};
use crate::model::outline::{BranchOutline, Inner as Outlined, NormOrder};
use crate::model::site::Reads;
use crate::ops::Segments;
use crate::ops::cpu::{Real, Write};
use crate::random::Key;
use crate::{Error, Result};

/// A residual branch.
#[derive(Debug)]
pub(super) struct Branch {
    norm: Norm,
    order: NormOrder,
    pub(super) inner: Inner,
    adapter: Option<Adapter>,
    dropout: String,
}

#[derive(Debug)]
pub(super) enum Inner {
    SelfAttention(Attention),
    CrossAttention(Attention),
    FeedForward(FeedForward),
}

/// What the backward pass reads.
pub(super) struct Kept<'s, T> {
    input: Option<Buffer<'s, T>>, // h
    first: Option<Segments>,      // where sequences lie whose first rows alone went on
    inner: InnerKept<'s, T>,
    adapter: Option<AdapterKept<'s, T>>,
    sum: Option<Buffer<'s, T>>, // s, where it is normed (BERT)
}

enum InnerKept<'s, T> {
    Attention(Box<attention::Kept<'s, T>>),
    FeedForward(feed_forward::Kept<'s, T>),
}

struct AdapterKept<'s, T> {
    read: Buffer<'s, T>, // what it read, or, in BERT, what the norm before it did
    z: Buffer<'s, T>,
}

/// What is wanted of a backward pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wanted {
    /// Gradients of what is trained in the branch.
    Own,
    /// That of the branch's input too.
    Input,
}

impl Branch {
    pub(super) fn plan(outline: &BranchOutline<'_>, planner: Planner<'_>) -> Result<Self> {
        let attention = |attention| Attention::plan(attention, planner);
        let adapter = match outline.junction.module.get() {
            None => None,
            Some(module) => {
                let Some(form) = module.as_adapter() else {
                    return Err(Error::method(format!(
                        "{} holds a module, which the hand-written step does not know",
                        outline.junction.path
                    )));
                };
                Some(Adapter::plan(&form, planner)?)
            }
        };
        Ok(Self {
            norm: Norm::plan(outline.norm, planner)?,
            order: outline.order,
            inner: match &outline.inner {
                Outlined::SelfAttention(heads) => Inner::SelfAttention(attention(heads)?),
                Outlined::CrossAttention(heads) => Inner::CrossAttention(attention(heads)?),
                Outlined::FeedForward {
                    inward,
                    gated,
                    outward,
                    non_linearity,
                    dropout,
                } => Inner::FeedForward(FeedForward::plan(
                    (inward, *gated, outward),
                    *non_linearity,
                    *dropout,
                    planner,
                )?),
            },
            adapter,
            dropout: outline.junction.dropout.clone(),
        })
    }

    /// Whether anything here is trained.
    pub(super) fn is_trained(&self) -> bool {
        self.norm.is_trained() || self.adapter.is_some() || self.is_inner_trained()
    }

    fn is_inner_trained(&self) -> bool {
        match &self.inner {
            Inner::SelfAttention(inner) | Inner::CrossAttention(inner) => inner.is_trained(),
            Inner::FeedForward(inner) => inner.is_trained(),
        }
    }

    fn reads_input(&self) -> bool {
        match &self.inner {
            Inner::SelfAttention(inner) | Inner::CrossAttention(inner) => inner.reads_input(),
            Inner::FeedForward(inner) => inner.reads_input(),
        }
    }

    fn noise<T>(&self, context: &Context<'_, T>) -> Option<(f64, Key)> {
        context.pass.noise(&self.dropout)
    }

    fn norms_first(&self) -> bool {
        self.order == NormOrder::Before
    }

    /// Whether it can give up all rows but the first of each sequence: it attends within
    /// them, and nothing reads the others once it has.
    pub(super) fn can_narrow(&self) -> bool {
        matches!(self.inner, Inner::SelfAttention(_)) && !self.norms_first()
    }

    /// Whether it computes row by row.
    pub(super) fn is_rowwise(&self) -> bool {
        matches!(self.inner, Inner::FeedForward(_))
    }

    /// The new hidden state, of first rows only where attention looks from them only, and
    /// what the backward pass will read.
    pub(super) fn forward<'s, T: Real>(
        &'s self,
        h: Buffer<'s, T>,
        (segments, looks): (&Segments, Looks<'_, T>),
        context: &Context<'s, T>,
    ) -> Result<(Buffer<'s, T>, Kept<'s, T>)> {
        let narrows = matches!(looks, Looks::FromFirst);
        let first = narrows.then(|| first_rows(&h, segments, context.buffers));
        let residual = first.as_deref().unwrap_or(&h);
        let mut y = context.buffers.take(residual.len());
        let normed = self.normed(&h, context)?;
        let rows = normed.as_deref().unwrap_or(&h);
        let inner = match &self.inner {
            Inner::SelfAttention(inner) | Inner::CrossAttention(inner) => {
                let rows = Rows { rows, segments };
                let kept = inner.forward(rows, looks, &mut y, context)?;
                InnerKept::Attention(Box::new(kept))
            }
            Inner::FeedForward(inner) => {
                InnerKept::FeedForward(inner.forward(rows, &mut y, context)?)
            }
        };
        std::mem::drop(normed);
        let of_first = narrows.then(|| context.of_first_rows(segments));
        let own = of_first.as_ref().unwrap_or(context);
        let (sum, adapter) = self.join(residual, y, own)?;
        std::mem::drop(first);
        let (next, sum) = if self.norms_first() {
            (sum, None)
        } else {
            let mut next = context.buffers.take(sum.len());
            self.norm.forward(&sum, &mut next, context)?;
            (next, Some(sum))
        };
        let input = (self.norms_first() || self.reads_input()).then_some(h);
        let kept = Kept {
            input,
            first: narrows.then(|| segments.clone()),
            inner,
            adapter,
            sum,
        };
        Ok((next, kept))
    }

    /// What the inner part reads, where that is not the hidden state itself.
    fn normed<'s, T: Real>(
        &self,
        h: &[T],
        context: &Context<'s, T>,
    ) -> Result<Option<Buffer<'s, T>>> {
        if !self.norms_first() {
            return Ok(None);
        }
        let mut normed = context.buffers.take(h.len());
        self.norm.forward(h, &mut normed, context)?;
        Ok(Some(normed))
    }

    fn join<'s, T: Real>(
        &'s self,
        h: &[T],
        mut y: Buffer<'s, T>,
        context: &Context<'s, T>,
    ) -> Result<(Buffer<'s, T>, Option<AdapterKept<'s, T>>)> {
        let noise = self.noise(context);
        let Some(adapter) = &self.adapter else {
            context.drop(&mut y, noise);
            add(&mut y, h);
            return Ok((y, None));
        };
        let buffers = context.buffers;
        let (sum, read, z) = match adapter.reads {
            Reads::Output => {
                let mut sum = buffers.copy(&y);
                let z = adapter.forward(&y, &mut sum, context)?;
                context.drop(&mut sum, noise);
                add(&mut sum, h);
                (sum, y, z)
            }
            Reads::Dropped => {
                context.drop(&mut y, noise);
                let mut sum = buffers.copy(&y);
                add(&mut sum, h);
                let z = adapter.forward(&y, &mut sum, context)?;
                (sum, y, z)
            }
            Reads::Sum => {
                context.drop(&mut y, noise);
                add(&mut y, h);
                let mut sum = buffers.copy(&y);
                let z = if self.norms_first() {
                    adapter.forward(&y, &mut sum, context)?
                } else {
                    let mut normed = buffers.take(y.len());
                    self.norm.forward(&y, &mut normed, context)?;
                    adapter.forward(&normed, &mut sum, context)?
                };
                (sum, y, z)
            }
        };
        Ok((sum, Some(AdapterKept { read, z })))
    }

    /// From the gradient of the new hidden state, that of the old one where it is wanted.
    pub(super) fn backward<'s, T: Real>(
        &'s self,
        kept: Kept<'s, T>,
        dnext: Buffer<'s, T>,
        (wanted, mut elsewhere): (Wanted, Elsewhere<'_, T>),
        context: &Context<'s, T>,
        gradient: &mut Gradient<'_, T>,
    ) -> Result<Option<Buffer<'s, T>>> {
        let (whole, first) = (context, kept.first.as_ref());
        let of_first = first.map(|segments| whole.of_first_rows(segments));
        let context = of_first.as_ref().unwrap_or(whole);
        let mut dsum = dnext;
        if let Some(sum) = &kept.sum {
            let mut inner = context.buffers.take(dsum.len());
            let target = (&mut *inner, Write::Replace);
            self.norm
                .backward((sum, &dsum), target, context, gradient)?;
            dsum = inner;
        }
        let dy = self.part(&mut dsum, kept.adapter, context, gradient)?;
        let further = wanted == Wanted::Input
            || self.is_inner_trained()
            || (self.norms_first() && self.norm.is_trained());
        if !further {
            return Ok(None);
        }
        let gradients = dy.as_deref().unwrap_or(&dsum);
        let pulled = match (&self.inner, kept.inner) {
            (
                Inner::SelfAttention(inner) | Inner::CrossAttention(inner),
                InnerKept::Attention(kept),
            ) => PulledInner::Attention(
                inner,
                inner.pull(*kept, gradients, &mut elsewhere, context, gradient)?,
            ),
            (Inner::FeedForward(inner), InnerKept::FeedForward(kept)) => {
                PulledInner::FeedForward(inner, inner.pull(kept, gradients, context, gradient)?)
            }
            _ => return Err(Error::method("a branch kept what another one reads")),
        };
        std::mem::drop(dy);
        if let (Some(segments), PulledInner::Attention(inner, pulled)) = (first, &pulled) {
            let x = (kept.input.as_deref(), segments);
            if wanted == Wanted::Own {
                inner.push_first(pulled, x, None, whole, gradient)?;
                return Ok(None);
            }
            let width = dsum.len() / segments.batch().max(1);
            let mut dx = whole.buffers.take(segments.tokens() * width);
            let targets = Some((&mut *dsum, &mut *dx));
            inner.push_first(pulled, x, targets, whole, gradient)?;
            add_to_first_rows(&mut dx, &dsum, segments);
            return Ok(Some(dx));
        }
        let mut push =
            |x: Option<&[T]>, dx: Option<(&mut [T], Write)>, gradient: &mut _| match &pulled {
                PulledInner::Attention(inner, pulled) => {
                    inner.push(pulled, x, dx, &mut elsewhere, context, gradient)
                }
                PulledInner::FeedForward(inner, pulled) => {
                    inner.push(pulled, x, dx, context, gradient)
                }
            };
        if !self.norms_first() {
            let dx = (wanted == Wanted::Input).then_some((&mut *dsum, Write::Add));
            push(kept.input.as_deref(), dx, gradient)?;
            return Ok((wanted == Wanted::Input).then_some(dsum));
        }
        let h = kept.input.as_deref();
        let h = h.ok_or_else(|| Error::method("the input of a norm was not kept"))?;
        let normed = if self.reads_input() {
            self.normed(h, context)?
        } else {
            None
        };
        let mut dnormed = context.buffers.take(h.len());
        let target = Some((&mut *dnormed, Write::Replace));
        push(normed.as_deref(), target, gradient)?;
        std::mem::drop(normed);
        let target = (&mut *dsum, Write::Add);
        self.norm
            .backward((h, &dnormed), target, context, gradient)?;
        Ok(Some(dsum))
    }

    /// Takes the gradient of the sum apart: `dsum` becomes that of the residual, and that of
    /// the raw output comes back where it is another.
    fn part<'s, T: Real>(
        &'s self,
        dsum: &mut Buffer<'s, T>,
        kept: Option<AdapterKept<'s, T>>,
        context: &Context<'s, T>,
        gradient: &mut Gradient<'_, T>,
    ) -> Result<Option<Buffer<'s, T>>> {
        let noise = self.noise(context);
        let (Some(adapter), Some(AdapterKept { read, z })) = (&self.adapter, kept) else {
            return Ok(noise.is_some().then(|| {
                let mut dy = context.buffers.copy(dsum);
                context.drop(&mut dy, noise);
                dy
            }));
        };
        let mut dy = context.buffers.copy(dsum);
        match adapter.reads {
            Reads::Output => {
                context.drop(&mut dy, noise);
                let mut dread = context.buffers.copy(&dy);
                let kept = (&*read, &*z, &*dy);
                adapter.backward(kept, Some(&mut dread), context, gradient)?;
                Ok(Some(dread))
            }
            Reads::Dropped => {
                let kept = (&*read, &*z, &**dsum);
                adapter.backward(kept, Some(&mut dy), context, gradient)?;
                context.drop(&mut dy, noise);
                Ok(Some(dy))
            }
            Reads::Sum => {
                if self.norms_first() {
                    let kept = (&*read, &*z, &*dy);
                    adapter.backward(kept, Some(dsum), context, gradient)?;
                } else {
                    let mut normed = context.buffers.take(read.len());
                    self.norm.forward(&read, &mut normed, context)?;
                    let mut dnormed = context.buffers.zeros(read.len());
                    let kept = (&*normed, &*z, &*dy);
                    adapter.backward(kept, Some(&mut dnormed), context, gradient)?;
                    let target = (&mut **dsum, Write::Add);
                    self.norm
                        .backward((&read, &dnormed), target, context, gradient)?;
                }
                if noise.is_none() {
                    return Ok(None);
                }
                dy.copy_from_slice(dsum);
                context.drop(&mut dy, noise);
                Ok(Some(dy))
            }
        }
    }
}

enum PulledInner<'a, 's, T> {
    Attention(&'a Attention, attention::Pulled<'s, T>),
    FeedForward(&'a FeedForward, feed_forward::Pulled<'s, T>),
}
