//! What the one-pass CPU forms share: number formats, vector loops, views of tensors.
#![expect(
    clippy::inline_always,
    reason = "loops only use the processor's vectors where they are inlined into `vectorised`"
)]

mod mixed;
mod product;
mod real;
mod transpose;
mod view;

pub(crate) use mixed::PackedWeight;
#[cfg(test)]
pub(crate) use mixed::is_available as mixed_precision_is_available;
pub(crate) use product::{Matrix, MatrixMut, Write, add_product, product, wide_product};
pub(crate) use real::Real;
pub(crate) use view::{View, contiguous};

/// Rows that a thread takes at a time. Sums over rows are made block by block, so they do
/// not depend on the number of threads.
pub(crate) const ROWS: usize = 32;

/// Elements that a thread takes at a time in loops without rows.
pub(crate) const ELEMENTS: usize = 8192;

/// Number of partial sums; a multiple of every vector's width.
const LANES: usize = 16;

/// Runs `work` with the widest vectors that the processor has. Loops in it are compiled
/// for them, as far as they are inlined.
#[inline]
pub(crate) fn vectorised<R>(work: impl FnOnce() -> R) -> R {
    pulp::Arch::new().dispatch(work)
}

/// Σ f(aᵢ, bᵢ), in an order that depends on the length only.
#[inline(always)]
pub(crate) fn sum2<T: Real>(a: &[T], b: &[T], f: impl Fn(T, T) -> T) -> T {
    let mut lanes = [T::zero(); LANES];
    let (a_whole, b_whole) = (a.chunks_exact(LANES), b.chunks_exact(LANES));
    let (a_rest, b_rest) = (a_whole.remainder(), b_whole.remainder());
    for (a, b) in a_whole.zip(b_whole) {
        for lane in 0..LANES {
            lanes[lane] += f(a[lane], b[lane]);
        }
    }
    for (lane, (&a, &b)) in lanes.iter_mut().zip(a_rest.iter().zip(b_rest)) {
        *lane += f(a, b);
    }
    fold(lanes)
}

/// Σ f(aᵢ, bᵢ, cᵢ), in an order that depends on the length only.
#[inline(always)]
pub(crate) fn sum3<T: Real>(a: &[T], b: &[T], c: &[T], f: impl Fn(T, T, T) -> T) -> T {
    let mut lanes = [T::zero(); LANES];
    let whole = a.len() / LANES * LANES;
    let blocks = a.chunks_exact(LANES).zip(b.chunks_exact(LANES));
    for ((a, b), c) in blocks.zip(c.chunks_exact(LANES)) {
        for lane in 0..LANES {
            lanes[lane] += f(a[lane], b[lane], c[lane]);
        }
    }
    let rest = a[whole..].iter().zip(&b[whole..]).zip(&c[whole..]);
    for (lane, ((&a, &b), &c)) in lanes.iter_mut().zip(rest) {
        *lane += f(a, b, c);
    }
    fold(lanes)
}

#[inline(always)]
fn fold<T: Real>(mut lanes: [T; LANES]) -> T {
    let mut width = LANES / 2;
    while width > 0 {
        for lane in 0..width {
            let upper = lanes[lane + width];
            lanes[lane] += upper;
        }
        width /= 2;
    }
    lanes[0]
}

/// The largest of some numbers; −∞ of none.
#[inline(always)]
pub(crate) fn largest<T: Real>(x: &[T]) -> T {
    let mut lanes = [T::NEG_INFINITY; LANES];
    let whole = x.chunks_exact(LANES);
    let rest = whole.remainder();
    for x in whole {
        for lane in 0..LANES {
            lanes[lane] = lanes[lane].larger(x[lane]);
        }
    }
    for (lane, &x) in lanes.iter_mut().zip(rest) {
        *lane = lane.larger(x);
    }
    lanes.iter().fold(T::NEG_INFINITY, |a, &b| a.larger(b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_and_maxima_are_those_of_plain_loops() {
        for len in [0usize, 1, 15, 16, 17, 100] {
            let a: Vec<f64> = (0..len).map(|i| (i as f64 * 0.7).sin()).collect();
            let b: Vec<f64> = (0..len).map(|i| (i as f64 * 0.3).cos()).collect();
            let plain: f64 = a.iter().zip(&b).map(|(a, b)| a * b).sum();
            assert!((sum2(&a, &b, |a, b| a * b) - plain).abs() < 1e-13);
            let plain: f64 = a.iter().zip(&b).map(|(a, b)| a * b * a).sum();
            assert!((sum3(&a, &b, &a, |a, b, c| a * b * c) - plain).abs() < 1e-13);
            let plain = a.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            assert!((largest(&a) - plain).abs() < f64::EPSILON || len == 0);
        }
    }
}
