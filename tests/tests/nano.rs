//! The embedded model beside `transformers`, which loads its folder as it is.
//!
//! `COMPACTER_PYTHON` is an interpreter with transformers.
#![cfg(feature = "live")]
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test that reports its figures"
)]

use std::path::Path;
use std::process::Command;

use candle_core::{DType, Device, Tensor};
use compacter_core::cancel::CancelToken;
use compacter_core::config::Pooling;
use compacter_core::data::{Packed, Tokenizer};
use compacter_core::hub;
use compacter_core::model::{Answer, Model, Network, Pass, Placement};

/// Largest difference allowed, relative to the largest logit.
const FORMATS: [(&str, DType, f64); 2] = [("f32", DType::F32, 1e-4), ("bf16", DType::BF16, 1e-2)];

fn ids(tensor: &Tensor) -> Vec<u32> {
    tensor.to_dtype(DType::U32).unwrap().to_vec1().unwrap()
}

fn packed(ids: &[u32]) -> Packed {
    Packed::new([(ids, &vec![0; ids.len()][..])])
}

#[test]
fn transformers_loads_the_folder_and_computes_the_same_logits() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let python = std::env::var_os("COMPACTER_PYTHON").expect("COMPACTER_PYTHON is set");
    let out = tempfile::tempdir().unwrap();
    let file = out.path().join("logits.safetensors");
    let status = Command::new(python)
        .arg(root.join("tests/python/nano_logits.py"))
        .arg(root.join("core/assets/t5-nano"))
        .arg(&file)
        .status()
        .unwrap();
    assert!(status.success(), "{status}");
    let bytes = std::fs::read(&file).unwrap();
    let (_, header) = safetensors::SafeTensors::read_metadata(&bytes).unwrap();
    let texts = header.metadata().clone().unwrap();
    let tensors = candle_core::safetensors::load(&file, &Device::Cpu).unwrap();
    let files = hub::resolve("embedded:t5-nano", &CancelToken::default()).unwrap();
    let tokenizer = Tokenizer::of(&files).unwrap();
    for (name, text) in &texts {
        let found = tokenizer.encode(text, None, 128).unwrap().ids;
        assert_eq!(found, ids(&tensors[name]), "{text}");
    }
    for (name, dtype, tolerance) in FORMATS {
        let placement = Placement {
            device: Device::Cpu,
            dtype,
            pooling: Pooling::Mean,
            frozen_dtype: None,
        };
        let model = Model::of(&files, Answer::Text { longest: 1 }, placement).unwrap();
        let Network::T5(t5) = &model.network else {
            panic!("t5-nano is a T5")
        };
        for number in 0..texts.len() / 2 {
            let side = |side: &str| packed(&ids(&tensors[&format!("{side}.{number}")]));
            let pass = &Pass::EVALUATION;
            let encoded = t5.encode(&side("source"), pass).unwrap();
            let logits = t5.decode(&encoded, &side("target"), pass).unwrap();
            let expected = &tensors[&format!("{name}.{number}")];
            let largest = |t: Tensor| {
                t.abs()
                    .unwrap()
                    .max_all()
                    .unwrap()
                    .to_scalar::<f32>()
                    .unwrap()
            };
            let found = logits.to_dtype(DType::F32).unwrap();
            let off = largest((found - expected).unwrap()) / largest(expected.clone());
            println!("{name}, pair {number}: largest relative difference {off:.1e}");
            assert!(f64::from(off) <= tolerance, "{name}, pair {number}: {off}");
        }
    }
}
