//! What needs an NVIDIA GPU: our kernels beside what they take the place of, and training beside
//! the CPU's. Nothing here is skipped where there is no GPU: it fails and says so.
//!
//! `tests/gpu/run` runs it, and the measurements beside PyTorch. Needs the feature `cuda`;
//! `COMPACTER_GPU` names a device other than `cuda:0`.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test that reports its figures"
)]

mod kernels;
mod training;

use candle_core::{Device, Tensor};
use compacter_core::config::ModelConfig;
use compacter_core::model::device;

/// The device that everything here runs on.
fn name() -> String {
    std::env::var("COMPACTER_GPU").unwrap_or_else(|_| "cuda:0".to_owned())
}

/// The GPU, with our kernels switched on or off.
fn gpu(kernels: bool) -> Device {
    let settings = [
        format!("device={}", name()),
        format!("cuda_kernels={kernels}"),
    ];
    let model = ModelConfig::made_up(&settings).unwrap();
    device::open_for(&model).unwrap_or_else(|error| panic!("these tests need a GPU: {error}"))
}

/// The largest difference of two tensors as a share of the largest entry expected (of 1e-6 where
/// all are smaller); both on the CPU.
fn off(found: &Tensor, expected: &Tensor) -> f64 {
    assert_eq!(found.dims(), expected.dims());
    let values = |tensor: &Tensor| -> Vec<f64> {
        let flat = tensor.flatten_all().unwrap();
        flat.to_dtype(candle_core::DType::F64)
            .unwrap()
            .to_vec1()
            .unwrap()
    };
    let (found, expected) = (values(found), values(expected));
    let most = expected.iter().fold(0f64, |most, x| most.max(x.abs()));
    let pairs = found.iter().zip(&expected);
    // NaN is as far off as can be.
    let worst = pairs.fold(0f64, |worst, (found, expected)| {
        let off = (found - expected).abs();
        if off.is_nan() {
            f64::INFINITY
        } else {
            worst.max(off)
        }
    });
    worst / most.max(1e-6)
}
