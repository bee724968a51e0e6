//! How fast and how large a training step is on this machine: random weights, no files.
//!
//! The step that is measured is the trainer's own: forward and backward pass, clipping,
//! `AdamW`. Its arithmetic is counted from the shapes and set against what the GEMM library
//! reaches on this machine, in the same run, on the products that a step is mostly made of.
//! On a GPU a step ends when the device has done all of it.

mod flops;
mod products;

use std::time::Instant;

use candle_core::Device;
use rustix::time::{ClockId, clock_gettime};
use serde::Serialize;

use crate::config::{
    Method, MixedPrecision, ModelConfig, Pooling, StepForm, TrainConfig, UpdateScale,
};
use crate::data::{Batch, Gold, Packed};
use crate::model::{Answer, Model, ModelShape, Placement, Weights, device};
use crate::ops::index;
use crate::peft;
use crate::random::Key;
use crate::run::machine::{peak_memory, resident_memory};
use crate::train::exchange::Alone;
use crate::train::objective::task_loss;
use crate::train::optimizer::{AdamW, Update};
use crate::train::step::{StepConfig, step};
use crate::{Error, Result};

pub use flops::{Spared, flops};

/// What is measured.
#[derive(Debug, Clone)]
pub struct Workload {
    /// The model.
    pub shape: ModelShape,
    /// The method with every field decided.
    pub method: Method,
    /// Source and target lengths of each batch's sequences, used in turn; the target's are
    /// not read by an encoder.
    pub batches: Vec<Vec<(usize, usize)>>,
    /// Number format, device, what is asked of the device, and an encoder's pooling; there is
    /// no path in it that would be read.
    pub model: ModelConfig,
    /// How the gradient is computed.
    pub form: StepForm,
    /// Whether activations are computed again in the backward pass.
    pub gradient_checkpointing: bool,
    /// Number format of products with frozen weights.
    pub mixed_precision: MixedPrecision,
    /// Steps before the measured ones.
    pub warmup: usize,
    /// Measured steps; each batch is used once or more.
    pub steps: usize,
    /// Dropout probability.
    pub dropout: f64,
}

/// What was measured.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// The device: `cpu`, or a GPU by its maker's name.
    pub device: String,
    /// How the gradient was computed.
    pub form: String,
    /// Trained parameters.
    pub trainable: usize,
    /// Threads of the pool.
    pub threads: usize,
    /// Tokens of a step, the mean over steps.
    pub tokens: f64,
    /// Median time of a step in milliseconds.
    pub step_ms: f64,
    /// Shortest time of a step in milliseconds.
    pub min_ms: f64,
    /// Median processor time of a step, all threads together, in milliseconds.
    pub cpu_ms: f64,
    /// Processor time of each measured step in milliseconds.
    pub cpu_ms_each: Vec<f64>,
    /// Sums over one step of each batch: time in milliseconds, medians added up.
    pub round_ms: f64,
    /// The same of processor time.
    pub round_cpu_ms: f64,
    /// Tokens per second at the median step.
    pub tokens_per_second: f64,
    /// Arithmetic of a step in GFLOP, counted from the shapes; the mean over batches.
    pub gflop: f64,
    /// GFLOP a second that the GEMM library reached on this machine: of each thread, or of the
    /// GPU.
    pub gemm_rate: f64,
    /// Arithmetic over processor time, on a GPU over time, as a share of that rate.
    pub gemm_share: f64,
    /// Memory in RAM before the model was made, in MiB.
    pub baseline_mib: Option<f64>,
    /// Most memory in RAM at any time, in MiB.
    pub peak_mib: Option<f64>,
    /// Most memory that tensors took on the GPU at any time, in MiB.
    pub device_peak_mib: Option<f64>,
    /// The last loss.
    pub loss: f64,
}

/// Measures a workload, in the pool of threads that it is called in.
///
/// # Errors
/// Fails if the method does not fit the model, if the device cannot be used, if the
/// hand-written form is asked for by name and there is none, and where the tensor library does.
pub fn run(work: &Workload) -> Result<Report> {
    if work.batches.is_empty() || work.steps == 0 {
        return Err(Error::method("there is nothing to measure"));
    }
    let baseline = resident_memory();
    let device = device::open_for(&work.model)?;
    let before = products::rate(&device, device::dtype(work.model.dtype))?;
    device::forget_peak_memory(&device)?;
    let mut model = model(work, &device)?;
    let trainables = peft::install(&work.method, &mut model, 1)?;
    let train = TrainConfig {
        step: work.form,
        gradient_checkpointing: work.gradient_checkpointing,
        mixed_precision: work.mixed_precision,
        ..TrainConfig::default()
    };
    let objective = task_loss(&train, &model, &trainables)?;
    let mut optimizer = AdamW::new(trainables.values())?;
    let batches: Vec<Batch> = work
        .batches
        .iter()
        .map(|lengths| batch(lengths, &work.shape))
        .collect();

    let mut times = vec![Vec::new(); batches.len()];
    let mut loss = f64::NAN;
    for at in 0..work.warmup + work.steps {
        let turn = at % batches.len();
        let config = StepConfig {
            dropout: work.dropout,
            key: Key::new(1).with(at as u64),
            clip_norm: 1.0,
            update: Update {
                learning_rate: 1e-3,
                weight_decay: 0.0,
            },
            update_scale: UpdateScale::Absolute,
        };
        let (wall, cpu) = (Instant::now(), processor_ms());
        let (measured, gradient) = step(
            (&model, &*objective),
            &trainables,
            (&mut optimizer, &mut Alone),
            (&batches[turn..=turn], &config),
        )?;
        if let Some(gradient) = gradient {
            trainables.hand_back(gradient);
        }
        device.synchronize()?;
        if at >= work.warmup {
            let wall = wall.elapsed().as_secs_f64() * 1e3;
            times[turn].push((wall, processor_ms() - cpu));
        }
        loss = measured.loss;
    }
    let (peak, device_peak) = (peak_memory(), device::peak_memory(&device)?);
    let rate = before.max(products::rate(&device, model.dtype)?);
    let is_fused = objective.form() == StepForm::Fused.to_string();
    let spared = Spared {
        // Read on the side of the queries are whole weights in the step's own format.
        keys_and_values: is_fused
            && work.mixed_precision == MixedPrecision::No
            && work.model.frozen_dtype.is_none(),
        unread_rows: is_fused && work.model.pooling != Pooling::Mean,
    };
    let report = Report {
        device: device::name(&device)?,
        form: objective.form(),
        trainable: trainables.total(),
        threads: rayon::current_num_threads(),
        baseline_mib: baseline.map(mib),
        peak_mib: peak.map(mib),
        device_peak_mib: device_peak.map(mib),
        gemm_rate: rate,
        loss,
        ..measured(work, spared, &times)
    };
    let worked = if device.is_cpu() {
        report.round_cpu_ms
    } else {
        report.round_ms
    };
    Ok(Report {
        gemm_share: report.gflop / (worked / batches.len() as f64 * 1e-3) / rate,
        ..report
    })
}

