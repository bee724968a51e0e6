//! Two processes that average their gradients at each step train as one does with batches
//! of both.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::process::Command;

use candle_core::{DType, Device, Tensor};
use compacter_core::config::{StepForm, TrainConfig, UpdateScale};
use compacter_core::data::{Batch, Gold, Packed};
use compacter_core::model::Model;
use compacter_core::peft::{self, Trainables};
use compacter_core::random::Key;
use compacter_core::train::exchange::{Alone, Exchange};
use compacter_core::train::objective::task_loss;
use compacter_core::train::optimizer::{AdamW, Update};
use compacter_core::train::step::{StepConfig, step};
use compacter_tests::parity::{self, Case, Kind, numbers};

/// Where the second process finds the first.
const SOCKET: &str = "COMPACTER_TEST_SOCKET";
const STEPS: u64 = 5;
const METHOD: &str = "kind = 'compacter'\nn = 4\nreduction_factor = 4";

/// Averages with the process at the other end of a socket.
#[derive(Debug)]
struct Pair(UnixStream);

impl Exchange for Pair {
    fn average(&mut self, gradient: Tensor, loss: f64) -> compacter_core::Result<(Tensor, f64)> {
        let mut own = numbers(&gradient);
        own.push(loss);
        let bytes: Vec<u8> = own.iter().flat_map(|x| x.to_le_bytes()).collect();
        let mut stream = self.0.try_clone().unwrap();
        let sender = std::thread::spawn(move || stream.write_all(&bytes).unwrap());
        let mut theirs = vec![0u8; own.len() * 8];
        self.0.read_exact(&mut theirs).unwrap();
        sender.join().unwrap();
        let theirs = theirs
            .chunks_exact(8)
            .map(|b| f64::from_le_bytes(b.try_into().unwrap()));
        let mut mean: Vec<f64> = own.iter().zip(theirs).map(|(a, b)| 0.5 * (a + b)).collect();
        let loss = mean.pop().unwrap();
        let mean = Tensor::new(mean, &Device::Cpu)?;
        Ok((mean.reshape(gradient.shape())?, loss))
    }
}

/// Sequences number `range` of an endless made-up data set, at a step.
fn batch(at: u64, range: std::ops::Range<u64>) -> Batch {
    let key = Key::new(11).with(at);
    let token = |example: u64, i: u64| 3 + u32::try_from(key.with(example).bits(i) % 50).unwrap();
    let pack = |from: u64, length: &dyn Fn(u64) -> u64| {
        let sequences: Vec<(Vec<u32>, Vec<u32>)> = range
            .clone()
            .map(|example| {
                let ids: Vec<u32> = (from..from + length(example))
                    .map(|i| token(example, i))
                    .collect();
                let types = vec![0; ids.len()];
                (ids, types)
            })
            .collect();
        Packed::new(sequences.iter().map(|(ids, types)| (&ids[..], &types[..])))
    };
    let class = |example: u64| Gold::Class(u32::try_from(example % 3).unwrap());
    Batch {
        examples: range
            .clone()
            .map(|example| usize::try_from(example).unwrap())
            .collect(),
        source: pack(0, &|example| 2 + example % 5),
        target: pack(100, &|_| 3), // as many everywhere: a mean of means is the mean
        gold: range.clone().map(class).collect(),
    }
}

/// Loss of each step and the values at the end, trained on `range` of each step's examples.
fn train(
    name: &str,
    form: StepForm,
    range: &std::ops::Range<u64>,
    exchange: &mut dyn Exchange,
) -> (Vec<f64>, Vec<f64>) {
    let case = Case::read(name);
    let mut model: Model = case.plain(DType::F64, Kind::Classes);
    let trainables: Trainables = peft::install(&parity::method(METHOD), &mut model, 3).unwrap();
    let config = TrainConfig {
        step: form,
        ..TrainConfig::default()
    };
    let objective = task_loss(&config, &model, &trainables).unwrap();
    let mut optimizer = AdamW::new(trainables.values()).unwrap();
    let mut losses = Vec::new();
    for at in 0..STEPS {
        let config = StepConfig {
            dropout: 0.0,
            key: Key::new(1).with(at),
            clip_norm: 0.5,
            update: Update {
                learning_rate: 1e-2,
                weight_decay: 0.01,
            },
            update_scale: UpdateScale::Absolute,
        };
        let work = [batch(at, range.clone())];
        let (measured, _) = step(
            (&model, &*objective),
            &trainables,
            (&mut optimizer, exchange),
            (&work, &config),
        )
        .unwrap();
        losses.push(measured.loss);
    }
    (losses, numbers(trainables.values()))
}

const CASES: [(&str, StepForm); 4] = [
    ("t5_v1_0", StepForm::Fused),
    ("t5_v1_0", StepForm::Composed),
    ("bert", StepForm::Fused),
    ("bert", StepForm::Composed),
];

#[test]
fn two_processes_train_as_one_with_the_doubled_batch() {
    let folder = tempfile::tempdir().unwrap();
    let socket: PathBuf = folder.path().join("pair");
    let listener = UnixListener::bind(&socket).unwrap();
    let mut partner = Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "the_second_process"])
        .env(SOCKET, &socket)
        .spawn()
        .unwrap();
    let (stream, _) = listener.accept().unwrap();
    let mut pair = Pair(stream);
    for (name, form) in CASES {
        let (losses, values) = train(name, form, &(0..4), &mut pair);
        let (expected_losses, expected) = train(name, form, &(0..8), &mut Alone);
        let largest = expected.iter().fold(0f64, |m, x| m.max(x.abs()));
        for (found, expected) in values.iter().zip(&expected) {
            assert!(
                (found - expected).abs() <= 1e-9 * largest,
                "{name}, {form}: {found} against {expected}"
            );
        }
        for (found, expected) in losses.iter().zip(&expected_losses) {
            assert!((found - expected).abs() <= 1e-9 * expected.abs());
        }
    }
    assert!(partner.wait().unwrap().success());
}

#[test]
#[ignore = "the second process of the test above, which starts it"]
fn the_second_process() {
    let socket = std::env::var_os(SOCKET).expect("started by the other test");
    let mut pair = Pair(UnixStream::connect(socket).unwrap());
    for (name, form) in CASES {
        train(name, form, &(4..8), &mut pair);
    }
}
