//! One projection of a run's newest snapshot, taken apart.
//!
//! ```text
//! W = Σᵢ Aᵢ ⊗ (sᵢ tᵢ)
//! ```
//!
//! | symbol | what | shape |
//! |---|---|---|
//! | `Aᵢ` | slow weights, of all projections where they are shared | `[n, n]` |
//! | `sᵢ` | fast weights | `[in/n, r]` |
//! | `tᵢ` | fast weights | `[r, out/n]` |

use candle_core::{Device, Tensor};
use compacter_core::event::factors::{Branch, Place, ProjectionFactors, Role, Stack};
use compacter_core::peft::factors::{Fast, KroneckerSum, recorded};

use super::history::snapshot;
use super::{Run, place};
use crate::error::{NotebookError, Result};
use crate::show::html::{append, facts, plain_facts, title};
use crate::show::number::short;
use crate::show::{Bundle, Rich, Table};

mod heat;

/// A projection as it is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Layer {
    /// Its place in the snapshot, from 0, in the order of the forward pass.
    At(usize),
    /// Its short name, such as `enc.1 attn down`, or its whole one.
    Named(String),
}

impl From<usize> for Layer {
    fn from(at: usize) -> Self {
        Self::At(at)
    }
}

impl From<&str> for Layer {
    fn from(name: &str) -> Self {
        Self::Named(name.to_owned())
    }
}

impl From<String> for Layer {
    fn from(name: String) -> Self {
        Self::Named(name)
    }
}

/// A projection `W: [in, out]` as a snapshot recorded it.
#[derive(Debug, Clone, PartialEq)]
pub struct Factors {
    /// Its short name, such as `enc.1 attn down`.
    pub label: String,
    /// Optimizer steps done.
    pub step: u64,
    /// What was recorded of it: norms, drift, spectrum.
    pub recorded: ProjectionFactors,
    /// The factors themselves; `None` where the snapshot leaves them out.
    pub sum: Option<KroneckerSum>,
}

/// The projection of a run's newest snapshot.
pub(super) fn of(run: &Run, layer: &Layer) -> Result<Factors> {
    let source = run.source()?;
    let newest = source.view().factors.iter().rev().find_map(snapshot);
    let Some((step, snapshot)) = newest else {
        return Err(none(run));
    };
    let labels: Vec<String> = snapshot
        .projections
        .iter()
        .map(|p| label(p.place))
        .collect();
    let at = match layer {
        Layer::At(at) if *at < labels.len() => *at,
        Layer::At(at) => return Err(no_layer(&at.to_string(), &labels)),
        Layer::Named(name) => {
            let asked = plain(name);
            let is_it = |at: &usize| {
                plain(&labels[*at]) == asked || plain(&snapshot.projections[*at].name) == asked
            };
            let found = (0..labels.len()).find(is_it);
            found.ok_or_else(|| no_layer(name, &labels))?
        }
    };
    Ok(Factors {
        label: labels[at].clone(),
        step,
        recorded: snapshot.projections[at].clone(),
        sum: recorded(snapshot, at)?,
    })
}

/// Why a run has no factors.
pub(super) fn none(run: &Run) -> NotebookError {
    let message = format!(
        "{}: no snapshot of factors is recorded",
        run.path().display()
    );
    let hint = match run.config() {
        Ok(config) if !config.method.kind.has_projections() => format!(
            "the method `{}` trains no projections of its own; `compacter`, `lora` and `adapter` do",
            config.method.kind.as_str()
        ),
        Ok(config) if config.watch.factors_every == 0 => {
            "watch.factors_every is 0, which turns them off: `run.set(\"watch.factors_every\", 20)?`".to_owned()
        }
        _ => "the first one comes with the first steps: wait a moment".to_owned(),
    };
    NotebookError::NoFactors { message, hint }
}

pub(super) fn no_layer(asked: &str, labels: &[String]) -> NotebookError {
    let near = place::nearest(asked, labels.iter().map(String::as_str));
    let mut hint = near.map_or_else(String::new, |near| format!("did you mean `{near}`? "));
    let first = labels
        .iter()
        .take(8)
        .map(String::as_str)
        .collect::<Vec<_>>()
        .join(", ");
    append(
        &mut hint,
        format_args!(
            "there are {}, by place 0 to {}: {first}",
            labels.len(),
            labels.len() - 1
        ),
    );
    if labels.len() > 8 {
        hint += ", …";
    }
    NotebookError::NoLayer {
        asked: asked.to_owned(),
        hint,
    }
}

