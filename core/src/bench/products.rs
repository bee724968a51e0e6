//! What matrix products reach on this machine: the rate that a step is set against.

use std::time::Instant;

use candle_core::{DType, Device, Tensor};

use super::processor_ms;
use crate::Result;
use crate::ops::cpu::{Matrix, MatrixMut, Write, wide_product};

/// GFLOP a second: of processor time on the CPU, of time on a GPU; the best of some products.
///
/// # Errors
/// Fails where the tensor library does, as on a GPU without room for the products.
pub(super) fn rate(device: &Device, dtype: DType) -> Result<f64> {
    if device.is_cpu() {
        Ok(cpu_rate())
    } else {
        device_rate(device, dtype)
    }
}

/// On products with inner size 512, in `f32`.
fn cpu_rate() -> f64 {
    const ROWS: usize = 2048;
    const INNER: usize = 512;
    const TIMES: usize = 12;
    let (x, weight) = (vec![0.5f32; ROWS * INNER], vec![0.25f32; INNER * INNER]);
    let mut y = vec![0f32; ROWS * INNER];
    let x = Matrix::new(&x, (ROWS, INNER), INNER);
    let weight = Matrix::new(&weight, (INNER, INNER), INNER);
    let rate = |_| {
        let start = processor_ms();
        let mut target = MatrixMut::new(&mut y, (ROWS, INNER), INNER);
        wide_product(1.0, x, weight.t(), &mut target, Write::Replace);
        let flop = 2.0 * (ROWS * INNER * INNER) as f64;
        flop * 1e-6 / (processor_ms() - start)
    };
    (0..TIMES).map(rate).fold(0.0, f64::max)
}

/// On square products of size 8192, in the model's number format.
fn device_rate(device: &Device, dtype: DType) -> Result<f64> {
    const SIZE: usize = 8192;
    const TIMES: usize = 12;
    let side = |value: f32| -> Result<Tensor> {
        Ok(Tensor::full(value, (SIZE, SIZE), device)?.to_dtype(dtype)?)
    };
    let (x, weight) = (side(0.5)?, side(0.25)?);
    let mut best = 0f64;
    for _ in 0..TIMES {
        device.synchronize()?;
        let start = Instant::now();
        let _y = x.matmul(&weight)?;
        device.synchronize()?;
        let flop = 2.0 * (SIZE as f64).powi(3);
        best = best.max(flop * 1e-9 / start.elapsed().as_secs_f64());
    }
    Ok(best)
}
