//! Every method on T5 and BERT: it trains, has the gradient of its loss, comes back from a
//! file with the same logits, and, where it can, merges into the weights and out of them.
#![expect(clippy::unwrap_used, reason = "tests")]

use candle_core::{DType, Device, Tensor};
use compacter_core::config::{MethodConfig, MethodKind};
use compacter_core::data::Batch;
use compacter_core::model::network::scalar;
use compacter_core::model::site::Backbone;
use compacter_core::model::{Model, Network, Pass, Weight};
use compacter_core::peft::merge::merge;
use compacter_core::peft::{self, Trainables};
use compacter_core::random::Key;
use compacter_core::train::optimizer::{AdamW, Update};
use compacter_tests::gradient::{assert_gradient, shake};
use compacter_tests::parity::{Case, Kind, assert_close, largest, method, numbers};

const BACKBONES: [&str; 3] = ["t5_v1_0", "t5_v1_1", "bert"];

/// Every kind, at a size that fits models of two blocks and a width of 32.
const METHODS: [&str; 26] = [
    "kind = 'full'",
    "kind = 'head'",
    "kind = 'adapter'\nreduction_factor = 4",
    "kind = 'pfeiffer'\nreduction_factor = 4",
    "kind = 'pfeiffer'\nreduction_factor = 4\nconvention = 'adapterhub'",
    "kind = 'adapterdrop'\nreduction_factor = 4\ndrop_first = 1",
    "kind = 'parallel'\nreduction_factor = 4\nnon_linearity = 'gelu'",
    "kind = 'parallel'\nreduction_factor = 4\npositions = 'both'\nconvention = 'adapterhub'\nnon_linearity = 'swish'",
    "kind = 'low-rank'\nreduction_factor = 4\nrank = 2",
    "kind = 'phm'\nreduction_factor = 4\nn = 4",
    "kind = 'compacter'\nreduction_factor = 4",
    "kind = 'compacter++'\nreduction_factor = 4",
    "kind = 'lora'\nrank = 4\nalpha = 12.0",
    "kind = 'dora'\nrank = 4\nalpha = 12.0\ngradient = 'exact'",
    "kind = 'ia3'",
    "kind = 'ia3'\nconvention = 'adapterhub'",
    "kind = 'prefix'\nlength = 3\nbottleneck = 4",
    "kind = 'prefix'\nlength = 3\nbottleneck = 0",
    "kind = 'prompt'\nlength = 3",
    "kind = 'prompt-vocab'\nlength = 3",
    "kind = 'prefix'\nlength = 3\nbottleneck = 4\nplacement = 'peft'",
    "kind = 'prefix'\nlength = 3\nbottleneck = 0\nplacement = 'peft'",
    "kind = 'prompt'\nlength = 3\nplacement = 'peft'",
    "kind = 'bitfit'",
    "kind = 'layer-norm'",
    "kind = 'said'\ndimension = 200",
];

/// Methods that have a place in a plain model.
const MERGEABLE: [&str; 10] = [
    "kind = 'full'",
    "kind = 'head'",
    "kind = 'lora'\nrank = 4\nalpha = 12.0",
    "kind = 'lora'\nrank = 3\ntargets = ['q', 'k', 'v', 'o']",
    "kind = 'dora'\nrank = 4\nalpha = 12.0",
    "kind = 'ia3'",
    "kind = 'ia3'\nconvention = 'adapterhub'",
    "kind = 'bitfit'",
    "kind = 'layer-norm'",
    "kind = 'said'\ndimension = 200",
];

/// The methods of a list that a backbone can have: T5 has no task head to train alone.
fn on<'a>(name: &'a str, tables: &'a [&'static str]) -> impl Iterator<Item = &'static str> + 'a {
    let fits = |table: &&&str| !(name.starts_with("t5") && table.contains("'head'"));
    tables.iter().filter(fits).copied()
}

fn installed(case: &Case, table: &str, dtype: DType, seed: u64) -> (Model, Trainables) {
    let mut model = case.plain(dtype, Kind::Classes);
    let trainables = peft::install(&method(table), &mut model, seed).unwrap();
    (model, trainables)
}

/// T5's logits of every target token, an encoder's of every input.
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

#[test]
fn every_kind_is_among_the_methods_tested_here() {
    let kind = |table: &&str| {
        let config: MethodConfig = toml::from_str(table).unwrap();
        config.kind
    };
    let tested: Vec<MethodKind> = METHODS.iter().map(kind).collect();
    for kind in MethodKind::ALL {
        assert!(tested.contains(&kind), "{kind}");
    }
}