/// A name as it is compared: case, arrows and spaces do not count.
pub(super) fn plain(name: &str) -> String {
    let name = name.to_lowercase().replace('↓', "down").replace('↑', "up");
    name.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A place such as `enc.1 attn down`; blocks count from 1 for people.
pub(super) fn label(place: Place) -> String {
    let stack = match place.stack {
        Stack::Encoder => "enc",
        Stack::Decoder => "dec",
        _ => "other",
    };
    let branch = match place.branch {
        Branch::SelfAttention => "attn",
        Branch::CrossAttention => "cross",
        Branch::FeedForward => "ffn",
        _ => "other",
    };
    let role = match place.role {
        Role::Down => "down",
        Role::Up => "up",
        Role::Query => "query",
        Role::Key => "key",
        Role::Value => "value",
        Role::Output => "output",
        _ => "other",
    };
    format!("{stack}.{} {branch} {role}", place.block.saturating_add(1))
}

impl Factors {
    /// `W: [in, out]` in `f64`, which training never builds.
    ///
    /// # Errors
    /// [`NotebookError::NoFactors`] where the snapshot leaves the factors out.
    pub fn matrix(&self) -> Result<Tensor> {
        let (slow, fast) = self.tensors()?;
        let mut whole: Option<Tensor> = None;
        for term in 0..slow.dim(0)? {
            let product = kronecker(&slow.get(term)?, &fast.get(term)?)?;
            whole = Some(match whole {
                Some(sum) => (sum + product)?,
                None => product,
            });
        }
        whole.ok_or_else(|| self.left_out())
    }

    /// `A: [terms, n, n]`, and `B = s t: [terms, in/n, out/n]`, in `f64`.
    ///
    /// # Errors
    /// As [`Self::matrix`].
    pub fn tensors(&self) -> Result<(Tensor, Tensor)> {
        let sum = self.sum.as_ref().ok_or_else(|| self.left_out())?;
        let tensor = |block: &compacter_core::peft::factors::Block| {
            Tensor::from_slice(block.values(), &block.shape(), &Device::Cpu)
        };
        let fast = match sum.fast() {
            Fast::Factored { left, right } => tensor(left)?.matmul(&tensor(right)?)?,
            Fast::Dense(whole) => tensor(whole)?,
        };
        Ok((tensor(sum.slow())?, fast))
    }

    fn left_out(&self) -> NotebookError {
        NotebookError::NoFactors {
            message: format!("{}: its entries are not in the snapshot", self.label),
            hint: "they are left out of dense and of very large projections".to_owned(),
        }
    }

    fn said(&self) -> Vec<(&'static str, String)> {
        let [rows, columns] = self.recorded.shape;
        let mut said = vec![
            ("step", self.step.to_string()),
            ("W", format!("{rows} × {columns}")),
            ("norm", short(self.recorded.norm)),
            ("drift", short(self.recorded.drift)),
        ];
        let rank = self.recorded.effective_rank;
        said.extend(rank.map(|rank| ("effective rank", format!("{rank:.2}"))));
        said
    }

    /// Singular values of `W`, largest first.
    fn spectrum(&self) -> Table {
        let mut table = Table::new(["", "singular value"]);
        for (at, value) in self.recorded.spectrum.iter().enumerate() {
            table.push([(at + 1).into(), crate::show::Cell::from(*value)]);
        }
        table
    }
}

/// `A ⊗ B: [p·rows, q·columns]` of `A: [p, q]` and `B: [rows, columns]`.
fn kronecker(a: &Tensor, b: &Tensor) -> candle_core::Result<Tensor> {
    let ((p, q), (rows, columns)) = (a.dims2()?, b.dims2()?);
    let a = a.reshape((p, 1, q, 1))?;
    let b = b.reshape((1, rows, 1, columns))?;
    a.broadcast_mul(&b)?.reshape((p * rows, q * columns))
}

impl Rich for Factors {
    fn bundle(&self) -> Bundle {
        let mut plain = format!("{}: {}", self.label, plain_facts(self.said()));
        let mut html = title(&self.label) + &facts(self.said());
        if let Some(sum) = &self.sum {
            html += &heat::maps(sum);
        }
        if !self.recorded.spectrum.is_empty() {
            html += &heat::bars("spectrum", &self.recorded.spectrum);
            append(&mut plain, format_args!("\n{}", self.spectrum().to_text()));
        }
        Bundle::plain(plain).with_html(html)
    }
}
