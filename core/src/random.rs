//! Counter-based random numbers: a value is a pure function of a key and a position.
//!
//! Nothing is drawn in sequence, so dropout masks and initial weights depend neither on
//! the number of threads nor on what else was computed before. The mixing function is
//! `SplitMix64`'s finaliser (Steele, Lea and Flood, "Fast splittable pseudorandom number
//! generators", OOPSLA 2014), applied to a Weyl sequence.

use crate::hash::fnv1a;

/// Odd constant nearest to 2⁶⁴ divided by the golden ratio.
const WEYL: u64 = 0x9E37_79B9_7F4A_7C15;

/// Which stream of random numbers is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Key(u64);

impl Key {
    /// The stream of a run's seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(mix(seed))
    }

    /// A stream of its own for a number, such as a step.
    #[must_use]
    pub fn with(self, number: u64) -> Self {
        Self(mix(self.0 ^ mix(number.wrapping_add(WEYL))))
    }

    /// A stream of its own for a name, such as a parameter's.
    #[must_use]
    pub fn named(self, name: &str) -> Self {
        self.with(fnv1a(name.as_bytes()))
    }

    /// The number that the stream is made of, for a device to make the same.
    #[cfg(feature = "cuda")]
    pub(crate) fn number(self) -> u64 {
        self.0
    }

    /// The 64 random bits at a position of the stream.
    #[inline]
    #[must_use]
    pub fn bits(self, position: u64) -> u64 {
        mix(self.0.wrapping_add(position.wrapping_mul(WEYL)))
    }

    /// The number in [0, 1) at a position of the stream.
    #[must_use]
    pub fn uniform(self, position: u64) -> f64 {
        // 53 bits are what the significand of an f64 holds.
        (self.bits(position) >> 11) as f64 / (1u64 << 53) as f64
    }

    /// The standard normal number at a position of the stream (Box–Muller).
    #[must_use]
    pub fn normal(self, position: u64) -> f64 {
        let radius = (-2.0 * (1.0 - self.uniform(2 * position)).ln()).sqrt();
        radius * (std::f64::consts::TAU * self.uniform(2 * position + 1)).cos()
    }
}

#[inline]
fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    const COUNT: u64 = 200_000;

    /// The same numbers stand in `tests/gpu/emulated`, for the kernel that draws them too.
    #[test]
    fn bits_are_what_they_always_were() {
        let key = Key(0x0123_4567_89AB_CDEF);
        let found = [0, 1, 1_000_003].map(|position| key.bits(position));
        let expected = [
            0xB2C0_58E4_EBB5_112C,
            0x157A_3807_A48F_AA9D,
            0x13F9_860C_69DD_094D,
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn uniform_numbers_have_the_moments_of_the_uniform_distribution() {
        let key = Key::new(7).named("dropout").with(3);
        let mean = (0..COUNT).map(|i| key.uniform(i)).sum::<f64>() / COUNT as f64;
        let square = (0..COUNT).map(|i| key.uniform(i).powi(2)).sum::<f64>() / COUNT as f64;
        assert!((mean - 0.5).abs() < 3e-3, "{mean}");
        assert!((square - 1.0 / 3.0).abs() < 3e-3, "{square}");
    }

    #[test]
    fn normal_numbers_have_the_moments_of_the_normal_distribution() {
        let key = Key::new(1);
        let moment =
            |power| (0..COUNT).map(|i| key.normal(i).powi(power)).sum::<f64>() / COUNT as f64;
        assert!(moment(1).abs() < 1e-2);
        assert!((moment(2) - 1.0).abs() < 1e-2);
        assert!((moment(4) - 3.0).abs() < 1e-1);
    }

    #[test]
    fn neighbouring_keys_and_positions_are_uncorrelated() {
        let (a, b) = (Key::new(1).with(1), Key::new(1).with(2));
        let correlation = |f: &dyn Fn(u64) -> f64, g: &dyn Fn(u64) -> f64| {
            (0..COUNT).map(|i| (f(i) - 0.5) * (g(i) - 0.5)).sum::<f64>() / COUNT as f64 * 12.0
        };
        assert!(correlation(&|i| a.uniform(i), &|i| b.uniform(i)).abs() < 1e-2);
        assert!(correlation(&|i| a.uniform(i), &|i| a.uniform(i + 1)).abs() < 1e-2);
    }
}
