//! `AdamW` over the flat buffer of trainables, and clipping by the gradient's norm.
//!
//! ```text
//! m ← β₁ m + (1−β₁) g        v ← β₂ v + (1−β₂) g²
//! θ ← θ − λ·w·θ − λ · (m / (1−β₁ᵗ)) / (√(v / (1−β₂ᵗ)) + ε)
//! ```
//!
//! Loshchilov and Hutter, arXiv:1711.05101, algorithm 2, with the constants of the paper's
//! reference implementation: β = (0.9, 0.999), ε = 1e-8. On the CPU each buffer is passed
//! over once; elsewhere the same formula runs in tensor operations.

use candle_core::{
    CpuStorage, DType, InplaceOp2, InplaceOp3, Layout, Storage, Tensor, Var, WithDType,
};

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
        self.take_moments(gradient)?;
        let step = Step::new(self.updates, with);
        if values.device().is_cpu() {
            values.inplace_op3(&self.first, &self.second, &step)?;
            return Ok(());
        }
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
        gradient: &Tensor,
        with: Update,
    ) -> Result<()> {
        self.take_moments(gradient)?;
        let step = Step::new(self.updates, with);
        let values = trainables.values();
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
            if values.device().is_cpu() {
                own.inplace_op3(&first, &second, &step)?;
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
    fn take_moments(&mut self, gradient: &Tensor) -> Result<()> {
        self.updates += 1;
        if self.first.device().is_cpu() {
            let moment = |beta, power| Moment { beta, power };
            self.first
                .inplace_op2(gradient, &moment(BETA1, Power::One))?;
            self.second
                .inplace_op2(gradient, &moment(BETA2, Power::Two))?;
            return Ok(());
        }
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
        self.first.set(first)?;
        self.second.set(second)?;
        self.updates = updates;
        Ok(())
    }
}

/// Euclidean norm of a flat gradient, summed in `f64` in a fixed order.
///
/// # Errors
/// Fails where the tensor library does.
pub fn norm(gradient: &Tensor) -> Result<f64> {
    if !gradient.device().is_cpu() {
        let square = gradient
            .sqr()?
            .sum_all()?
            .to_dtype(DType::F64)?
            .to_scalar::<f64>()?;
        return Ok(square.sqrt());
    }
    let (storage, layout) = gradient.storage_and_layout();
    let Storage::Cpu(storage) = &*storage else {
        return Err(Error::method("the gradient is not on the CPU"));
    };
    let (start, end) = span(layout)?;
    let square: f64 = match storage {
        CpuStorage::F32(g) => g[start..end]
            .iter()
            .map(|&g| f64::from(g) * f64::from(g))
            .sum(),
        CpuStorage::F64(g) => g[start..end].iter().map(|g| g * g).sum(),
        _ => return Err(Error::method("gradients are f32 or f64")),
    };
    Ok(square.sqrt())
}

/// Scales a gradient of norm `norm` down to `largest`, as `torch.nn.utils.clip_grad_norm_`
/// does: by `largest / (norm + 1e-6)` where that is below 1; 0 turns clipping off.
///
/// # Errors
/// Fails where the tensor library does.
pub fn clip(gradient: &Tensor, norm: f64, largest: f64) -> Result<Tensor> {
    let factor = largest / (norm + 1e-6);
    if largest == 0.0 || factor >= 1.0 {
        return Ok(gradient.clone());
    }
    Ok((gradient * factor)?)
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Power {
    One,
    Two,
}

/// `m ← β m + (1−β) gᵖ`
struct Moment {
    beta: f64,
    power: Power,
}

impl Moment {
    fn apply<T: WithDType>(&self, moments: &mut [T], gradient: &[T]) {
        let (kept, added) = (T::from_f64(self.beta), T::from_f64(1.0 - self.beta));
        for (moment, &g) in moments.iter_mut().zip(gradient) {
            let g = if self.power == Power::Two { g * g } else { g };
            *moment = *moment * kept + g * added;
        }
    }
}

impl InplaceOp2 for Moment {
    fn name(&self) -> &'static str {
        "adamw-moment"
    }

    fn cpu_fwd(
        &self,
        moments: &mut CpuStorage,
        to: &Layout,
        gradient: &CpuStorage,
        from: &Layout,
    ) -> candle_core::Result<()> {
        let ((to, to_end), (from, from_end)) = (span(to)?, span(from)?);
        match (moments, gradient) {
            (CpuStorage::F32(m), CpuStorage::F32(g)) => {
                self.apply(&mut m[to..to_end], &g[from..from_end]);
            }
            (CpuStorage::F64(m), CpuStorage::F64(g)) => {
                self.apply(&mut m[to..to_end], &g[from..from_end]);
            }
            _ => candle_core::bail!("adamw: moments and gradient must both be f32 or f64"),
        }
        Ok(())
    }
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

    /// The same in tensor operations, for other devices.
    fn moved(&self, values: &Tensor, first: &Tensor, second: &Tensor) -> Result<Tensor> {
        let denominator = ((second.sqrt()? * self.root)? + EPSILON)?;
        Ok(((values * self.keep)? - ((first / denominator)? * self.size)?)?)
    }
}

impl InplaceOp3 for Step {
    fn name(&self) -> &'static str {
        "adamw-step"
    }

    #[expect(
        clippy::cast_possible_truncation,
        reason = "f32 values are updated in f32"
    )]
    fn cpu_fwd(
        &self,
        values: &mut CpuStorage,
        to: &Layout,
        first: &CpuStorage,
        first_at: &Layout,
        second: &CpuStorage,
        second_at: &Layout,
    ) -> candle_core::Result<()> {
        let ((to, to_end), (m, m_end), (v, v_end)) = (span(to)?, span(first_at)?, span(second_at)?);
        match (values, first, second) {
            (CpuStorage::F32(x), CpuStorage::F32(first), CpuStorage::F32(second)) => {
                let moments = first[m..m_end].iter().zip(&second[v..v_end]);
                let (keep, size, root) = (self.keep as f32, self.size as f32, self.root as f32);
                for (x, (m, v)) in x[to..to_end].iter_mut().zip(moments) {
                    *x = *x * keep - size * m / (v.sqrt() * root + EPSILON as f32);
                }
            }
            (CpuStorage::F64(x), CpuStorage::F64(first), CpuStorage::F64(second)) => {
                let moments = first[m..m_end].iter().zip(&second[v..v_end]);
                for (x, (m, v)) in x[to..to_end].iter_mut().zip(moments) {
                    *x = *x * self.keep - self.size * m / (v.sqrt() * self.root + EPSILON);
                }
            }
            _ => candle_core::bail!("adamw: values and moments must all be f32 or f64"),
        }
        Ok(())
    }
}

fn span(layout: &Layout) -> candle_core::Result<(usize, usize)> {
    match layout.contiguous_offsets() {
        Some(span) => Ok(span),
        None => candle_core::bail!("adamw: a flat buffer is not contiguous"),
    }
}
