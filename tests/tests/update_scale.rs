//! Updates that are measured in each tensor's own size.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::HashMap;

use candle_core::{DType, Tensor};
use compacter_core::model::Pass;
use compacter_core::peft::Trainables;
use compacter_core::random::Key;
use compacter_core::train::optimizer::{AdamW, Update};
use compacter_tests::parity::{Case, Kind, method};

/// Least root mean square that an update is measured in.
const SMALLEST: f64 = 1e-3;

/// The values before and after two updates along a fixed gradient.
fn moved(update: fn(&mut AdamW, &Trainables, &Tensor, Update)) -> Vec<(Vec<f64>, Vec<f64>)> {
    let case = Case::read("t5_v1_1");
    let (model, trainables) = case.install(
        &method("kind = 'full'"),
        DType::F64,
        Kind::Classes,
        &HashMap::new(),
    );
    let pass = Pass::training(0.0, Key::new(0));
    let loss = model.loss(&case.batch(Kind::Classes), &pass).unwrap();
    let gradient = trainables.gradient(&loss.backward().unwrap()).unwrap();
    let values = || -> Vec<Vec<f64>> {
        let named = trainables.named(trainables.values()).unwrap();
        let flat = |(_, tensor): (String, Tensor)| tensor.flatten_all().unwrap().to_vec1().unwrap();
        named.into_iter().map(flat).collect()
    };
    let before = values();
    let mut optimizer = AdamW::new(trainables.values()).unwrap();
    let with = Update {
        learning_rate: 1e-2,
        weight_decay: 0.0,
    };
    update(&mut optimizer, &trainables, &gradient, with);
    before.into_iter().zip(values()).collect()
}

#[test]
fn an_update_by_rms_is_a_plain_one_times_the_size_of_each_tensor() {
    let plain = moved(|optimizer, trainables, gradient, with| {
        optimizer
            .update(trainables.values(), gradient, with)
            .unwrap();
    });
    let scaled = moved(|optimizer, trainables, gradient, with| {
        optimizer
            .update_by_rms(trainables, (gradient, 1.0), with)
            .unwrap();
    });
    let mut sizes = Vec::new();
    for ((before, plain), (_, scaled)) in plain.iter().zip(&scaled) {
        let square: f64 = before.iter().map(|x| x * x).sum();
        let rms = (square / before.len() as f64).sqrt().max(SMALLEST);
        for ((start, plain), scaled) in before.iter().zip(plain).zip(scaled) {
            let (expected, found) = (rms * (plain - start), scaled - start);
            assert!((expected - found).abs() <= 1e-14, "{expected} for {found}");
        }
        sizes.push(rms);
    }
    let (least, most) = sizes
        .iter()
        .fold((f64::MAX, 0f64), |(a, b), &x| (a.min(x), b.max(x)));
    assert!(
        most > 5.0 * least,
        "sizes from {least} to {most} would not tell"
    );
}
