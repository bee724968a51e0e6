//! Everything that is trained, as one flat buffer with named views.
//!
//! Counting, clipping, the optimizer and checkpoints are then one loop each, and the
//! gradient of a step is one slice between backward and update.

use std::collections::{HashMap, HashSet};
use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use candle_core::backprop::GradStore;
use candle_core::{CpuStorage, DType, Device, InplaceOp1, Layout, Tensor, Var};
use rayon::prelude::*;

use super::init::Distribution;
use crate::model::{Model, Weight};
use crate::ops::cpu::Real;
use crate::ops::linear::cast;
use crate::random::Key;
use crate::{Error, Result};

/// A named view of the flat buffer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parameter {
    /// Name, made of the checkpoint's module path and the method's own part.
    pub name: String,
    /// What it counts as; see [`super::group`].
    pub group: &'static str,
    /// Its shape.
    pub shape: Vec<usize>,
    /// Where it starts in the buffer.
    pub start: usize,
}

impl Parameter {
    /// Number of elements.
    #[must_use]
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Whether it has no element.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// The trained tensors of a model.
#[derive(Debug)]
pub struct Trainables {
    parameters: Vec<Parameter>,
    values: Var,     // [total]
    views: Vec<Var>, // what the model computes with; refreshed from `values`
    drawn: Drawn,
    spare: Mutex<Spare>,
}

/// Room for a gradient.
#[derive(Debug, Default)]
struct Spare {
    /// Whether anybody makes gradients in room that was used before.
    wanted: bool,
    gradient: Option<Tensor>, // [total]
}

/// What tensors were drawn from, by name: enough to draw them again.
#[derive(Debug)]
struct Drawn {
    key: Key,
    from: HashMap<String, (Vec<usize>, Distribution)>,
}

impl Trainables {
    /// The named views, in order of the buffer.
    #[must_use]
    pub fn parameters(&self) -> &[Parameter] {
        &self.parameters
    }

    /// Number of trained values.
    #[must_use]
    pub fn total(&self) -> usize {
        self.values.elem_count()
    }

    /// The flat buffer, `[total]`. After writing to it call [`Self::refresh`].
    #[must_use]
    pub fn values(&self) -> &Var {
        &self.values
    }

    /// Where the values behind a tensor that the model computes with stand in the flat
    /// buffer; `None` for one that is not trained.
    #[must_use]
    pub fn range_of(&self, tensor: &Tensor) -> Option<Range<usize>> {
        let at = |view: &Var| view.as_tensor().id() == tensor.id();
        let parameter = &self.parameters[self.views.iter().position(at)?];
        Some(parameter.start..parameter.start + parameter.len())
    }

    /// The named view, if there is one of that name.
    #[must_use]
    pub fn parameter(&self, name: &str) -> Option<&Parameter> {
        self.parameters.iter().find(|p| p.name == name)
    }

    /// What the tensor of that name, trained or constant, was drawn as when the method was
    /// installed: it is drawn again, so no copy of the initial values is kept. `None` for
    /// what did not start from a draw.
    ///
    /// # Errors
    /// Fails where the tensor library does.
    pub fn drawn(&self, name: &str) -> Result<Option<Tensor>> {
        let Some((shape, from)) = self.drawn.from.get(name) else {
            return Ok(None);
        };
        let (key, values) = (self.drawn.key.named(name), &self.values);
        let tensor = from.tensor(key, shape, values.dtype(), values.device())?;
        Ok(Some(tensor))
    }

    /// Lets the model see what was written to the flat buffer.
    ///
    /// # Errors
    /// Fails where the tensor library does.
    pub fn refresh(&self) -> Result<()> {
        for (parameter, view) in self.parameters.iter().zip(&self.views) {
            view.set(&self.slice(&self.values, parameter)?)?;
        }
        Ok(())
    }

    /// Gathers the gradient of every view into one `[total]`; 0 where the loss does not
    /// depend on a view.
    ///
    /// # Errors
    /// Fails where the tensor library does.
    pub fn gradient(&self, store: &GradStore) -> Result<Tensor> {
        let flat = |view: &Var| match store.get(view) {
            Some(gradient) => gradient.flatten_all(),
            None => view.zeros_like()?.flatten_all(),
        };
        let parts = self
            .views
            .iter()
            .map(flat)
            .collect::<candle_core::Result<Vec<_>>>()?;
        Ok(Tensor::cat(&parts, 0)?)
    }

