//! Fastfood: a random linear map of a short vector to a long one, in `O(N log N)`.
//!
//! ```text
//! P(z) = √(N/D) / √(N Σ G²) · [H G Π H B z]₁…D          Le, Sarlós and Smola (ICML 2013), section 3;
//!                                                     as a subspace: Li et al., arXiv:1804.08838
//! ```
//!
//! | symbol | what |
//! |---|---|
//! | `D`, `N` | elements wanted, and the least power of two that holds them |
//! | `z` | put into the first of `N` places, the others 0; cut off where it is longer |
//! | `B`, `Π` | signs and a permutation, functions of a key and the position |
//! | `G` | independent standard normal numbers, kept in `f32` |
//! | `H` | the Walsh–Hadamard transform in natural order, entries ±1 |
//!
//! The factor makes the map keep lengths in the mean where `z` fits. Results do not depend
//! on the number of threads: each element is the same tree of sums and differences.

use std::sync::Arc;

use candle_core::bail;
use candle_core::{CpuStorage, CustomOp1, DType, Layout, Result as CandleResult, Shape, Tensor};
use rayon::prelude::*;

use crate::Result;
use crate::ops::cpu::{Real, View, contiguous};
use crate::random::Key;

/// From this many elements on, the halves of a transform are two tasks.
const TASK: usize = 1 << 14;

/// Up to this many elements a transform goes round by round, without calls.
const LEAF: usize = 1 << 10;

/// Elements that are summed one after another.
const SUMMED: usize = 1 << 20;

/// A random map to a fixed number of elements. Clones share what is kept.
#[derive(Debug, Clone)]
pub struct Fastfood {
    elements: usize,    // D
    bits: u32,          // N = 2^bits
    normal: Arc<[f32]>, // G: [N]
    factor: f64,
    signs: Key,          // B
    shuffle: [Round; 3], // Π
    released: bool,
}

/// One round of a permutation of `0..2^bits`: an addition, a product with an odd number and
/// a shifted exclusive or, each of which can be undone.
#[derive(Debug, Clone, Copy)]
struct Round {
    add: u64,
    odd: u64,
}

impl Fastfood {
    /// The map of a key to so many elements.
    #[must_use]
    pub fn new(elements: usize, key: Key) -> Self {
        let padded = elements.next_power_of_two();
        let draws = key.named("normal");
        let normal: Vec<f32> = (0..padded)
            .into_par_iter()
            .with_min_len(TASK)
            .map(|at| narrow(draws.normal(at as u64)))
            .collect();
        let squares: f64 = normal.iter().map(|&g| f64::from(g).powi(2)).sum();
        let shuffle = key.named("shuffle");
        let round = |at: u64| Round {
            add: shuffle.bits(2 * at),
            odd: shuffle.bits(2 * at + 1) | 1,
        };
        Self {
            elements,
            bits: padded.trailing_zeros(),
            factor: 1.0 / (squares * elements as f64).sqrt(),
            normal: normal.into(),
            signs: key.named("signs"),
            shuffle: [round(0), round(1), round(2)],
            released: false,
        }
    }

    /// The same map with the gradient divided by `N`, as released code has it: there every
    /// transform of the backward pass, and none of the forward pass, is scaled by `1/√N`.
    #[must_use]
    pub fn with_released_gradient(mut self) -> Self {
        self.released = true;
        self
    }

    /// Maps `z: [dimension]` to `[D]`, on the CPU in `f32` or `f64`.
    ///
    /// # Errors
    /// Fails for other devices and number formats.
    pub fn forward(&self, z: &Tensor) -> Result<Tensor> {
        Ok(z.contiguous()?.apply_op1(self.clone())?)
    }

    fn padded(&self) -> usize {
        self.normal.len()
    }

    fn is_negative(&self, at: usize) -> bool {
        self.signs.bits(at as u64) & 1 == 1
    }

    /// Where the permutation takes the element at a place from.
    fn source(&self, at: usize) -> usize {
        let mask = (1u64 << self.bits) - 1;
        let shift = self.bits.div_ceil(2).max(1);
        let mixed = self.shuffle.iter().fold(at as u64, |x, round| {
            let x = x.wrapping_add(round.add).wrapping_mul(round.odd) & mask;
            x ^ (x >> shift)
        });
        // Below `N`, which is a number of elements.
        usize::try_from(mixed).unwrap_or_default()
    }

    /// The least power of two that holds a vector, as far as it is read.
    ///
    /// Entries of `H` depend on the bits that two places share, so with zeros from there on
    /// `H B z` repeats itself with this period, and the first elements of `B H x` need no
    /// more of `x` than its sum over the periods.
    fn period(&self, dimension: usize) -> usize {
        dimension.next_power_of_two().min(self.padded())
    }

