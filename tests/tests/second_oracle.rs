//! The plain models against `candle-transformers`' own, in `f32`.
//!
//! Its models take one sequence without padding at a time, so they also check our packing.
//! Two things in which its T5 differs from the original are worked around here:
//!
//! - tied logits are scaled by `d_model^½` where the original has `d_model^-½`;
//! - the decoder finds relative positions' buckets as the encoder does. The decoder is
//!   compared at its first position, and with a table that is the same in every bucket.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::HashMap;

use candle_core::{DType, Device, Tensor};
use candle_nn::VarBuilder;
use candle_transformers::models::bert::BertModel;
use candle_transformers::models::t5::{Config as T5Config, T5ForConditionalGeneration};
use candle_transformers::models::xlm_roberta::{Config as RobertaConfig, XLMRobertaModel};
use compacter_core::config::Pooling;
use compacter_core::data::Packed;
use compacter_core::model::{Answer, Model, Network, Pass, Placement, Weights};
use compacter_tests::parity::{Case, Kind, assert_close};
use serde::de::DeserializeOwned;

/// Relative to the largest entry. Both sides compute `gelu` exactly or both by `tanh`; what
/// remains is the rounding of `f32` over a few hundred operations.
const TOLERANCE: f64 = 1e-5;

const TABLE: &str = "decoder.block.0.layer.0.SelfAttention.relative_attention_bias.weight";

fn tensors(case: &Case) -> HashMap<String, Tensor> {
    candle_core::safetensors::load(case.folder().join("model.safetensors"), &Device::Cpu).unwrap()
}

fn config_text(case: &Case) -> String {
    std::fs::read_to_string(case.folder().join("config.json")).unwrap()
}

fn config<T: DeserializeOwned>(case: &Case) -> T {
    serde_json::from_str(&config_text(case)).unwrap()
}

fn builder(tensors: &HashMap<String, Tensor>) -> VarBuilder<'static> {
    VarBuilder::from_tensors(tensors.clone(), DType::F32, &Device::Cpu)
}

fn ours(case: &Case, tensors: HashMap<String, Tensor>) -> Model {
    let answer = if case.generates() {
        Answer::Text { longest: 8 }
    } else {
        Answer::Value
    };
    let placement = Placement {
        device: Device::Cpu,
        dtype: DType::F32,
        pooling: Pooling::Mean,
        frozen_dtype: None,
    };
    let weights = Weights::from_map(tensors).unwrap();
    Model::build(weights, &config_text(case), answer, placement).unwrap()
}

/// Ids and segments of each sequence.
fn sequences(packed: &Packed) -> impl Iterator<Item = (&[u32], &[u32])> {
    packed.offsets.windows(2).map(|w| {
        let rows = w[0]..w[1];
        (&packed.ids[rows.clone()], &packed.types[rows])
    })
}

/// One sequence as `[1, l]`.
fn row(ids: &[u32]) -> Tensor {
    Tensor::new(ids, &Device::Cpu)
        .unwrap()
        .unsqueeze(0)
        .unwrap()
}

/// The rows of sequence `number`.
fn rows(packed_rows: &Tensor, offsets: &[usize], number: usize) -> Tensor {
    let (start, end) = (offsets[number], offsets[number + 1]);
    packed_rows.narrow(0, start, end - start).unwrap()
}

/// Hidden states that ours gives a packed batch against theirs for one sequence each.
fn compare_encoder(name: &str, theirs: impl Fn(&Tensor, &Tensor) -> Tensor) {
    let case = Case::read(name);
    let source = case.batch(Kind::Classes).source;
    let model = ours(&case, tensors(&case));
    let Network::Bert(bert) = &model.network else {
        panic!("an encoder")
    };
    let (hidden, _) = bert.encode(&source, &Pass::EVALUATION).unwrap();
    for (number, (ids, types)) in sequences(&source).enumerate() {
        let expected = theirs(&row(ids), &row(types)).squeeze(0).unwrap();
        let found = rows(&hidden, &source.offsets, number);
        assert_close(
            &format!("{name} input {number}"),
            &found,
            &expected,
            TOLERANCE,
        );
    }
}

