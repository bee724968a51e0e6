//! What is computed from factors equals what the built projection says.

use proptest::prelude::*;

use super::svd::svd;
use super::*;
use crate::random::Key;

/// `[in, out]` row by row, the sum written out.
fn built(sum: &KroneckerSum) -> Vec<f64> {
    let [terms, n, _] = sum.slow.shape;
    let [height, width] = sum.shape();
    let (rows, columns) = (height / n, width / n);
    let mut all = vec![0.0; height * width];
    for i in 0..terms {
        let block: Vec<f64> = match &sum.fast {
            Fast::Dense(whole) => whole.matrix(i).to_vec(),
            Fast::Factored { left, right } => {
                let (s, t, rank) = (left.matrix(i), right.matrix(i), left.shape[2]);
                let entry = |p: usize, q: usize| -> f64 {
                    (0..rank)
                        .map(|k| s[p * rank + k] * t[k * columns + q])
                        .sum()
                };
                (0..rows * columns)
                    .map(|at| entry(at / columns, at % columns))
                    .collect()
            }
        };
        for (at, entry) in all.iter_mut().enumerate() {
            let (row, column) = (at / width, at % width);
            let slow = sum.slow.matrix(i)[row / rows * n + column / columns];
            *entry += slow * block[row % rows * columns + column % columns];
        }
    }
    all
}

fn drawn(key: Key, shape: [usize; 3], scale: f64) -> Block {
    let count = shape.iter().product::<usize>() as u64;
    let values = (0..count).map(|at| scale * key.normal(at)).collect();
    Block { shape, values }
}

/// A projection as Compacter starts one: slow weights near 1e-4, `rank` 0 for whole `Bᵢ`.
fn projection(seed: u64, n: usize, rank: usize, [rows, columns]: [usize; 2]) -> KroneckerSum {
    let key = |part: &str| Key::new(seed).named(part);
    let slow = drawn(key("slow"), [n, n, n], 1e-4);
    let fast = if rank == 0 {
        Fast::Dense(drawn(key("fast"), [n, rows, columns], 0.3))
    } else {
        Fast::Factored {
            left: drawn(key("left"), [n, rows, rank], 0.3),
            right: drawn(key("right"), [n, rank, columns], 0.7),
        }
    };
    KroneckerSum { slow, fast }
}

/// The projection with every factor moved by about `step` of itself.
fn moved(from: &KroneckerSum, step: f64) -> KroneckerSum {
    let shift = |block: &Block, name: &str| {
        let key = Key::new(77).named(name);
        let values = block.values.iter().enumerate();
        let moved = values.map(|(at, x)| x * (1.0 + step * key.normal(at as u64)));
        Block {
            shape: block.shape,
            values: moved.collect(),
        }
    };
    let fast = match &from.fast {
        Fast::Dense(whole) => Fast::Dense(shift(whole, "fast")),
        Fast::Factored { left, right } => Fast::Factored {
            left: shift(left, "left"),
            right: shift(right, "right"),
        },
    };
    KroneckerSum {
        slow: shift(&from.slow, "slow"),
        fast,
    }
}

#[track_caller]
fn close(found: f64, expected: f64, tolerance: f64, what: &str) {
    assert!(
        (found - expected).abs() <= tolerance * expected.abs(),
        "{what}: {found}, expected {expected}"
    );
}

