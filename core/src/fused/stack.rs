//! A stack of residual branches.
//!
//! The backward pass stops below the first branch in which anything is trained, and nothing
//! below it is kept in the forward pass: with frozen norms, the lowest branch costs no
//! backward pass but its adapter's.

use super::attention::{Elsewhere, Looks, Rows};
use super::branch::{Branch, Inner, Kept, Wanted};
use super::buffers::Buffer;
use super::norm::Norm;
use super::param::{Gradient, Param};
use super::{Context, Keep, Planner};
use crate::Result;
use crate::model::outline::StackOutline;
use crate::model::t5::RelativeBias;
use crate::ops::Segments;
use crate::ops::attention::Bias;
use crate::ops::cpu::{Real, Write};

/// A stack.
#[derive(Debug)]
pub(super) struct Stack {
    dropout: String, // on its input
    branches: Vec<Branch>,
    relative: Option<Relative>,
    last: Option<(Norm, String)>, // the norm at the end, and its dropout
    first: Option<usize>,         // the lowest branch with something trained
    narrows: Option<usize>,       // the branch after which only first rows are computed
}

/// Which rows of each sequence are read from a stack's output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Read {
    All,
    First,
}

/// The bias by relative position of all self-attentions.
#[derive(Debug)]
struct Relative {
    positions: RelativeBias,
    table: Param, // [buckets, h]
    heads: usize,
}

/// What the backward pass reads.
pub(super) struct Run<'s, T> {
    held: Vec<Held<'s, T>>, // from the lowest trained branch on
    last: Option<Buffer<'s, T>>,
    bias: Option<Buffer<'s, T>>, // [h, q, k] of the longest sequence
    buckets: Vec<u32>,           // [q · k] of the longest sequence
    longest: usize,
}

