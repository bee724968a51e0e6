//! The number formats of one-pass forms.

use std::cell::Cell;
use std::ops::Neg;
use std::thread::LocalKey;

use candle_core::{CpuStorage, WithDType};
use half::bf16;

/// A number format that one-pass forms compute in: `f32`, whose functions turn into vector
/// code, or `f64`, whose are those of the standard library.
pub(crate) trait Real: WithDType + Neg<Output = Self> {
    const NEG_INFINITY: Self;

    /// Room of the calling thread, to be taken out and put back.
    fn room() -> &'static LocalKey<Cell<Vec<Self>>>;
    /// The elements of a storage that holds this format.
    fn of_storage(storage: &mut CpuStorage) -> Option<&mut [Self]> {
        Self::vec_of_storage(storage).map(Vec::as_mut_slice)
    }
    /// The same, with its room.
    fn vec_of_storage(storage: &mut CpuStorage) -> Option<&mut Vec<Self>>;
    /// The slice itself, where this format is `f32`.
    fn as_f32(slice: &[Self]) -> Option<&[f32]>;
    /// The slice itself, where this format is `f32`.
    fn as_f32_mut(slice: &mut [Self]) -> Option<&mut [f32]>;
    /// A number that is kept in bf16; every one of them is one of this format too.
    fn of_bf16(from: bf16) -> Self;
    /// eˣ
    fn exp(self) -> Self;
    /// The error function.
    fn erf(self) -> Self;
    /// The hyperbolic tangent.
    fn tanh(self) -> Self;
    /// √x
    fn sqrt(self) -> Self;
    /// The natural logarithm.
    fn ln(self) -> Self;
    /// The larger of two numbers; NaN only where the first one is.
    fn larger(self, other: Self) -> Self;

    /// 1 / (1 + e⁻ˣ)
    #[inline(always)]
    fn sigmoid(self) -> Self {
        Self::one() / (Self::one() + (-self).exp())
    }
}

impl Real for f32 {
    const NEG_INFINITY: Self = f32::NEG_INFINITY;

    fn room() -> &'static LocalKey<Cell<Vec<Self>>> {
        thread_local!(static ROOM: Cell<Vec<f32>> = const { Cell::new(Vec::new()) });
        &ROOM
    }

    fn vec_of_storage(storage: &mut CpuStorage) -> Option<&mut Vec<Self>> {
        match storage {
            CpuStorage::F32(elements) => Some(elements),
            _ => None,
        }
    }

    fn as_f32(slice: &[Self]) -> Option<&[f32]> {
        Some(slice)
    }

    fn as_f32_mut(slice: &mut [Self]) -> Option<&mut [f32]> {
        Some(slice)
    }

    /// A bf16 is the upper half of an f32.
    #[inline(always)]
    fn of_bf16(from: bf16) -> Self {
        f32::from_bits(u32::from(from.to_bits()) << 16)
    }

    /// 2ⁿ·eʳ with n = round(x / ln 2) and the Taylor series of eʳ, whose first term left
    /// out is 5e-9 at |r| = ln 2 / 2. Below −87.3 it is 0, where the true value is under
    /// the smallest normal number.
    #[inline(always)]
    fn exp(self) -> Self {
        /// Added to a small number, leaves it rounded in the low bits.
        const ROUND: f32 = 12_582_912.0; // 1.5 · 2²³
        /// ln 2 in two parts, the first with few enough bits that its product with n is exact.
        const LN2: (f32, f32) = (0.693_359_4, -2.121_944_4e-4);
        const EXPONENT_BITS: u32 = 23;
        const BIAS: u32 = 127;
        let shifted = self * std::f32::consts::LOG2_E + ROUND;
        let n = shifted - ROUND;
        let r = (self - n * LN2.0) - n * LN2.1;
        let series = 1.0 / 5040.0;
        let series = series * r + 1.0 / 720.0;
        let series = series * r + 1.0 / 120.0;
        let series = series * r + 1.0 / 24.0;
        let series = series * r + 1.0 / 6.0;
        let series = series * r + 0.5;
        let series = (series * r + 1.0) * r + 1.0;
        let power = f32::from_bits(shifted.to_bits().wrapping_add(BIAS) << EXPONENT_BITS);
        let value = series * power;
        let value = if self < -87.3 { 0.0 } else { value };
        if self > 88.3 { f32::INFINITY } else { value }
    }

    /// x · N(x²) / D(x²), both of degree 5, on |x| < 3.95, beyond which it is ±1 to the last
    /// place: fitted by least squares on Chebyshev nodes, weighted towards the largest
    /// relative error, which is 3.8e-7 with all roundings.
    #[inline(always)]
    fn erf(self) -> Self {
        const END: f32 = 3.95;
        #[expect(
            clippy::approx_constant,
            reason = "the first one is 2/√π as it was fitted"
        )]
        const NUMERATOR: [f32; 6] = [
            1.128_379_1,
            0.191_546_02,
            0.052_874_874,
            0.003_807_974_7,
            0.000_284_683_05,
            2.025_935_8e-6,
        ];
        const DENOMINATOR: [f32; 6] = [
            1.0,
            0.503_085_9,
            0.114_557_85,
            0.015_054_718,
            0.001_170_679_5,
            3.783_184e-5,
        ];
        // Written so that NaN stays NaN.
        let x = if self > END { END } else { self };
        let x = if x < -END { -END } else { x };
        let square = x * x;
        let series = |factors: [f32; 6]| {
            let [a, b, c, d, e, f] = factors;
            ((((f * square + e) * square + d) * square + c) * square + b) * square + a
        };
        let value = x * series(NUMERATOR) / series(DENOMINATOR);
        let value = if value > 1.0 { 1.0 } else { value };
        if value < -1.0 { -1.0 } else { value }
    }

    #[inline(always)]
    fn tanh(self) -> Self {
        f32::tanh(self)
    }

    #[inline(always)]
    fn sqrt(self) -> Self {
        f32::sqrt(self)
    }

    #[inline(always)]
    fn ln(self) -> Self {
        f32::ln(self)
    }

    #[inline(always)]
    fn larger(self, other: Self) -> Self {
        if other > self { other } else { self }
    }
}

