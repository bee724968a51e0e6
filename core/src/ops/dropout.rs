//! Dropout whose mask is a pure function of (seed, step, site, element).
//!
//! Srivastava et al., JMLR 15 (2014), in the "inverted" form: kept elements are divided by
//! the probability of keeping them. The backward pass makes the mask again, so none is
//! stored, and evaluation in between takes nothing from any generator.

use candle_core::{CpuStorage, CustomOp1, Layout, Shape, Tensor, WithDType};
use rayon::prelude::*;

use super::cpu::{ELEMENTS, vectorised};
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
    #[cfg(feature = "cuda")]
    if super::cuda::take(x) {
        return super::cuda::dropout(x, rate, key);
    }
    // Made here, a byte an element: the tensor library has no such generator on a device.
    let kept = Tensor::from_vec(op.kept(x.elem_count()), x.shape(), x.device())?;
    let factor = (kept.to_dtype(x.dtype())? * (1.0 / (1.0 - rate)))?;
    Ok((x * factor)?)
}

/// Which elements a dropout drops.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Mask {
    key: Key,
    below: u64,
}

impl Mask {
    /// The mask of a rate: what is drawn below it is dropped. Draws have 53 bits, and numbers
    /// of so many bits are compared as whole numbers just as well.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a rate lies between 0 and 1"
    )]
    pub(crate) fn new(rate: f64, key: Key) -> Self {
        let below = (rate * (1u64 << 53) as f64).ceil() as u64;
        Self { key, below }
    }

    /// The key's number, and what its draws of 53 bits are dropped below.
    #[cfg(feature = "cuda")]
    pub(crate) fn parts(self) -> (u64, u64) {
        (self.key.number(), self.below)
    }

    #[inline]
    pub(crate) fn drops(self, element: u64) -> bool {
        self.key.bits(element) >> 11 < self.below
    }
}

/// Multiplies the elements of `x` by the mask's factors, element 0 being number `first` of
/// the whole tensor.
pub(crate) fn drop_in_place<T: WithDType>(x: &mut [T], (rate, key): (f64, Key), first: usize) {
    let (mask, kept) = (Mask::new(rate, key), T::from_f64(1.0 / (1.0 - rate)));
    vectorised(
        #[inline(always)]
        || {
            for (element, value) in (first as u64..).zip(x) {
                *value = if mask.drops(element) {
                    T::zero()
                } else {
                    *value * kept
                };
            }
        },
    );
}

#[derive(Clone, Copy)]
struct Dropout {
    rate: f64,
    key: Key,
}

impl Dropout {
    /// 1 for each element that is kept, and 0 for the others.
    fn kept(self, elements: usize) -> Vec<u8> {
        let mask = Mask::new(self.rate, self.key);
        let mut kept = vec![0; elements];
        let blocks = kept.par_chunks_mut(ELEMENTS).enumerate();
        blocks.for_each(|(block, kept)| {
            vectorised(
                #[inline(always)]
                || {
                    for (element, kept) in ((block * ELEMENTS) as u64..).zip(kept) {
                        *kept = u8::from(!mask.drops(element));
                    }
                },
            );
        });
        kept
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
    fn a_mask_drops_what_is_drawn_below_the_rate() {
        let key = Key::new(5);
        for rate in [0.1, 0.25, 1.0 / 3.0, 0.999] {
            let mask = Mask::new(rate, key);
            assert!(
                (0..20_000).all(|i| mask.drops(i) == (key.uniform(i) < rate)),
                "{rate}"
            );
        }
    }

    #[test]
    fn what_is_kept_is_the_same_for_devices_as_on_the_cpu() -> Result<()> {
        let (rate, key) = (0.3, Key::new(9).with(2));
        let elements = 2 * ELEMENTS + 77;
        let ones = Tensor::ones(elements, candle_core::DType::F64, &Device::Cpu)?;
        let here = dropout(&ones, rate, key)?.to_vec1::<f64>()?;
        let kept = Dropout { rate, key }.kept(elements);
        assert!(
            here.iter()
                .zip(&kept)
                .all(|(&y, &kept)| (y > 0.0) == (kept == 1))
        );
        Ok(())
    }

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