    /// Hands back a gradient that nobody reads any more, clones of it neither: the next one is
    /// made in its room, which for a whole model saves hundreds of megabytes a step from being
    /// asked of the system.
    pub(crate) fn hand_back(&self, gradient: Tensor) {
        let mut spare = self.spare.lock().unwrap_or_else(PoisonError::into_inner);
        spare.gradient = spare.wanted.then_some(gradient);
    }

    /// Zeros `[total]` for a gradient, in the room of one that was handed back.
    pub(crate) fn zeros<T: Real>(&self) -> Result<Vec<T>> {
        let mut spare = self.spare.lock().unwrap_or_else(PoisonError::into_inner);
        spare.wanted = true;
        let mut zeros = match spare.gradient.take() {
            Some(gradient) => taken_out(&gradient)?,
            None => Vec::new(),
        };
        zeros.truncate(self.total());
        zeros.par_iter_mut().for_each(|zero| *zero = T::zero());
        if zeros.is_empty() {
            // Straight from the system, which has zeros.
            zeros = vec![T::zero(); self.total()];
        }
        zeros.resize(self.total(), T::zero());
        Ok(zeros)
    }

    /// The view `parameter` of a flat tensor such as the values or a gradient.
    ///
    /// # Errors
    /// Fails where the tensor library does.
    pub fn slice(&self, flat: &Tensor, parameter: &Parameter) -> Result<Tensor> {
        let part = flat.narrow(0, parameter.start, parameter.len())?;
        Ok(part.reshape(parameter.shape.as_slice())?)
    }

    /// Copies of all views by name, for a checkpoint.
    ///
    /// # Errors
    /// Fails where the tensor library does.
    pub fn named(&self, flat: &Tensor) -> Result<Vec<(String, Tensor)>> {
        let named = |parameter: &Parameter| -> Result<_> {
            Ok((parameter.name.clone(), self.slice(flat, parameter)?.copy()?))
        };
        self.parameters.iter().map(named).collect()
    }

    /// Joins tensors given by name into one flat tensor, in order of the buffer.
    ///
    /// # Errors
    /// Fails if one is missing, unknown or of another shape, naming it.
    pub fn flatten(&self, named: &[(String, Tensor)]) -> Result<Tensor> {
        let known: HashSet<&str> = self.parameters.iter().map(|p| p.name.as_str()).collect();
        if let Some((name, _)) = named
            .iter()
            .find(|(name, _)| !known.contains(name.as_str()))
        {
            return Err(Error::method(format!(
                "{name} is not trained by this method"
            )));
        }
        let values: &Tensor = &self.values;
        let part = |parameter: &Parameter| -> Result<Tensor> {
            let found = named.iter().find(|(name, _)| *name == parameter.name);
            let (name, tensor) =
                found.ok_or_else(|| Error::method(format!("{} is missing", parameter.name)))?;
            if tensor.dims() != parameter.shape {
                return Err(Error::Shape {
                    what: name.clone(),
                    expected: parameter.shape.clone(),
                    found: tensor.dims().to_vec(),
                });
            }
            Ok(tensor
                .to_device(values.device())?
                .to_dtype(values.dtype())?
                .flatten_all()?)
        };
        let parts = self
            .parameters
            .iter()
            .map(part)
            .collect::<Result<Vec<_>>>()?;
        Ok(Tensor::cat(&parts, 0)?)
    }

    /// Replaces all values by tensors given by name.
    ///
    /// # Errors
    /// As [`Self::flatten`]; nothing is replaced then.
    pub fn restore(&self, named: &[(String, Tensor)]) -> Result<()> {
        self.values.set(&self.flatten(named)?)?;
        self.refresh()
    }
}

/// Collects what a method trains while it is installed.
#[derive(Debug)]
pub struct Builder {
    drawn: Drawn,
    dtype: DType,
    device: Device,
    parameters: Vec<Parameter>,
    views: Vec<Var>,
}

impl Builder {
    /// Trains in `f32`, or in `f64` where the model is; `key` decides initial values.
    #[must_use]
    pub fn new(model: &Model, key: Key) -> Self {
        let dtype = if model.dtype == DType::F64 {
            DType::F64
        } else {
            DType::F32
        };
        let from = HashMap::new();
        Self {
            drawn: Drawn { key, from },
            dtype,
            device: model.device.clone(),
            parameters: Vec::new(),
            views: Vec::new(),
        }
    }

