//! How a method shows its factors: which trained tensors make up which projection.
//!
//! | method | `A` | `B` |
//! |---|---|---|
//! | `compacter` | `slow`, or `….slow` | `….left`, `….right`, or `….fast` whole |
//! | `lora`, `dora` | the number `α/r` | `….lora_a`, `….lora_b`, transposed |
//! | `adapter` and its like | the number 1 | `….weight`, transposed |
//! | `low-rank` | the number 1 | `….left`, `….right` |
//! | others | – | nothing to show |
//!
//! Places come from the sites that the backbone offers, in the order of its forward pass;
//! neither method nor backbone has to know.

use super::{Block, Fast, KroneckerSum};
use crate::config::{DoraConfig, FastWeights, Method, SlowWeights};
use crate::event::factors::{Branch, Entries, Factors, Place, Role, SlowPart as Recorded, Stack};
use crate::model::Model;
use crate::model::site::{self, Backbone, Projection, Site, SiteSlot};
use crate::peft::Trainables;
use crate::{Error, Result};

/// A projection and the names of what it is made of.
#[derive(Debug, Clone, PartialEq)]
pub struct View {
    /// Name, such as `encoder.block.0.layer.1.adapter.down`.
    pub name: String,
    /// Where it stands.
    pub place: Place,
    /// Its left factors.
    pub slow: SlowPart,
    /// Its right factors.
    pub fast: FastPart,
}

/// What the left factors `Aᵢ` of a projection are.
#[derive(Debug, Clone, PartialEq)]
pub enum SlowPart {
    /// A tensor `[n, n, n]`, trained or constant, often of several projections.
    Weights(String),
    /// One term, whose `A` is this number.
    Scale(f64),
}

/// What the right factors `Bᵢ` of a projection are, by the names of trained tensors.
#[derive(Debug, Clone, PartialEq)]
pub enum FastPart {
    /// `s: [n, in/n, r]` and `t: [n, r, out/n]`.
    Factored {
        /// `s`
        left: String,
        /// `t`
        right: String,
    },
    /// `B: [n, in/n, out/n]`.
    Whole(String),
    /// A low-rank update's `a: [r, in]` and `b: [out, r]`.
    LowRank {
        /// `sᵀ`
        a: String,
        /// `tᵀ`
        b: String,
    },
    /// A dense weight `[out, in]`.
    Dense(String),
}

/// A tensor's values on the CPU, as what a [`View`] is read from.
#[derive(Debug, Clone, PartialEq)]
pub struct Array {
    /// Its shape.
    pub shape: Vec<usize>,
    /// Its values, the last index fastest.
    pub values: Vec<f64>,
}

impl View {
    /// Names of the tensors that are this projection's own fast weights.
    #[must_use]
    pub fn fast_names(&self) -> Vec<&str> {
        match &self.fast {
            FastPart::Factored { left, right } => vec![left, right],
            FastPart::LowRank { a, b } => vec![a, b],
            FastPart::Whole(name) | FastPart::Dense(name) => vec![name],
        }
    }

    /// Puts the projection together from tensors that `read` gives by name.
    ///
    /// # Errors
    /// Passes on what `read` fails with; [`Error::Shape`] for tensors that do not fit.
    pub fn read(&self, read: &dyn Fn(&str) -> Result<Array>) -> Result<KroneckerSum> {
        let fast = match &self.fast {
            FastPart::Factored { left, right } => Fast::Factored {
                left: read(left)?.into_block()?,
                right: read(right)?.into_block()?,
            },
            FastPart::Whole(name) => Fast::Dense(read(name)?.into_block()?),
            FastPart::LowRank { a, b } => Fast::Factored {
                left: read(a)?.into_block()?.transposed(),
                right: read(b)?.into_block()?.transposed(),
            },
            FastPart::Dense(name) => Fast::Dense(read(name)?.into_block()?.transposed()),
        };
        let slow = match &self.slow {
            SlowPart::Weights(name) => read(name)?.into_block()?,
            SlowPart::Scale(scale) => Block::new([1; 3], vec![*scale])?,
        };
        KroneckerSum::new(slow, fast)
    }
}

impl Array {
    /// The tensor as a block; a matrix is a block of one.
    ///
    /// # Errors
    /// [`Error::Method`] for other numbers of dimensions, [`Error::Shape`] where there are
    /// too few or too many values.
    pub fn into_block(self) -> Result<Block> {
        let shape = match self.shape[..] {
            [rows, columns] => [1, rows, columns],
            [count, rows, columns] => [count, rows, columns],
            _ => {
                let message = format!("a factor has two or three dimensions, not {:?}", self.shape);
                return Err(Error::method(message));
            }
        };
        Block::new(shape, self.values)
    }
}

