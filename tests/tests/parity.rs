//! Logits, losses, gradients, training and generation against PyTorch, on tiny models.

use std::collections::HashMap;

use candle_core::{DType, Tensor};
use compacter_core::cancel::CancelToken;
use compacter_core::data::{Batch, Packed};
use compacter_core::model::network::scalar;
use compacter_core::model::{Model, Network, Pass};
use compacter_core::peft::Trainables;
use compacter_core::train::optimizer::{AdamW, Update, clip, norm};
use compacter_tests::parity::{
    Case, Kind, Tolerance, assert_close, assert_within, largest, method,
};

const COMPACTER: &str = "kind = 'compacter'\nn = 4\nreduction_factor = 4";
const ADAPTER: &str = "kind = 'adapter'\nreduction_factor = 4";
const LORA: &str = "kind = 'lora'\nrank = 4\nalpha = 8.0";
const HUB: &str = "kind = 'compacter'\nconvention = 'adapterhub'\nn = 4\nreduction_factor = 4";
const HUB_PLUS: &str =
    "kind = 'compacter++'\nconvention = 'adapterhub'\nn = 4\nreduction_factor = 4";
const FULL: &str = "kind = 'full'";

fn gradient(model: &Model, trainables: &Trainables, batch: &Batch) -> (f64, Tensor) {
    let pass = Pass::training(0.0, compacter_core::random::Key::new(0));
    let loss = model.loss(batch, &pass).unwrap();
    let gradient = trainables.gradient(&loss.backward().unwrap()).unwrap();
    (scalar(&loss).unwrap(), gradient)
}

fn logits(model: &Model, batch: &Batch) -> Tensor {
    match &model.network {
        Network::T5(t5) => {
            let encoded = t5.encode(&batch.source, &Pass::EVALUATION).unwrap();
            t5.decode(&encoded, &batch.target, &Pass::EVALUATION)
                .unwrap()
        }
        Network::Bert(_) => model.head_logits(batch, &Pass::EVALUATION).unwrap(),
    }
}

/// Compares loss, logits and every gradient; (dtype, tolerance) as the README states.
fn check(case: &Case, toml: &str, file: &str, kind: Kind) {
    let expected = case.expected(file);
    for (dtype, tolerance) in [(DType::F64, 1e-9), (DType::F32, 1e-4)] {
        let (model, trainables) = case.install(&method(toml), dtype, kind, &expected);
        let batch = case.batch(kind);
        let (loss, flat) = gradient(&model, &trainables, &batch);
        let wanted = scalar(&expected["loss"]).unwrap();
        assert!(
            (loss - wanted).abs() <= tolerance * wanted.abs(),
            "{file} {dtype:?}: loss {loss} for {wanted}"
        );
        assert_close(
            &format!("{file} {dtype:?} logits"),
            &logits(&model, &batch),
            &expected["logits"],
            tolerance,
        );
        let tolerance = Tolerance {
            relative: tolerance,
            absolute: rounding(dtype) * largest_gradient(&expected),
        };
        let mut seen = 0;
        for parameter in trainables.parameters() {
            let found = trainables.slice(&flat, parameter).unwrap();
            let name = format!("grad.{}", parameter.name);
            let wanted = expected
                .get(&name)
                .unwrap_or_else(|| panic!("{file}: no {name} in the fixture"));
            assert_within(
                &format!("{file} {dtype:?} {name}"),
                &found,
                wanted,
                tolerance,
            );
            seen += 1;
        }
        let all = expected
            .keys()
            .filter(|name| name.starts_with("grad."))
            .count();
        assert_eq!(seen, all, "{file}: parameters with an expected gradient");
    }
}

/// Rounding noise beside the largest gradient of a model. The softmax of attention does
/// not see a shift of all scores, so BERT's key biases have a gradient of exactly 0, which
/// no floating-point sum of its terms gives.
fn rounding(dtype: DType) -> f64 {
    match dtype {
        DType::F64 => 16.0 * f64::EPSILON,
        _ => 16.0 * f64::from(f32::EPSILON),
    }
}

