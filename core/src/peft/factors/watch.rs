//! Looks at the factors of an installed method: tensors in, an event out.
//!
//! | of | measured | from |
//! |---|---|---|
//! | `W` | `‖W‖`, spectrum, effective rank | the values now |
//! | `W − W₀` | drift | and the initial values, drawn again |
//! | `W − W'` | change | and the values at the look before |
//! | `A`, `s`, `t` | relative change, the gradient's norm | and the last step's gradient |
//!
//! Nothing is written to what it looks at.

use std::collections::HashMap;

use candle_core::{DType, Device, Tensor};

use super::{Array, Block, Fast, KroneckerSum, SlowPart, View, effective_rank, views};
use crate::config::Method;
use crate::event::factors::{self, Entries, Factors, ProjectionFactors, SlowFactors};
use crate::model::Model;
use crate::peft::{Parameter, Trainables};
use crate::{Error, Result};

/// Entries of all projections of a snapshot at most, about 350 kB of text: a Compacter of
/// T5-base has 76,032, a `LoRA` of it ten times as many.
const MOST_ENTRIES: usize = 1 << 17;

/// What the factors of a model are looked at with.
#[derive(Debug)]
pub struct Watch {
    views: Vec<View>,
    /// Slow weights, each once.
    slow: Vec<String>,
    /// The initial values, once they were asked for.
    initial: Option<Seen>,
}

/// What a look compares the present values with. All tensors are `[total]`.
#[derive(Debug, Clone, Copy, Default)]
pub struct Since<'a> {
    /// The values at the look before.
    pub before: Option<&'a Tensor>,
    /// The gradient of the last step.
    pub gradient: Option<&'a Tensor>,
}

/// Slow weights and projections as they were at one time.
#[derive(Debug)]
struct Seen {
    slow: Vec<Block>,
    projections: Vec<KroneckerSum>,
}

/// A flat tensor such as the values, by the names of its views.
struct Flat<'a> {
    views: HashMap<&'a str, &'a Parameter>,
    values: Vec<f64>,
}

impl Watch {
    /// Finds out what there is to look at; nothing is computed yet.
    ///
    /// # Errors
    /// Passes on what the backbone fails with.
    pub fn new(method: &Method, trainables: &Trainables, model: &mut Model) -> Result<Self> {
        let views = views(method, trainables, model)?;
        let mut slow: Vec<String> = Vec::new();
        for view in &views {
            if let SlowPart::Weights(name) = &view.slow
                && slow.last() != Some(name)
            {
                slow.push(name.clone());
            }
        }
        Ok(Self {
            views,
            slow,
            initial: None,
        })
    }

    /// The projections, in the order of the forward pass.
    #[must_use]
    pub fn views(&self) -> &[View] {
        &self.views
    }

    /// Measures the projections as they are now.
    ///
    /// # Errors
    /// Fails where the tensor library does.
    pub fn look(&mut self, trainables: &Trainables, since: Since<'_>) -> Result<Factors> {
        let drawn = |name: &str| drawn(trainables, name);
        let initial = match self.initial.take() {
            Some(initial) => initial,
            None => self.seen(&drawn)?,
        };
        let seen = |flat: &Tensor| {
            let flat = Flat::new(trainables, flat)?;
            // Slow weights that are not trained are what they were drawn as.
            self.seen(&|name| flat.get(name).map_or_else(|| drawn(name), Ok))
        };
        let now = seen(trainables.values())?;
        let before = since.before.map(seen).transpose()?;
        let gradient = since.gradient.map(|flat| Flat::new(trainables, flat));
        let look = Look {
            watch: self,
            now: &now,
            initial: &initial,
            before: before.as_ref(),
            gradient: gradient.transpose()?,
        };
        let factors = look.factors();
        self.initial = Some(initial);
        factors
    }

    fn seen(&self, read: &dyn Fn(&str) -> Result<Array>) -> Result<Seen> {
        let slow = self.slow.iter().map(|name| read(name)?.into_block());
        let projections = self.views.iter().map(|view| view.read(read));
        Ok(Seen {
            slow: slow.collect::<Result<_>>()?,
            projections: projections.collect::<Result<_>>()?,
        })
    }
}

impl<'a> Flat<'a> {
    fn new(trainables: &'a Trainables, flat: &Tensor) -> Result<Self> {
        let parameters = trainables.parameters().iter();
        Ok(Self {
            views: parameters.map(|p| (p.name.as_str(), p)).collect(),
            values: on_cpu(flat)?,
        })
    }

    fn slice(&self, name: &str) -> Option<(&Parameter, &[f64])> {
        let parameter = *self.views.get(name)?;
        let end = parameter.start + parameter.len();
        Some((parameter, self.values.get(parameter.start..end)?))
    }

    fn get(&self, name: &str) -> Option<Array> {
        let (parameter, values) = self.slice(name)?;
        Some(Array {
            shape: parameter.shape.clone(),
            values: values.to_vec(),
        })
    }

    /// Norm of the views named; `None` where there are none.
    fn norm(&self, names: &[&str]) -> Option<f64> {
        let parts = names.iter().map(|name| self.slice(name));
        let parts: Option<Vec<_>> = parts.collect();
        let squares = parts?.into_iter().flat_map(|(_, values)| values);
        Some(squares.map(|x| x * x).sum::<f64>().sqrt())
    }
}

