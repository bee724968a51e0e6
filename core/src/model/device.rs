//! The compute device that a configuration names.

#[cfg(feature = "cuda")]
mod gpu;

use candle_core::{DType, Device};

use crate::config::Dtype;
use crate::{Error, Result};

/// Opens `auto`, `cpu` or `cuda:N`; `auto` is the first GPU where the program was built
/// for one and finds one, else the CPU.
///
/// # Errors
/// Fails if a GPU is asked for by name and cannot be used, saying what is missing.
pub fn open(name: &str) -> Result<Device> {
    match name {
        "auto" if cfg!(feature = "cuda") => Ok(open_cuda(name, 0).unwrap_or_else(|reason| {
            tracing::warn!("{reason}; using the CPU");
            Device::Cpu
        })),
        "cpu" | "auto" => Ok(Device::Cpu),
        _ => match name.strip_prefix("cuda:").and_then(|n| n.parse().ok()) {
            Some(ordinal) => open_cuda(name, ordinal),
            None => Err(device(name, "expected auto, cpu or cuda:0")),
        },
    }
}

/// The tensor library's name for a number format.
#[must_use]
pub fn dtype(dtype: Dtype) -> DType {
    match dtype {
        Dtype::F32 => DType::F32,
        Dtype::Bf16 => DType::BF16,
        Dtype::F64 => DType::F64,
    }
}

/// Says in words where a model lives.
#[must_use]
pub fn describe(device: &Device) -> String {
    match device {
        Device::Cpu => "cpu".to_owned(),
        Device::Cuda(_) => "cuda".to_owned(),
        Device::Metal(_) => "metal".to_owned(),
    }
}

/// What a device is: `cpu`, or a GPU by its maker's name.
///
/// # Errors
/// Fails where the driver does.
pub fn name(device: &Device) -> Result<String> {
    #[cfg(feature = "cuda")]
    if let Device::Cuda(device) = device {
        return Ok(gpu::name(device)?);
    }
    Ok(describe(device))
}

/// Most memory in bytes that tensors took on a GPU at any time; `None` where nothing tells it,
/// and for the CPU.
///
/// # Errors
/// Fails where the driver does.
pub fn peak_memory(device: &Device) -> Result<Option<u64>> {
    #[cfg(feature = "cuda")]
    if let Device::Cuda(device) = device {
        return Ok(gpu::peak_memory(device)?);
    }
    let _: &Device = device;
    Ok(None)
}

#[cfg(feature = "cuda")]
fn open_gpu(ordinal: usize) -> candle_core::Result<Device> {
    gpu::open(ordinal)
}

#[cfg(not(feature = "cuda"))]
fn open_gpu(_ordinal: usize) -> candle_core::Result<Device> {
    Err(candle_core::Error::NotCompiledWithCudaSupport)
}

fn open_cuda(name: &str, ordinal: usize) -> Result<Device> {
    if !cfg!(feature = "cuda") {
        return Err(device(
            name,
            "this program was built without GPU support: build it with `--features cuda`, or set model.device = \"cpu\"",
        ));
    }
    open_gpu(ordinal).map_err(|reason| {
        // What follows the first line is a backtrace.
        let reason = reason.to_string();
        let first = reason.lines().next().unwrap_or_default();
        device(name, &format!("no usable NVIDIA GPU or driver ({first}): check `nvidia-smi`, or set model.device = \"cpu\""))
    })
}

fn device(name: &str, message: &str) -> Error {
    Error::Device {
        device: name.to_owned(),
        message: message.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn the_cpu_has_a_name_and_tells_no_memory_of_tensors() {
        assert_eq!(name(&Device::Cpu).unwrap(), "cpu");
        assert_eq!(peak_memory(&Device::Cpu).unwrap(), None);
    }
}