impl Real for f64 {
    const NEG_INFINITY: Self = f64::NEG_INFINITY;

    fn room() -> &'static LocalKey<Cell<Vec<Self>>> {
        thread_local!(static ROOM: Cell<Vec<f64>> = const { Cell::new(Vec::new()) });
        &ROOM
    }

    fn vec_of_storage(storage: &mut CpuStorage) -> Option<&mut Vec<Self>> {
        match storage {
            CpuStorage::F64(elements) => Some(elements),
            _ => None,
        }
    }

    fn as_f32(_: &[Self]) -> Option<&[f32]> {
        None
    }

    fn as_f32_mut(_: &mut [Self]) -> Option<&mut [f32]> {
        None
    }

    #[inline(always)]
    fn of_bf16(from: bf16) -> Self {
        from.to_f64()
    }

    #[inline(always)]
    fn exp(self) -> Self {
        f64::exp(self)
    }

    #[inline(always)]
    fn erf(self) -> Self {
        libm::erf(self)
    }

    #[inline(always)]
    fn tanh(self) -> Self {
        f64::tanh(self)
    }

    #[inline(always)]
    fn sqrt(self) -> Self {
        f64::sqrt(self)
    }

    #[inline(always)]
    fn ln(self) -> Self {
        f64::ln(self)
    }

    #[inline(always)]
    fn larger(self, other: Self) -> Self {
        if other > self { other } else { self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exponential_is_good_to_two_units_in_the_last_place() {
        for at in -8700..8830 {
            let x = at as f32 * 0.01;
            let (found, exact) = (f64::from(Real::exp(x)), f64::from(x).exp());
            assert!(
                (found - exact).abs() <= 2.4e-7 * exact,
                "exp({x}): {found} against {exact}"
            );
        }
    }

    #[test]
    fn the_error_function_is_good_to_six_digits() {
        for at in -60_000..60_000 {
            let x = at as f32 * 1e-4;
            let (found, exact) = (f64::from(Real::erf(x)), libm::erf(f64::from(x)));
            assert!(
                (found - exact).abs() <= 4e-7 * exact.abs(),
                "erf({x}): {found} against {exact}"
            );
        }
        assert!(Real::erf(f32::NAN).is_nan());
        assert_eq!(Real::erf(f32::INFINITY).to_bits(), 1f32.to_bits());
        assert_eq!(Real::erf(f32::NEG_INFINITY).to_bits(), (-1f32).to_bits());
    }

    #[test]
    fn the_exponential_keeps_its_limits() {
        assert_eq!(Real::exp(f32::NEG_INFINITY).to_bits(), 0);
        assert!(Real::exp(f32::INFINITY).is_infinite());
        assert!(Real::exp(f32::NAN).is_nan());
        assert_eq!(Real::exp(0f32).to_bits(), 1f32.to_bits());
    }
}
