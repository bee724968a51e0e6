//! `AdamW` over the flat buffer of trainables, and clipping by the gradient's norm.
//!
//! ```text
//! m ← β₁ m + (1−β₁) g        v ← β₂ v + (1−β₂) g²
//! θ ← θ − λ·w·θ − λ · (m / (1−β₁ᵗ)) / (√(v / (1−β₂ᵗ)) + ε)
//! ```
//!
//! Loshchilov and Hutter, arXiv:1711.05101, algorithm 2, with the constants of the paper's
//! reference implementation: β = (0.9, 0.999), ε = 1e-8. On the CPU one pass over all buffers
//! clips, takes the moments and moves the values; elsewhere the same formula runs in tensor
//! operations.

mod one_pass;

use candle_core::{DType, Tensor, Var};

use crate::ops::cuda;
use crate::peft::Trainables;
use crate::{Error, Result};

const BETA1: f64 = 0.9;
const BETA2: f64 = 0.999;
const EPSILON: f64 = 1e-8;
/// Least root mean square that an update is measured in, so that what starts at 0 moves.
const SMALLEST: f64 = 1e-3;

/// The optimizer's state.
#[derive(Debug)]
pub struct AdamW {
    first: Var,  // m, [total]
    second: Var, // v, [total]
    updates: u64,
}

/// What one update is made with.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Update {
    /// λ, the learning rate.
    pub learning_rate: f64,
    /// w, the decoupled weight decay.
    pub weight_decay: f64,
}

impl AdamW {
    /// A fresh state for values `[total]`.
    ///
    /// # Errors
    /// Fails where the tensor library does.
    pub fn new(values: &Tensor) -> Result<Self> {
        let zeros = || Var::zeros(values.shape(), values.dtype(), values.device());
        Ok(Self {
            first: zeros()?,
            second: zeros()?,
            updates: 0,
        })
    }

    /// Moves `values` by one update along `gradient`, both `[total]`.
    ///
    /// # Errors
    /// Fails where the tensor library does.
    pub fn update(&mut self, values: &Var, gradient: &Tensor, with: Update) -> Result<()> {
        self.update_clipped(values, (gradient, 1.0), with)
    }

    /// Moves `values` by one update along `gradient · factor`, both `[total]`: `factor` is
    /// what [`clipping`] says.
    ///
    /// # Errors
    /// Fails where the tensor library does.
    pub fn update_clipped(
        &mut self,
        values: &Var,
        (gradient, factor): (&Tensor, f64),
        with: Update,
    ) -> Result<()> {
        self.updates += 1;
        let step = Step::new(self.updates, with);
        if values.device().is_cpu() {
            let moments = (self.first.as_tensor(), self.second.as_tensor());
            return Ok(one_pass::update(values, moments, (gradient, factor), step)?);
        }
        #[cfg(feature = "cuda")]
        if cuda::take(values) {
            let moments = (self.first.as_tensor(), self.second.as_tensor());
            return Ok(cuda::adamw(
                values,
                moments,
                gradient,
                step.on_device(factor),
            )?);
        }
        self.take_moments(&scaled(gradient, factor)?)?;
        let (first, second) = (self.first.as_tensor(), self.second.as_tensor());
        Ok(values.set(&step.moved(values, first, second)?)?)
    }

    /// Moves the values by one update whose size is the learning rate times the root mean
    /// square of each tensor's own values, at least 1e-3 (Shazeer and Stern,
    /// arXiv:1804.04235, section 8; with `AdamW`'s moments as in Nawrot, arXiv:2309.02373).
    ///
    /// # Errors
    /// Fails where the tensor library does.
    pub fn update_by_rms(
        &mut self,
        trainables: &Trainables,
        (gradient, factor): (&Tensor, f64),
        with: Update,
    ) -> Result<()> {
        self.updates += 1;
        let step = Step::new(self.updates, with);
        let values = trainables.values();
        let in_place = values.device().is_cpu() || cuda::take(values);
        if !in_place {
            self.take_moments(&scaled(gradient, factor)?)?;
        }
        let mut parts = Vec::new();
        for parameter in trainables.parameters() {
            let part = |flat: &Tensor| flat.narrow(0, parameter.start, parameter.len());
            let own = part(values)?;
            let rms = norm(&own)? / (parameter.len() as f64).sqrt();
            let step = Step {
                size: step.size * rms.max(SMALLEST),
                ..step
            };
            let (first, second) = (part(&self.first)?, part(&self.second)?);
            if in_place {
                let gradient = part(gradient)?;
                #[cfg(feature = "cuda")]
                if cuda::take(&own) {
                    cuda::adamw(&own, (&first, &second), &gradient, step.on_device(factor))?;
                    continue;
                }
                one_pass::update(&own, (&first, &second), (&gradient, factor), step)?;
            } else {
                parts.push(step.moved(&own, &first, &second)?);
            }
        }
        if !parts.is_empty() {
            values.set(&Tensor::cat(&parts, 0)?)?;
        }
        Ok(())
    }