/// What is held of one branch.
enum Held<'s, T> {
    /// All that its backward pass reads.
    Kept(Box<Kept<'s, T>>),
    /// Its input: the backward pass runs it forward once more.
    Input(Buffer<'s, T>),
}

/// The encoder as a decoder sees it.
pub(super) struct Memory<'a, 's, T> {
    pub(super) rows: Rows<'a, T>,
    /// The gradient of its output, where anything in it is trained.
    pub(super) gradient: Option<&'a mut Buffer<'s, T>>,
}

impl Stack {
    pub(super) fn plan(
        outline: &StackOutline<'_>,
        read: Read,
        planner: Planner<'_>,
    ) -> Result<Self> {
        let branches = outline
            .branches
            .iter()
            .map(|branch| Branch::plan(branch, planner))
            .collect::<Result<Vec<_>>>()?;
        let relative = outline
            .relative
            .map(|relative| Relative::plan(relative, planner))
            .transpose()?;
        let last = outline
            .last
            .map(|norm| -> Result<_> { Ok((Norm::plan(norm, planner)?, norm.path.clone())) });
        let first = if relative
            .as_ref()
            .is_some_and(|bias| bias.table.is_trained())
        {
            Some(0)
        } else {
            branches.iter().position(Branch::is_trained)
        };
        // Rows mix in attention only: after the last one each is on its own.
        let narrows = match read {
            Read::All => None,
            Read::First => branches
                .iter()
                .rposition(|branch| !branch.is_rowwise())
                .filter(|&last| branches[last].can_narrow()),
        };
        Ok(Self {
            dropout: outline.dropout.to_owned(),
            branches,
            relative,
            last: last.transpose()?,
            first,
            narrows,
        })
    }

    /// Whether the output is the first row of each sequence alone.
    pub(super) fn narrows(&self) -> bool {
        self.narrows.is_some()
    }

    /// Whether anything here is trained.
    pub(super) fn is_trained(&self) -> bool {
        self.first.is_some()
            || self
                .last
                .as_ref()
                .is_some_and(|(norm, _)| norm.is_trained())
    }

    /// Runs embedded rows through all branches; `below` says whether something below is
    /// trained.
    pub(super) fn forward<'s, T: Real>(
        &'s self,
        mut h: Buffer<'s, T>,
        segments: &Segments,
        (memory, below): (Option<Rows<'_, T>>, bool),
        context: &Context<'s, T>,
    ) -> Result<(Buffer<'s, T>, Run<'s, T>)> {
        context.drop(&mut h, context.pass.noise(&self.dropout));
        let longest = segments.longest();
        let (buckets, bias) = match &self.relative {
            Some(relative) => {
                let buckets = relative.positions.buckets(0..longest, longest);
                let bias = relative.spread(&buckets, longest, context)?;
                (buckets, Some(bias))
            }
            None => (Vec::new(), None),
        };
        let first = match context.keep {
            Keep::Nothing => None,
            Keep::Inputs | Keep::All => self.first(below),
        };
        let mut held = Vec::new();
        let of_first = self.narrows.map(|_| context.of_first_rows(segments));
        for (at, branch) in self.branches.iter().enumerate() {
            let context = self.at(at, (context, of_first.as_ref()));
            let looks = self.looks(at, memory, (bias.as_deref(), longest));
            let wanted = first.is_some_and(|first| at >= first);
            let input = (wanted && context.keep == Keep::Inputs).then(|| context.buffers.copy(&h));
            let (next, kept) = branch.forward(h, (segments, looks), context)?;
            if wanted {
                held.push(match input {
                    Some(input) => Held::Input(input),
                    None => Held::Kept(Box::new(kept)),
                });
            }
            h = next;
        }
        let last = match &self.last {
            None => None,
            Some((norm, dropout)) => {
                let mut normed = context.buffers.take(h.len());
                norm.forward(&h, &mut normed, context)?;
                context.drop(&mut normed, context.pass.noise(dropout));
                Some(std::mem::replace(&mut h, normed))
            }
        };
        let run = Run {
            held,
            last,
            bias,
            buckets,
            longest,
        };
        Ok((h, run))
    }

    /// The context of a branch: that of first rows above the one that narrows.
    fn at<'c, 's, T>(
        &self,
        branch: usize,
        (whole, of_first): (&'c Context<'s, T>, Option<&'c Context<'s, T>>),
    ) -> &'c Context<'s, T> {
        match (self.narrows, of_first) {
            (Some(narrows), Some(of_first)) if branch > narrows => of_first,
            _ => whole,
        }
    }

    /// Where a branch's attention looks.
    fn looks<'a, T>(
        &self,
        branch: usize,
        memory: Option<Rows<'a, T>>,
        (bias, longest): (Option<&'a [T]>, usize),
    ) -> Looks<'a, T> {
        if let (Inner::CrossAttention(_), Some(memory)) = (&self.branches[branch].inner, memory) {
            return Looks::At(memory);
        }
        if self.narrows == Some(branch) {
            return Looks::FromFirst;
        }
        let heads = self.relative.as_ref().map_or(0, |relative| relative.heads);
        Looks::Inside(bias.map(|data| Bias {
            data,
            shape: [heads, longest, longest],
        }))
    }

    /// The lowest branch that gradients go down to.
    fn first(&self, below: bool) -> Option<usize> {
        if below { Some(0) } else { self.first }
    }

    /// From the gradient of the output, that of the embedded rows where something below is
    /// trained.
    pub(super) fn backward<'s, T: Real>(
        &'s self,
        run: Run<'s, T>,
        (mut dh, segments): (Buffer<'s, T>, &Segments),
        (mut memory, below): (Option<Memory<'_, 's, T>>, bool),
        context: &Context<'s, T>,
        gradient: &mut Gradient<'_, T>,
    ) -> Result<Option<Buffer<'s, T>>> {
        if let (Some((norm, dropout)), Some(last)) = (&self.last, &run.last) {
            context.drop(&mut dh, context.pass.noise(dropout));
            let mut inner = context.buffers.take(dh.len());
            let target = (&mut *inner, Write::Replace);
            norm.backward((last, &dh), target, context, gradient)?;
            dh = inner;
        }
        std::mem::drop(run.last);
        let Some(first) = self.first(below) else {
            return Ok(None);
        };
        let trained = self
            .relative
            .as_ref()
            .filter(|bias| bias.table.is_trained());
        let shape = [
            trained.map_or(0, |bias| bias.heads),
            run.longest,
            run.longest,
        ];
        let mut dbias = trained.map(|_| context.buffers.zeros(shape.iter().product()));
        let of_first = self.narrows.map(|_| context.of_first_rows(segments));
        let branches = self.branches.iter().enumerate().skip(first);
        for ((at, branch), held) in branches.zip(run.held).rev() {
            let context = self.at(at, (context, of_first.as_ref()));
            let kept = match held {
                Held::Kept(kept) => *kept,
                Held::Input(input) => {
                    let rows = memory.as_ref().map(|memory| memory.rows);
                    let looks = self.looks(at, rows, (run.bias.as_deref(), run.longest));
                    branch.forward(input, (segments, looks), context)?.1
                }
            };
            // The bias's table is read by every self-attention, the lowest one's too.
            let wanted = if at > first || below || trained.is_some() {
                Wanted::Input
            } else {
                Wanted::Own
            };
            let looks_inside = matches!(branch.inner, Inner::SelfAttention(_));
            let elsewhere = Elsewhere {
                memory: memory.as_mut().map(|memory| {
                    let gradient = memory.gradient.as_deref_mut();
                    (memory.rows.rows, gradient.map(|gradient| &mut **gradient))
                }),
                bias: dbias
                    .as_mut()
                    .filter(|_| looks_inside)
                    .map(|dbias| (&mut **dbias, shape)),
            };
            match branch.backward(kept, dh, (wanted, elsewhere), context, gradient)? {
                Some(next) => dh = next,
                None => return Ok(None),
            }
        }
        if let (Some(relative), Some(dbias)) = (trained, dbias) {
            relative.add_gradient(&dbias, &run.buckets, gradient);
        }
        context.drop(&mut dh, context.pass.noise(&self.dropout));
        Ok(below.then_some(dh))
    }
}