    fn map<T: Real>(&self, z: &[T]) -> Vec<T> {
        let mut x = vec![T::zero(); self.period(z.len())];
        for (at, (x, &z)) in x.iter_mut().zip(z).enumerate() {
            *x = if self.is_negative(at) { -z } else { z };
        }
        transform(&mut x);
        let mut y = vec![T::zero(); self.padded()];
        let last = x.len() - 1;
        let parts = y.par_chunks_mut(TASK).enumerate();
        parts.for_each(|(part, y)| {
            let start = part * TASK;
            for (at, y) in y.iter_mut().enumerate() {
                *y = x[self.source(start + at) & last] * self.scale(start + at, self.factor);
            }
        });
        transform(&mut y);
        y.truncate(self.elements);
        y
    }

    /// The transposed map: the gradient by `z` from that by the elements.
    fn transposed<T: Real>(&self, dy: &[T], dimension: usize) -> Vec<T> {
        let mut y = dy.to_vec();
        y.resize(self.padded(), T::zero());
        transform(&mut y);
        let mut factor = self.factor;
        if self.released {
            factor /= self.padded() as f64;
        }
        let period = self.period(dimension);
        // Parts of a fixed size, each summed by itself: the same for any number of threads.
        let parts = y.par_chunks(SUMMED).enumerate();
        let sums: Vec<Vec<T>> = parts
            .map(|(part, y)| {
                let start = part * SUMMED;
                let mut sum = vec![T::zero(); period];
                for (at, &dy) in y.iter().enumerate() {
                    let sum = &mut sum[self.source(start + at) & (period - 1)];
                    *sum += dy * self.scale(start + at, factor);
                }
                sum
            })
            .collect();
        let mut x = vec![T::zero(); period];
        for sum in sums {
            for (x, sum) in x.iter_mut().zip(sum) {
                *x += sum;
            }
        }
        transform(&mut x);
        x.resize(dimension, T::zero());
        for (at, x) in x.iter_mut().enumerate().take(self.padded()) {
            if self.is_negative(at) {
                *x = -*x;
            }
        }
        x
    }

    /// What the element at a place is multiplied by between the transforms.
    fn scale<T: Real>(&self, at: usize, factor: f64) -> T {
        T::from_f64(f64::from(self.normal[at]) * factor)
    }
}

/// The Walsh–Hadamard transform in place; the length is a power of two.
fn transform<T: Real>(x: &mut [T]) {
    if x.len() <= LEAF {
        let mut half = 1;
        while half < x.len() {
            for block in x.chunks_exact_mut(2 * half) {
                let (low, high) = block.split_at_mut(half);
                combine(low, high);
            }
            half *= 2;
        }
        return;
    }
    let (low, high) = x.split_at_mut(x.len() / 2);
    if low.len() >= TASK {
        rayon::join(|| transform(low), || transform(high));
    } else {
        transform(low);
        transform(high);
    }
    combine(low, high);
}

/// Sums and differences of two halves, in their places.
fn combine<T: Real>(low: &mut [T], high: &mut [T]) {
    for (low, high) in low.iter_mut().zip(high) {
        let (sum, difference) = (*low + *high, *low - *high);
        (*low, *high) = (sum, difference);
    }
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "a normal number is far inside what f32 holds"
)]
fn narrow(x: f64) -> f32 {
    x as f32
}