fn largest_gradient(expected: &HashMap<String, Tensor>) -> f64 {
    expected
        .iter()
        .filter(|(name, _)| name.starts_with("grad."))
        .fold(0f64, |m, (_, gradient)| m.max(largest(gradient)))
}

#[test]
fn compacter_agrees_on_every_backbone() {
    for name in ["t5_v1_0", "t5_v1_1", "bert", "roberta"] {
        check(&Case::read(name), COMPACTER, "compacter", Kind::Classes);
    }
}

#[test]
fn the_other_methods_agree_on_t5_and_bert() {
    for name in ["t5_v1_0", "bert"] {
        let case = Case::read(name);
        for (toml, file) in [
            (ADAPTER, "adapter"),
            (LORA, "lora"),
            (HUB, "adapterhub"),
            (HUB_PLUS, "adapterhub_plus"),
            (FULL, "full"),
        ] {
            check(&case, toml, file, Kind::Classes);
        }
    }
}

#[test]
fn regression_agrees() {
    check(&Case::read("bert"), COMPACTER, "regression", Kind::Values);
}

#[test]
fn twenty_steps_of_training_agree() {
    for name in ["t5_v1_0", "t5_v1_1", "bert", "roberta"] {
        let (case, expected) = (Case::read(name), Case::read(name).expected("compacter"));
        let run = case.training();
        for (dtype, tolerance) in [(DType::F64, 1e-8), (DType::F32, 1e-4)] {
            let (model, trainables) =
                case.install(&method(COMPACTER), dtype, Kind::Classes, &expected);
            let mut optimizer = AdamW::new(trainables.values()).unwrap();
            for step in 0..run.steps {
                let batch = run.batches[step as usize % run.batches.len()].batch(Kind::Classes);
                let (loss, flat) = gradient(&model, &trainables, &batch);
                let (norm, at) = (norm(&flat).unwrap(), step as usize);
                let close = |a: f64, b: f64| (a - b).abs() <= tolerance * b.abs() + 1e-10;
                assert!(
                    close(loss, run.losses[at]),
                    "{name} {dtype:?} step {step}: {loss} for {}",
                    run.losses[at]
                );
                assert!(
                    close(norm, run.grad_norms[at]) || dtype == DType::F32,
                    "{name} step {step}: norm {norm}"
                );
                let factor = if step < run.warmup {
                    step as f64 / run.warmup as f64
                } else {
                    (run.steps - step) as f64 / (run.steps - run.warmup) as f64
                };
                let with = Update {
                    learning_rate: run.learning_rate * factor,
                    weight_decay: 0.0,
                };
                let clipped = clip(&flat, norm, run.clip_norm).unwrap();
                optimizer
                    .update(trainables.values(), &clipped, with)
                    .unwrap();
                trainables.refresh().unwrap();
            }
        }
    }
}

#[test]
fn greedy_generation_agrees_token_for_token() {
    for name in ["t5_v1_0", "t5_v1_1"] {
        let case = Case::read(name);
        let (model, _) = case.install(
            &method(COMPACTER),
            DType::F32,
            Kind::Classes,
            &case.expected("compacter"),
        );
        let Network::T5(t5) = &model.network else {
            panic!("{name} is a T5")
        };
        let generation = case.generation().unwrap();
        let types: Vec<Vec<u32>> = generation
            .source
            .iter()
            .map(|ids| vec![0; ids.len()])
            .collect();
        let source = Packed::new(
            generation
                .source
                .iter()
                .map(Vec::as_slice)
                .zip(types.iter().map(Vec::as_slice)),
        );
        let encoded = t5.encode(&source, &Pass::EVALUATION).unwrap();
        let texts = t5
            .generate(&encoded, generation.max_new_tokens, &CancelToken::default())
            .unwrap();
        for (text, expected) in texts.iter().zip(&generation.ids) {
            let expected = expected.strip_suffix(&[1]).unwrap_or(expected);
            assert_eq!(text, expected, "{name}");
        }
    }
}
