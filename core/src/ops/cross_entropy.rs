//! Cross-entropy between logits and class numbers.
//!
//! On the CPU, one pass over the logits computes the loss and another its gradient, so
//! that nothing as large as the logits is kept besides them.

mod one_pass;

use candle_core::{D, DType, Tensor};

use crate::Result;
use one_pass::CrossEntropy;
pub(crate) use one_pass::into_gradient;

/// Mean over rows of `−log softmax(logits)[class]`.
///
/// `logits: [rows, classes]`, `classes: [rows]` of `u32`; a scalar comes back.
///
/// # Errors
/// Fails where the tensor library does, as on a class number out of range (on a CUDA device,
/// the loss is NaN then, or the device's next operation fails).
pub fn cross_entropy(logits: &Tensor, classes: &Tensor) -> Result<Tensor> {
    if logits.device().is_cpu() && [DType::F32, DType::F64].contains(&logits.dtype()) {
        let op = CrossEntropy::new(classes.to_vec1()?);
        return Ok(logits.contiguous()?.apply_op1(op)?);
    }
    #[cfg(feature = "cuda")]
    if super::cuda::take(logits) {
        return super::cuda::cross_entropy(logits, classes);
    }
    composed(logits, classes)
}

/// The reference: tensor operations that candle differentiates.
fn composed(logits: &Tensor, classes: &Tensor) -> Result<Tensor> {
    let logits = match logits.dtype() {
        DType::F16 | DType::BF16 => logits.to_dtype(DType::F32)?,
        _ => logits.clone(),
    };
    let chosen = log_softmax(&logits)?.gather(&classes.unsqueeze(1)?, 1)?; // [rows, 1]
    Ok(chosen.neg()?.mean_all()?)
}

/// Logarithm of the softmax over the last axis.
///
/// # Errors
/// Fails where the tensor library does.
pub fn log_softmax(logits: &Tensor) -> Result<Tensor> {
    // The maximum only keeps exp in range; the result does not depend on it.
    let shifted = logits.broadcast_sub(&logits.max_keepdim(D::Minus1)?.detach())?;
    let normaliser = shifted.exp()?.sum_keepdim(D::Minus1)?.log()?;
    Ok(shifted.broadcast_sub(&normaliser)?)
}

#[cfg(test)]
mod tests {
    use candle_core::{Device, Var};

    use super::*;

    fn both(logits: &Var, classes: &Tensor) -> Result<[(f64, Vec<Vec<f64>>); 2]> {
        let forms = [cross_entropy, composed];
        let results = forms.map(|form| -> Result<_> {
            let loss = form(logits, classes)?;
            let store = (&loss * 3.0)?.backward()?;
            let gradient = store.get(logits).map(Tensor::to_vec2).transpose()?;
            Ok((loss.to_scalar()?, gradient.unwrap_or_default()))
        });
        let [one_pass, composed] = results;
        Ok([one_pass?, composed?])
    }

    #[test]
    fn the_one_pass_form_equals_the_composed_form_and_its_gradient() -> Result<()> {
        for (rows, width) in [(1, 1), (3, 2), (70, 129)] {
            let logits = Tensor::randn(0f64, 4.0, (rows, width), &Device::Cpu)?;
            let logits = Var::from_tensor(&logits)?;
            let classes: Vec<u32> = (0..rows)
                .map(|row| crate::ops::index(row * 7 % width))
                .collect();
            let [(loss, gradient), (expected, wanted)] =
                both(&logits, &Tensor::new(classes, &Device::Cpu)?)?;
            assert!(
                (loss - expected).abs() <= 1e-12,
                "{loss} against {expected}"
            );
            assert_eq!(gradient.len(), rows);
            for (a, b) in gradient.iter().flatten().zip(wanted.iter().flatten()) {
                assert!((a - b).abs() <= 1e-14, "{a} against {b}");
            }
        }
        Ok(())
    }

    #[test]
    fn large_logits_do_not_overflow() -> Result<()> {
        let logits = Tensor::new(&[[1000f32, 0.0], [0.0, -1000.0]], &Device::Cpu)?;
        let loss = cross_entropy(&logits, &Tensor::new(&[0u32, 0], &Device::Cpu)?)?;
        assert!(loss.to_scalar::<f32>()?.abs() < 1e-6);
        Ok(())
    }

    #[test]
    fn a_class_out_of_range_is_refused() -> Result<()> {
        let logits = Tensor::zeros((1, 3), DType::F32, &Device::Cpu)?;
        let error = cross_entropy(&logits, &Tensor::new(&[3u32], &Device::Cpu)?);
        assert!(error.is_err_and(|e| e.to_string().contains("class 3 of 3")));
        Ok(())
    }
}
