//! What a bottleneck adapter does between and after its products (`adapter.cu`).

use candle_core::backend::BackendStorage;
use candle_core::cuda::cudarc::driver::PushKernelArg;
use candle_core::{CudaDevice, CudaStorage, DType, Result, Shape, Tensor};
use half::bf16;

use super::kernel::{Argument, Kernel, apply};
use super::launch::{ADAPTER, Held, Number, number, room, start, striding, sum_rows, tensor, view};
use crate::config::NonLinearity;
use crate::ops::linear::cast;

/// `f(x + b)` of rows `x: [tokens, width]`, `bias: [width]`.
pub(crate) fn biased_activation(
    x: &Tensor,
    bias: &Tensor,
    kind: NonLinearity,
) -> crate::Result<Tensor> {
    Ok(apply(Middle(kind), &[x, &cast(bias, DType::F32)?])?)
}

/// `residual + x + b` of rows `x` and `residual: [tokens, width]`, `bias: [width]`.
pub(crate) fn biased_sum(x: &Tensor, bias: &Tensor, residual: &Tensor) -> crate::Result<Tensor> {
    Ok(apply(End, &[x, &cast(bias, DType::F32)?, residual])?)
}

struct Middle(NonLinearity);

impl Middle {
    fn name(&self, what: &str) -> String {
        let kind = match self.0 {
            NonLinearity::Relu => "relu",
            NonLinearity::Swish => "swish",
            NonLinearity::Gelu => "gelu",
            NonLinearity::GeluNew => "gelu_new",
        };
        format!("adapter_{kind}{what}")
    }

    fn value<T: Number>(&self, arguments: &[Argument<'_>]) -> Result<(CudaStorage, Shape)> {
        let (x, at) = arguments[0];
        let device = x.device();
        let (rows, width) = at.shape().dims2()?;
        let (x, bias) = (
            view::<T>(x, at)?,
            view::<f32>(arguments[1].0, arguments[1].1)?,
        );
        let mut y = room::<T>(device, rows * width)?;
        let (count, wide) = ((rows * width) as u64, number(width)?);
        let function = ADAPTER.of::<T>(device, &self.name(""))?;
        let mut call = function.builder();
        call.arg(&x).arg(&bias).arg(&mut y).arg(&count).arg(&wide);
        start(&mut call, striding(rows * width))?;
        let y = CudaStorage::wrap_cuda_slice(y, device.clone());
        Ok((y, at.shape().clone()))
    }

    fn gradients<T: Number>(
        &self,
        device: &CudaDevice,
        (x, bias, dy): (&Tensor, &Tensor, &Tensor),
    ) -> Result<(Tensor, Tensor)> {
        let (rows, width) = x.dims2()?;
        let held = (Held::of(x), Held::of(bias), Held::of(dy));
        let (x_view, b) = (held.0.view::<T>()?, held.1.view::<f32>()?);
        let dy_view = held.2.view::<T>()?;
        let mut dx = room::<T>(device, rows * width)?;
        let (count, wide) = ((rows * width) as u64, number(width)?);
        let function = ADAPTER.of::<T>(device, &self.name("_backward"))?;
        let mut call = function.builder();
        call.arg(&x_view).arg(&b).arg(&dy_view).arg(&mut dx);
        call.arg(&count).arg(&wide);
        start(&mut call, striding(rows * width))?;
        let db = sum_rows(device, &dx.as_view(), (rows, width))?;
        Ok((
            tensor(dx, x.shape(), device),
            tensor(db, bias.shape(), device),
        ))
    }
}

impl Kernel for Middle {
    const NAME: &'static str = "adapter-middle-kernel";

    fn forward(&self, arguments: &[Argument<'_>]) -> Result<(CudaStorage, Shape)> {
        match arguments[0].0.dtype() {
            DType::BF16 => self.value::<bf16>(arguments),
            _ => self.value::<f32>(arguments),
        }
    }

    fn backward(
        &self,
        arguments: &[&Tensor],
        _y: &Tensor,
        dy: &Tensor,
    ) -> Result<Vec<Option<Tensor>>> {
        let (x, bias) = (arguments[0], arguments[1]);
        let device = x.device().as_cuda_device()?;
        let (dx, db) = match x.dtype() {
            DType::BF16 => self.gradients::<bf16>(device, (x, bias, dy))?,
            _ => self.gradients::<f32>(device, (x, bias, dy))?,
        };
        Ok(vec![Some(dx), Some(db)])
    }
}

struct End;

impl End {
    fn value<T: Number>(arguments: &[Argument<'_>]) -> Result<(CudaStorage, Shape)> {
        let (x, at) = arguments[0];
        let device = x.device();
        let (rows, width) = at.shape().dims2()?;
        let (x, bias) = (
            view::<T>(x, at)?,
            view::<f32>(arguments[1].0, arguments[1].1)?,
        );
        let residual = view::<T>(arguments[2].0, arguments[2].1)?;
        let mut y = room::<T>(device, rows * width)?;
        let (count, wide) = ((rows * width) as u64, number(width)?);
        let function = ADAPTER.of::<T>(device, "adapter_end")?;
        let mut call = function.builder();
        call.arg(&x).arg(&bias).arg(&residual).arg(&mut y);
        call.arg(&count).arg(&wide);
        start(&mut call, striding(rows * width))?;
        let y = CudaStorage::wrap_cuda_slice(y, device.clone());
        Ok((y, at.shape().clone()))
    }
}

impl Kernel for End {
    const NAME: &'static str = "adapter-end-kernel";

    fn forward(&self, arguments: &[Argument<'_>]) -> Result<(CudaStorage, Shape)> {
        match arguments[0].0.dtype() {
            DType::BF16 => Self::value::<bf16>(arguments),
            _ => Self::value::<f32>(arguments),
        }
    }

    fn backward(
        &self,
        arguments: &[&Tensor],
        _y: &Tensor,
        dy: &Tensor,
    ) -> Result<Vec<Option<Tensor>>> {
        let device = dy.device().as_cuda_device()?;
        let (sizes, held) = (dy.dims2()?, Held::of(dy));
        let db = match dy.dtype() {
            DType::BF16 => sum_rows(device, &held.view::<bf16>()?, sizes)?,
            _ => sum_rows(device, &held.view::<f32>()?, sizes)?,
        };
        let db = tensor(db, arguments[1].shape(), device);
        Ok(vec![Some(dy.clone()), Some(db), Some(dy.clone())])
    }
}
