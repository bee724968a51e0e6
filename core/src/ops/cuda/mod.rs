//! Our own CUDA kernels, and the switch that they stand behind.
//!
//! **They have never run on a device**, so the switch is off unless `model.cuda_kernels` says
//! otherwise; `tests/gpu/run` holds each of them against its composed form where there is one.
//! The switch belongs to an open device: operations ask [`take`] whether the kernels are to
//! serve a tensor, and compose tensor operations otherwise. They exist for `f32` and `bf16`, add
//! up in `f32`, and make every sum in an order that depends on shapes only.
//!
//! | source | what |
//! |---|---|
//! | `norm.cu` | both norms, forward and backward |
//! | `softmax.cu` | attention's scale, relative bias, mask and softmax |
//! | `adapter.cu` | a bottleneck's bias and non-linearity, bias and residual |
//! | `cross_entropy.cu` | mean loss, and its gradient |
//! | `adamw.cu` | clipping, moments and update over the flat buffer; the gradient's norm |
//! | `dropout.cu` | the masks of [`super::dropout`] |
//! | `columns.cu`, `common.cuh` | sums over rows; what all of them share |
//!
//! `core/build.rs` compiles them to PTX, which the driver compiles for the GPU at the first use.

#[cfg(feature = "cuda")]
mod adamw;
#[cfg(feature = "cuda")]
mod adapter;
#[cfg(feature = "cuda")]
mod cross_entropy;
#[cfg(feature = "cuda")]
mod dropout;
#[cfg(feature = "cuda")]
mod kernel;
#[cfg(feature = "cuda")]
mod launch;
#[cfg(feature = "cuda")]
mod norm;
#[cfg(feature = "cuda")]
mod softmax;

use std::sync::{PoisonError, RwLock};

use candle_core::cuda::DeviceId;
use candle_core::{DType, Device, Tensor};

#[cfg(feature = "cuda")]
pub(crate) use self::{
    adamw::{Move, adamw, norm as gradient_norm},
    adapter::{biased_activation, biased_sum},
    cross_entropy::cross_entropy,
    dropout::dropout,
    norm::{layer_norm, rms_norm},
    softmax::softmax,
};

/// Devices that were opened with the kernels switched on.
static SWITCHED_ON: RwLock<Vec<DeviceId>> = RwLock::new(Vec::new());

/// Lets the kernels serve the tensors of a device from now on. A device that is no CUDA device
/// has none, and stays as it is.
pub(crate) fn switch_on(device: &Device) {
    if let Device::Cuda(device) = device {
        let mut on = SWITCHED_ON.write().unwrap_or_else(PoisonError::into_inner);
        on.push(device.id());
    }
}

/// Whether the kernels are to serve a tensor: it lies on a device that they are switched on
/// for, in a format that they exist in.
pub(crate) fn take(tensor: &Tensor) -> bool {
    let Device::Cuda(device) = tensor.device() else {
        return false;
    };
    let on = SWITCHED_ON.read().unwrap_or_else(PoisonError::into_inner);
    on.contains(&device.id()) && [DType::F32, DType::BF16].contains(&tensor.dtype())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kernels_leave_the_cpu_alone() -> candle_core::Result<()> {
        switch_on(&Device::Cpu);
        assert!(!take(&Tensor::zeros(3, DType::F32, &Device::Cpu)?));
        Ok(())
    }
}