fn shapes() -> impl Strategy<Value = (u64, usize, usize, [usize; 2])> {
    let n = prop::sample::select(vec![1usize, 2, 4, 8, 12]);
    (any::<u64>(), n, 0usize..5, 1usize..7, 1usize..7)
        .prop_map(|(seed, n, rank, rows, columns)| (seed, n, rank, [rows, columns]))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn norm_and_cosine_are_those_of_the_built_projection((seed, n, rank, shape) in shapes()) {
        let (a, b) = (projection(seed, n, rank, shape), projection(seed ^ 1, n, rank, shape));
        let (whole_a, whole_b) = (built(&a), built(&b));
        close(a.norm(), norm(&whole_a), 1e-9, "norm");
        let size = a.norm() * b.norm();
        prop_assert!((a.inner(&b) - dot(&whole_a, &whole_b)).abs() <= 1e-12 * size);
        let cosine = dot(&whole_a, &whole_b) / (norm(&whole_a) * norm(&whole_b));
        prop_assert!((a.cosine(&b) - cosine).abs() <= 1e-6);
        prop_assert!((a.cosine(&a) - 1.0).abs() <= 1e-12);
    }

    #[test]
    fn drift_is_that_of_the_built_projection_however_small(
        (seed, n, rank, shape) in shapes(),
        digits in 0i32..8,
    ) {
        let start = projection(seed, n, rank, shape);
        let now = moved(&start, 10f64.powi(-digits));
        let (whole, whole_start) = (built(&now), built(&start));
        let change: Vec<f64> = whole.iter().zip(&whole_start).map(|(a, b)| a - b).collect();
        // The built difference is itself good to 1e-16 of 1e-7 only.
        close(now.drift(&start).unwrap_or(f64::NAN), norm(&change), 1e-6, "drift");
    }

    #[test]
    fn the_spectrum_is_that_of_the_built_projection((seed, n, rank, shape) in shapes()) {
        let sum = projection(seed, n, rank, shape);
        let [height, width] = sum.shape();
        let whole = built(&sum);
        let columns: Vec<Vec<f64>> = (0..width)
            .map(|c| (0..height).map(|r| whole[r * width + c]).collect())
            .collect();
        let expected = svd(&columns, height).values;
        let found = sum.spectrum().unwrap_or_default();
        prop_assert!(found.len() <= expected.len());
        for (at, expected_value) in expected.iter().enumerate() {
            let value = found.get(at).copied().unwrap_or(0.0);
            prop_assert!((value - expected_value).abs() <= 1e-6 * expected[0], "{at}: {found:?} {expected:?}");
        }
        close(norm(&found), sum.norm(), 1e-6, "root of the sum of squares");
    }

    #[test]
    fn the_components_make_the_projection_again((seed, n, rank, shape) in shapes()) {
        let sum = projection(seed, n, rank, shape);
        let components = sum.components();
        let rebuilt = KroneckerSum {
            slow: Block {
                shape: [components.len(), n, n],
                values: components.iter().flat_map(|c| sum.slow.matrix(c.term)).copied().collect(),
            },
            fast: Fast::Factored {
                left: Block {
                    shape: [components.len(), shape[0], 1],
                    values: components.iter().flat_map(|c| c.left.iter().map(|x| x * c.sigma)).collect(),
                },
                right: Block {
                    shape: [components.len(), 1, shape[1]],
                    values: components.iter().flat_map(|c| c.right.clone()).collect(),
                },
            },
        };
        for (found, expected) in built(&rebuilt).iter().zip(built(&sum)) {
            prop_assert!((found - expected).abs() <= 1e-12 * sum.norm());
        }
        for component in &components {
            let largest = component.left.iter().fold(0f64, |top, x| if x.abs() > top.abs() { *x } else { top });
            prop_assert!(largest >= 0.0);
            prop_assert!(component.sigma == 0.0 || (norm(&component.left) - 1.0).abs() <= 1e-12);
            prop_assert!(component.sigma == 0.0 || (norm(&component.right) - 1.0).abs() <= 1e-9);
        }
        prop_assert!((shares(&components).iter().sum::<f64>() - 1.0).abs() <= 1e-12);
    }
}

#[test]
fn a_projection_of_the_real_size_has_no_more_singular_values_than_its_core() {
    let sum = projection(5, 4, 1, [48, 6]);
    assert_eq!(sum.shape(), [192, 24]);
    let spectrum = sum.spectrum().unwrap_or_default();
    assert_eq!(spectrum.len(), 16);
    let rank = effective_rank(&spectrum);
    assert!(1.0 < rank && rank < 16.0, "{rank}");
}

#[test]
fn effective_rank_counts_equal_values_and_forgives_zeros() {
    close(
        effective_rank(&[2.0, 2.0, 2.0, 0.0]),
        3.0,
        1e-12,
        "three equal",
    );
    assert_eq!(effective_rank(&[0.0, 0.0]).to_bits(), 0f64.to_bits());
}

