//! Dropout whose mask is a pure function of (seed, step, site, element).
//!
//! Srivastava et al., JMLR 15 (2014), in the "inverted" form: kept elements are divided by
//! the probability of keeping them. The backward pass makes the mask again, so none is
//! stored, and evaluation in between takes nothing from any generator.

use candle_core::{CpuStorage, CustomOp1, Layout, Shape, Tensor, WithDType};

use crate::Result;
use crate::random::Key;

/// Drops each element of `x` with probability `rate`, and scales the others.
///
/// # Errors
/// Fails where the tensor library does.
pub fn dropout(x: &Tensor, rate: f64, key: Key) -> Result<Tensor> {
    if rate <= 0.0 {
        return Ok(x.clone());
    }
    let op = Dropout { rate, key };
    if x.device().is_cpu() {
        return Ok(x.contiguous()?.apply_op1(op)?);
    }
    let mask: Vec<f64> = (0..x.elem_count() as u64).map(|i| op.factor(i)).collect();
    let mask = Tensor::from_vec(mask, x.shape(), x.device())?.to_dtype(x.dtype())?;
    Ok((x * mask)?)
}

/// Multiplies the elements of `x` by the mask's factors, element 0 being number `first` of
/// the whole tensor.
pub(crate) fn drop_in_place<T: WithDType>(x: &mut [T], (rate, key): (f64, Key), first: usize) {
    let kept = T::from_f64(1.0 / (1.0 - rate));
    for (element, value) in (first as u64..).zip(x) {
        *value = if key.uniform(element) < rate {
            T::zero()
        } else {
            *value * kept
        };
    }
}

#[derive(Clone, Copy)]
struct Dropout {
    rate: f64,
    key: Key,
}

impl Dropout {
    fn factor(&self, element: u64) -> f64 {
        if self.key.uniform(element) < self.rate {
            0.0
        } else {
            1.0 / (1.0 - self.rate)
        }
    }

    fn apply<T: WithDType>(&self, x: &[T]) -> Vec<T> {
        let mut y = x.to_vec();
        drop_in_place(&mut y, (self.rate, self.key), 0);
        y
    }
}

impl CustomOp1 for Dropout {
    fn name(&self) -> &'static str {
        "dropout"
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> candle_core::Result<(CpuStorage, Shape)> {
        let Some((start, end)) = layout.contiguous_offsets() else {
            candle_core::bail!("dropout: the input is not contiguous")
        };
        let y = match x {
            CpuStorage::F32(x) => CpuStorage::F32(self.apply(&x[start..end])),
            CpuStorage::F64(x) => CpuStorage::F64(self.apply(&x[start..end])),
            CpuStorage::BF16(x) => CpuStorage::BF16(self.apply(&x[start..end])),
            _ => candle_core::bail!("dropout: unsupported number format"),
        };
        Ok((y, layout.shape().clone()))
    }

    fn bwd(&self, _x: &Tensor, _y: &Tensor, grad: &Tensor) -> candle_core::Result<Option<Tensor>> {
        Ok(Some(grad.contiguous()?.apply_op1_no_bwd(self)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::{Device, Var};

    #[test]
    fn a_mask_keeps_the_mean_and_is_the_same_in_both_directions() -> Result<()> {
        let x = Var::from_tensor(&Tensor::ones(
            (200, 300),
            candle_core::DType::F64,
            &Device::Cpu,
        )?)?;
        let y = dropout(&x, 0.1, Key::new(3).with(5))?;
        let mean = y.mean_all()?.to_scalar::<f64>()?;
        assert!((mean - 1.0).abs() < 5e-3, "{mean}");
        let gradients = y.sum_all()?.backward()?;
        let gradient = gradients.get(&x).map(Tensor::to_vec2::<f64>).transpose()?;
        assert_eq!(gradient, Some(y.to_vec2::<f64>()?));
        Ok(())
    }
}