#[test]
fn every_method_has_the_gradient_of_its_loss() {
    for name in ["t5_v1_1", "bert"] {
        let case = Case::read(name);
        let batch = case.batch(Kind::Classes);
        // Every weight at once, and biases of keys, which have no effect, are checked
        // against PyTorch.
        let few = |table: &&str| !table.contains("'full'") && !table.contains("'bitfit'");
        for table in on(name, &METHODS).filter(few) {
            let (model, trainables) = installed(&case, table, DType::F64, 1);
            shake(&trainables, 0.1);
            let pass = Pass::training(0.1, Key::new(3));
            let what = format!("{name} {table}");
            assert_gradient(&what, &trainables, || model.loss(&batch, &pass).unwrap());
        }
    }
}

#[test]
fn every_method_trains() {
    const STEPS: usize = 30;
    for name in BACKBONES {
        let case = Case::read(name);
        let batch = case.batch(Kind::Classes);
        for table in on(name, &METHODS) {
            let (model, trainables) = installed(&case, table, DType::F32, 1);
            let mut optimizer = AdamW::new(trainables.values()).unwrap();
            let mut losses = Vec::new();
            for step in 0..STEPS {
                let pass = Pass::training(0.0, Key::new(step as u64));
                let loss = model.loss(&batch, &pass).unwrap();
                let store = loss.backward().unwrap();
                let gradient = trainables.gradient(&store).unwrap();
                let with = Update {
                    learning_rate: 1e-2,
                    weight_decay: 0.0,
                };
                optimizer
                    .update(trainables.values(), &gradient, with)
                    .unwrap();
                trainables.refresh().unwrap();
                losses.push(scalar(&loss).unwrap());
            }
            let (first, last) = (losses[0], losses[STEPS - 1]);
            assert!(last < 0.97 * first, "{name} {table}: {first} to {last}");
        }
    }
}

#[test]
fn every_method_computes_with_a_frozen_model_in_bf16() {
    for name in BACKBONES {
        let case = Case::read(name);
        let batch = case.batch(Kind::Classes);
        for table in on(name, &METHODS) {
            let of = |dtype| {
                let (model, trainables) = installed(&case, table, dtype, 1);
                shake(&trainables, 0.05);
                let loss = model.loss(&batch, &Pass::EVALUATION).unwrap();
                let store = loss.backward().unwrap();
                let gradient = trainables.gradient(&store).unwrap();
                // What is trained is f32 beside such a model too.
                assert_eq!(gradient.dtype(), DType::F32, "{name} {table}");
                assert!(largest(&gradient).is_finite(), "{name} {table}");
                scalar(&loss).unwrap()
            };
            let (narrow, wide) = (of(DType::BF16), of(DType::F32));
            assert!(
                (narrow - wide).abs() < 0.2 * wide,
                "{name} {table}: {narrow} for {wide}"
            );
        }
    }
}

#[test]
fn what_was_saved_is_loaded_with_identical_logits() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("values.safetensors");
    for name in BACKBONES {
        let case = Case::read(name);
        let batch = case.batch(Kind::Classes);
        for table in on(name, &METHODS) {
            let (model, trainables) = installed(&case, table, DType::F32, 1);
            shake(&trainables, 0.2);
            let before = numbers(&logits(&model, &batch));
            let named = trainables.named(trainables.values()).unwrap();
            candle_core::safetensors::save(&named.into_iter().collect(), &path).unwrap();

            // Of another seed: nothing but the file is shared.
            let (model, trainables) = installed(&case, table, DType::F32, 2);
            assert_ne!(numbers(&logits(&model, &batch)), before, "{name} {table}");
            let loaded = candle_core::safetensors::load(&path, &Device::Cpu).unwrap();
            let loaded: Vec<(String, Tensor)> = loaded.into_iter().collect();
            trainables.restore(&loaded).unwrap();
            assert_eq!(numbers(&logits(&model, &batch)), before, "{name} {table}");
        }
    }
}

/// The weights of a model by name, as stored, and whether all are frozen.
fn weights(model: &mut Model) -> (Vec<(String, Vec<f64>)>, bool) {
    let (mut all, mut frozen) = (Vec::new(), true);
    model
        .visit_weights(&mut |name, weight| {
            frozen &= matches!(weight, Weight::Frozen(_));
            all.push((name.to_owned(), numbers(weight.stored())));
            Ok(())
        })
        .unwrap();
    (all, frozen)
}