    /// Takes a gradient into the moments.
    fn take_moments(&self, gradient: &Tensor) -> Result<()> {
        let first = ((self.first.as_tensor() * BETA1)? + (gradient * (1.0 - BETA1))?)?;
        let second = ((self.second.as_tensor() * BETA2)? + (gradient.sqr()? * (1.0 - BETA2))?)?;
        self.first.set(&first)?;
        Ok(self.second.set(&second)?)
    }

    /// The moments by name, `[total]` each, and the number of updates so far.
    #[must_use]
    pub fn state(&self) -> ([(&'static str, &Tensor); 2], u64) {
        let moments = [
            ("first", self.first.as_tensor()),
            ("second", self.second.as_tensor()),
        ];
        (moments, self.updates)
    }

    /// Takes up a state that [`Self::state`] gave.
    ///
    /// # Errors
    /// Fails if the moments are of another size.
    pub fn restore(&mut self, first: &Tensor, second: &Tensor, updates: u64) -> Result<()> {
        for (what, var, found) in [
            ("first moment", &self.first, first),
            ("second moment", &self.second, second),
        ] {
            if var.dims() != found.dims() {
                let (expected, found) = (var.dims().to_vec(), found.dims().to_vec());
                return Err(Error::Shape {
                    what: what.to_owned(),
                    expected,
                    found,
                });
            }
        }
        // A checkpoint is read on the CPU.
        let device = self.first.device();
        self.first.set(&first.to_device(device)?)?;
        self.second.set(&second.to_device(device)?)?;
        self.updates = updates;
        Ok(())
    }
}

/// Euclidean norm of a flat gradient, summed in a fixed order; in `f64`, but where the tensor
/// library sums on a device.
///
/// # Errors
/// Fails where the tensor library does.
pub fn norm(gradient: &Tensor) -> Result<f64> {
    #[cfg(feature = "cuda")]
    if cuda::take(gradient) {
        return Ok(cuda::gradient_norm(gradient)?);
    }
    if !gradient.device().is_cpu() {
        let square = gradient
            .sqr()?
            .sum_all()?
            .to_dtype(DType::F64)?
            .to_scalar::<f64>()?;
        return Ok(square.sqrt());
    }
    Ok(match gradient.dtype() {
        DType::F64 => one_pass::norm::<f64>(gradient)?,
        _ => one_pass::norm::<f32>(gradient)?,
    })
}

/// What a gradient of norm `norm` is to be multiplied by so that it is no longer than
/// `largest`, as `torch.nn.utils.clip_grad_norm_` does: `largest / (norm + 1e-6)` where that
/// is below 1; `largest` 0 turns clipping off.
#[must_use]
pub fn clipping(norm: f64, largest: f64) -> f64 {
    let factor = largest / (norm + 1e-6);
    if largest == 0.0 || factor >= 1.0 {
        1.0
    } else {
        factor
    }
}

/// Scales a gradient of norm `norm` down to `largest`, as [`clipping`] says.
///
/// # Errors
/// Fails where the tensor library does.
pub fn clip(gradient: &Tensor, norm: f64, largest: f64) -> Result<Tensor> {
    scaled(gradient, clipping(norm, largest))
}

#[expect(
    clippy::float_cmp,
    reason = "`clipping` says exactly 1 where nothing is clipped"
)]
fn scaled(gradient: &Tensor, factor: f64) -> Result<Tensor> {
    Ok(if factor == 1.0 {
        gradient.clone()
    } else {
        (gradient * factor)?
    })
}

/// `θ ← keep·θ − size · m / (root·√v + ε)`
#[derive(Clone, Copy)]
struct Step {
    keep: f64,
    size: f64,
    root: f64,
}

impl Step {
    fn new(updates: u64, with: Update) -> Self {
        // Beyond 2³¹ updates both powers have long been 0.
        let updates = i32::try_from(updates).unwrap_or(i32::MAX);
        Self {
            keep: 1.0 - with.learning_rate * with.weight_decay,
            size: with.learning_rate / (1.0 - BETA1.powi(updates)),
            root: 1.0 / (1.0 - BETA2.powi(updates)).sqrt(),
        }
    }

    /// The same as a kernel takes it, with the gradient's factor.
    #[cfg(feature = "cuda")]
    fn on_device(&self, factor: f64) -> cuda::Move {
        cuda::Move {
            factor,
            betas: [BETA1, BETA2],
            step: [self.keep, self.size, self.root],
            epsilon: EPSILON,
        }
    }

    /// The same in tensor operations, for other devices.
    fn moved(&self, values: &Tensor, first: &Tensor, second: &Tensor) -> Result<Tensor> {
        let denominator = ((second.sqrt()? * self.root)? + EPSILON)?;
        Ok(((values * self.keep)? - ((first / denominator)? * self.size)?)?)
    }
}
