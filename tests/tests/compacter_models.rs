//! Whole Compacter models: gradients against central differences, and `bf16`.
#![expect(clippy::unwrap_used, reason = "tests")]

use candle_core::DType;
use compacter_core::model::Pass;
use compacter_core::model::network::scalar;
use compacter_core::random::Key;
use compacter_core::train::optimizer::{AdamW, Update};
use compacter_tests::gradient::{assert_gradient, shake};
use compacter_tests::parity::{Case, Kind, method};

const COMPACTER: &str = "kind = 'compacter'\nn = 4\nreduction_factor = 4";

#[test]
fn gradients_of_every_form_agree_with_central_differences() {
    // Projections do not know their backbone; placements do.
    let projections = [
        "rank = 2",
        "fast = 'dense'\nslow = 'own'",
        "positions = 'self-attention'\nleave_out = [0]",
    ];
    let placements = [
        "convention = 'adapterhub'",
        "convention = 'adapterhub'\npositions = 'feed-forward'",
    ];
    let all = [&projections[..], &placements].concat();
    for (name, forms) in [("bert", &all[..]), ("t5_v1_1", &placements)] {
        let case = Case::read(name);
        let batch = case.batch(Kind::Classes);
        for form in forms {
            let method = method(&format!("{COMPACTER}\n{form}"));
            let expected = std::collections::HashMap::new();
            let (model, trainables) = case.install(&method, DType::F64, Kind::Classes, &expected);
            shake(&trainables, 0.2);
            let pass = Pass::training(model.dropout(), Key::new(3));
            assert_gradient(&format!("{name}\n{form}"), &trainables, || {
                model.loss(&batch, &pass).unwrap()
            });
        }
    }
}

/// Losses before and after each of three steps.
fn losses(name: &str, dtype: DType) -> Vec<f64> {
    let case = Case::read(name);
    let expected = case.expected("compacter");
    let (model, trainables) = case.install(&method(COMPACTER), dtype, Kind::Classes, &expected);
    let batch = case.batch(Kind::Classes);
    let mut optimizer = AdamW::new(trainables.values()).unwrap();
    let with = Update {
        learning_rate: 1e-2,
        weight_decay: 0.0,
    };
    let pass = Pass::training(0.0, Key::new(0));
    let mut losses = Vec::new();
    for _ in 0..3 {
        let loss = model.loss(&batch, &pass).unwrap();
        losses.push(scalar(&loss).unwrap());
        let gradient = trainables.gradient(&loss.backward().unwrap()).unwrap();
        assert_eq!(gradient.dtype(), trainables.values().dtype());
        optimizer
            .update(trainables.values(), &gradient, with)
            .unwrap();
        trainables.refresh().unwrap();
    }
    losses.push(scalar(&model.loss(&batch, &pass).unwrap()).unwrap());
    losses
}

#[test]
fn a_model_in_bf16_trains_as_in_f32_to_its_precision() {
    for name in ["t5_v1_0", "t5_v1_1", "bert", "roberta"] {
        let (narrow, wide) = (losses(name, DType::BF16), losses(name, DType::F32));
        for (narrow, wide) in narrow.iter().zip(&wide) {
            let off = (narrow - wide).abs();
            assert!(off <= 5e-2 * wide, "{name}: {narrow} for {wide}");
        }
        assert!(wide[3] < wide[0], "{name}: {wide:?}");
        assert!(narrow[3] < narrow[0], "{name}: {narrow:?}");
    }
}