#[test]
fn a_merged_method_computes_the_same_and_is_taken_out_again_exactly() {
    for name in BACKBONES {
        let case = Case::read(name);
        let batch = case.batch(Kind::Classes);
        for table in on(name, &MERGEABLE) {
            if name.starts_with("t5") && table.contains("'bitfit'") {
                continue;
            }
            let what = format!("{name} {table}");
            for (format, tolerance) in [
                ((DType::F64, None), 1e-12),
                ((DType::F32, None), 1e-4),
                ((DType::F64, Some(DType::BF16)), 1e-12),
            ] {
                let mut model = case.kept(format, Kind::Classes);
                let trainables = peft::install(&method(table), &mut model, 1).unwrap();
                let plain = logits(&model, &batch);
                shake(&trainables, 0.2);
                let before = logits(&model, &batch);
                let moved = largest(&(&before - &plain).unwrap());
                assert!(moved > 1e-3 * largest(&plain), "{what}: nothing changes");
                let stored = weights(&mut model);

                let merged = merge(&mut model).unwrap();
                let (changed, frozen) = weights(&mut model);
                assert!(frozen, "{what}");
                let same = changed == stored.0;
                assert_eq!(same, is_stored(table), "{what}");
                assert_close(&what, &logits(&model, &batch), &before, tolerance);
                // What was merged does not follow the values any more.
                if !table.contains("'head'") {
                    let held = trainables.values().copy().unwrap();
                    let at_merge = numbers(&logits(&model, &batch));
                    shake_backbone(&trainables);
                    assert_eq!(numbers(&logits(&model, &batch)), at_merge, "{what}");
                    trainables.values().set(&held).unwrap();
                    trainables.refresh().unwrap();
                }

                merged.undo(&mut model).unwrap();
                assert!(weights(&mut model) == stored, "{what}");
                assert_eq!(numbers(&logits(&model, &batch)), numbers(&before), "{what}");
            }
        }
    }
}

/// Whether a method trains stored weights, which merging leaves as they are.
fn is_stored(table: &str) -> bool {
    ["'full'", "'head'", "'bitfit'", "'layer-norm'"]
        .iter()
        .any(|kind| table.contains(kind))
}

/// Moves all trained values but those of the task head.
fn shake_backbone(trainables: &Trainables) {
    let head: Vec<(String, Tensor)> = trainables
        .named(trainables.values())
        .unwrap()
        .into_iter()
        .filter(|(name, _)| name.starts_with("head."))
        .collect();
    shake(trainables, 0.5);
    let mut all = trainables.named(trainables.values()).unwrap();
    for (name, value) in &mut all {
        if let Some((_, kept)) = head.iter().find(|(kept, _)| kept == name) {
            *value = kept.clone();
        }
    }
    trainables.restore(&all).unwrap();
}

#[test]
fn what_has_no_place_in_a_plain_model_is_not_merged_and_says_where_it_stands() {
    for name in BACKBONES {
        let case = Case::read(name);
        let batch = case.batch(Kind::Classes);
        let others = |table: &&str| {
            let own = MERGEABLE
                .iter()
                .any(|merged| kind_of(merged) == kind_of(table));
            !own || (name.starts_with("t5") && table.contains("'bitfit'"))
        };
        for table in on(name, &METHODS).filter(others) {
            let (mut model, _) = installed(&case, table, DType::F64, 1);
            let before = numbers(&logits(&model, &batch));
            let refused = merge(&mut model).unwrap_err().to_string();
            assert!(
                refused.contains("cannot be merged"),
                "{name} {table}: {refused}"
            );
            assert_eq!(numbers(&logits(&model, &batch)), before, "{name} {table}");
        }
    }
}

fn kind_of(table: &str) -> MethodKind {
    let config: MethodConfig = toml::from_str(table).unwrap();
    config.kind
}

#[test]
fn a_prompt_of_the_vocabulary_starts_from_the_first_rows_of_the_embedding() {
    for name in BACKBONES {
        let case = Case::read(name);
        let (mut model, trainables) =
            installed(&case, "kind = 'prompt-vocab'\nlength = 3", DType::F64, 1);
        let (weights, _) = weights(&mut model);
        let (name, table) = &weights[0];
        assert!(name.contains("shared") || name.contains("word"), "{name}");
        let named = trainables.named(trainables.values()).unwrap();
        let (_, rows) = named.iter().find(|(n, _)| n.ends_with(".prompt")).unwrap();
        let rows = numbers(rows);
        assert_eq!(rows, table[..rows.len()]);
    }
}
