//! Adapters in files of Hugging Face's `peft`, and the logits that it computes with them.
//!
//! `tests/fixtures/peft` holds adapters that `tests/python/peft_round_trip.py` made of the tiny
//! models of `tests/fixtures/parity`. With the feature `live`, `COMPACTER_PYTHON` names an
//! interpreter with `peft`: it makes them anew, and computes logits with what we write.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test that reports its figures"
)]

use std::path::{Path, PathBuf};

use candle_core::{DType, Device, Tensor};
use compacter_core::config::{Method, Pooling};
use compacter_core::data::Batch;
use compacter_core::interop::{self, Adapter, Export, Library};
use compacter_core::model::{Answer, Model, Network, Pass, Placement};
use compacter_core::peft::{self, Trainables};
use compacter_tests::parity::{Case, Kind, largest, numbers};

/// Largest difference from logits in f64 allowed, relative to the largest of them.
const FORMATS: [(&str, DType, f64); 2] = [("f32", DType::F32, 1e-5), ("f64", DType::F64, 1e-12)];

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures")
}

/// The folders of adapters in one.
fn adapters(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut found: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    found.retain(|path| path.join("base.txt").exists());
    found.sort();
    found
}

fn name(folder: &Path) -> &str {
    folder.file_name().unwrap().to_str().unwrap()
}

/// A model with an adapter in it.
struct Tuned {
    method: Method,
    model: Model,
    trainables: Trainables,
    batch: Batch,
    base: String,
}

/// Puts the adapter in a folder into the model that it belongs to.
fn tuned(folder: &Path, dtype: DType) -> Tuned {
    let base = std::fs::read_to_string(folder.join("base.txt")).unwrap();
    let base = base.trim();
    // The deep model has the inputs of another, and is made where the adapters are.
    let (case, path) = match base {
        "t5_deep" => (
            Case::read("t5_v1_0"),
            folder.parent().unwrap().join("models/t5_deep"),
        ),
        name => (Case::read(name), fixtures().join("parity").join(name)),
    };
    let adapter = interop::read(folder).unwrap();
    let mut model = model(&path, &adapter, dtype);
    let method = adapter.method.resolve().unwrap();
    let trainables = peft::install(&method, &mut model, 1).unwrap();
    adapter.restore(&method, &model, &trainables).unwrap();
    Tuned {
        method,
        model,
        trainables,
        batch: case.batch(Kind::Classes),
        base: base.to_owned(),
    }
}

fn model(path: &Path, adapter: &Adapter, dtype: DType) -> Model {
    let (answer, pooling) = match adapter.head_outputs {
        Some(count) => (
            Answer::Class {
                count,
                verbalizers: Vec::new(),
            },
            Pooling::Pooler,
        ),
        None => (Answer::Value, Pooling::Mean),
    };
    let placement = Placement {
        device: Device::Cpu,
        dtype,
        pooling,
        frozen_dtype: None,
    };
    Model::load(path, answer, placement).unwrap()
}

impl Tuned {
    /// Logits of every target token of a T5, of every input of an encoder with a head, hidden
    /// states of an encoder without.
    fn logits(&self) -> Tensor {
        let pass = &Pass::EVALUATION;
        let encoded = self.model.encode(&self.batch.source, pass).unwrap();
        match &self.model.network {
            Network::T5(t5) => t5.decode(&encoded, &self.batch.target, pass).unwrap(),
            Network::Bert(_) if self.model.pooling() == Pooling::Pooler => {
                self.model.head_logits(&self.batch, pass).unwrap()
            }
            Network::Bert(_) => encoded.hidden,
        }
    }

    fn write(&self, folder: &Path) {
        let export = Export {
            method: &self.method,
            model: &self.model,
            trainables: &self.trainables,
            labels: &[],
            base: "",
            name: "task",
            head: self.model.pooling() == Pooling::Pooler,
        };
        interop::write(Library::Peft, &export, folder).unwrap();
        std::fs::write(folder.join("base.txt"), &self.base).unwrap();
    }
}

/// Largest difference of logits, relative to the largest of them.
fn off(found: &Tensor, expected: &Tensor) -> f64 {
    assert_eq!(found.dims(), expected.dims());
    let pairs = numbers(found).into_iter().zip(numbers(expected));
    let largest_off = pairs.map(|(a, b)| (a - b).abs()).fold(0f64, |m, off| {
        // A NaN must fail, so `f64::max`, which passes over it, will not do.
        if off <= m { m } else { off }
    });
    largest_off / largest(expected)
}

/// Asserts that an adapter has the logits that PEFT has with it; they are beside `expected`.
fn assert_logits(folder: &Path, expected: &Path) {
    let file = expected.join("expected.safetensors");
    let expected = candle_core::safetensors::load(file, &Device::Cpu).unwrap();
    for (format, dtype, tolerance) in FORMATS {
        let off = off(&tuned(folder, dtype).logits(), &expected["logits"]);
        println!("{}, {format}: {off:.1e}", name(folder));
        assert!(off <= tolerance, "{}, {format}: {off:e}", name(folder));
    }
}

#[test]
fn adapters_of_peft_have_its_logits() {
    for folder in adapters(&fixtures().join("peft")) {
        assert_logits(&folder, &folder);
    }
}

#[test]
fn what_is_written_is_read_back_the_same() {
    for folder in adapters(&fixtures().join("peft")) {
        let out = tempfile::tempdir().unwrap();
        let first = tuned(&folder, DType::F32);
        let written = out.path().join("written");
        first.write(&written);
        let second = tuned(&written, DType::F32);
        assert_eq!(first.method, second.method, "{}", name(&folder));
        let values = |of: &Tuned| numbers(of.trainables.values());
        assert_eq!(values(&first), values(&second), "{}", name(&folder));
    }
}

#[cfg(feature = "live")]
mod live {
    use super::*;
    use std::process::Command;

    /// Runs the other side.
    fn python(arguments: &[&Path]) {
        let python = std::env::var_os("COMPACTER_PYTHON").expect("COMPACTER_PYTHON is set");
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("python/peft_round_trip.py");
        let status = Command::new(python)
            .arg(script)
            .args(arguments)
            .status()
            .unwrap();
        assert!(status.success(), "{status}");
    }

    #[test]
    fn adapters_pass_in_both_directions_with_the_same_logits() {
        let out = tempfile::tempdir().unwrap();
        let (theirs, ours) = (out.path().join("theirs"), out.path().join("ours"));
        python(&[Path::new("write"), &theirs]);
        let mut written = Vec::new();
        for folder in adapters(&theirs) {
            assert_logits(&folder, &folder);
            let copy = ours.join(name(&folder));
            tuned(&folder, DType::F32).write(&copy);
            written.push(copy);
        }
        let mut arguments = vec![Path::new("read"), &theirs];
        arguments.extend(written.iter().map(PathBuf::as_path));
        python(&arguments);
        for folder in adapters(&ours) {
            // What PEFT computes with our folder, against ours with PEFT's.
            assert_logits(&theirs.join(name(&folder)), &folder);
        }
    }
}
