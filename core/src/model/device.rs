//! The compute device that a configuration names, and the arithmetic that it asks of it.

#[cfg(feature = "cuda")]
mod gpu;

use candle_core::{DType, Device};

use crate::config::{Dtype, ModelConfig};
use crate::ops::cuda;
use crate::{Error, Result};

/// Opens the device of a configuration and sets what only CUDA devices have: products in TF32,
/// which then holds for the whole process, and our own kernels, for this device.
///
/// # Errors
/// As [`open`], and if one of the two is asked for and the device is no CUDA device.
pub fn open_for(model: &ModelConfig) -> Result<Device> {
    let device = open(&model.device)?;
    for (field, wanted) in [
        ("model.tf32", model.tf32),
        ("model.cuda_kernels", model.cuda_kernels),
    ] {
        if wanted && !device.is_cuda() {
            let message = format!(
                "needs an NVIDIA GPU, and model.device = {:?} is the {} here: set it to false, or model.device = \"cuda:0\"",
                model.device,
                describe(&device).to_uppercase()
            );
            return Err(Error::setting(field, message));
        }
    }
    if device.is_cuda() {
        candle_core::cuda::set_gemm_reduced_precision_f32(model.tf32);
    }
    if model.cuda_kernels {
        cuda::switch_on(&device);
    }
    Ok(device)
}

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

/// Lets [`peak_memory`] begin anew.
///
/// # Errors
/// Fails where the driver does.
pub fn forget_peak_memory(device: &Device) -> Result<()> {
    #[cfg(feature = "cuda")]
    if let Device::Cuda(device) = device {
        gpu::forget_peak_memory(device)?;
    }
    let _: &Device = device;
    Ok(())
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

    use std::path::Path;

    use super::*;
    use crate::config::RunConfig;

    fn model(sets: &[&str]) -> ModelConfig {
        let text = "name = 'a'\n[model]\npath = '/m'\n[task]\nname = 't'\n";
        let sets: Vec<String> = sets.iter().map(|&set| set.to_owned()).collect();
        let config = RunConfig::parse(Path::new("run.toml"), text, &sets);
        config.unwrap().model
    }

    #[test]
    fn what_only_a_gpu_has_is_refused_where_auto_finds_none() {
        if open("auto").unwrap().is_cuda() {
            return;
        }
        assert!(open_for(&model(&[])).unwrap().is_cpu());
        for field in ["model.tf32", "model.cuda_kernels"] {
            let asked = model(&[&format!("{field}=true")]);
            let error = open_for(&asked).unwrap_err().to_string();
            assert!(error.contains(field), "{error}");
            assert!(error.contains("is the CPU here"), "{error}");
        }
    }

    #[test]
    fn the_cpu_has_a_name_and_tells_no_memory_of_tensors() {
        assert_eq!(name(&Device::Cpu).unwrap(), "cpu");
        assert_eq!(peak_memory(&Device::Cpu).unwrap(), None);
    }
}
