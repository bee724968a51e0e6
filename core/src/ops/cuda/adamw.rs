//! The flat optimizer (`adamw.cu`).

use std::cell::Cell;

use candle_core::backend::BackendStorage;
use candle_core::cuda::cudarc::driver::{CudaViewMut, PushKernelArg};
use candle_core::{CpuStorage, CudaDevice, CudaStorage, InplaceOp1, Layout, Result, Tensor, bail};

use super::launch::{ADAMW, Held, THREADS, grid, number, room, start, striding};

/// Most blocks that squares are summed in.
const BLOCKS: u32 = 1024;

/// `m ← β₁ m + (1−β₁) f g`, `v ← β₂ v + (1−β₂) (f g)²`, `θ ← keep·θ − size·m / (root·√v + ε)`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Move {
    /// f, what the gradient is multiplied by.
    pub(crate) factor: f64,
    /// β₁ and β₂.
    pub(crate) betas: [f64; 2],
    /// keep, size and root.
    pub(crate) step: [f64; 3],
    /// ε
    pub(crate) epsilon: f64,
}

/// Takes `gradient` into the moments and moves `values`, all `[elements]` of `f32` and
/// contiguous, in place.
pub(crate) fn adamw(
    values: &Tensor,
    (first, second): (&Tensor, &Tensor),
    gradient: &Tensor,
    with: Move,
) -> Result<()> {
    let sizes = [values, first, second, gradient].map(Tensor::elem_count);
    if sizes.iter().any(|&size| size != sizes[0]) {
        bail!("adamw: values, moments and gradient have {sizes:?} elements");
    }
    let held = Held::of(gradient);
    let (gradient, device) = (held.view::<f32>()?, values.device().as_cuda_device()?);
    let [factor, beta1, taken1, beta2, taken2] = [
        with.factor,
        with.betas[0],
        1.0 - with.betas[0],
        with.betas[1],
        1.0 - with.betas[1],
    ]
    .map(narrow);
    let [keep, size, root] = with.step.map(narrow);
    let epsilon = narrow(with.epsilon);
    let count = sizes[0] as u64;
    let function = ADAMW.function(device, "adamw")?;
    borrow(values, |mut values| {
        borrow(first, |mut first| {
            borrow(second, |mut second| {
                let mut call = function.builder();
                call.arg(&mut values).arg(&gradient);
                call.arg(&mut first).arg(&mut second).arg(&count);
                call.arg(&factor).arg(&beta1).arg(&taken1);
                call.arg(&beta2).arg(&taken2).arg(&keep).arg(&size);
                call.arg(&root).arg(&epsilon);
                start(&mut call, striding(sizes[0]))
            })
        })
    })
}

/// Euclidean norm of a flat tensor of `f32`, summed in `f64` block by block.
pub(crate) fn norm(gradient: &Tensor) -> Result<f64> {
    let gradient = gradient.contiguous()?;
    let device: &CudaDevice = gradient.device().as_cuda_device()?;
    let (held, elements) = (Held::of(&gradient), gradient.elem_count());
    let view = held.view::<f32>()?;
    let blocks = number(elements.div_ceil(THREADS as usize))?.min(BLOCKS);
    let mut partial = room::<f64>(device, blocks as usize)?;
    let function = ADAMW.function(device, "squares")?;
    let count = elements as u64;
    let mut call = function.builder();
    call.arg(&view).arg(&mut partial).arg(&count);
    start(&mut call, grid((blocks, 1), (THREADS, 1)))?;
    let sums: Vec<f64> = device.clone_dtoh(&partial)?;
    Ok(sums.into_iter().sum::<f64>().sqrt())
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "the buffers are f32, on the CPU too"
)]
fn narrow(number: f64) -> f32 {
    number as f32
}

/// Lets `work` write to the elements of a contiguous tensor of `f32` on the device.
fn borrow(tensor: &Tensor, work: impl FnOnce(CudaViewMut<'_, f32>) -> Result<()>) -> Result<()> {
    tensor.inplace_op1(&Borrow(Cell::new(Some(work))))
}

/// Work on a tensor's elements, until it is done.
struct Borrow<F>(Cell<Option<F>>);

impl<F: FnOnce(CudaViewMut<'_, f32>) -> Result<()>> InplaceOp1 for Borrow<F> {
    fn name(&self) -> &'static str {
        "adamw-kernel"
    }

    fn cpu_fwd(&self, _: &mut CpuStorage, _: &Layout) -> Result<()> {
        bail!("adamw: this kernel runs on CUDA devices only")
    }

    fn cuda_fwd(&self, storage: &mut CudaStorage, layout: &Layout) -> Result<()> {
        let dtype = storage.dtype();
        match (self.0.take(), layout.contiguous_offsets()) {
            (Some(work), Some((start, end))) => {
                work(storage.as_cuda_slice_mut::<f32>()?.slice_mut(start..end))
            }
            _ => bail!("adamw: {dtype:?} values that are not contiguous"),
        }
    }
}
