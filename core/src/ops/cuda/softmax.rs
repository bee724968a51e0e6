//! Attention's probabilities (`softmax.cu`).

use candle_core::backend::BackendStorage;
use candle_core::cuda::cudarc::driver::PushKernelArg;
use candle_core::{CudaDevice, CudaStorage, DType, Result, Shape, Tensor, bail};
use half::bf16;

use super::kernel::{Argument, Kernel, apply};
use super::launch::{
    Held, Number, SOFTMAX, THREADS, WARP, grid, number, room, start, tensor, view,
};
use crate::ops::linear::cast;

/// Rows of a block, one warp each.
const ROWS: u32 = 4;

/// `softmax(scale · scores + bias + mask)` over the last axis.
///
/// `scores: [b, h, q, k]`, `bias: [1, h or 1, q, k]`, `mask: [b, 1, 1, k]`. A query that may see
/// no key gets zeros.
pub(crate) fn softmax(
    scores: &Tensor,
    scale: f64,
    (bias, mask): (Option<&Tensor>, Option<&Tensor>),
) -> crate::Result<Tensor> {
    let dtype = scores.dtype();
    let mask =
        mask.map(|mask| -> crate::Result<Tensor> { Ok(cast(mask, dtype)?.contiguous()?.detach()) });
    #[expect(
        clippy::cast_possible_truncation,
        reason = "scores are added up in f32"
    )]
    let kernel = Softmax {
        scale: scale as f32,
        mask: mask.transpose()?,
    };
    Ok(match bias {
        Some(bias) => apply(kernel, &[scores, &cast(bias, dtype)?])?,
        None => apply(kernel, &[scores])?,
    })
}

struct Softmax {
    scale: f32,
    mask: Option<Tensor>, // [b, 1, 1, k]
}

impl Softmax {
    fn value<T: Number>(&self, arguments: &[Argument<'_>]) -> Result<(CudaStorage, Shape)> {
        let (scores, at) = arguments[0];
        let device = scores.device();
        let (batch, heads, queries, keys) = at.shape().dims4()?;
        let bias = arguments.get(1);
        let bias_heads = match bias {
            Some((_, at)) => match at.shape().dims4()? {
                (1, own, q, k) if (own == 1 || own == heads) && (q, k) == (queries, keys) => own,
                _ => bail!(
                    "softmax: a bias of {:?} to scores of {heads} heads, {queries} × {keys}",
                    at.shape()
                ),
            },
            None => 1,
        };
        let bias = bias.map(|(bias, at)| view::<T>(bias, at)).transpose()?;
        let held = self.mask.as_ref().map(Held::of);
        let mask = held.as_ref().map(Held::view::<T>).transpose()?;
        if let Some(mask) = &self.mask
            && mask.dims() != [batch, 1, 1, keys]
        {
            bail!("softmax: a mask of {:?} to {:?}", mask.shape(), at.shape());
        }
        let scores = view::<T>(scores, at)?;
        let rows = batch * heads * queries;
        let mut p = room::<T>(device, rows * keys)?;
        let (nothing, count) = (0u64, rows as u64);
        let sizes = [heads, bias_heads, queries, keys].map(number);
        let [heads, bias_heads, queries, keys] = sizes;
        let (heads, bias_heads, queries, keys) = (heads?, bias_heads?, queries?, keys?);
        let function = SOFTMAX.of::<T>(device, "softmax")?;
        let mut call = function.builder();
        call.arg(&scores);
        for added in [&bias, &mask] {
            match added {
                Some(added) => call.arg(added),
                None => call.arg(&nothing),
            };
        }
        call.arg(&mut p).arg(&count).arg(&heads).arg(&bias_heads);
        call.arg(&queries).arg(&keys).arg(&self.scale);
        start(
            &mut call,
            grid((number(rows)?.div_ceil(ROWS), 1), (WARP, ROWS)),
        )?;
        let p = CudaStorage::wrap_cuda_slice(p, device.clone());
        Ok((p, at.shape().clone()))
    }

    /// The gradient of the scores, and that of a bias of the shape given.
    fn gradients<T: Number>(
        &self,
        device: &CudaDevice,
        (p, dp): (&Tensor, &Tensor),
        bias: Option<&Shape>,
    ) -> Result<(Tensor, Option<Tensor>)> {
        let (batch, heads, queries, keys) = p.dims4()?;
        let rows = batch * heads * queries;
        let held = (Held::of(p), Held::of(dp));
        let (p_view, dp_view) = (held.0.view::<T>()?, held.1.view::<T>()?);
        let mut ds = room::<T>(device, rows * keys)?;
        let mut means = room::<f32>(device, rows)?;
        let count = rows as u64;
        let [batch, heads, queries, keys] = [batch, heads, queries, keys].map(number);
        let (batch, heads, queries, keys) = (batch?, heads?, queries?, keys?);
        let function = SOFTMAX.of::<T>(device, "softmax_backward")?;
        let mut call = function.builder();
        call.arg(&p_view).arg(&dp_view).arg(&mut ds).arg(&mut means);
        call.arg(&count).arg(&keys).arg(&self.scale);
        start(
            &mut call,
            grid((number(rows)?.div_ceil(ROWS), 1), (WARP, ROWS)),
        )?;
        let ds = tensor(ds, p.shape(), device);
        let Some(shape) = bias else {
            return Ok((ds, None));
        };
        let elements = shape.elem_count();
        let bias_heads = number(shape.dims4()?.1)?;
        let mut dbias = room::<f32>(device, elements)?;
        let function = SOFTMAX.of::<T>(device, "softmax_bias_gradient")?;
        let mut call = function.builder();
        call.arg(&p_view).arg(&dp_view).arg(&means).arg(&mut dbias);
        call.arg(&batch).arg(&heads).arg(&bias_heads);
        call.arg(&queries).arg(&keys);
        let blocks = number(elements.div_ceil(THREADS as usize))?;
        start(&mut call, grid((blocks, 1), (THREADS, 1)))?;
        let dbias = tensor(dbias, shape, device).to_dtype(p.dtype())?;
        Ok((ds, Some(dbias)))
    }
}

impl Kernel for Softmax {
    const NAME: &'static str = "softmax-kernel";

    fn forward(&self, arguments: &[Argument<'_>]) -> Result<(CudaStorage, Shape)> {
        match arguments[0].0.dtype() {
            DType::BF16 => self.value::<bf16>(arguments),
            _ => self.value::<f32>(arguments),
        }
    }

    fn backward(
        &self,
        arguments: &[&Tensor],
        p: &Tensor,
        dp: &Tensor,
    ) -> Result<Vec<Option<Tensor>>> {
        let device = p.device().as_cuda_device()?;
        let bias = arguments.get(1).filter(|bias| bias.track_op());
        let bias = bias.map(|bias| bias.shape());
        let (ds, dbias) = match p.dtype() {
            DType::BF16 => self.gradients::<bf16>(device, (p, dp), bias)?,
            _ => self.gradients::<f32>(device, (p, dp), bias)?,
        };
        let both = [Some(ds), dbias];
        Ok(both.into_iter().take(arguments.len()).collect())
    }
}