fn drawn(trainables: &Trainables, name: &str) -> Result<Array> {
    let tensor = trainables.drawn(name)?;
    let tensor = tensor.ok_or_else(|| Error::method(format!("{name} has no initial values")))?;
    Ok(Array {
        shape: tensor.dims().to_vec(),
        values: on_cpu(&tensor)?,
    })
}

fn on_cpu(tensor: &Tensor) -> Result<Vec<f64>> {
    let flat = tensor.flatten_all()?.to_device(&Device::Cpu)?;
    Ok(flat.to_dtype(DType::F64)?.to_vec1()?)
}

/// All that a look needs.
struct Look<'a> {
    watch: &'a Watch,
    now: &'a Seen,
    initial: &'a Seen,
    before: Option<&'a Seen>,
    gradient: Option<Flat<'a>>,
}

impl Look<'_> {
    fn factors(&self) -> Result<Factors> {
        let sums = &self.now.projections;
        let entries: usize = sums.iter().map(entries_of).sum();
        let with_entries = entries <= MOST_ENTRIES;
        let slow = (0..self.watch.slow.len()).map(|at| self.slow(at));
        let projections = (0..sums.len()).map(|at| self.projection(at, with_entries));
        Ok(Factors {
            slow: slow.collect::<Result<_>>()?,
            projections: projections.collect::<Result<_>>()?,
        })
    }

    fn slow(&self, at: usize) -> Result<SlowFactors> {
        let (name, now) = (&self.watch.slow[at], &self.now.slow[at]);
        let change = now.relative_change(&self.initial.slow[at]);
        Ok(SlowFactors {
            name: name.clone(),
            entries: encoded(now)?,
            change: change.map(figures),
            gradient_norm: self.gradient_norm(&[name]),
        })
    }

    fn projection(&self, at: usize, with_entries: bool) -> Result<ProjectionFactors> {
        let (view, now) = (&self.watch.views[at], &self.now.projections[at]);
        let initial = &self.initial.projections[at];
        let before = self.before.map(|before| &before.projections[at]);
        let change = before.map(|before| now.drift(before)).transpose()?;
        let spectrum = now.spectrum().unwrap_or_default();
        let rank = (!spectrum.is_empty()).then(|| figures(effective_rank(&spectrum)));
        let [left_change, right_change, fast_change] = changes(now.fast(), initial.fast());
        let mut seen = ProjectionFactors {
            name: view.name.clone(),
            place: view.place,
            shape: now.shape(),
            norm: figures(now.norm()),
            drift: figures(now.drift(initial)?),
            change: change.map(figures),
            gradient_norm: self.gradient_norm(&view.fast_names()),
            effective_rank: rank,
            spectrum: spectrum.into_iter().map(figures).collect(),
            left_change: left_change.map(figures),
            right_change: right_change.map(figures),
            fast_change: fast_change.map(figures),
            slow: self.slow_part(view),
            left: None,
            right: None,
            fast: None,
        };
        match now.fast() {
            Fast::Factored { left, right } if with_entries => {
                seen.left = Some(encoded(left)?);
                seen.right = Some(encoded(right)?);
            }
            Fast::Dense(whole) if with_entries && entries_of(now) > 0 => {
                seen.fast = Some(encoded(whole)?);
            }
            _ => {}
        }
        Ok(seen)
    }

    fn slow_part(&self, view: &View) -> factors::SlowPart {
        match &view.slow {
            SlowPart::Scale(scale) => factors::SlowPart::Scale(*scale),
            SlowPart::Weights(name) => {
                let place = self.watch.slow.iter().position(|slow| slow == name);
                factors::SlowPart::Slow(place.unwrap_or_default())
            }
        }
    }

    fn gradient_norm(&self, names: &[&str]) -> Option<f64> {
        self.gradient.as_ref()?.norm(names).map(figures)
    }
}

/// How many entries of a projection are worth telling: a dense one has no factors.
fn entries_of(sum: &KroneckerSum) -> usize {
    match sum.fast() {
        Fast::Factored { left, right } => left.values().len() + right.values().len(),
        Fast::Dense(_) if sum.slow().shape() == [1; 3] => 0,
        Fast::Dense(whole) => whole.values().len(),
    }
}

/// Relative changes of `s`, `t` and whole `B`.
fn changes(now: &Fast, start: &Fast) -> [Option<f64>; 3] {
    match (now, start) {
        (
            Fast::Factored { left, right },
            Fast::Factored {
                left: left_start,
                right: right_start,
            },
        ) => [
            left.relative_change(left_start),
            right.relative_change(right_start),
            None,
        ],
        (Fast::Dense(whole), Fast::Dense(start)) => [None, None, whole.relative_change(start)],
        _ => [None; 3],
    }
}

fn encoded(block: &Block) -> Result<Entries> {
    Entries::encode(&block.shape(), block.values()).map_err(Error::method)
}

/// A number rounded to six significant digits: more would be noise, and cost most of the
/// size of a snapshot.
fn figures(x: f64) -> f64 {
    format!("{x:.5e}").parse().unwrap_or(x)
}

#[cfg(test)]
mod tests;
