//! The layer of the paper's own implementation, number by number.
//!
//! Its numbers were computed in `f32` and are compared with ours in `f64`.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::HashMap;
use std::path::Path;

use candle_core::{Device, Tensor, Var};
use compacter_core::config::NonLinearity;
use compacter_core::peft::adapter::{AdapterProjection, Bottleneck};
use compacter_core::peft::compacter::{Fast, Hypercomplex};
use compacter_tests::parity::assert_close;
use serde_json::Value;

/// Relative to the largest entry of each tensor.
const TOLERANCE: f64 = 1e-6;

type Case = serde_json::Map<String, Value>;

fn cases() -> Vec<Case> {
    let path =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/phm/original_phm_adapter_cases.json");
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// Nested lists as a tensor.
fn tensor(value: &Value) -> Tensor {
    fn walk(value: &Value, depth: usize, shape: &mut Vec<usize>, flat: &mut Vec<f64>) {
        let Some(list) = value.as_array() else {
            return flat.push(value.as_f64().unwrap());
        };
        if shape.len() == depth {
            shape.push(list.len());
        }
        for item in list {
            walk(item, depth + 1, shape, flat);
        }
    }
    let (mut shape, mut flat) = (Vec::new(), Vec::new());
    walk(value, 0, &mut shape, &mut flat);
    Tensor::from_vec(flat, shape, &Device::Cpu).unwrap()
}

/// The case's weights by name; with shared slow weights both names are one variable.
fn weights(case: &Case) -> HashMap<&str, Var> {
    let is_weight = |name: &str| name.starts_with("down.") || name.starts_with("up.");
    let mut weights: HashMap<&str, Var> = case
        .iter()
        .filter(|(name, _)| is_weight(name))
        .map(|(name, value)| (&name[..], Var::from_tensor(&tensor(value)).unwrap()))
        .collect();
    if case["shared"].as_bool().unwrap() {
        assert_eq!(case["down.phm_rule"], case["up.phm_rule"]);
        weights.insert("up.phm_rule", weights["down.phm_rule"].clone());
    }
    weights
}

fn projection(side: &str, case: &Case, weights: &HashMap<&str, Var>) -> Hypercomplex {
    let weight = |part: &str| weights[&format!("{side}.{part}")[..]].as_tensor().clone();
    let fast = if case["factorized"].as_bool().unwrap() {
        Fast::Factored {
            left: weight("W_left"),
            right: weight("W_right"),
        }
    } else {
        Fast::Dense(weight("W"))
    };
    Hypercomplex {
        slow: weight("phm_rule"),
        fast,
        bias: weight("b"),
    }
}

fn adapter(case: &Case, weights: &HashMap<&str, Var>) -> Bottleneck<Hypercomplex> {
    Bottleneck {
        down: projection("down", case, weights),
        up: projection("up", case, weights),
        non_linearity: NonLinearity::GeluNew,
    }
}

#[test]
fn output_loss_and_every_gradient_are_the_authors_own() {
    let cases = cases();
    assert_eq!(cases.len(), 4);
    for (number, case) in cases.iter().enumerate() {
        let weights = weights(case);
        let x = Var::from_tensor(&tensor(&case["x"])).unwrap();
        let y = adapter(case, &weights).forward(&x).unwrap();
        let loss = y.sqr().unwrap().sum_all().unwrap();
        let check = |name: &str, found: &Tensor| {
            let what = format!("case {number}: {name}");
            assert_close(&what, found, &tensor(&case[name]), TOLERANCE);
        };
        check("y", &y);
        check("loss", &loss);
        let gradients = loss.backward().unwrap();
        check("grad_x", gradients.get(&x).unwrap());
        for (name, weight) in &weights {
            // A shared gradient is the total of both projections, under either name.
            check(&format!("grad.{name}"), gradients.get(weight).unwrap());
        }
        let expected = case.keys().filter(|name| name.starts_with("grad.")).count();
        assert_eq!(weights.len(), expected, "case {number}: gradients compared");
    }
}

#[test]
fn a_projection_equals_the_product_with_its_materialised_weight() {
    for (number, case) in cases().iter().enumerate() {
        let adapter = adapter(case, &weights(case));
        let x = tensor(&case["x"]);
        let down = adapter.down.forward(&x).unwrap();
        for (side, projection, input) in [("down", &adapter.down, &x), ("up", &adapter.up, &down)] {
            let merged = input
                .matmul(&projection.materialise().unwrap())
                .unwrap()
                .broadcast_add(&projection.bias)
                .unwrap();
            let found = projection.forward(input).unwrap();
            assert_close(&format!("case {number}: {side}"), &found, &merged, 1e-12);
        }
    }
}
