//! Operations made of kernels, as the tensor library takes them.

use candle_core::{
    CpuStorage, CudaStorage, CustomOp1, CustomOp2, CustomOp3, Layout, Result, Shape, Tensor, bail,
};

/// An argument of a forward pass: contiguous storage, and where in it the elements stand.
pub(super) type Argument<'a> = (&'a CudaStorage, &'a Layout);

/// An operation on one to three contiguous tensors, differentiated by hand.
pub(super) trait Kernel: Send + Sync + 'static {
    /// What errors call it.
    const NAME: &'static str;

    /// The value.
    fn forward(&self, arguments: &[Argument<'_>]) -> Result<(CudaStorage, Shape)>;

    /// The gradient of each argument, `None` for what needs none: `y` is the value and `dy`,
    /// contiguous, its gradient.
    fn backward(
        &self,
        arguments: &[&Tensor],
        y: &Tensor,
        dy: &Tensor,
    ) -> Result<Vec<Option<Tensor>>>;
}

/// Applies a kernel to its arguments.
pub(super) fn apply<K: Kernel>(kernel: K, arguments: &[&Tensor]) -> Result<Tensor> {
    let contiguous: Vec<Tensor> = arguments
        .iter()
        .map(|argument| argument.contiguous())
        .collect::<Result<_>>()?;
    match &contiguous[..] {
        [x] => x.apply_op1(Operation(kernel)),
        [a, b] => a.apply_op2(b, Operation(kernel)),
        [a, b, c] => a.apply_op3(b, c, Operation(kernel)),
        _ => bail!("{}: {} arguments", K::NAME, contiguous.len()),
    }
}

struct Operation<K>(K);

impl<K: Kernel> Operation<K> {
    /// The gradients, as many as there are arguments.
    fn gradients<const N: usize>(
        &self,
        arguments: [&Tensor; N],
        y: &Tensor,
        dy: &Tensor,
    ) -> Result<[Option<Tensor>; N]> {
        let found = self.0.backward(&arguments, y, &dy.contiguous()?)?;
        match found.try_into() {
            Ok(gradients) => Ok(gradients),
            Err(found) => bail!("{}: {} gradients of {N}", K::NAME, Vec::len(&found)),
        }
    }
}

/// Kernels are only reached through [`super::take`], which says no to the CPU.
fn not_here<T>(name: &str) -> Result<T> {
    bail!("{name}: this kernel runs on CUDA devices only")
}

impl<K: Kernel> CustomOp1 for Operation<K> {
    fn name(&self) -> &'static str {
        K::NAME
    }

    fn cpu_fwd(&self, _: &CpuStorage, _: &Layout) -> Result<(CpuStorage, Shape)> {
        not_here(K::NAME)
    }

    fn cuda_fwd(&self, x: &CudaStorage, at: &Layout) -> Result<(CudaStorage, Shape)> {
        self.0.forward(&[(x, at)])
    }

    fn bwd(&self, x: &Tensor, y: &Tensor, dy: &Tensor) -> Result<Option<Tensor>> {
        let [dx] = self.gradients([x], y, dy)?;
        Ok(dx)
    }
}

impl<K: Kernel> CustomOp2 for Operation<K> {
    fn name(&self) -> &'static str {
        K::NAME
    }

    fn cpu_fwd(
        &self,
        _: &CpuStorage,
        _: &Layout,
        _: &CpuStorage,
        _: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        not_here(K::NAME)
    }

    fn cuda_fwd(
        &self,
        a: &CudaStorage,
        a_at: &Layout,
        b: &CudaStorage,
        b_at: &Layout,
    ) -> Result<(CudaStorage, Shape)> {
        self.0.forward(&[(a, a_at), (b, b_at)])
    }

    fn bwd(
        &self,
        a: &Tensor,
        b: &Tensor,
        y: &Tensor,
        dy: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let [da, db] = self.gradients([a, b], y, dy)?;
        Ok((da, db))
    }
}

impl<K: Kernel> CustomOp3 for Operation<K> {
    fn name(&self) -> &'static str {
        K::NAME
    }

    fn cpu_fwd(
        &self,
        _: &CpuStorage,
        _: &Layout,
        _: &CpuStorage,
        _: &Layout,
        _: &CpuStorage,
        _: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        not_here(K::NAME)
    }

    fn cuda_fwd(
        &self,
        a: &CudaStorage,
        a_at: &Layout,
        b: &CudaStorage,
        b_at: &Layout,
        c: &CudaStorage,
        c_at: &Layout,
    ) -> Result<(CudaStorage, Shape)> {
        self.0.forward(&[(a, a_at), (b, b_at), (c, c_at)])
    }

    fn bwd(
        &self,
        a: &Tensor,
        b: &Tensor,
        c: &Tensor,
        y: &Tensor,
        dy: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let [da, db, dc] = self.gradients([a, b, c], y, dy)?;
        Ok((da, db, dc))
    }
}
