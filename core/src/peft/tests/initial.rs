//! Distributions that parameters start from, slice by slice.
//!
//! The tiny models are 32 wide; with `n = 4` and a bottleneck of 8, fast factors have
//! slices of 8 × 1 and 1 × 2 (down), 2 × 1 and 1 × 8 (up).

use std::collections::BTreeMap;

use super::super::init::Distribution;
use super::installed;

/// Installations that values are pooled over: some 2,000 of each slice at least.
const SEEDS: u64 = 40;

const COMPACTER: &str = "kind = 'compacter'\nn = 4\nreduction_factor = 4\n";

/// Values by the end of their name and, in tensors of three axes, by slice.
fn values(table: &str, ends: &str) -> BTreeMap<usize, Vec<f64>> {
    let mut pooled: BTreeMap<usize, Vec<f64>> = BTreeMap::new();
    for seed in 0..SEEDS {
        let trainables = installed("t5_v1_0", table, seed);
        for (name, tensor) in trainables.named(trainables.values()).unwrap() {
            if !name.ends_with(ends) {
                continue;
            }
            let flat = tensor.flatten_all().unwrap().to_vec1::<f64>().unwrap();
            let slices = if tensor.rank() == 3 {
                tensor.dims()[0]
            } else {
                1
            };
            for (slice, part) in flat.chunks(flat.len() / slices).enumerate() {
                pooled.entry(slice).or_default().extend(part);
            }
        }
    }
    assert!(!pooled.is_empty(), "no parameter ends in {ends}");
    pooled
}

fn starts(table: &str, ends: &str, from: Distribution) {
    for (slice, values) in values(table, ends) {
        let count = values.len() as f64;
        let moment = |power| values.iter().map(|v| v.powi(power)).sum::<f64>() / count;
        let largest = values.iter().fold(0f64, |m, v| m.max(v.abs()));
        let what = format!("{table}\n{ends}[{slice}], {count} values");
        let (deviation, within) = match from {
            Distribution::Zero => (0.0, 0.0),
            Distribution::Normal(deviation) => (deviation, 6.0 * deviation),
            Distribution::Uniform(bound) => (bound / 3f64.sqrt(), bound),
        };
        assert!(largest <= within, "{what}: {largest} beyond {within}");
        if from == Distribution::Zero {
            continue;
        }
        // Four standard errors of the mean, and of the deviation of a normal sample.
        let off = moment(1).abs() / deviation;
        assert!(off <= 4.0 / count.sqrt(), "{what}: mean {}", moment(1));
        let ratio = moment(2).sqrt() / deviation;
        let error = 4.0 / (2.0 * count).sqrt();
        assert!(
            (ratio - 1.0).abs() <= error,
            "{what}: {ratio} of the spread"
        );
        // What tells a uniform from a normal sample: kurtosis 1.8 or 3.
        let kurtosis = moment(4) / moment(2).powi(2);
        let normal = matches!(from, Distribution::Normal(_));
        assert_eq!(kurtosis > 2.4, normal, "{what}: kurtosis {kurtosis}");
    }
}

#[test]
fn the_papers_compacter_starts_as_its_reference_does() {
    let end = |side: &str| format!("adapter.{side}");
    let gain = |rows, columns| Distribution::glorot_uniform(rows, columns);
    starts(COMPACTER, &end("down.left"), gain(8, 1));
    starts(COMPACTER, &end("down.right"), gain(1, 2));
    starts(COMPACTER, &end("up.left"), gain(2, 1));
    starts(COMPACTER, &end("up.right"), gain(1, 8));
    starts(COMPACTER, "slow", Distribution::Normal(1e-4));
    starts(COMPACTER, "bias", Distribution::Zero);
}

#[test]
fn bounds_are_those_of_the_reference_on_t5_base() {
    for ((rows, columns), expected) in [((192, 1), 0.2494), ((1, 6), 1.3093)] {
        let Distribution::Uniform(bound) = Distribution::glorot_uniform(rows, columns) else {
            panic!("glorot's uniform distribution is uniform")
        };
        assert!((bound - expected).abs() < 5e-5, "{bound} for {expected}");
    }
}

#[test]
fn options_change_the_distributions_as_documented() {
    use Distribution::{Normal, Uniform};
    let cases = [
        ("slow = 'own'", "down.slow", Normal(0.01)),
        ("slow = 'own'", "up.slow", Normal(0.01)),
        ("slow_init = 'uniform'", "slow", Uniform(1.0)),
        ("slow = 'own'\nslow_init = 'uniform'", "slow", Uniform(0.01)),
        ("init_range = 0.5", "slow", Normal(0.5)),
        (
            "fast_init = 'glorot-normal'",
            "down.left",
            Normal((4f64 / 9.0).sqrt()),
        ),
        (
            "fast_init = 'xavier-normal'",
            "down.left",
            Normal((2f64 / 9.0).sqrt()),
        ),
        (
            "fast_init = 'normal'\ninit_range = 0.3",
            "up.right",
            Normal(0.3),
        ),
        (
            "convention = 'adapterhub'",
            "down.right",
            Normal((2f64 / 3.0).sqrt()),
        ),
        (
            "fast = 'dense'",
            "down.fast",
            Uniform((12f64 / 10.0).sqrt()),
        ),
        ("rank = 2", "down.left", Uniform((12f64 / 10.0).sqrt())),
    ];
    for (option, ends, from) in cases {
        starts(&format!("{COMPACTER}{option}"), ends, from);
    }
}

#[test]
fn dense_adapters_and_low_rank_updates_start_as_their_references_do() {
    let adapter = "kind = 'adapter'\nreduction_factor = 4\n";
    starts(adapter, "down.weight", Distribution::Normal(0.01));
    starts(adapter, "up.weight", Distribution::Normal(0.01));
    starts(adapter, "adapter.up.bias", Distribution::Zero);
    let hub = format!("{adapter}convention = 'adapterhub'");
    starts(&hub, "down.weight", Distribution::Normal(0.02));
    let lora = "kind = 'lora'\nrank = 4";
    starts(lora, "lora_a", Distribution::Uniform(32f64.powf(-0.5)));
    starts(lora, "lora_b", Distribution::Zero);
}

#[test]
fn a_seed_decides_every_value_and_no_two_slices_are_the_same() {
    let all = |seed| {
        let trainables = installed("bert", COMPACTER, seed);
        trainables.values().to_vec1::<f64>().unwrap()
    };
    assert_eq!(all(1), all(1));
    assert_ne!(all(1), all(2));
    let slices = values(COMPACTER, "down.left");
    let first: Vec<f64> = slices.values().map(|values| values[0]).collect();
    for (at, value) in first.iter().enumerate() {
        assert!(!first[..at].contains(value), "slices {first:?}");
    }
}