impl CustomOp1 for Fastfood {
    fn name(&self) -> &'static str {
        "fastfood"
    }

    fn cpu_fwd(&self, z: &CpuStorage, at: &Layout) -> CandleResult<(CpuStorage, Shape)> {
        let range = contiguous(at)?;
        let y = match z {
            CpuStorage::F32(z) => CpuStorage::F32(self.map(&z[range])),
            CpuStorage::F64(z) => CpuStorage::F64(self.map(&z[range])),
            _ => bail!("fastfood: unsupported number format"),
        };
        Ok((y, Shape::from(self.elements)))
    }

    fn bwd(&self, z: &Tensor, _y: &Tensor, dy: &Tensor) -> CandleResult<Option<Tensor>> {
        fn gradient<T: Real>(map: &Fastfood, z: &Tensor, dy: &Tensor) -> CandleResult<Tensor> {
            let dz = map.transposed(&View::<T>::of(dy)?, z.dim(0)?);
            Tensor::from_vec(dz, z.shape(), z.device())
        }
        let dy = dy.contiguous()?;
        Ok(Some(match z.dtype() {
            DType::F64 => gradient::<f64>(self, z, &dy)?,
            _ => gradient::<f32>(self, z, &dy)?,
        }))
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use candle_core::Device;

    fn unit(length: usize, at: usize) -> Vec<f64> {
        let mut unit = vec![0.0; length];
        unit[at] = 1.0;
        unit
    }

    /// The entry of the transform's matrix: the sign of the bits that two places share.
    fn hadamard(a: usize, b: usize) -> f64 {
        if (a & b).count_ones().is_multiple_of(2) {
            1.0
        } else {
            -1.0
        }
    }

    #[test]
    fn a_transform_is_the_product_with_its_matrix() {
        for length in [1, 2, 8, 64] {
            let x: Vec<f64> = (0..length).map(|i| Key::new(1).normal(i as u64)).collect();
            let mut y = x.clone();
            transform(&mut y);
            for (a, y) in y.iter().enumerate() {
                let expected: f64 = (0..length).map(|b| hadamard(a, b) * x[b]).sum();
                assert!((y - expected).abs() < 1e-12);
            }
        }
    }

    #[test]
    fn a_long_transform_of_itself_is_the_vector_as_often_as_it_is_long() {
        for bits in [11, 16] {
            let length = 1usize << bits;
            let x: Vec<f64> = (0..length).map(|i| Key::new(2).normal(i as u64)).collect();
            let mut y = x.clone();
            transform(&mut y);
            let first: f64 = x.iter().sum();
            assert!((y[0] - first).abs() < 1e-9 * length as f64);
            transform(&mut y);
            for (x, y) in x.iter().zip(y) {
                assert!((x * length as f64 - y).abs() < 1e-9 * length as f64);
            }
        }
    }

    #[test]
    fn every_place_is_taken_from_once() {
        for elements in [1, 2, 3, 30, 1024, 40_000] {
            let map = Fastfood::new(elements, Key::new(elements as u64));
            let mut from: Vec<usize> = (0..map.padded()).map(|at| map.source(at)).collect();
            let moved = from.iter().enumerate().filter(|(at, from)| at != *from);
            assert!(map.padded() < 8 || moved.count() > map.padded() / 2);
            from.sort_unstable();
            assert!(from.into_iter().eq(0..map.padded()), "{elements}");
        }
    }

    #[test]
    fn the_gradient_is_the_transposed_map_whether_the_vector_fits_or_not() {
        for (elements, dimension) in [(1, 1), (1, 3), (5, 3), (5, 8), (5, 11), (32, 20)] {
            let map = Fastfood::new(elements, Key::new(7));
            for i in 0..dimension {
                let column = map.map(&unit(dimension, i));
                for (j, entry) in column.iter().enumerate() {
                    let row = map.transposed(&unit(elements, j), dimension);
                    assert!((row[i] - entry).abs() < 1e-14, "{elements} {dimension}");
                }
            }
            let exact = map.transposed(&unit(elements, 0), dimension);
            let released = map.clone().with_released_gradient();
            let quirk = released.transposed(&unit(elements, 0), dimension);
            let factor = elements.next_power_of_two() as f64;
            for (exact, quirk) in exact.iter().zip(quirk) {
                assert!((exact - quirk * factor).abs() < 1e-14);
            }
        }
    }

    #[test]
    fn lengths_are_kept_in_the_mean() {
        for (elements, dimension) in [(4096, 100), (3000, 100)] {
            let mut ratio = 0.0;
            for seed in 0..20 {
                let z: Vec<f64> = (0..dimension).map(|i| Key::new(seed).normal(i)).collect();
                let y = Fastfood::new(elements, Key::new(seed)).map(&z);
                let squares = |x: &[f64]| x.iter().map(|x| x * x).sum::<f64>();
                ratio += squares(&y) / squares(&z) / 20.0;
            }
            assert!((ratio - 1.0).abs() < 0.1, "{elements}: {ratio}");
        }
    }

    #[test]
    fn maps_of_other_keys_are_others_and_long_ones_are_the_same_on_any_threads() {
        let z: Vec<f64> = (0..50).map(|i| Key::new(9).normal(i)).collect();
        let map = |key| Fastfood::new(3 * TASK, Key::new(key)).map(&z);
        assert_ne!(map(1), map(2));
        let alone = rayon::ThreadPoolBuilder::new()
            .num_threads(1)
            .build()
            .unwrap();
        assert_eq!(alone.install(|| map(1)), map(1));
    }

    #[test]
    fn as_an_operation_it_is_differentiated() {
        let z = candle_core::Var::new(&[0.5f64, -1.0, 2.0], &Device::Cpu).unwrap();
        let map = Fastfood::new(5, Key::new(3));
        let weights = Tensor::new(&[1f64, 2.0, 3.0, 4.0, 5.0], &Device::Cpu).unwrap();
        let loss = (map.forward(&z).unwrap() * &weights)
            .unwrap()
            .sum_all()
            .unwrap();
        let store = loss.backward().unwrap();
        let found = store.get(&z).unwrap().to_vec1::<f64>().unwrap();
        assert_eq!(found, map.transposed(&[1.0, 2.0, 3.0, 4.0, 5.0], 3));
    }
}
