//! Logits, losses, gradients, training and generation against PyTorch, on tiny models.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::HashMap;

use candle_core::{DType, Tensor};
use compacter_core::cancel::CancelToken;
use compacter_core::data::{Batch, Packed};
use compacter_core::model::network::scalar;
use compacter_core::model::{Model, Network, Pass};
use compacter_core::peft::Trainables;
use compacter_core::train::optimizer::{AdamW, Update, clip, norm};
use compacter_tests::parity::{
    Case, Kind, Tolerance, Training, assert_close, assert_within, largest, method,
};

const COMPACTER: &str = "kind = 'compacter'\nn = 4\nreduction_factor = 4";
const ADAPTER: &str = "kind = 'adapter'\nreduction_factor = 4";
const LORA: &str = "kind = 'lora'\nrank = 4\nalpha = 8.0";
const HUB: &str = "kind = 'compacter'\nconvention = 'adapterhub'\nn = 4\nreduction_factor = 4";
const HUB_PLUS: &str =
    "kind = 'compacter++'\nconvention = 'adapterhub'\nn = 4\nreduction_factor = 4";
const FULL: &str = "kind = 'full'";

/// The other methods: the table, the fixture, and the backbones that there are numbers of.
const OTHERS: [(&str, &str, &[&str]); 16] = [
    (
        "kind = 'pfeiffer'\nreduction_factor = 4",
        "pfeiffer",
        &["t5_v1_0", "bert"],
    ),
    (
        "kind = 'pfeiffer'\nreduction_factor = 4\nconvention = 'adapterhub'",
        "adapterhub_pfeiffer",
        &["t5_v1_0", "bert"],
    ),
    (
        "kind = 'adapterdrop'\nreduction_factor = 4\ndrop_first = 1",
        "adapterdrop",
        &["t5_v1_0", "bert"],
    ),
    (
        "kind = 'low-rank'\nreduction_factor = 4\nrank = 2",
        "low_rank",
        &["t5_v1_0", "bert"],
    ),
    (
        "kind = 'phm'\nn = 4\nreduction_factor = 4",
        "phm",
        &["t5_v1_0", "bert"],
    ),
    (
        "kind = 'parallel'\nreduction_factor = 4",
        "parallel",
        &["t5_v1_0", "bert"],
    ),
    (
        "kind = 'parallel'\nreduction_factor = 4\nconvention = 'adapterhub'",
        "adapterhub_parallel",
        &["t5_v1_0"],
    ),
    ("kind = 'bitfit'", "bitfit", &["t5_v1_0", "t5_v1_1", "bert"]),
    ("kind = 'layer-norm'", "layer_norm", &["t5_v1_0", "bert"]),
    ("kind = 'ia3'", "ia3", &["t5_v1_0", "t5_v1_1", "bert"]),
    (
        "kind = 'ia3'\nconvention = 'adapterhub'",
        "adapterhub_ia3",
        &["t5_v1_0", "t5_v1_1", "bert"],
    ),
    (
        "kind = 'prompt'\nlength = 3",
        "prompt",
        &["t5_v1_0", "bert"],
    ),
    (
        "kind = 'prefix'\nlength = 3\nbottleneck = 5",
        "prefix",
        &["t5_v1_0", "bert"],
    ),
    (
        "kind = 'dora'\nrank = 4\nalpha = 8.0",
        "dora",
        &["t5_v1_0", "bert"],
    ),
    (
        "kind = 'dora'\nconvention = 'adapterhub'\nrank = 4\nalpha = 4.0",
        "adapterhub_dora",
        &["t5_v1_0"],
    ),
    (
        "kind = 'said'\ndimension = 200",
        "said",
        &["t5_v1_0", "bert"],
    ),
];

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
        let named = trainables.named(&flat).unwrap();
        for (name, found) in &named {
            let name = format!("grad.{name}");
            let Some(wanted) = expected.get(&name) else {
                panic!("{file}: no {name} in the fixture")
            };
            assert_within(
                &format!("{file} {dtype:?} {name}"),
                found,
                wanted,
                tolerance,
            );
        }
        assert_eq!(
            named.len(),
            gradients(&expected).count(),
            "{file}: parameters"
        );
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
    gradients(expected).fold(0f64, |m, gradient| m.max(largest(gradient)))
}

fn gradients(expected: &HashMap<String, Tensor>) -> impl Iterator<Item = &Tensor> {
    let named = expected.iter();
    named.filter_map(|(name, tensor)| name.starts_with("grad.").then_some(tensor))
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
fn every_further_method_agrees() {
    for (toml, file, backbones) in OTHERS {
        for name in backbones {
            check(&Case::read(name), toml, file, Kind::Classes);
        }
    }
}

#[test]
fn regression_agrees() {
    check(&Case::read("bert"), COMPACTER, "regression", Kind::Values);
}

/// Linear warm-up from 0, then linear decay to 0.
fn learning_rate(run: &Training, step: u64) -> f64 {
    let factor = if step < run.warmup {
        step as f64 / run.warmup as f64
    } else {
        (run.steps - step) as f64 / (run.steps - run.warmup) as f64
    };
    run.learning_rate * factor
}

fn train(case: &Case, dtype: DType, tolerance: f64) {
    let (run, expected) = (case.training(), case.expected("compacter"));
    let (model, trainables) = case.install(&method(COMPACTER), dtype, Kind::Classes, &expected);
    let mut optimizer = AdamW::new(trainables.values()).unwrap();
    let close = |a: f64, b: f64| (a - b).abs() <= tolerance * b.abs() + 1e-10;
    assert_eq!(run.losses.len() as u64, run.steps);
    for step in 0..run.losses.len() {
        let batch = run.batches[step % run.batches.len()].batch(Kind::Classes);
        let (loss, flat) = gradient(&model, &trainables, &batch);
        let norm = norm(&flat).unwrap();
        let (wanted, wanted_norm) = (run.losses[step], run.grad_norms[step]);
        assert!(
            close(loss, wanted),
            "{dtype:?} step {step}: {loss} for {wanted}"
        );
        assert!(
            close(norm, wanted_norm) || dtype == DType::F32,
            "step {step}: norm {norm} for {wanted_norm}"
        );
        let with = Update {
            learning_rate: learning_rate(run, step as u64),
            weight_decay: 0.0,
        };
        let clipped = clip(&flat, norm, run.clip_norm).unwrap();
        optimizer
            .update(trainables.values(), &clipped, with)
            .unwrap();
        trainables.refresh().unwrap();
    }
}

#[test]
fn twenty_steps_of_training_agree() {
    for name in ["t5_v1_0", "t5_v1_1", "bert", "roberta"] {
        let case = Case::read(name);
        train(&case, DType::F64, 1e-8);
        train(&case, DType::F32, 1e-4);
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
