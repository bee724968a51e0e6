//! The mean loss of logits and its gradient (`cross_entropy.cu`).

use std::sync::{Mutex, PoisonError};

use candle_core::backend::BackendStorage;
use candle_core::cuda::cudarc::driver::PushKernelArg;
use candle_core::{CudaDevice, CudaStorage, DType, Result, Shape, Tensor, bail};
use half::bf16;

use super::kernel::{Argument, Kernel, apply};
use super::launch::{
    CROSS_ENTROPY, Held, Number, THREADS, each_row, grid, number, room, start, tensor, view,
};

/// Mean over rows of `−log softmax(logits)[class]`, in `f32`; NaN where a class does not exist.
///
/// `logits: [rows, classes]`, `classes: [rows]` of `u32`; a scalar comes back.
pub(crate) fn cross_entropy(logits: &Tensor, classes: &Tensor) -> crate::Result<Tensor> {
    let kernel = CrossEntropy {
        classes: classes.contiguous()?,
        normalisers: Mutex::default(),
    };
    Ok(apply(kernel, &[logits])?)
}

struct CrossEntropy {
    classes: Tensor, // [rows] of u32
    /// log Σ eᶻ of each row, `[rows]`, from the forward pass.
    normalisers: Mutex<Option<Tensor>>,
}

impl CrossEntropy {
    fn value<T: Number>(&self, (logits, at): Argument<'_>) -> Result<(CudaStorage, Shape)> {
        let device = logits.device();
        let (rows, width) = at.shape().dims2()?;
        if self.classes.dims() != [rows] {
            let found = self.classes.shape();
            bail!("cross-entropy: {rows} rows of logits, classes of {found:?}");
        }
        let held = Held::of(&self.classes);
        let (logits, classes) = (view::<T>(logits, at)?, held.classes()?);
        let mut normalisers = room::<f32>(device, rows)?;
        let mut losses = room::<f32>(device, rows)?;
        let function = CROSS_ENTROPY.of::<T>(device, "cross_entropy")?;
        let (wide, tall) = (number(width)?, number(rows)?);
        let mut call = function.builder();
        call.arg(&logits).arg(&classes).arg(&mut normalisers);
        call.arg(&mut losses).arg(&wide);
        start(&mut call, each_row(rows)?)?;

        let mut loss = room::<f32>(device, 1)?;
        let function = CROSS_ENTROPY.function(device, "mean_loss")?;
        let mut call = function.builder();
        call.arg(&losses).arg(&mut loss).arg(&tall);
        start(&mut call, grid((1, 1), (THREADS, 1)))?;
        let normalisers = tensor(normalisers, &Shape::from(rows), device);
        *self
            .normalisers
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = Some(normalisers);
        let loss = CudaStorage::wrap_cuda_slice(loss, device.clone());
        Ok((loss, Shape::from(())))
    }

    fn gradient<T: Number>(
        &self,
        device: &CudaDevice,
        (logits, dy): (&Tensor, &Tensor),
    ) -> Result<Tensor> {
        let kept = self
            .normalisers
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        let Some(normalisers) = kept else {
            bail!("cross-entropy: a backward pass without a forward pass");
        };
        let (rows, width) = logits.dims2()?;
        let held = [logits, dy, &normalisers, &self.classes].map(Held::of);
        let (z, slope) = (held[0].view::<T>()?, held[1].view::<f32>()?);
        let (normalisers, classes) = (held[2].view::<f32>()?, held[3].classes()?);
        let mut dz = room::<T>(device, rows * width)?;
        let wide = number(width)?;
        let function = CROSS_ENTROPY.of::<T>(device, "cross_entropy_backward")?;
        let mut call = function.builder();
        call.arg(&z).arg(&classes).arg(&normalisers).arg(&slope);
        call.arg(&mut dz).arg(&wide);
        start(&mut call, each_row(rows)?)?;
        Ok(tensor(dz, logits.shape(), device))
    }
}

impl Kernel for CrossEntropy {
    const NAME: &'static str = "cross-entropy-kernel";

    fn forward(&self, arguments: &[Argument<'_>]) -> Result<(CudaStorage, Shape)> {
        match arguments[0].0.dtype() {
            DType::BF16 => self.value::<bf16>(arguments[0]),
            _ => self.value::<f32>(arguments[0]),
        }
    }

    fn backward(
        &self,
        arguments: &[&Tensor],
        _loss: &Tensor,
        dy: &Tensor,
    ) -> Result<Vec<Option<Tensor>>> {
        let logits = arguments[0];
        let device = logits.device().as_cuda_device()?;
        let dz = match logits.dtype() {
            DType::BF16 => self.gradient::<bf16>(device, (logits, dy))?,
            _ => self.gradient::<f32>(device, (logits, dy))?,
        };
        Ok(vec![Some(dz)])
    }
}
