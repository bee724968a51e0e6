//! Both norms (`norm.cu`).

use candle_core::backend::BackendStorage;
use candle_core::cuda::cudarc::driver::{CudaView, PushKernelArg};
use candle_core::{CudaDevice, CudaStorage, DType, Result, Shape, Tensor};
use half::bf16;

use super::kernel::{Argument, Kernel, apply};
use super::launch::{
    Held, NORM, Number, column_blocks, each_row, fold, number, room, start, tensor, view,
};
use crate::ops::linear::cast;

/// `w · x / √(mean(x²) + ε)` of rows `x: [tokens, width]`, `weight: [width]`.
pub(crate) fn rms_norm(x: &Tensor, weight: &Tensor, epsilon: f64) -> crate::Result<Tensor> {
    let weight = cast(weight, DType::F32)?;
    Ok(apply(Norm::<false>::new(epsilon), &[x, &weight])?)
}

/// `w · (x − mean) / √(variance + ε) + b` of rows `x: [tokens, width]`, `weight` and
/// `bias: [width]`.
pub(crate) fn layer_norm(
    x: &Tensor,
    (weight, bias): (&Tensor, &Tensor),
    epsilon: f64,
) -> crate::Result<Tensor> {
    let (weight, bias) = (cast(weight, DType::F32)?, cast(bias, DType::F32)?);
    Ok(apply(Norm::<true>::new(epsilon), &[x, &weight, &bias])?)
}

/// A norm: `FULL` takes out the mean and adds a bias.
struct Norm<const FULL: bool> {
    epsilon: f32,
}

impl<const FULL: bool> Norm<FULL> {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "statistics are taken in f32, in the composed form too"
    )]
    fn new(epsilon: f64) -> Self {
        Self {
            epsilon: epsilon as f32,
        }
    }

    fn name(what: &str) -> String {
        format!("{}_norm{what}", if FULL { "layer" } else { "rms" })
    }

    fn value<T: Number>(&self, arguments: &[Argument<'_>]) -> Result<(CudaStorage, Shape)> {
        let (x, at) = arguments[0];
        let device = x.device();
        let (rows, width) = at.shape().dims2()?;
        let views: Vec<CudaView<'_, f32>> = arguments[1..]
            .iter()
            .map(|(storage, at)| view(storage, at))
            .collect::<Result<_>>()?;
        let x = view::<T>(x, at)?;
        let mut y = room::<T>(device, rows * width)?;
        let function = NORM.of::<T>(device, &Self::name(""))?;
        let width = number(width)?;
        let mut call = function.builder();
        call.arg(&x);
        for parameter in &views {
            call.arg(parameter);
        }
        call.arg(&mut y).arg(&width).arg(&self.epsilon);
        start(&mut call, each_row(rows)?)?;
        let y = CudaStorage::wrap_cuda_slice(y, device.clone());
        Ok((y, at.shape().clone()))
    }

    /// The gradients of `x`, of `w`, and of `b`.
    fn gradients<T: Number>(
        &self,
        device: &CudaDevice,
        (x, weight, dy): (&Tensor, &Tensor, &Tensor),
    ) -> Result<[Tensor; 3]> {
        let (rows, width) = x.dims2()?;
        let held = (Held::of(x), Held::of(weight), Held::of(dy));
        let (w, wide) = (held.1.view::<f32>()?, number(width)?);
        let (x_view, dy_view) = (held.0.view::<T>()?, held.2.view::<T>()?);
        let mut dx = room::<T>(device, rows * width)?;
        let mut moments = room::<f32>(device, 2 * rows)?;
        let function = NORM.of::<T>(device, &Self::name("_backward"))?;
        let mut call = function.builder();
        call.arg(&x_view).arg(&w).arg(&dy_view).arg(&mut dx);
        call.arg(&mut moments).arg(&wide).arg(&self.epsilon);
        start(&mut call, each_row(rows)?)?;

        let (config, blocks, each) = column_blocks(rows, width)?;
        let half = blocks as usize * width;
        let mut partials = room::<f32>(device, 2 * half)?;
        let function = NORM.of::<T>(device, "norm_parameters")?;
        let tall = number(rows)?;
        let mut call = function.builder();
        call.arg(&x_view).arg(&dy_view).arg(&moments);
        call.arg(&mut partials).arg(&tall).arg(&wide).arg(&each);
        start(&mut call, config)?;
        let dw = fold(device, &partials.slice(..half), (blocks, wide))?;
        let db = fold(device, &partials.slice(half..), (blocks, wide))?;
        Ok([
            tensor(dx, x.shape(), device),
            tensor(dw, weight.shape(), device),
            tensor(db, weight.shape(), device),
        ])
    }
}

impl<const FULL: bool> Kernel for Norm<FULL> {
    const NAME: &'static str = if FULL {
        "layer-norm-kernel"
    } else {
        "rms-norm-kernel"
    };

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
        let (x, weight) = (arguments[0], arguments[1]);
        let device = x.device().as_cuda_device()?;
        let [dx, dw, db] = match x.dtype() {
            DType::BF16 => self.gradients::<bf16>(device, (x, weight, dy))?,
            _ => self.gradients::<f32>(device, (x, weight, dy))?,
        };
        let wanted = [dx, dw, db].into_iter().zip(arguments);
        Ok(wanted
            .map(|(gradient, argument)| argument.track_op().then_some(gradient))
            .collect())
    }
}