impl Relative {
    fn plan(relative: &RelativeBias, planner: Planner<'_>) -> Result<Self> {
        let (_, heads) = relative.table().stored().dims2()?;
        Ok(Self {
            positions: relative.clone(),
            table: Param::of(relative.table(), "relative_attention_bias", planner)?,
            heads,
        })
    }

    /// The bias `[h, longest, longest]`; −∞ where a query may not look.
    fn spread<'s, T: Real>(
        &self,
        buckets: &[u32],
        longest: usize,
        context: &Context<'s, T>,
    ) -> Result<Buffer<'s, T>> {
        let table = self.table.read(context.values)?;
        let mut bias = context.buffers.take(self.heads * longest * longest);
        for (head, bias) in bias
            .chunks_exact_mut((longest * longest).max(1))
            .enumerate()
        {
            for (place, (bias, &bucket)) in bias.iter_mut().zip(buckets).enumerate() {
                let later = place % longest > place / longest;
                *bias = if later && self.positions.is_causal() {
                    T::NEG_INFINITY
                } else {
                    table[bucket as usize * self.heads + head]
                };
            }
        }
        Ok(bias)
    }

    fn add_gradient<T: Real>(&self, dbias: &[T], buckets: &[u32], gradient: &mut Gradient<'_, T>) {
        let Some(sum) = gradient.of(&self.table) else {
            return;
        };
        for (head, dbias) in dbias.chunks_exact(buckets.len().max(1)).enumerate() {
            for (&d, &bucket) in dbias.iter().zip(buckets) {
                sum[bucket as usize * self.heads + head] += d;
            }
        }
    }
}
