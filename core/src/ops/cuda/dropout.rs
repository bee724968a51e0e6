//! Dropout (`dropout.cu`).

use candle_core::backend::BackendStorage;
use candle_core::cuda::cudarc::driver::PushKernelArg;
use candle_core::{CudaStorage, DType, Result, Shape, Tensor};
use half::bf16;

use super::kernel::{Argument, Kernel, apply};
use super::launch::{DROPOUT, Number, room, start, striding, view};
use crate::ops::dropout::Mask;
use crate::random::Key;

/// Drops each element of `x` with probability `rate`, and scales the others.
pub(crate) fn dropout(x: &Tensor, rate: f64, key: Key) -> crate::Result<Tensor> {
    Ok(apply(Dropout { rate, key }, &[x])?)
}

#[derive(Clone, Copy)]
struct Dropout {
    rate: f64,
    key: Key,
}

impl Dropout {
    fn value<T: Number>(self, (x, at): Argument<'_>) -> Result<(CudaStorage, Shape)> {
        let device = x.device();
        let elements = at.shape().elem_count();
        let x = view::<T>(x, at)?;
        let mut y = room::<T>(device, elements)?;
        let (key, below) = Mask::new(self.rate, self.key).parts();
        let count = elements as u64;
        #[expect(
            clippy::cast_possible_truncation,
            reason = "elements are multiplied in f32"
        )]
        let kept = (1.0 / (1.0 - self.rate)) as f32;
        let function = DROPOUT.of::<T>(device, "dropout")?;
        let mut call = function.builder();
        call.arg(&x).arg(&mut y).arg(&count);
        call.arg(&key).arg(&below).arg(&kept);
        start(&mut call, striding(elements))?;
        let y = CudaStorage::wrap_cuda_slice(y, device.clone());
        Ok((y, at.shape().clone()))
    }
}

impl Kernel for Dropout {
    const NAME: &'static str = "dropout-kernel";

    fn forward(&self, arguments: &[Argument<'_>]) -> Result<(CudaStorage, Shape)> {
        match arguments[0].0.dtype() {
            DType::BF16 => self.value::<bf16>(arguments[0]),
            _ => self.value::<f32>(arguments[0]),
        }
    }

    fn backward(
        &self,
        _arguments: &[&Tensor],
        _y: &Tensor,
        dy: &Tensor,
    ) -> Result<Vec<Option<Tensor>>> {
        Ok(vec![Some(apply(*self, &[dy])?)])
    }
}
