//! The real model on real data, step by step beside PyTorch with AdapterHub's library.
//!
//! Needs the feature `live`, and in the environment `COMPACTER_SHARED` (the folder that holds
//! `data/SST-2`), `COMPACTER_MINILM` (the folder of all-MiniLM-L6-v2) and
//! `COMPACTER_REFERENCE` (what `tests/python/minilm_reference.py` wrote: a folder for each
//! `<method>-<dtype>`). `COMPACTER_LIVE_CASES` limits the cases: `compacter-f32,…`.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test that reports its figures"
)]

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use candle_core::Device;
use compacter_core::Result;
use compacter_core::cancel::CancelToken;
use compacter_core::config::RunConfig;
use compacter_core::event::{Bus, Event, Kind, Sink};
use compacter_core::model::Prediction;
use compacter_core::train::control::Control;
use compacter_core::train::evaluate::evaluate;
use compacter_core::train::plan::Order;
use compacter_core::train::prepare::Prepared;
use compacter_core::train::session::Connections;
use compacter_core::train::{Outcome, Trainer};

const CASES: [&str; 8] = [
    "compacter-f32",
    "compacter-f64",
    "adapter-f32",
    "adapter-f64",
    "lora-f32",
    "lora-f64",
    "full-f32",
    "full-f64",
];

#[derive(Clone, Default)]
struct Losses(Arc<Mutex<Vec<f64>>>);

impl Sink for Losses {
    fn event(&mut self, event: &Event) -> Result<()> {
        if let Kind::Step(step) = &event.kind {
            self.0.lock().expect("no holder panics").push(step.loss);
        }
        Ok(())
    }
}

fn folder(variable: &str) -> PathBuf {
    let path = std::env::var_os(variable)
        .unwrap_or_else(|| panic!("{variable} is not set: see tests/tests/minilm.rs"));
    let path = PathBuf::from(path);
    assert!(path.is_dir(), "{variable}: {} is no folder", path.display());
    path
}

fn json<T: serde::de::DeserializeOwned>(path: &Path) -> T {
    let text = std::fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

fn prepare(method: &str, dtype: &str) -> Prepared {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("live/minilm/{method}.toml"));
    let data = folder("COMPACTER_SHARED").join("data/SST-2");
    let set = |key: &str, path: PathBuf| format!("{key}={}", path.display());
    let overrides = [
        set("model.path", folder("COMPACTER_MINILM")),
        set("task.train", data.join("low512_seed0.tsv")),
        set("task.validation", data.join("validation.tsv")),
        format!("model.dtype={dtype}"),
        "train.dropout=0.0".to_owned(),
        // The last evaluation is made below.
        "eval.every=100000".to_owned(),
    ];
    let mut overrides = overrides.to_vec();
    if method == "compacter" {
        overrides.push("method.convention=adapterhub".to_owned());
    }
    let config = RunConfig::load(&file, &overrides).unwrap();
    Prepared::new(config, &CancelToken::default()).unwrap()
}

/// Starts from PyTorch's values; what it did not write (all of `full` but the head) starts
/// from the pretrained model in both.
fn restore(prepared: &Prepared, file: &Path) {
    let given = candle_core::safetensors::load(file, &Device::Cpu).unwrap();
    let trainables = &prepared.trainables;
    let mut values = trainables.named(trainables.values()).unwrap();
    for (name, tensor) in &given {
        let found = values.iter_mut().find(|(known, _)| known == name);
        found
            .unwrap_or_else(|| panic!("{name} is not trained here"))
            .1 = tensor.clone();
    }
    trainables.restore(&values).unwrap();
}

fn follow(case: &str) {
    let (method, dtype) = case.rsplit_once('-').unwrap();
    let reference = folder("COMPACTER_REFERENCE").join(case);
    let order: Vec<Vec<usize>> = json(&reference.join("order.json"));
    let wanted: Vec<f64> = json(&reference.join("losses.json"));
    let classes: Vec<usize> = json(&reference.join("predictions.json"));

    let prepared = prepare(method, dtype);
    restore(&prepared, &reference.join("initial.safetensors"));
    let losses = Losses::default();
    let connections = Connections {
        bus: Bus::new(case).with(losses.clone()),
        control: Control::default(),
        cancel: CancelToken::default(),
    };
    let mut trainer =
        Trainer::in_memory(prepared, Order::Given(by_epoch(&order)), connections).unwrap();
    assert!(matches!(trainer.run().unwrap(), Outcome::Finished(_)));

    let found = losses.0.lock().unwrap().clone();
    assert_eq!(found.len(), wanted.len(), "{case}: steps");
    let off = |(a, b): (&f64, &f64)| (a - b).abs() / b.abs();
    let worst = found.iter().zip(&wanted).map(off).fold(0.0, f64::max);
    let prepared = trainer.prepared();
    let predictions = evaluate(prepared, &prepared.data.validation, &CancelToken::default())
        .unwrap()
        .predictions;
    let same = predictions
        .iter()
        .zip(&classes)
        .filter(|(p, c)| matches!(p, Prediction::Class { class, .. } if class == *c));
    let share = same.count() as f64 / classes.len() as f64;
    println!(
        "{case}: largest relative difference of {} losses {worst:.2e}, equal predictions {share:.4}",
        wanted.len()
    );
    let tolerance = if dtype == "f64" { 1e-6 } else { 1e-3 };
    assert!(worst <= tolerance, "{case}: losses differ by {worst:e}");
    assert!(share >= 0.99, "{case}: {share} of the predictions agree");
}

/// Cuts the batches of five passes into passes.
fn by_epoch(batches: &[Vec<usize>]) -> Vec<Vec<Vec<usize>>> {
    let in_epoch = batches.len() / 5;
    batches.chunks(in_epoch).map(<[_]>::to_vec).collect()
}

#[test]
fn losses_and_predictions_follow_pytorch() {
    let chosen = std::env::var("COMPACTER_LIVE_CASES").ok();
    let cases: Vec<&str> = match &chosen {
        Some(list) => list.split(',').collect(),
        None => CASES.to_vec(),
    };
    for case in cases {
        follow(case);
    }
}
