//! Every method on both families trains and evaluates on the GPU as on the CPU: losses of eight
//! steps with dropout, whose masks are the same there, and the evaluation after them.
//!
//! | arithmetic | largest relative difference to the CPU's f32 losses |
//! |---|---|
//! | f32 | 1e-3 |
//! | TF32 | 1e-2 |
//! | bf16 | 5e-2 |

use std::path::Path;
use std::sync::{Arc, Mutex};

use compacter_core::Result;
use compacter_core::cancel::CancelToken;
use compacter_core::config::{MethodKind, RunConfig};
use compacter_core::event::{Bus, Event, Kind, Sink};
use compacter_core::run::Start;
use compacter_core::train::control::Control;
use compacter_core::train::evaluate::evaluate;
use compacter_core::train::plan::Order;
use compacter_core::train::prepare::Prepared;
use compacter_core::train::session::{Connections, Session};
use compacter_core::train::{Outcome, Trainer};
use compacter_tests::program;
use compacter_tests::runs::{Lab, NAME};

use super::{gpu, name};

/// The families: a name, and the settings that say what is trained on what.
const FAMILIES: [(&str, &[&str]); 2] = [
    (
        "T5",
        &[
            "model.path=embedded:t5-nano",
            "task.name=lesson:sentiment",
            "task.max_train_samples=64",
        ],
    ),
    (
        "BERT",
        &[
            "model.path=tests/fixtures/tiny/model",
            "task.kind=classification",
            "task.train=tests/fixtures/tiny/train.tsv",
            "task.validation=tests/fixtures/tiny/validation.tsv",
            "task.text=[\"sentence\"]",
            "task.label=label",
            "task.labels=[\"negative\", \"positive\"]",
        ],
    ),
];

/// Arithmetic: a name, the settings, and how far off losses may be.
const ARITHMETIC: [(&str, &[&str], f64); 6] = [
    ("f32", &[], 1e-3),
    ("TF32", &["model.tf32=true"], 1e-2),
    ("bf16", &["model.dtype=bf16"], 5e-2),
    ("f32, kernels", &["model.cuda_kernels=true"], 1e-3),
    (
        "TF32, kernels",
        &["model.tf32=true", "model.cuda_kernels=true"],
        1e-2,
    ),
    (
        "bf16, kernels",
        &["model.dtype=bf16", "model.cuda_kernels=true"],
        5e-2,
    ),
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

/// A path among the settings as one that is found from anywhere.
fn from_here(setting: &str) -> String {
    let root = program::workspace().join("tests/fixtures");
    setting.replace("=tests/fixtures", &format!("={}", root.display()))
}

/// The losses of the steps, and last that of the evaluation after them.
fn losses(family: &[&str], method: MethodKind, more: &[&str]) -> Vec<f64> {
    let text = "name = 'gpu'\n[model]\n[method]\n[task]\n";
    let method = format!("method.kind={}", method.as_str());
    let common = [
        method.as_str(),
        "train.max_steps=8",
        "train.batch_size=16",
        "train.dropout=0.1",
        "train.warmup=2",
        "eval.every=100000",
        "watch.factors_every=4",
    ];
    let sets = family.iter().chain(&common).chain(more);
    let sets: Vec<String> = sets.map(|set| from_here(set)).collect();
    let config = RunConfig::parse(Path::new("gpu.toml"), text, &sets).unwrap();
    let prepared = Prepared::new(config, &CancelToken::default()).unwrap();
    let losses = Losses::default();
    let connections = Connections {
        bus: Bus::new("gpu").with(losses.clone()),
        control: Control::default(),
        cancel: CancelToken::default(),
    };
    let mut trainer = Trainer::in_memory(prepared, Order::Seeded, connections).unwrap();
    assert!(matches!(trainer.run().unwrap(), Outcome::Finished(_)));
    let mut all = losses.0.lock().unwrap().clone();
    let prepared = trainer.prepared();
    let evaluation = evaluate(prepared, &prepared.data.validation, &CancelToken::default());
    all.push(evaluation.unwrap().metrics["loss"]);
    all
}

/// What the methods are tuned for is far from these models: a rate that moves all of them.
fn settings(method: MethodKind) -> &'static [&'static str] {
    match method {
        MethodKind::Compacter | MethodKind::CompacterPlusPlus => {
            &["method.n=4", "method.reduction_factor=4"]
        }
        MethodKind::Adapter => &["method.reduction_factor=4"],
        _ => &[],
    }
}

#[test]
fn every_method_trains_and_evaluates_as_on_the_cpu() {
    drop(gpu(false));
    let device = format!("model.device={}", name());
    let mut faults = Vec::new();
    for (family, task) in FAMILIES {
        for method in MethodKind::ALL {
            if family == "T5" && method == MethodKind::Head {
                // It answers in text, and has no head to be trained.
                continue;
            }
            let more = settings(method);
            let expected = losses(task, method, &[more, &["model.device=cpu"]].concat());
            for (arithmetic, asked, tolerance) in ARITHMETIC {
                let sets = [more, &[device.as_str()], asked].concat();
                let found = losses(task, method, &sets);
                assert_eq!(found.len(), expected.len());
                let off = |(a, b): (&f64, &f64)| {
                    let off = (a - b).abs() / b.abs();
                    if off.is_nan() { f64::INFINITY } else { off }
                };
                let pairs = found.iter().zip(&expected);
                let worst = pairs.map(off).fold(0.0, f64::max);
                let what = format!("{family}, {}, {arithmetic}", method.as_str());
                println!("{what}: losses off by {worst:.1e}");
                if worst > tolerance {
                    faults.push(format!("{what}: {worst:e}, {found:?} for {expected:?}"));
                }
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// Ends a run from within, after a step.
struct EndAfter(u64, CancelToken);

impl Sink for EndAfter {
    fn event(&mut self, event: &Event) -> Result<()> {
        if matches!(event.kind, Kind::Step(_)) && event.step == self.0 {
            self.1.cancel();
        }
        Ok(())
    }
}

/// Trains a run of six steps in a folder until its end or the step given; the losses.
fn six_steps(lab: &Lab, how: Start, end_after: u64) -> Vec<f64> {
    let losses = Losses::default();
    let cancel = CancelToken::default();
    let connections = Connections {
        bus: Bus::new(NAME)
            .with(losses.clone())
            .with(EndAfter(end_after, cancel.clone())),
        control: Control::default(),
        cancel,
    };
    let mut config = lab.config();
    config.model.device = name();
    match Session::open(config, how, connections).unwrap() {
        Session::Ready(mut trainer, _lock) => drop(trainer.run().unwrap()),
        Session::AlreadyFinished(_) => panic!("there are steps left"),
    }
    losses.0.lock().unwrap().clone()
}

#[test]
fn a_run_that_was_ended_goes_on_from_its_checkpoint() {
    drop(gpu(false));
    let settings = "max_steps = 6\nbatch_size = 16\nlearning_rate = 1e-2";
    let (whole, parts) = (Lab::new(settings), Lab::new(settings));
    let expected = six_steps(&whole, Start::New, u64::MAX);
    let mut found = six_steps(&parts, Start::New, 3);
    assert_eq!(found.len(), 3);
    found.extend(six_steps(&parts, Start::Resume, u64::MAX));
    assert_eq!(found.len(), 6);
    for (found, expected) in found.iter().zip(&expected) {
        assert!(
            (found - expected).abs() <= 1e-4 * expected,
            "{found} for {expected}"
        );
    }
}
