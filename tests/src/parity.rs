//! The tiny models of `tests/fixtures/parity` and what PyTorch computes with them.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use candle_core::{DType, Device, Tensor};
use compacter_core::config::{Method, MethodConfig, Pooling};
use compacter_core::data::{Batch, Example, Gold, Tokens};
use compacter_core::model::{Answer, Model, Placement};
use compacter_core::peft::{self, Trainables};
use serde::Deserialize;

/// A batch as the fixtures hold it.
#[derive(Debug, Deserialize)]
pub struct RawBatch {
    source: Vec<Vec<u32>>,
    types: Vec<Vec<u32>>,
    target: Vec<Vec<u32>>,
    classes: Vec<u32>,
    values: Vec<f64>,
}

/// Twenty steps of training.
#[derive(Debug, Deserialize)]
pub struct Training {
    /// Peak learning rate.
    pub learning_rate: f64,
    /// Warm-up steps.
    pub warmup: u64,
    /// Steps in all.
    pub steps: u64,
    /// Largest norm of the gradient.
    pub clip_norm: f64,
    /// Used in turn.
    pub batches: Vec<RawBatch>,
    /// Loss before each update.
    pub losses: Vec<f64>,
    /// Norm of each gradient before clipping.
    pub grad_norms: Vec<f64>,
}

/// Greedy answers.
#[derive(Debug, Deserialize)]
pub struct Generation {
    /// Longest answer in tokens.
    pub max_new_tokens: usize,
    /// Inputs.
    pub source: Vec<Vec<u32>>,
    /// Answers, with the end marker where there was one.
    pub ids: Vec<Vec<u32>>,
}

#[derive(Debug, Deserialize)]
struct CaseFile {
    batch: RawBatch,
    expected: HashMap<String, Expected>,
    training: Training,
    generation: Option<Generation>,
}

#[derive(Debug, Deserialize)]
struct Expected {
    file: String,
}

/// One tiny model with its expected numbers.
#[derive(Debug)]
pub struct Case {
    folder: PathBuf,
    file: CaseFile,
}

/// What a loss is compared in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Three classes.
    Classes,
    /// A value, for encoders.
    Values,
}

impl RawBatch {
    /// The batch with answers of `kind`.
    #[must_use]
    pub fn batch(&self, kind: Kind) -> Batch {
        let examples: Vec<Example> = (0..self.source.len())
            .map(|i| Example {
                source: Tokens {
                    ids: self.source[i].clone(),
                    types: self
                        .types
                        .get(i)
                        .cloned()
                        .unwrap_or_else(|| vec![0; self.source[i].len()]),
                },
                target: self.target.get(i).cloned().unwrap_or_default(),
                gold: match kind {
                    Kind::Classes => self
                        .classes
                        .get(i)
                        .map_or(Gold::Text(String::new()), |&c| Gold::Class(c)),
                    Kind::Values => Gold::Value(self.values[i]),
                },
                group: None,
            })
            .collect();
        Batch::gather(&examples, &(0..examples.len()).collect::<Vec<_>>())
    }
}

impl Case {
    /// Reads the case of one backbone.
    #[must_use]
    pub fn read(name: &str) -> Self {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("fixtures/parity")
            .join(name);
        let text =
            std::fs::read_to_string(folder.join("case.json")).expect("case.json is committed");
        let file = serde_json::from_str(&text).expect("case.json is what its README says");
        Self { folder, file }
    }

    /// Whether the backbone generates text.
    #[must_use]
    pub fn generates(&self) -> bool {
        self.file.generation.is_some()
    }

    /// The batch that expected tensors belong to.
    #[must_use]
    pub fn batch(&self, kind: Kind) -> Batch {
        self.file.batch.batch(kind)
    }

    /// The training run.
    #[must_use]
    pub fn training(&self) -> &Training {
        &self.file.training
    }

    /// The greedy answers.
    #[must_use]
    pub fn generation(&self) -> Option<&Generation> {
        self.file.generation.as_ref()
    }

    /// Where `config.json` and `model.safetensors` lie.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The tensors expected of one kind of method, in f64.
    #[must_use]
    pub fn expected(&self, kind: &str) -> HashMap<String, Tensor> {
        let path = self.folder.join(&self.file.expected[kind].file);
        candle_core::safetensors::load(path, &Device::Cpu).expect("committed tensors load")
    }

    /// The model as it was pretrained, without a method or a head.
    #[must_use]
    pub fn plain(&self, dtype: DType, kind: Kind) -> Model {
        self.kept((dtype, None), kind)
    }

