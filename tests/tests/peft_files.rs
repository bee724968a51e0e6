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
use compacter_core::interop::{self, Export, Library};
use compacter_core::model::{Answer, Model, Network, Pass, Placement};
use compacter_core::peft::{self, Trainables};
use compacter_tests::parity::{Case, Kind, largest, largest_difference, numbers};

/// Largest differences from logits in f64 allowed, relative to the largest of them.
const IN_F32: f64 = 1e-5;
const IN_F64: f64 = 1e-12;

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

/// The inputs of a model, and where it lies: a deep one is made where the adapters are.
fn base(name: &str, adapters: &Path) -> (Batch, PathBuf) {
    let (case, path) = match name {
        "t5_deep" => ("t5_v1_0", adapters.join("models").join(name)),
        name => (name, fixtures().join("parity").join(name)),
    };
    (Case::read(case).batch(Kind::Classes), path)
}

/// Puts the adapter in a folder into the model that it belongs to.
fn tuned(folder: &Path, dtype: DType) -> Tuned {
    let name = std::fs::read_to_string(folder.join("base.txt")).unwrap();
    let name = name.trim();
    let (batch, path) = base(name, folder.parent().unwrap());
    let adapter = interop::read(folder).unwrap();
    let mut model = model(&path, adapter.head.outputs(), dtype);
    let method = adapter.method.resolve().unwrap();
    let trainables = peft::install(&method, &mut model, 1).unwrap();
    adapter.restore(&method, &model, &trainables).unwrap();
    Tuned {
        method,
        model,
        trainables,
        batch,
        base: name.to_owned(),
    }
}

fn model(path: &Path, head_outputs: Option<usize>, dtype: DType) -> Model {
    let (answer, pooling) = match head_outputs {
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
            layer_norms: false,
        };
        interop::write(Library::Peft, &export, folder).unwrap();
        std::fs::write(folder.join("base.txt"), &self.base).unwrap();
    }
}

/// Largest difference of logits, relative to the largest of them.
fn off(found: &Tensor, expected: &Tensor) -> f64 {
    assert_eq!(found.dims(), expected.dims());
    largest_difference(found, expected) / largest(expected)
}

/// The logits that PEFT has with the adapter in a folder.
fn expected(folder: &Path) -> Tensor {
    let file = folder.join("expected.safetensors");
    let mut tensors = candle_core::safetensors::load(file, &Device::Cpu).unwrap();
    tensors.remove("logits").unwrap()
}

/// Asserts that the adapter in a folder has the logits that PEFT has with it, in f64 to
/// `in_f64`.
fn assert_logits(folder: &Path, in_f64: f64) {
    let formats = [("f32", DType::F32, IN_F32), ("f64", DType::F64, in_f64)];
    for (format, dtype, tolerance) in formats {
        let off = off(&tuned(folder, dtype).logits(), &expected(folder));
        println!("{}, {format}: {off:.1e}", name(folder));
        assert!(off <= tolerance, "{}, {format}: {off:e}", name(folder));
    }
}

#[test]
fn adapters_of_peft_have_its_logits() {
    let found = adapters(&fixtures().join("peft"));
    assert!(found.len() > 5, "{found:?}");
    for folder in found {
        assert_logits(&folder, IN_F64);
    }
}

#[test]
fn what_is_written_is_read_back_the_same() {
    let found = adapters(&fixtures().join("peft"));
    assert!(found.len() > 5, "{found:?}");
    for folder in found {
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
    use compacter_tests::gradient::shake;
    use compacter_tests::parity::method;
    use std::process::Command;

    /// What is written, and how far logits may be apart: what makes the rows of a prefix is
    /// not written, and the rows are rounded to f32.
    const METHODS: [(&str, f64); 8] = [
        (
            "kind = 'lora'\nrank = 3\nalpha = 7.5\ntargets = ['q', 'k', 'v', 'o']",
            IN_F64,
        ),
        ("kind = 'lora'\nrank = 2\nalpha = 4.0", IN_F64),
        ("kind = 'dora'\nrank = 2\ntargets = ['q', 'o']", IN_F64),
        ("kind = 'ia3'", IN_F64),
        ("kind = 'ia3'\nplacement = 'adapterhub'", IN_F64),
        ("kind = 'prompt'\nlength = 3\nplacement = 'peft'", IN_F64),
        (
            "kind = 'prefix'\nlength = 3\nbottleneck = 0\nplacement = 'peft'",
            IN_F64,
        ),
        (
            "kind = 'prefix'\nlength = 3\nbottleneck = 4\nplacement = 'peft'",
            1e-6,
        ),
    ];

    /// Models, and whether they have a head.
    const BASES: [(&str, bool); 6] = [
        ("t5_v1_0", false),
        ("t5_v1_1", false),
        ("t5_deep", false),
        ("bert", true),
        ("roberta", true),
        ("roberta", false),
    ];

    /// Runs the other side.
    fn python(arguments: &[&Path]) {
        let python = std::env::var_os("COMPACTER_PYTHON").expect("COMPACTER_PYTHON is set");
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("python/peft_round_trip.py");
        let status = Command::new(python).arg(script).args(arguments).status();
        let status = status.unwrap();
        assert!(status.success(), "{status}");
    }

    /// A method of random values, all of which f32 can hold.
    fn drawn(table: &str, (name, head): (&str, bool), adapters: &Path) -> Tuned {
        let (batch, path) = base(name, adapters);
        let mut model = model(&path, head.then_some(3), DType::F64);
        let method = method(table);
        let trainables = peft::install(&method, &mut model, 1).unwrap();
        shake(&trainables, 0.2);
        let values = trainables.values();
        let rounded = values.to_dtype(DType::F32).unwrap();
        values.set(&rounded.to_dtype(DType::F64).unwrap()).unwrap();
        trainables.refresh().unwrap();
        Tuned {
            method,
            model,
            trainables,
            batch,
            base: name.to_owned(),
        }
    }

    #[test]
    fn adapters_pass_in_both_directions_with_the_same_logits() {
        let out = tempfile::tempdir().unwrap();
        let out = out.path();
        python(&[Path::new("write"), out]);
        let found = adapters(out);
        assert!(found.len() > 15, "{found:?}");
        for folder in found {
            assert_logits(&folder, IN_F64);
        }
        let mut written = Vec::new();
        for (number, (table, tolerance)) in METHODS.into_iter().enumerate() {
            for base in BASES {
                // PEFT fails on it, so it is not written.
                if base == ("roberta", true) && table.contains("prefix") {
                    continue;
                }
                let ours = drawn(table, base, out);
                let head = if base.1 { "_head" } else { "" };
                let folder = out.join(format!("ours_{number}_{}{head}", base.0));
                ours.write(&folder);
                written.push((folder, ours.logits(), tolerance, table));
            }
        }
        let mut arguments = vec![Path::new("read"), out];
        arguments.extend(written.iter().map(|(folder, ..)| folder.as_path()));
        python(&arguments);
        for (folder, logits, tolerance, table) in &written {
            let off = off(logits, &expected(folder));
            println!("{}, {}: {off:.1e}", name(folder), table.replace('\n', " "));
            assert!(off <= *tolerance, "{}: {off:e}", name(folder));
            assert_logits(folder, *tolerance);
        }
    }
}