fn mib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

/// The figures of the steps' times; what else a report holds is left empty.
fn measured(work: &Workload, spared: Spared, times: &[Vec<(f64, f64)>]) -> Report {
    let used = times.iter().filter(|times| !times.is_empty());
    let rounds: Vec<(f64, f64)> = used
        .map(|times| {
            let of = |pick: fn(&(f64, f64)) -> f64| median(times.iter().map(pick).collect());
            (of(|t| t.0), of(|t| t.1))
        })
        .collect();
    let all = || times.iter().flatten();
    let count = work.batches.len() as f64;
    let tokens = |lengths: &Vec<(usize, usize)>| {
        let target = usize::from(work.shape.has_decoder());
        lengths.iter().map(|(s, t)| s + target * t).sum::<usize>() as f64
    };
    let tokens = work.batches.iter().map(tokens).sum::<f64>() / count;
    let flops = work
        .batches
        .iter()
        .map(|lengths| flops(&work.shape, &work.method, lengths, spared));
    let step_ms = median(all().map(|t| t.0).collect());
    Report {
        device: String::new(),
        form: String::new(),
        trainable: 0,
        threads: 0,
        tokens,
        step_ms,
        min_ms: all().map(|t| t.0).fold(f64::INFINITY, f64::min),
        cpu_ms: median(all().map(|t| t.1).collect()),
        cpu_ms_each: all().map(|t| t.1).collect(),
        round_ms: rounds.iter().map(|t| t.0).sum(),
        round_cpu_ms: rounds.iter().map(|t| t.1).sum(),
        tokens_per_second: tokens / (step_ms * 1e-3),
        gflop: flops.sum::<f64>() / count * 1e-9,
        gemm_rate: 0.0,
        gemm_share: 0.0,
        baseline_mib: None,
        peak_mib: None,
        device_peak_mib: None,
        loss: f64::NAN,
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => f64::NAN,
        len if len % 2 == 1 => values[middle],
        _ => f64::midpoint(values[middle - 1], values[middle]),
    }
}

fn model(work: &Workload, device: &Device) -> Result<Model> {
    let answer = if work.shape.has_decoder() {
        Answer::Text { longest: 8 }
    } else {
        Answer::Class {
            count: 2,
            verbalizers: Vec::new(),
        }
    };
    let placement = Placement {
        device: device.clone(),
        dtype: device::dtype(work.model.dtype),
        pooling: work.model.pooling,
        frozen_dtype: work.model.frozen_dtype.map(device::dtype),
    };
    let weights = Weights::random(Key::new(1).named("benchmark"));
    Model::build(weights, &work.shape.to_config_json(), answer, placement)
}

/// A batch of made-up tokens.
fn batch(lengths: &[(usize, usize)], shape: &ModelShape) -> Batch {
    let key = Key::new(1).named("tokens");
    let pack = |side: u64, lengths: Vec<usize>| {
        let sequences: Vec<(Vec<u32>, Vec<u32>)> = lengths
            .into_iter()
            .enumerate()
            .map(|(at, length)| {
                let key = key.with(side).with(at as u64);
                // Bits of the low half, which any machine's numbers hold.
                let bits = |i: usize| (key.bits(i as u64) & 0xFFFF_FFFF) as u32;
                let token = |i| 2 + bits(i) % index(shape.vocab - 2);
                let ids = (0..length).map(token).collect();
                (ids, vec![0; length])
            })
            .collect();
        Packed::new(sequences.iter().map(|(ids, types)| (&ids[..], &types[..])))
    };
    Batch {
        examples: (0..lengths.len()).collect(),
        source: pack(0, lengths.iter().map(|l| l.0).collect()),
        target: pack(1, lengths.iter().map(|l| l.1).collect()),
        gold: (0..lengths.len())
            .map(|at| Gold::Class(index(at % 2)))
            .collect(),
    }
}

/// Processor time of all threads of this process in milliseconds.
fn processor_ms() -> f64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec as f64 * 1e3 + time.tv_nsec as f64 * 1e-6
}

#[cfg(test)]
mod tests;
