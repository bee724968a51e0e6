//! Sites hand over all that a method needs: one throw-away method of each kind.
//!
//! Each must leave the model alone at its neutral values, change it at others, have the
//! gradient that central differences give, and treat a packed batch as its sequences one
//! by one.
#![expect(clippy::unwrap_used, reason = "tests")]

mod methods;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use candle_core::{D, DType, Tensor};
use compacter_core::Result;
use compacter_core::cancel::CancelToken;
use compacter_core::config::Method;
use compacter_core::data::{Batch, Packed};
use compacter_core::model::Encoded;
use compacter_core::model::site::{Backbone, SiteSlot, SubLayer, SubLayerModule};
use compacter_core::model::t5::T5;
use compacter_core::model::{Model, Network, Pass};
use compacter_core::ops::norm::rms_norm;
use compacter_core::peft::{self, Builder, Trainables};
use compacter_core::random::Key;
use compacter_tests::gradient::{assert_gradient, shake};
use compacter_tests::parity::{Case, Kind, assert_close, largest, numbers};
use methods::Install;

/// Smooth everywhere, unlike T5 v1.0 with its relu, and without a tied head.
const SMOOTH: [&str; 2] = ["t5_v1_1", "bert"];

/// The plain model; an encoder with its task head, which these methods do not train.
fn plain(name: &str) -> (Model, Batch) {
    let case = Case::read(name);
    let mut model = case.plain(DType::F64, Kind::Classes);
    if !case.generates() {
        peft::install(&Method::Head, &mut model, 1).unwrap();
    }
    (model, case.batch(Kind::Classes))
}

fn installed(name: &str, install: Install) -> (Model, Trainables, Batch) {
    let (mut model, batch) = plain(name);
    let mut builder = Builder::new(&model, Key::new(2));
    install(&mut model, &mut builder).unwrap();
    (model, builder.finish().unwrap(), batch)
}

/// T5's logits of every target token, an encoder's of every input.
fn outputs(model: &Model, batch: &Batch) -> Tensor {
    match &model.network {
        Network::T5(t5) => {
            let encoded = t5.encode(&batch.source, &Pass::EVALUATION).unwrap();
            t5.decode(&encoded, &batch.target, &Pass::EVALUATION)
                .unwrap()
        }
        Network::Bert(_) => model.head_logits(batch, &Pass::EVALUATION).unwrap(),
    }
}

fn single(packed: &Packed, number: usize) -> Packed {
    let rows = packed.offsets[number]..packed.offsets[number + 1];
    Packed::new([(&packed.ids[rows.clone()], &packed.types[rows])])
}

/// The sequences of a batch, each as a batch of its own.
fn one_by_one(batch: &Batch) -> impl Iterator<Item = Batch> + '_ {
    (0..batch.source.len()).map(|number| Batch {
        examples: vec![batch.examples[number]],
        source: single(&batch.source, number),
        target: single(&batch.target, number),
        gold: vec![batch.gold[number].clone()],
    })
}

fn is_neutral_at_first(name: &str, install: Install) {
    let (model, batch) = plain(name);
    let expected = outputs(&model, &batch);
    let (model, _, batch) = installed(name, install);
    assert_close(name, &outputs(&model, &batch), &expected, 1e-12);
}

/// That values matter, gradients are exact and sequences do not see each other.
fn works(name: &str, install: Install) {
    let (model, batch) = plain(name);
    let before = outputs(&model, &batch);
    let (model, trainables, batch) = installed(name, install);
    shake(&trainables, 0.2);

    let after = outputs(&model, &batch);
    let change = largest(&(&after - &before).unwrap());
    assert!(change > 1e-2 * largest(&before), "{name}: nothing changes");

    let alone: Vec<Tensor> = one_by_one(&batch)
        .map(|batch| outputs(&model, &batch))
        .collect();
    let alone = Tensor::cat(&alone, 0).unwrap();
    assert_close(&format!("{name} one by one"), &after, &alone, 1e-12);

    // With dropout: its masks are functions of the key, so that differences are exact.
    let pass = Pass::training(0.1, Key::new(3));
    assert_gradient(name, &trainables, || model.loss(&batch, &pass).unwrap());
}

/// That a batch is generated as its sequences are, and as teacher forcing says.
fn generates(install: Install) {
    let (model, trainables, batch) = installed("t5_v1_1", install);
    shake(&trainables, 0.2);
    let Network::T5(t5) = &model.network else {
        panic!("a T5")
    };
    let (encoded, texts) = generate(t5, &batch.source);
    let alone: Vec<Vec<u32>> = one_by_one(&batch)
        .flat_map(|batch| generate(t5, &batch.source).1)
        .collect();
    assert_eq!(texts, alone);

    let targets: Vec<Vec<u32>> = texts.iter().map(|text| with_end(t5, text)).collect();
    let types = [0; LONGEST];
    let packed = targets.iter().map(|ids| (&ids[..], &types[..ids.len()]));
    let target = Packed::new(packed);
    let logits = t5.decode(&encoded, &target, &Pass::EVALUATION).unwrap();
    let likeliest = logits.argmax(D::Minus1).unwrap();
    assert_eq!(likeliest.to_vec1::<u32>().unwrap(), target.ids);
}

const LONGEST: usize = 10;

fn generate(t5: &T5, source: &Packed) -> (Encoded, Vec<Vec<u32>>) {
    let encoded = t5.encode(source, &Pass::EVALUATION).unwrap();
    let texts = t5
        .generate(&encoded, LONGEST, &CancelToken::default())
        .unwrap();
    (encoded, texts)
}

