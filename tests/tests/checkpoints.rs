//! Checkpoints that differ in what they hold of T5's embedding and output layer.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::HashMap;

use candle_core::{DType, Device, Tensor};
use compacter_core::config::Pooling;
use compacter_core::model::{Answer, Model, Network, Pass, Placement, Weights};
use compacter_core::{Error, Result};
use compacter_tests::parity::{Case, Kind, numbers};

type Tensors = HashMap<String, Tensor>;

fn tensors(case: &Case) -> Tensors {
    candle_core::safetensors::load(case.folder().join("model.safetensors"), &Device::Cpu).unwrap()
}

fn config(case: &Case) -> serde_json::Value {
    let text = std::fs::read_to_string(case.folder().join("config.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

fn build(tensors: Tensors, config: &serde_json::Value) -> Result<Model> {
    let placement = Placement {
        device: Device::Cpu,
        dtype: DType::F32,
        pooling: Pooling::Mean,
        frozen_dtype: None,
    };
    let answer = Answer::Text { longest: 8 };
    Model::build(
        Weights::from_map(tensors)?,
        &config.to_string(),
        answer,
        placement,
    )
}

fn logits(model: &Model, case: &Case) -> Vec<f64> {
    let Network::T5(t5) = &model.network else {
        panic!("a T5")
    };
    let (batch, pass) = (case.batch(Kind::Classes), &Pass::EVALUATION);
    let encoded = t5.encode(&batch.source, pass).unwrap();
    numbers(&t5.decode(&encoded, &batch.target, pass).unwrap())
}

/// A checkpoint with the embedding under other names than `shared.weight`.
fn renamed(mut tensors: Tensors, names: &[&str]) -> Tensors {
    let table = tensors.remove("shared.weight").unwrap();
    for name in names {
        tensors.insert((*name).to_owned(), table.clone());
    }
    tensors
}

#[test]
fn the_embedding_may_be_held_by_a_stack_instead() {
    const ENCODER: &str = "encoder.embed_tokens.weight";
    const DECODER: &str = "decoder.embed_tokens.weight";
    for name in ["t5_v1_0", "t5_v1_1"] {
        let case = Case::read(name);
        let expected = logits(&build(tensors(&case), &config(&case)).unwrap(), &case);
        for names in [&[ENCODER][..], &[DECODER], &[ENCODER, DECODER]] {
            let model = build(renamed(tensors(&case), names), &config(&case)).unwrap();
            assert_eq!(logits(&model, &case), expected, "{name} {names:?}");
        }
    }
}

#[test]
fn a_checkpoint_without_any_embedding_is_refused_by_its_first_name() {
    let case = Case::read("t5_v1_0");
    let refused = build(renamed(tensors(&case), &[]), &config(&case)).unwrap_err();
    assert!(refused.to_string().contains("`shared.weight`"), "{refused}");
}

#[test]
fn a_missing_output_layer_is_an_error_unless_the_configuration_ties_it() {
    let case = Case::read("t5_v1_1");
    let mut headless = tensors(&case);
    headless.remove("lm_head.weight").unwrap();
    let mut config = config(&case);

    let refused = build(headless.clone(), &config).unwrap_err();
    assert!(matches!(refused, Error::Model { .. }), "{refused}");
    assert!(
        refused.to_string().contains("`lm_head.weight`"),
        "{refused}"
    );

    config["tie_word_embeddings"] = true.into();
    let tied = build(headless, &config).unwrap();
    assert!(tied.shape.tied);
    // A head that is stored nevertheless is a copy, and is left alone.
    let with_copy = build(tensors(&case), &config).unwrap();
    assert_eq!(logits(&tied, &case), logits(&with_copy, &case));
}