#[test]
fn bert_agrees_on_hidden_states() {
    let case = Case::read("bert");
    let theirs = BertModel::load(builder(&tensors(&case)), &config(&case)).unwrap();
    compare_encoder("bert", |ids, types| {
        theirs.forward(ids, types, None).unwrap()
    });
}

#[test]
fn roberta_agrees_on_hidden_states() {
    let case = Case::read("roberta");
    let config: RobertaConfig = config(&case);
    let theirs = XLMRobertaModel::new(&config, builder(&tensors(&case))).unwrap();
    compare_encoder("roberta", |ids, types| {
        let all = ids.ones_like().unwrap();
        let seen = all.to_dtype(DType::F32).unwrap();
        let one_segment = types.zeros_like().unwrap();
        theirs
            .forward(ids, &seen, &one_segment, None, None, None)
            .unwrap()
    });
}

/// Their T5 with our logits' scale.
struct TheirT5 {
    model: T5ForConditionalGeneration,
    scale: f64,
}

impl TheirT5 {
    fn load(case: &Case, tensors: &HashMap<String, Tensor>) -> Self {
        let mut config: T5Config = config(case);
        config.use_cache = false;
        let scale = if config.tie_word_embeddings {
            1.0 / config.d_model as f64
        } else {
            1.0
        };
        let model = T5ForConditionalGeneration::load(builder(tensors), &config).unwrap();
        Self { model, scale }
    }

    fn encode(&mut self, ids: &[u32]) -> Tensor {
        self.model.encode(&row(ids)).unwrap()
    }

    /// Logits of the token after `ids`, `[1, vocab]`.
    fn next(&mut self, ids: &[u32], encoded: &Tensor) -> Tensor {
        (self.model.decode(&row(ids), encoded).unwrap() * self.scale).unwrap()
    }
}

/// Compares encoder states and the logits of the first `positions` of every target.
fn compare_t5(name: &str, tensors: &HashMap<String, Tensor>, positions: usize) {
    let case = Case::read(name);
    let batch = case.batch(Kind::Classes);
    let mut theirs = TheirT5::load(&case, tensors);
    let model = ours(&case, tensors.clone());
    let Network::T5(t5) = &model.network else {
        panic!("a T5")
    };
    let encoded = t5.encode(&batch.source, &Pass::EVALUATION).unwrap();
    let logits = t5
        .decode(&encoded, &batch.target, &Pass::EVALUATION)
        .unwrap();
    let pairs = sequences(&batch.source).zip(sequences(&batch.target));
    for (number, ((source, _), (target, _))) in pairs.enumerate() {
        let expected = theirs.encode(source);
        let found = rows(&encoded.hidden, &batch.source.offsets, number);
        let what = format!("{name} input {number}");
        assert_close(&what, &found, &expected.squeeze(0).unwrap(), TOLERANCE);

        let shifted: Vec<u32> = [&[t5.start_id()], target].concat();
        let found = rows(&logits, &batch.target.offsets, number);
        for position in 0..positions.min(target.len()) {
            let wanted = theirs.next(&shifted[..=position], &expected);
            let found = found.narrow(0, position, 1).unwrap();
            assert_close(
                &format!("{what}, token {position}"),
                &found,
                &wanted,
                TOLERANCE,
            );
        }
    }
}

#[test]
fn t5_agrees_on_encoder_states_and_first_logits() {
    for name in ["t5_v1_0", "t5_v1_1"] {
        compare_t5(name, &tensors(&Case::read(name)), 1);
    }
}

#[test]
fn t5_agrees_on_all_logits_where_distances_do_not_matter_to_the_decoder() {
    for name in ["t5_v1_0", "t5_v1_1"] {
        let mut tensors = tensors(&Case::read(name));
        let table = &tensors[TABLE];
        let same = table.narrow(0, 0, 1).unwrap().broadcast_as(table.shape());
        tensors.insert(TABLE.to_owned(), same.unwrap().contiguous().unwrap());
        compare_t5(name, &tensors, usize::MAX);
    }
}