/// A generated text with the end marker that it was cut at.
fn with_end(t5: &T5, text: &[u32]) -> Vec<u32> {
    let end = (text.len() < LONGEST).then_some(u32::try_from(t5.config.eos_token_id).unwrap());
    text.iter().copied().chain(end).collect()
}

#[test]
fn a_sub_layer_hands_over_what_it_read() {
    for name in SMOOTH {
        is_neutral_at_first(name, methods::parallel_adapters);
        works(name, methods::parallel_adapters);
    }
}

/// What sub-layers handed over in one pass, by the name of their site.
type Seen = Arc<Mutex<BTreeMap<String, HandedOver>>>;

#[derive(Clone)]
struct HandedOver {
    input: Tensor,
    residual: Tensor,
    normed_after: bool,
}

/// Leaves the sub-layer as it is and keeps what it handed over.
struct Witness(String, Seen);

impl SubLayerModule for Witness {
    fn forward(&self, at: &SubLayer<'_>) -> Result<Tensor> {
        let handed = HandedOver {
            input: at.input.clone(),
            residual: at.residual.clone(),
            normed_after: at.norm.is_some(),
        };
        self.1.lock().unwrap().insert(self.0.clone(), handed);
        at.plain()
    }
}

/// Runs a model once; gives its weights by name too.
fn witness(name: &str) -> (BTreeMap<String, HandedOver>, BTreeMap<String, Tensor>) {
    let (mut model, batch) = plain(name);
    let (seen, mut weights) = (Seen::default(), BTreeMap::new());
    model
        .visit_sites(&mut |site, slot| match slot {
            SiteSlot::SubLayer(slot) => {
                let witness = Witness(site.path.to_owned(), Arc::clone(&seen));
                slot.install(Box::new(witness), site)
            }
            _ => Ok(()),
        })
        .unwrap();
    model
        .visit_weights(&mut |name, weight| {
            weights.insert(name.to_owned(), weight.stored().clone());
            Ok(())
        })
        .unwrap();
    outputs(&model, &batch);
    let seen = seen.lock().unwrap().clone();
    (seen, weights)
}

#[test]
fn t5_sub_layers_read_the_normed_residual() {
    let (seen, weights) = witness("t5_v1_1");
    assert_eq!(seen.len(), 2 * 2 + 2 * 3);
    for (path, handed) in seen {
        let weight = &weights[&format!("{path}.layer_norm.weight")];
        let normed = rms_norm(&handed.residual, weight, 1e-6).unwrap();
        assert_close(&path, &handed.input, &normed, 1e-12);
        assert!(!handed.normed_after, "{path}");
    }
}

#[test]
fn bert_sub_layers_read_the_residual_and_are_normed_after() {
    let (seen, _) = witness("bert");
    assert_eq!(seen.len(), 2 * 2);
    for (path, handed) in seen {
        assert_eq!(numbers(&handed.input), numbers(&handed.residual), "{path}");
        assert!(handed.normed_after, "{path}");
    }
}

#[test]
fn a_linear_map_hands_over_weight_and_bias() {
    for name in SMOOTH {
        is_neutral_at_first(name, methods::dora);
        works(name, methods::dora);
    }
}

#[test]
fn a_linear_map_takes_a_bias_that_it_did_not_have() {
    for name in SMOOTH {
        is_neutral_at_first(name, methods::added_biases);
        works(name, methods::added_biases);
    }
}

#[test]
fn keys_and_values_take_rows_before_every_sequence() {
    for name in SMOOTH {
        works(name, methods::prefixes);
    }
    generates(methods::prefixes);
}

#[test]
fn rows_before_keys_and_inputs_can_take_positions() {
    for name in SMOOTH {
        works(name, methods::placed_prefixes);
        works(name, methods::placed_prompts);
    }
    generates(methods::placed_prefixes);
}

#[test]
fn keys_values_and_intermediates_can_be_rescaled() {
    for name in SMOOTH {
        is_neutral_at_first(name, methods::scales);
        works(name, methods::scales);
    }
    generates(methods::scales);
}

#[test]
fn embeddings_take_rows_before_every_input() {
    for name in SMOOTH {
        works(name, methods::prompts);
    }
    generates(methods::prompts);
}

#[test]
fn norms_take_a_bias() {
    for name in SMOOTH {
        is_neutral_at_first(name, methods::norm_biases);
        works(name, methods::norm_biases);
    }
}

#[test]
fn every_weight_can_be_computed_from_its_pretrained_value() {
    // T5 v1.0 as well: there the embedding is also the output layer.
    for name in ["t5_v1_0", "t5_v1_1", "bert"] {
        is_neutral_at_first(name, methods::subspace);
        works(name, methods::subspace);
    }
}

#[test]
fn a_slot_takes_one_module_only() {
    let (mut model, _) = plain("bert");
    let mut builder = Builder::new(&model, Key::new(2));
    methods::scales(&mut model, &mut builder).unwrap();
    let refused = methods::scales(&mut model, &mut builder).unwrap_err();
    let text = refused.to_string();
    assert!(text.contains("encoder.layer.0.attention.self"), "{text}");
}

#[test]
fn a_change_of_values_needs_no_new_installation() {
    let (model, trainables, batch) = installed("bert", methods::added_biases);
    let before = numbers(&outputs(&model, &batch));
    shake(&trainables, 0.0);
    assert_eq!(numbers(&outputs(&model, &batch)), before);
    shake(&trainables, 0.1);
    assert_ne!(numbers(&outputs(&model, &batch)), before);
}