/// The projections that an installed method shows, in the order of the forward pass.
///
/// # Errors
/// Passes on what the backbone fails with.
pub fn views(method: &Method, trainables: &Trainables, model: &mut Model) -> Result<Vec<View>> {
    let encoder_layers = model.shape.encoder_layers;
    let mut found = Vec::new();
    model.visit_sites(&mut |site, slot| {
        for (name, role) in named(site, slot) {
            let place = place(site, role, encoder_layers);
            let Some((slow, fast)) = parts(method, &name) else {
                continue;
            };
            let view = View {
                name,
                place,
                slow,
                fast,
            };
            let names = view.fast_names();
            if names
                .iter()
                .all(|name| trainables.parameter(name).is_some())
            {
                found.push(view);
            }
        }
        Ok(())
    })?;
    Ok(found)
}

/// The projections that can stand at a site, by the names that methods give them.
fn named(site: &Site<'_>, slot: SiteSlot<'_>) -> Vec<(String, Role)> {
    match slot {
        SiteSlot::SubLayer(_) => vec![
            (format!("{}.adapter.down", site.path), Role::Down),
            (format!("{}.adapter.up", site.path), Role::Up),
        ],
        SiteSlot::Linear(projection, map) => {
            let role = match projection {
                Projection::Query => Role::Query,
                Projection::Key => Role::Key,
                Projection::Value => Role::Value,
                Projection::Output => Role::Output,
                Projection::In | Projection::Out => return Vec::new(),
            };
            vec![(map.path.clone(), role)]
        }
        _ => Vec::new(),
    }
}

fn place(site: &Site<'_>, role: Role, encoder_layers: usize) -> Place {
    let (stack, first) = match site.stack {
        site::Stack::Encoder => (Stack::Encoder, 0),
        site::Stack::Decoder => (Stack::Decoder, encoder_layers),
    };
    let branch = match site.branch {
        site::Branch::SelfAttention => Branch::SelfAttention,
        site::Branch::CrossAttention => Branch::CrossAttention,
        site::Branch::FeedForward => Branch::FeedForward,
    };
    Place {
        stack,
        block: site.block.saturating_sub(first),
        branch,
        role,
    }
}

/// What a method makes the projection of that name of; it need not be there.
fn parts(method: &Method, name: &str) -> Option<(SlowPart, FastPart)> {
    let part = |part: &str| format!("{name}.{part}");
    match method {
        Method::Full
        | Method::Head
        | Method::BitFit
        | Method::LayerNorm
        | Method::Ia3 { .. }
        | Method::Prompt(_)
        | Method::Prefix(_)
        | Method::Said(_) => None,
        Method::Adapter { .. } | Method::Parallel { .. } => {
            Some((SlowPart::Scale(1.0), FastPart::Dense(part("weight"))))
        }
        Method::LowRank { .. } => {
            let (left, right) = (part("left"), part("right"));
            Some((SlowPart::Scale(1.0), FastPart::Factored { left, right }))
        }
        Method::Compacter { phm, .. } => {
            let slow = match phm.slow {
                SlowWeights::Shared => "slow".to_owned(),
                SlowWeights::Own => part("slow"),
            };
            let fast = match phm.fast {
                FastWeights::Factored => FastPart::Factored {
                    left: part("left"),
                    right: part("right"),
                },
                FastWeights::Dense => FastPart::Whole(part("fast")),
            };
            Some((SlowPart::Weights(slow), fast))
        }
        Method::Lora(config) | Method::Dora(DoraConfig { update: config, .. }) => {
            let (a, b) = (part("lora_a"), part("lora_b"));
            let scale = config.alpha / config.rank as f64;
            Some((SlowPart::Scale(scale), FastPart::LowRank { a, b }))
        }
    }
}

/// The projection number `at` of a recorded snapshot, to the eleven bits of its entries;
/// `None` where the snapshot has no entries of it.
///
/// # Errors
/// [`Error::Method`] or [`Error::Shape`] when the snapshot does not hold together: it may
/// come from anywhere.
pub fn recorded(factors: &Factors, at: usize) -> Result<Option<KroneckerSum>> {
    let Some(projection) = factors.projections.get(at) else {
        return Ok(None);
    };
    let name = &projection.name;
    let read = |entries: &Entries| {
        let values = entries.decode();
        let values = values.map_err(|message| Error::method(format!("{name}: {message}")))?;
        let shape = entries.shape.clone();
        Array { shape, values }.into_block()
    };
    let fast = match (&projection.left, &projection.right, &projection.fast) {
        (Some(left), Some(right), _) => Fast::Factored {
            left: read(left)?,
            right: read(right)?,
        },
        (_, _, Some(fast)) => Fast::Dense(read(fast)?),
        _ => return Ok(None),
    };
    let slow = match projection.slow {
        Recorded::Scale(scale) => Block::new([1; 3], vec![scale])?,
        Recorded::Slow(place) => {
            let slow = factors.slow.get(place);
            let missing = || Error::method(format!("{name}: no slow weights number {place}"));
            read(&slow.ok_or_else(missing)?.entries)?
        }
    };
    let sum = KroneckerSum::new(slow, fast)?;
    if sum.shape() != projection.shape {
        return Err(Error::Shape {
            what: name.clone(),
            expected: projection.shape.to_vec(),
            found: sum.shape().to_vec(),
        });
    }
    Ok(Some(sum))
}
