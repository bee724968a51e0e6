//! Products with a hypercomplex weight that is never built.
//!
//! ```text
//! y = x H,   H = Σᵢ Aᵢ ⊗ Bᵢ          Compacter, arXiv:2106.04647, the PHM and LPHM layers
//! ```
//!
//! with row vectors `x` and `Aᵢ` as the left factor, as in the reference implementation:
//!
//! | symbol | argument | shape | |
//! |---|---|---|---|
//! | `Aᵢ` | `slow` | `[n(i), n(a), n(j)]` | often shared by the whole model |
//! | `Bᵢ = sᵢ tᵢ` | `left`, `right` | `[n, in/n, r]`, `[n, r, out/n]` | LPHM, rank r |
//! | `Bᵢ` | `whole` | `[n, in/n, out/n]` | PHM |
//!
//! With `x` seen as `[tokens, n(a), in/n]`, the factored product is three small ones,
//! `n·r·(in + n² + out)` multiplications a token instead of `in·out`, and neither `H` nor
//! an `(n, in, out)` intermediate exists. Slow weights start near 1e-4, so products are
//! taken in `f32` where the activations are narrower.

use candle_core::{DType, Tensor};

use super::linear::cast;
use crate::Result;

/// `x Σᵢ Aᵢ ⊗ (sᵢ tᵢ)`.
///
/// `x: [tokens, in]`, `slow: [n, n, n]`, `left: [n, in/n, r]`, `right: [n, r, out/n]`;
/// `[tokens, out]` comes back.
///
/// # Errors
/// Fails where the tensor library does, as on shapes that do not fit.
pub fn factored(x: &Tensor, slow: &Tensor, left: &Tensor, right: &Tensor) -> Result<Tensor> {
    let dtype = x.dtype();
    let x = widen(x, slow)?;
    let (tokens, width) = x.dims2()?;
    let (n, block_in, rank) = left.dims3()?;
    let block_out = right.dim(2)?;
    debug_assert_eq!(n * block_in, width);

    let left = left.transpose(0, 1)?.reshape((block_in, n * rank))?; // [in/n, i·r]
    let u = x.reshape((tokens * n, block_in))?.matmul(&left)?; // [tokens·a, i·r]
    let u = u.reshape((tokens, n, n, rank))?.permute((2, 0, 3, 1))?; // [i, tokens, r, a]
    let v = u
        .reshape((n, tokens * rank, n))?
        .matmul(&slow.contiguous()?)?; // [i, tokens·r, j]
    let v = v.reshape((n, tokens, rank, n))?.permute((1, 3, 0, 2))?; // [tokens, j, i, r]
    let right = right.reshape((n * rank, block_out))?; // [i·r, out/n]
    let y = v.reshape((tokens * n, n * rank))?.matmul(&right)?; // [tokens·j, out/n]
    cast(&y.reshape((tokens, n * block_out))?, dtype)
}

/// `x Σᵢ Aᵢ ⊗ Bᵢ`.
///
/// `x: [tokens, in]`, `slow: [n, n, n]`, `whole: [n, in/n, out/n]`; `[tokens, out]` comes
/// back.
///
/// # Errors
/// Fails where the tensor library does, as on shapes that do not fit.
pub fn dense(x: &Tensor, slow: &Tensor, whole: &Tensor) -> Result<Tensor> {
    let dtype = x.dtype();
    let x = widen(x, slow)?;
    let (tokens, _) = x.dims2()?;
    let (n, block_in, block_out) = whole.dims3()?;

    let blocks = whole.transpose(0, 1)?.reshape((block_in, n * block_out))?; // [in/n, i·out/n]
    let u = x.reshape((tokens * n, block_in))?.matmul(&blocks)?; // [tokens·a, i·out/n]
    let u = u
        .reshape((tokens, n, n, block_out))?
        .permute((0, 3, 2, 1))?; // [tokens, out/n, i, a]
    let slow = slow.reshape((n * n, n))?; // [i·a, j]
    let y = u.reshape((tokens * block_out, n * n))?.matmul(&slow)?; // [tokens·out/n, j]
    let y = y.reshape((tokens, block_out, n))?.transpose(1, 2)?; // [tokens, j, out/n]
    cast(&y.reshape((tokens, n * block_out))?, dtype)
}

/// The whole weight `H: [in, out]`, for tests and for showing a layer.
///
/// # Errors
/// Fails where the tensor library does.
pub fn materialise(slow: &Tensor, fast: &Tensor) -> Result<Tensor> {
    let (n, block_in, block_out) = fast.dims3()?;
    let slow = slow.reshape((n, n, 1, n, 1))?; // [i, a, ·, j, ·]
    let fast = fast.reshape((n, 1, block_in, 1, block_out))?; // [i, ·, p, ·, q]
    Ok(slow
        .broadcast_mul(&fast)?
        .sum(0)?
        .reshape((n * block_in, n * block_out))?)
}

fn widen(x: &Tensor, slow: &Tensor) -> Result<Tensor> {
    match x.dtype() {
        DType::F16 | DType::BF16 => cast(x, slow.dtype()),
        _ => Ok(x.clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::Device;

    fn close(a: &Tensor, b: &Tensor) -> Result<()> {
        let largest = b.abs()?.max_all()?.to_scalar::<f64>()?;
        let off = (a - b)?.abs()?.max_all()?.to_scalar::<f64>()?;
        assert!(off <= 1e-13 * largest, "{off} of {largest}");
        Ok(())
    }

    #[test]
    fn products_equal_those_with_the_materialised_weight() -> Result<()> {
        let random = |shape: &[usize]| Tensor::randn(0f64, 1.0, shape, &Device::Cpu);
        for (n, width, out, rank) in [(4, 12, 8, 1), (2, 6, 10, 3), (1, 5, 7, 2)] {
            let (x, slow) = (random(&[9, width])?, random(&[n, n, n])?);
            let (left, right) = (random(&[n, width / n, rank])?, random(&[n, rank, out / n])?);
            let fast = left.matmul(&right)?;
            let expected = x.matmul(&materialise(&slow, &fast)?)?;
            close(&factored(&x, &slow, &left, &right)?, &expected)?;
            close(&dense(&x, &slow, &fast)?, &expected)?;
        }
        Ok(())
    }
}
