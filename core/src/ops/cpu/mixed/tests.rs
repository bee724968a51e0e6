//! Products in mixed precision beside the same sums in f64. On processors that do not have
//! the extension there is nothing to run, and that is what is tested.

use proptest::prelude::*;

use super::*;
use crate::random::Key;

fn values(count: usize, key: Key) -> Vec<f32> {
    let one = |at| (key.bits(at as u64) >> 40) as f32 / (1u64 << 23) as f32 - 1.0;
    (0..count).map(one).collect()
}

/// `α · a b`, of elements rounded to bf16; `b(k, column)`.
fn expected(
    alpha: f32,
    (a, inner): (&[f32], usize),
    b: impl Fn(usize, usize) -> f32,
    columns: usize,
) -> Vec<f64> {
    let rounded = |x: f32| f64::from(bf16::from_f32(x).to_f32());
    let row = |row: &[f32]| -> Vec<f64> {
        let sum = |column| -> f64 {
            let terms = row.iter().enumerate();
            terms
                .map(|(k, &x)| rounded(x) * rounded(b(k, column)))
                .sum()
        };
        (0..columns)
            .map(|column| f64::from(alpha) * sum(column))
            .collect()
    };
    a.chunks(inner).flat_map(row).collect()
}

fn assert_close(found: impl Iterator<Item = f32>, expected: &[f64], inner: usize) {
    for (found, &expected) in found.zip(expected) {
        let difference = (f64::from(found) - expected).abs();
        // Sums of `inner` numbers below 1, each rounding 2⁻²⁴ of what is there.
        let allowed = 6e-8 * inner as f64;
        assert!(difference <= allowed, "{found} for {expected}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn products_from_both_sides_are_those_of_rounded_factors(
        rows in 0usize..140, out in 1usize..120, width in 1usize..120, seed: u64,
    ) {
        let key = Key::new(seed);
        let weight = values(out * width, key.with(0));
        let Some(packed) = PackedWeight::new((out, width), |at| bf16::from_f32(weight[at])) else {
            prop_assert!(!is_available());
            return Ok(());
        };
        let x = values(rows * width, key.with(1));
        let stride = out + 5;
        let mut y = vec![7f32; rows * stride];
        let target = &mut MatrixMut::new(&mut y, (rows, out), stride);
        packed.map(0.5, Matrix::new(&x, (rows, width), width), target);
        let at = |k, column| weight[column * width + k];
        let inside = y.chunks(stride).flat_map(|row| row[..out].iter().copied());
        assert_close(inside, &expected(0.5, (&x, width), at, out), width);
        let between = y.chunks(stride).all(|row| row[out..].iter().all(|&y| y.to_bits() == 7f32.to_bits()));
        prop_assert!(between, "between the rows nothing is written");

        let dy = Matrix::new(&y, (rows, out), stride);
        let mut dx = vec![1f32; rows * width];
        let target = &mut MatrixMut::new(&mut dx, (rows, width), width);
        packed.map_back(1.0, dy, (target, Write::Add));
        let dy: Vec<f32> = y.chunks(stride).flat_map(|row| row[..out].to_vec()).collect();
        let at = |k, column| weight[k * width + column];
        let sums = expected(1.0, (&dy, out), at, width);
        let sums: Vec<f64> = sums.into_iter().map(|sum| sum + 1.0).collect();
        assert_close(dx.into_iter(), &sums, out * out + 1);
    }
}

#[test]
fn results_do_not_depend_on_the_number_of_threads() {
    let (rows, out, width) = (300, 70, 90);
    let weight = values(out * width, Key::new(1));
    let Some(packed) = PackedWeight::new((out, width), |at| bf16::from_f32(weight[at])) else {
        assert!(!is_available());
        return;
    };
    let x = values(rows * width, Key::new(2));
    let on = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
        let mut y = vec![0f32; rows * out];
        let target = &mut MatrixMut::new(&mut y, (rows, out), out);
        let work = || packed.map(1.0, Matrix::new(&x, (rows, width), width), target);
        pool.build().expect("threads start").install(work);
        y
    };
    let one = on(1);
    for threads in [2, 3, 8] {
        assert_eq!(on(threads), one);
    }
}