#[test]
fn scaling_a_factor_against_another_is_no_drift() {
    let start = projection(9, 4, 1, [6, 3]);
    let scale = |block: &Block, by: f64| Block {
        shape: block.shape,
        values: block.values.iter().map(|x| x * by).collect(),
    };
    let Fast::Factored { left, right } = &start.fast else {
        panic!("rank 1 is factored");
    };
    let same = KroneckerSum {
        slow: start.slow.clone(),
        fast: Fast::Factored {
            left: scale(left, 8.0),
            right: scale(right, 0.125),
        },
    };
    let drift = same.drift(&start).unwrap_or(f64::NAN);
    assert!(drift <= 1e-6 * start.norm(), "{drift}");
    close(
        left.relative_change(&scale(left, 2.0)).unwrap_or(0.0),
        0.5,
        1e-12,
        "change",
    );
}

#[test]
fn factors_that_do_not_fit_are_refused_or_not_a_number() {
    let (a, b) = (projection(1, 4, 1, [6, 3]), projection(1, 2, 1, [6, 3]));
    assert!(a.inner(&b).is_nan() && a.minus(&b).is_err());
    assert!(cosines(&[a.clone(), b.clone()])[1].is_nan());
    assert!(KroneckerSum::new(a.slow.clone(), b.fast).is_err());
    assert!(Block::new([2, usize::MAX, 2], vec![0.0]).is_err());
    let wide = projection(1, 1, 0, [WIDEST_SPECTRUM + 1, WIDEST_SPECTRUM + 1]);
    assert_eq!(wide.spectrum(), None);
}

#[test]
fn what_is_not_finite_shows() {
    let mut sum = projection(1, 2, 2, [5, 4]);
    sum.slow.values[0] = f64::NAN;
    assert!(sum.norm().is_nan());
    assert!(
        sum.spectrum()
            .unwrap_or_default()
            .iter()
            .all(|x| x.is_nan())
    );
    let _shown = sum.components();
}

/// A case of `cases.json`, which `tests/python/make_factor_fixtures.py` makes.
#[derive(serde::Deserialize)]
struct Case {
    n: usize,
    rank: usize,
    rows: usize,
    columns: usize,
    step: f64,
    norm: f64,
    drift: f64,
    spectrum: Vec<f64>,
}

impl Case {
    fn projection(&self, step: f64) -> KroneckerSum {
        let block = |shape: [usize; 3], a: f64, b: f64| {
            let count = u32::try_from(shape.iter().product::<usize>()).unwrap_or(0);
            let entry = |k: f64| (a + b * k * k).sin() * (1.0 + step * k.cos());
            let values = (0..count).map(|k| entry(f64::from(k))).collect();
            Block { shape, values }
        };
        let Self {
            n,
            rank,
            rows,
            columns,
            ..
        } = *self;
        KroneckerSum {
            slow: block([n, n, n], 0.3, 1.7),
            fast: Fast::Factored {
                left: block([n, rows, rank], 1.1, 0.9),
                right: block([n, rank, columns], 2.0, 2.3),
            },
        }
    }
}

#[test]
fn norm_drift_and_spectrum_agree_with_numpy() {
    let text = include_str!("../../../../tests/fixtures/factors/cases.json");
    let cases: Vec<Case> = serde_json::from_str(text).unwrap_or_default();
    assert!(cases.len() >= 20, "{} cases", cases.len());
    for case in cases {
        let (now, start) = (case.projection(case.step), case.projection(0.0));
        close(now.norm(), case.norm, 1e-9, "norm");
        let drift = now.drift(&start).unwrap_or(f64::NAN);
        close(drift, case.drift, 1e-6, "drift");
        let spectrum = now.spectrum().unwrap_or_default();
        for (at, expected) in case.spectrum.iter().enumerate() {
            let found = spectrum.get(at).copied().unwrap_or(0.0);
            let apart = (found - expected).abs();
            assert!(apart <= 1e-6 * case.spectrum[0], "{at}: {found} {expected}");
        }
    }
}