    /// The same with its matrices kept in a number format of their own.
    #[must_use]
    pub fn kept(&self, (dtype, frozen_dtype): (DType, Option<DType>), kind: Kind) -> Model {
        let answer = match (self.generates(), kind) {
            (true, _) => Answer::Text { longest: 12 },
            (false, Kind::Classes) => Answer::Class {
                count: 3,
                verbalizers: Vec::new(),
            },
            (false, Kind::Values) => Answer::Value,
        };
        let placement = Placement {
            device: Device::Cpu,
            dtype,
            pooling: Pooling::Mean,
            frozen_dtype,
        };
        Model::load(&self.folder, answer, placement).expect("the model loads")
    }

    /// The model with a method installed and its values set to the expected ones.
    #[must_use]
    pub fn install(
        &self,
        method: &Method,
        dtype: DType,
        kind: Kind,
        expected: &HashMap<String, Tensor>,
    ) -> (Model, Trainables) {
        let mut model = self.plain(dtype, kind);
        let trainables = peft::install(method, &mut model, 1).expect("the method fits");
        let mut values = trainables
            .named(trainables.values())
            .expect("values can be read");
        for (name, value) in &mut values {
            if let Some(given) = expected.get(&format!("value.{name}")) {
                *value = given.clone();
            }
        }
        let given = expected
            .keys()
            .filter_map(|name| name.strip_prefix("value."));
        for name in given {
            assert!(
                values.iter().any(|(known, _)| known == name),
                "{name} has no place in the model"
            );
        }
        trainables.restore(&values).expect("values fit");
        (model, trainables)
    }
}

/// The method that a `[method]` table names.
#[must_use]
pub fn method(toml: &str) -> Method {
    let config: MethodConfig = toml_from(toml);
    config.resolve().expect("the table is valid")
}

fn toml_from(text: &str) -> MethodConfig {
    toml::from_str(text).expect("the table parses")
}

/// How far two tensors may be apart: by the larger of two bounds.
#[derive(Debug, Clone, Copy)]
pub struct Tolerance {
    /// Relative to the largest expected entry.
    pub relative: f64,
    /// In absolute terms, for tensors that are 0 in exact arithmetic and rounding noise in
    /// any other.
    pub absolute: f64,
}

/// Asserts that two tensors agree to `tolerance` of the largest expected entry.
pub fn assert_close(what: &str, found: &Tensor, expected: &Tensor, tolerance: f64) {
    let tolerance = Tolerance {
        relative: tolerance,
        absolute: 0.0,
    };
    assert_within(what, found, expected, tolerance);
}

/// Asserts that two tensors agree.
pub fn assert_within(what: &str, found: &Tensor, expected: &Tensor, tolerance: Tolerance) {
    assert_eq!(found.dims(), expected.dims(), "{what}: shape");
    let largest = largest(expected);
    let off = largest_difference(found, expected);
    let allowed = tolerance.absolute.max(tolerance.relative * largest);
    assert!(
        off <= allowed,
        "{what}: off by {off:e}, largest entry {largest:e}"
    );
}

/// The largest difference of two entries; NaN where there is one anywhere.
#[must_use]
pub fn largest_difference(a: &Tensor, b: &Tensor) -> f64 {
    let pairs = numbers(a).into_iter().zip(numbers(b));
    let off = pairs.map(|(a, b)| (a - b).abs());
    // `f64::max` passes over a NaN.
    off.fold(0f64, |most, off| {
        if most.is_nan() || off <= most {
            most
        } else {
            off
        }
    })
}

/// The largest absolute entry.
#[must_use]
pub fn largest(tensor: &Tensor) -> f64 {
    numbers(tensor).iter().fold(0f64, |m, x| m.max(x.abs()))
}

/// All entries, row by row.
#[must_use]
pub fn numbers(tensor: &Tensor) -> Vec<f64> {
    tensor
        .to_dtype(DType::F64)
        .and_then(|t| t.flatten_all())
        .and_then(|t| t.to_vec1())
        .expect("a tensor of numbers")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nan_is_noticed_wherever_it_stands() {
        let tensor = |entries: &[f64]| Tensor::new(entries, &Device::Cpu).expect("a vector");
        let plain = tensor(&[1.0, 2.0, 3.0]);
        assert!((largest_difference(&tensor(&[1.5, 2.0, 3.0]), &plain) - 0.5).abs() < 1e-12);
        for at in 0..3 {
            let mut entries = [1.0, 2.0, 3.0];
            entries[at] = f64::NAN;
            assert!(
                largest_difference(&tensor(&entries), &plain).is_nan(),
                "{at}"
            );
        }
    }
}
