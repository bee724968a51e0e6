//! What single operations cost, forward and backward, beside their composed forms.
//!
//! `cargo bench --package compacter-core --bench ops` prints a table: medians in milliseconds
//! on one batch of T5-small, 16 sequences of 128 tokens. Threads are rayon's
//! (`RAYON_NUM_THREADS`).
#![expect(clippy::print_stdout, reason = "it prints its figures")]

use std::time::Instant;

use candle_core::{DType, Device, Tensor, Var};
use compacter_core::Result;
use compacter_core::ops::attention::{Attention, Packed, join_heads, split_heads};
use compacter_core::ops::cross_entropy::{cross_entropy, log_softmax};
use compacter_core::ops::linear::{frozen_linear, linear};
use compacter_core::ops::norm::{composed_layer_norm, composed_rms_norm, layer_norm, rms_norm};
use compacter_core::ops::{Segments, phm};

const BATCH: usize = 16;
const LENGTH: usize = 128;
const TOKENS: usize = BATCH * LENGTH;
const WIDTH: usize = 512;
const INNER: usize = 2048;
const HEADS: usize = 8;
const VOCABULARY: usize = 32_128;
const TIMES: usize = 7;

fn main() -> Result<()> {
    // `cargo test --benches` comes without it, and is not here to wait.
    if !std::env::args().any(|argument| argument == "--bench") {
        return Ok(());
    }
    println!(
        "{:<28}{:>12}{:>12}",
        "forward and backward, ms", "ours", "composed"
    );
    let x = random(&[TOKENS, WIDTH])?;
    let weight = random(&[WIDTH])?;
    let bias = random(&[WIDTH])?;
    row(
        "root-mean-square norm",
        || rms_norm(&x, &weight, 1e-6),
        || composed_rms_norm(&x, &weight, 1e-6),
    )?;
    row(
        "layer norm",
        || layer_norm(&x, &weight, &bias, 1e-12),
        || composed_layer_norm(&x, &weight, &bias, 1e-12),
    )?;
    let map = random(&[INNER, WIDTH])?;
    row(
        "frozen linear 512 to 2048",
        || frozen_linear(&x, &map),
        || Ok(x.matmul(&map.t()?)?),
    )?;
    row(
        "trained linear 512 to 2048",
        || linear(&x, &map),
        || Ok(x.matmul(&map.t()?)?),
    )?;
    attention()?;
    adapter(&x)?;
    let hidden = random(&[128, VOCABULARY])?;
    let classes = Tensor::new(vec![7u32; 128], &Device::Cpu)?;
    row(
        "cross-entropy 128 of 32128",
        || cross_entropy(&hidden, &classes),
        || {
            let chosen = log_softmax(&hidden)?.gather(&classes.unsqueeze(1)?, 1)?;
            Ok(chosen.neg()?.mean_all()?)
        },
    )
}

fn attention() -> Result<()> {
    let offsets: Vec<usize> = (0..=BATCH).map(|at| at * LENGTH).collect();
    let segments = Segments::new(&offsets, DType::F32, &Device::Cpu)?;
    let [q, k, v] = [(); 3].map(|()| random(&[TOKENS, WIDTH]));
    let (q, k, v) = (q?, k?, v?);
    let bias = random(&[1, HEADS, LENGTH, LENGTH])?;
    row(
        "attention core",
        || {
            Packed {
                queries: &q,
                keys: &k,
                values: &v,
                segments: (&segments, &segments),
                heads: HEADS,
                scale: 1.0,
                bias: Some(&bias),
                dropout: None,
            }
            .forward()
        },
        || {
            let split = |rows: &Tensor| split_heads(&segments.pad(rows)?, HEADS);
            let attended = Attention {
                queries: &split(&q)?,
                keys: &split(&k)?,
                values: &split(&v)?,
                scale: 1.0,
                bias: Some(&bias),
                mask: None,
                dropout: None,
            }
            .forward()?;
            segments.pack(&join_heads(&attended)?)
        },
    )
}

/// A projection to a bottleneck of 16, with n = 4 and rank-one fast weights.
fn adapter(x: &Tensor) -> Result<()> {
    let (slow, left, right) = (
        random(&[4, 4, 4])?,
        random(&[4, WIDTH / 4, 1])?,
        random(&[4, 1, 4])?,
    );
    row(
        "hypercomplex 512 to 16",
        || phm::factored(x, &slow, &left, &right),
        || {
            let whole = phm::materialise(&slow, &left.matmul(&right)?)?;
            Ok(x.matmul(&whole)?)
        },
    )
}

fn random(shape: &[usize]) -> Result<Var> {
    let tensor = Tensor::randn(0f32, 1.0, shape, &Device::Cpu)?;
    Ok(Var::from_tensor(&tensor)?)
}

fn row(
    name: &str,
    ours: impl Fn() -> Result<Tensor>,
    composed: impl Fn() -> Result<Tensor>,
) -> Result<()> {
    let mut times = [Vec::new(), Vec::new()];
    for _ in 0..TIMES {
        // In turn, so that a slow moment of the machine meets both.
        times[0].push(timed(&ours)?);
        times[1].push(timed(&composed)?);
    }
    let [ours, composed] = times.map(|mut times| {
        times.sort_by(f64::total_cmp);
        times[TIMES / 2]
    });
    println!("{name:<28}{ours:>12.2}{composed:>12.2}");
    Ok(())
}

fn timed(form: &impl Fn() -> Result<Tensor>) -> Result<f64> {
    let start = Instant::now();
    let gradients = form()?.sum_all()?.backward()?;
    drop(gradients);
    Ok(start.elapsed().as_secs_f64() * 1e3)
}
