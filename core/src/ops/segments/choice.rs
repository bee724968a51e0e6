//! A choice of rows whose gradient is a choice of rows too.
//!
//! candle adds the gradient of an index to the rows one after another, a GPU with one thread for
//! each column: a thousand times what the choice itself takes. Where it is known which slot
//! a row went to, its gradient is what stands there.

use candle_core::backend::BackendStorage;
use candle_core::{
    CpuStorage, CudaStorage, CustomOp1, Layout, Result, Shape, Storage, Tensor, bail,
};

use crate::ops::linear::cast;

/// `y[i] = x[to[i]]` and `dx[j] = dy[back[j]]`, times what is kept of row j; all rows of one
/// width.
pub(super) struct Choice {
    /// The row of `x` that each row of the result is, `[out]` of `u32`.
    pub(super) to: Tensor,
    /// The row of the result that each row of `x` takes its gradient from, `[in]` of `u32`.
    pub(super) back: Tensor,
    /// 1 for rows of `x` that have a gradient and 0 for others, `[in, 1]`; `None` where all do.
    pub(super) kept: Option<Tensor>,
}

impl Choice {
    fn shape(&self, x: &Layout) -> Result<Shape> {
        let (_, width) = x.shape().dims2()?;
        Ok(Shape::from((self.to.elem_count(), width)))
    }
}

impl CustomOp1 for Choice {
    fn name(&self) -> &'static str {
        "choice-of-rows"
    }

    fn cpu_fwd(&self, x: &CpuStorage, at: &Layout) -> Result<(CpuStorage, Shape)> {
        let (rows, rows_at) = self.to.storage_and_layout();
        let Storage::Cpu(rows) = &*rows else {
            bail!("choice-of-rows: the numbers are not on the CPU")
        };
        Ok((x.index_select(rows, at, rows_at, 0)?, self.shape(at)?))
    }

    fn cuda_fwd(&self, x: &CudaStorage, at: &Layout) -> Result<(CudaStorage, Shape)> {
        let (rows, rows_at) = self.to.storage_and_layout();
        let Storage::Cuda(rows) = &*rows else {
            bail!("choice-of-rows: the numbers are not on the GPU")
        };
        Ok((x.index_select(rows, at, rows_at, 0)?, self.shape(at)?))
    }

    fn bwd(&self, _x: &Tensor, _y: &Tensor, dy: &Tensor) -> Result<Option<Tensor>> {
        let dx = dy.contiguous()?.index_select(&self.back, 0)?;
        let Some(kept) = &self.kept else {
            return Ok(Some(dx));
        };
        let kept = cast(kept, dx.dtype()).map_err(candle_core::Error::wrap)?;
        Ok(Some(dx.broadcast_mul(&kept)?))
    }
}
