//! `compacter bench`: a training step of a model on this machine.

use std::path::Path;

use compacter_core::bench::{self, Report, Workload};
use compacter_core::config::{Dtype, MethodConfig, ModelConfig};
use compacter_core::{Error, Result};
use serde::Serialize;

use super::params::{grouped, shape};
use crate::args::{Arithmetic, Bench};
use crate::{print, threads};

/// Measured steps where all batches are alike.
const STEPS: usize = 7;

#[derive(Serialize)]
struct Answer<'a> {
    model: &'a str,
    method: &'a str,
    batches: usize,
    #[serde(flatten)]
    report: &'a Report,
}

pub(crate) fn run(args: &Bench) -> Result<()> {
    threads::limit(args.threads);
    let method = format!("--method {}", args.method);
    let config = MethodConfig::of_kind(Path::new(&method), &args.method, &args.overrides)?;
    let batches = batches(args)?;
    let work = Workload {
        shape: shape(&args.model)?,
        method: config.resolve()?,
        steps: args.steps.unwrap_or(STEPS.max(batches.len())),
        batches,
        model: model(&args.arithmetic)?,
        form: args.step,
        gradient_checkpointing: args.gradient_checkpointing,
        mixed_precision: args.arithmetic.mixed_precision,
        warmup: args.warmup,
        dropout: args.dropout,
    };
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(args.threads)
        .build()
        .map_err(|e| Error::method(format!("cannot start {} threads: {e}", args.threads)))?;
    let report = pool.install(|| bench::run(&work))?;
    if args.json {
        return print::json(&Answer {
            model: &args.model,
            method: &args.method,
            batches: work.batches.len(),
            report: &report,
        });
    }
    show(args, &report)
}

fn show(args: &Bench, report: &Report) -> Result<()> {
    let memory =
        |mib: Option<f64>| mib.map_or("not told".to_owned(), |mib| format!("{mib:.0} MiB"));
    let above = report.peak_mib.zip(report.baseline_mib);
    let lines = [
        ("device", report.device.clone()),
        (
            "trained",
            format!("{} parameters of {}", grouped(report.trainable), args.model),
        ),
        ("step computed", report.form.clone()),
        (
            "time a step",
            format!("{:.1} ms (shortest {:.1})", report.step_ms, report.min_ms),
        ),
        (
            "processor time",
            format!("{:.1} ms on {} threads", report.cpu_ms, report.threads),
        ),
        (
            "throughput",
            format!(
                "{:.0} tokens/s, {:.0} tokens a step",
                report.tokens_per_second, report.tokens
            ),
        ),
        (
            "arithmetic",
            format!(
                "{:.1} GFLOP, at {:.0} % of the {:.0} GFLOP/s that products reach",
                report.gflop,
                100.0 * report.gemm_share,
                report.gemm_rate
            ),
        ),
        (
            "most memory",
            format!(
                "{}, {} above an idle process",
                memory(report.peak_mib),
                memory(above.map(|(peak, baseline)| peak - baseline))
            ),
        ),
    ];
    let on_device = report
        .device_peak_mib
        .map(|mib| ("on the device", format!("{mib:.0} MiB of tensors")));
    for (name, value) in lines.into_iter().chain(on_device) {
        print::line(&format!("{name:<16}{value}"))?;
    }
    Ok(())
}

/// How the model is held, as a configuration would say it.
fn model(args: &Arithmetic) -> Result<ModelConfig> {
    let named = |dtype: Dtype| format!("{dtype:?}").to_lowercase();
    let pooling = format!("{:?}", args.pooling).to_lowercase();
    let mut fields = vec![
        format!("device={:?}", args.device),
        format!("dtype={}", named(args.dtype)),
        format!("pooling={pooling}"),
        format!("tf32={}", args.tf32),
        format!("cuda_kernels={}", args.cuda_kernels),
    ];
    if let Some(dtype) = args.frozen_dtype {
        fields.push(format!("frozen_dtype={}", named(dtype)));
    }
    ModelConfig::made_up(&fields)
}

/// Source and target lengths of each batch.
fn batches(args: &Bench) -> Result<Vec<Vec<(usize, usize)>>> {
    let Some(path) = &args.lengths else {
        return Ok(vec![vec![(args.source, args.target); args.batch]]);
    };
    let text = std::fs::read_to_string(path).map_err(Error::io(path, "read"))?;
    let mut lengths = Vec::new();
    for (at, line) in text.lines().enumerate() {
        let mut numbers = line.split_whitespace().map(str::parse);
        let pair = match (numbers.next(), numbers.next(), numbers.next()) {
            (Some(Ok(source)), None, None) => (source, args.target),
            (Some(Ok(source)), Some(Ok(target)), None) => (source, target),
            _ => (0, 0),
        };
        if pair.0 == 0 || pair.1 == 0 {
            let message = format!("expected one or two lengths above 0, found {line:?}");
            return Err(Error::data(path, Some(at + 1), message));
        }
        lengths.push(pair);
    }
    if lengths.is_empty() {
        return Err(Error::data(path, None, "there are no lengths in it"));
    }
    let mut batches: Vec<Vec<_>> = lengths.chunks(args.batch).map(<[_]>::to_vec).collect();
    if args.pad {
        for batch in &mut batches {
            pad(batch);
        }
    }
    Ok(batches)
}

/// Makes all sequences as long as the longest.
fn pad(batch: &mut [(usize, usize)]) {
    let longest = |pick: fn(&(usize, usize)) -> usize| batch.iter().map(pick).max().unwrap_or(0);
    let whole = (longest(|l| l.0), longest(|l| l.1));
    batch.fill(whole);
}