    /// Adds a new tensor and returns the view to compute with.
    ///
    /// # Errors
    /// Fails where the tensor library does.
    pub fn add(
        &mut self,
        name: String,
        group: &'static str,
        shape: &[usize],
        from: Distribution,
    ) -> Result<Tensor> {
        let start = self.constant(&name, shape, from)?;
        self.add_from(name, group, &start)
    }

    /// Adds a new tensor that starts from the values given.
    ///
    /// # Errors
    /// Fails where the tensor library does.
    pub fn add_from(
        &mut self,
        name: String,
        group: &'static str,
        start: &Tensor,
    ) -> Result<Tensor> {
        let offset = self.parameters.last().map_or(0, |p| p.start + p.len());
        let start = start.force_contiguous()?.to_dtype(self.dtype)?;
        let view = Var::from_tensor(&start.to_device(&self.device)?)?;
        let tensor = view.as_tensor().clone();
        self.parameters.push(Parameter {
            name,
            group,
            shape: start.dims().to_vec(),
            start: offset,
        });
        self.views.push(view);
        Ok(tensor)
    }

    /// Draws a tensor as [`Self::add`] does, to be used as it is and not trained.
    ///
    /// # Errors
    /// Fails where the tensor library does.
    pub fn constant(&mut self, name: &str, shape: &[usize], from: Distribution) -> Result<Tensor> {
        let drawn = (shape.to_vec(), from);
        self.drawn.from.insert(name.to_owned(), drawn);
        from.tensor(self.drawn.key.named(name), shape, self.dtype, &self.device)
    }

    /// A tensor in the number format of trained ones.
    ///
    /// # Errors
    /// Fails where the tensor library does.
    pub fn widened(&self, tensor: &Tensor) -> Result<Tensor> {
        cast(tensor, self.dtype)
    }

    /// Makes a weight of the backbone trained, from its pretrained value.
    ///
    /// # Errors
    /// Fails where the tensor library does.
    pub fn unfreeze(
        &mut self,
        name: String,
        group: &'static str,
        weight: &mut Weight,
    ) -> Result<()> {
        *weight = Weight::Trained(self.add_from(name, group, weight.stored())?);
        Ok(())
    }

    /// Lays everything added so far into one buffer.
    ///
    /// # Errors
    /// Fails if two parameters have one name.
    pub fn finish(self) -> Result<Trainables> {
        let mut names = HashSet::new();
        if let Some(twice) = self.parameters.iter().find(|p| !names.insert(&p.name)) {
            return Err(Error::method(format!("{} is trained twice", twice.name)));
        }
        let parts = self.views.iter().map(|view| view.flatten_all());
        let parts = parts.collect::<candle_core::Result<Vec<_>>>()?;
        let values = if parts.is_empty() {
            Tensor::zeros(0, self.dtype, &self.device)?
        } else {
            Tensor::cat(&parts, 0)?.detach()
        };
        let values = Var::from_tensor(&values)?;
        Ok(Trainables {
            parameters: self.parameters,
            values,
            views: self.views,
            drawn: self.drawn,
            spare: Mutex::default(),
        })
    }
}

/// The elements of a tensor on the CPU, which has none afterwards; none where they are of
/// another number format.
fn taken_out<T: Real>(tensor: &Tensor) -> Result<Vec<T>> {
    let taken = TakeOut(Mutex::default());
    tensor.inplace_op1(&taken)?;
    Ok(taken.0.into_inner().unwrap_or_else(PoisonError::into_inner))
}

struct TakeOut<T>(Mutex<Vec<T>>);

impl<T: Real> InplaceOp1 for TakeOut<T> {
    fn name(&self) -> &'static str {
        "take-out"
    }

    fn cpu_fwd(&self, storage: &mut CpuStorage, layout: &Layout) -> candle_core::Result<()> {
        let Some(elements) = T::vec_of_storage(storage) else {
            return Ok(());
        };
        // A part of something larger is not taken from it.
        if layout.contiguous_offsets() == Some((0, elements.len())) {
            *self.0.lock().unwrap_or_else(PoisonError::into_inner) = std::mem::take(elements);
        }
        Ok(())
    }
}
