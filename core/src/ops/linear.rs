//! Linear maps; one whose weight is frozen costs one product less in the backward pass.
//!
//! candle differentiates a matrix product in both arguments, whether or not the weight is
//! trained: a third of the work of a step and a gradient as large as the model. The frozen
//! form below is one operation of its own that knows its weight is a constant.

use candle_core::backend::BackendStorage;
use candle_core::{
    CpuStorage, CudaStorage, CustomOp1, CustomOp2, DType, Layout, Shape, Storage, Tensor,
};

use crate::Result;

/// `x Wᵀ` for a weight that is not trained.
///
/// `x: [rows, in]`, `weight: [out, in]`; `[rows, out]` comes back. Equal to
/// [`linear`], but the gradient flows to `x` only. A weight of another number format is
/// converted to the input's at each use.
///
/// # Errors
/// Fails where the tensor library does.
pub fn frozen_linear(x: &Tensor, weight: &Tensor) -> Result<Tensor> {
    Ok(x.contiguous()?.apply_op1(FrozenLinear {
        weight: weight.detach(),
    })?)
}

/// `x Wᵀ`, differentiable in both arguments.
///
/// `x: [rows, in]`, `weight: [out, in]`; `[rows, out]` comes back. A weight of another
/// number format is converted to the input's.
///
/// # Errors
/// Fails where the tensor library does.
pub fn linear(x: &Tensor, weight: &Tensor) -> Result<Tensor> {
    let weight = cast(weight, x.dtype())?;
    Ok(x.contiguous()?.apply_op2(&weight.contiguous()?, Linear)?)
}

/// `tensor` in number format `dtype`, without a copy where it already has it.
///
/// # Errors
/// Fails where the tensor library does.
pub fn cast(tensor: &Tensor, dtype: DType) -> Result<Tensor> {
    Ok(if tensor.dtype() == dtype {
        tensor.clone()
    } else {
        tensor.to_dtype(dtype)?
    })
}

/// Rows, outputs and inputs of the product of `x` with a transposed weight.
fn sizes(x: &Layout, weight: &Layout) -> candle_core::Result<(usize, usize, usize)> {
    let (rows, width) = x.shape().dims2()?;
    let (outputs, inputs) = weight.shape().dims2()?;
    if width != inputs {
        candle_core::bail!("linear: rows of {width}, a weight of [{outputs}, {inputs}]")
    }
    Ok((rows, outputs, inputs))
}

/// `x Wᵀ` of both arguments. candle's own gradient of a transposed weight takes two copies
/// more.
struct Linear;

impl CustomOp2 for Linear {
    fn name(&self) -> &'static str {
        "linear"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_at: &Layout,
        weight: &CpuStorage,
        weight_at: &Layout,
    ) -> candle_core::Result<(CpuStorage, Shape)> {
        let (rows, outputs, inputs) = sizes(x_at, weight_at)?;
        let transposed = weight_at.transpose(0, 1)?;
        let y = x.matmul(weight, (1, rows, outputs, inputs), x_at, &transposed)?;
        Ok((y, Shape::from((rows, outputs))))
    }

    fn cuda_fwd(
        &self,
        x: &CudaStorage,
        x_at: &Layout,
        weight: &CudaStorage,
        weight_at: &Layout,
    ) -> candle_core::Result<(CudaStorage, Shape)> {
        let (rows, outputs, inputs) = sizes(x_at, weight_at)?;
        let transposed = weight_at.transpose(0, 1)?;
        let y = x.matmul(weight, (1, rows, outputs, inputs), x_at, &transposed)?;
        Ok((y, Shape::from((rows, outputs))))
    }

    fn bwd(
        &self,
        x: &Tensor,
        weight: &Tensor,
        _y: &Tensor,
        dy: &Tensor,
    ) -> candle_core::Result<(Option<Tensor>, Option<Tensor>)> {
        let dx = x.track_op().then(|| dy.matmul(weight)).transpose()?; // [rows, in]
        let dweight = weight.track_op().then(|| dy.t()?.matmul(x)).transpose()?; // [out, in]
        Ok((dx, dweight))
    }
}

struct FrozenLinear {
    weight: Tensor, // [out, in]
}

impl FrozenLinear {
    /// The weight in the input's number format.
    fn weight(&self, dtype: DType) -> candle_core::Result<Tensor> {
        self.weight.to_dtype(dtype)
    }
}

impl CustomOp1 for FrozenLinear {
    fn name(&self) -> &'static str {
        "frozen-linear"
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> candle_core::Result<(CpuStorage, Shape)> {
        let weight = self.weight(x.dtype())?;
        let (storage, weight_layout) = weight.storage_and_layout();
        let (rows, outputs, inputs) = sizes(layout, weight_layout)?;
        let Storage::Cpu(weight) = &*storage else {
            candle_core::bail!("frozen-linear: the weight is not on the CPU")
        };
        let y = x.matmul(
            weight,
            (1, rows, outputs, inputs),
            layout,
            &weight_layout.transpose(0, 1)?,
        )?;
        Ok((y, Shape::from((rows, outputs))))
    }

    fn cuda_fwd(
        &self,
        x: &CudaStorage,
        layout: &Layout,
    ) -> candle_core::Result<(CudaStorage, Shape)> {
        let weight = self.weight(x.dtype())?;
        let (storage, weight_layout) = weight.storage_and_layout();
        let (rows, outputs, inputs) = sizes(layout, weight_layout)?;
        let Storage::Cuda(weight) = &*storage else {
            candle_core::bail!("frozen-linear: the weight is not on the GPU")
        };
        let y = x.matmul(
            weight,
            (1, rows, outputs, inputs),
            layout,
            &weight_layout.transpose(0, 1)?,
        )?;
        Ok((y, Shape::from((rows, outputs))))
    }

    fn bwd(&self, _x: &Tensor, _y: &Tensor, grad: &Tensor) -> candle_core::Result<Option<Tensor>> {
        Ok(Some(grad.matmul(&self.weight(grad.dtype())?)?)) // [rows, in]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::{Device, Var};

    #[test]
    fn the_frozen_form_equals_the_composed_form_and_its_gradient() -> Result<()> {
        let weight = Tensor::randn(0f64, 1.0, (5, 3), &Device::Cpu)?;
        let x = Var::from_tensor(&Tensor::randn(0f64, 1.0, (7, 3), &Device::Cpu)?)?;
        let (frozen, composed) = (frozen_linear(&x, &weight)?, linear(&x, &weight)?);
        assert_eq!(frozen.to_vec2::<f64>()?, composed.to_vec2::<f64>()?);
        let gradient = |y: &Tensor| -> Result<Vec<Vec<f64>>> {
            let store = y.sqr()?.sum_all()?.backward()?;
            let found = store
                .get(&x)
                .ok_or_else(|| crate::Error::method("no gradient"))?;
            Ok(found.to_vec2()?)
        };
        assert_eq!(gradient(&frozen)?, gradient(&composed)?);
        Ok(())
    }
}
