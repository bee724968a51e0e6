//! What is installed in tiny models: how much is trained, and from where it starts.
#![expect(clippy::unwrap_used, reason = "tests")]

mod initial;
mod measured;
mod watched;

use std::path::Path;

use candle_core::{DType, Device};

use super::{Trainables, install};
use crate::config::{Method, MethodConfig, Pooling};
use crate::model::{Answer, Family, Model, ModelShape, Placement};

/// One of the tiny pretrained models that the end-to-end tests use too.
fn model(name: &str, pooling: Pooling) -> Model {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../tests/fixtures/parity")
        .join(name);
    let answer = match ModelShape::from_folder(&folder).unwrap().family {
        Family::T5 => Answer::Text { longest: 8 },
        Family::Bert | Family::Roberta => Answer::Class {
            count: 3,
            verbalizers: Vec::new(),
        },
    };
    let placement = Placement {
        device: Device::Cpu,
        dtype: DType::F64,
        pooling,
        frozen_dtype: None,
    };
    Model::load(&folder, answer, placement).unwrap()
}

fn method(table: &str) -> Method {
    let config: MethodConfig = toml::from_str(table).unwrap();
    config.resolve().unwrap()
}

fn installed(name: &str, table: &str, seed: u64) -> Trainables {
    install(&method(table), &mut model(name, Pooling::Mean), seed).unwrap()
}
