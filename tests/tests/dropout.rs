//! Dropout in whole models: where, when, and never in evaluation.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use candle_core::{DType, Tensor};
use compacter_core::Result;
use compacter_core::model::network::scalar;
use compacter_core::model::site::{Backbone, SiteSlot, SubLayer, SubLayerModule};
use compacter_core::model::{Model, Network, Pass};
use compacter_core::random::Key;
use compacter_tests::parity::{Case, Kind, method, numbers};

type Masks = BTreeMap<String, Vec<f64>>;

/// Leaves the sub-layer as it is and notes the mask of its dropout.
struct Recorder {
    masks: Arc<Mutex<Masks>>,
}

impl SubLayerModule for Recorder {
    fn forward(&self, at: &SubLayer<'_>) -> Result<Tensor> {
        let mask = numbers(&at.drop(&at.output.ones_like()?)?);
        let before = self
            .masks
            .lock()
            .unwrap()
            .insert(at.dropout.to_owned(), mask);
        assert!(before.is_none(), "{} drops twice in a pass", at.dropout);
        at.plain()
    }
}

/// Masks of one pass over the case's packed batch.
fn masks(name: &str, pass: &Pass) -> Masks {
    let case = Case::read(name);
    let mut model = case.plain(DType::F32, Kind::Classes);
    let masks = Arc::new(Mutex::new(Masks::new()));
    model
        .visit_sites(&mut |site, slot| match slot {
            SiteSlot::SubLayer(slot) => {
                let masks = Arc::clone(&masks);
                slot.install(Box::new(Recorder { masks }), site)
            }
            _ => Ok(()),
        })
        .unwrap();
    run(&model, &case, pass);
    let masks = masks.lock().unwrap();
    masks.clone()
}

fn run(model: &Model, case: &Case, pass: &Pass) {
    let batch = case.batch(Kind::Classes);
    match &model.network {
        Network::T5(t5) => {
            let encoded = t5.encode(&batch.source, pass).unwrap();
            t5.decode(&encoded, &batch.target, pass).unwrap();
        }
        Network::Bert(bert) => {
            bert.encode(&batch.source, pass).unwrap();
        }
    }
}

fn step(number: u64) -> Pass {
    Pass::training(0.1, Key::new(5).with(number))
}

#[test]
fn masks_differ_between_steps_and_sites_and_return_with_the_key() {
    // Sub-layers: 2 a layer of an encoder, 3 of a decoder, 2 layers each.
    for (name, sites) in [("t5_v1_0", 10), ("bert", 4)] {
        let (first, second) = (masks(name, &step(1)), masks(name, &step(2)));
        assert_eq!(first.len(), sites, "{name}");
        assert_eq!(first, masks(name, &step(1)), "{name}");
        for (site, mask) in &first {
            assert_ne!(mask, &second[site], "{name} {site}");
            for (other, other_mask) in &first {
                assert!(site == other || mask != other_mask, "{site} and {other}");
            }
            let count = mask.len() as f64;
            let dropped = mask.iter().filter(|&&factor| factor == 0.0).count() as f64;
            // Four standard errors of a share of 0.1.
            let error = 4.0 * (0.09 / count).sqrt();
            assert!(
                (dropped / count - 0.1).abs() < error,
                "{name} {site}: {dropped} of {count}"
            );
        }
    }
}

#[test]
fn evaluation_drops_nothing() {
    for name in ["t5_v1_0", "bert"] {
        for (site, mask) in masks(name, &Pass::EVALUATION) {
            assert_eq!(mask, vec![1.0; mask.len()], "{name} {site}");
        }
    }
}

#[test]
fn the_loss_moves_with_the_key_only_and_not_at_all_without_dropout() {
    for name in ["t5_v1_0", "bert"] {
        let case = Case::read(name);
        let table = method("kind = 'compacter'\nn = 4\nreduction_factor = 4");
        let expected = case.expected("compacter");
        let (model, _) = case.install(&table, DType::F64, Kind::Classes, &expected);
        let batch = case.batch(Kind::Classes);
        let loss = |pass: &Pass| {
            scalar(&model.loss(&batch, pass).unwrap())
                .unwrap()
                .to_bits()
        };
        assert_eq!(loss(&step(1)), loss(&step(1)));
        assert_ne!(loss(&step(1)), loss(&step(2)));
        let still = Pass::training(0.0, Key::new(5));
        assert_eq!(loss(&still), loss(&Pass::EVALUATION));
        assert_ne!(loss(&still), loss(&step(1)));
    }
}
