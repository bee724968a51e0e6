//! Writes a run's model as a folder that `transformers` loads.

use std::path::Path;

use candle_core::{DType, Device};
use compacter_core::run::{Checkpoint, RunFolder};
use compacter_core::{Error, Result};

/// Puts the last trained values of a run into the folder that it started from, as `bf16`,
/// and leaves the throw-away heads behind.
pub(crate) fn export(run: &Path, start: &Path, out: &Path) -> Result<()> {
    let checkpoints = RunFolder::open(run)?.checkpoints();
    let last = checkpoints.last()?;
    let step = last.ok_or_else(|| Error::run(run, "has no checkpoint yet"))?;
    let (_, trained) = Checkpoint::load_trained(&checkpoints.folder(step))?;
    let weights = start.join("model.safetensors");
    let mut tensors = candle_core::safetensors::load(&weights, &Device::Cpu)?;
    for (name, tensor) in &mut tensors {
        let found = trained.iter().find(|(trained, _)| trained == name);
        let (_, value) = found.ok_or_else(|| Error::model(run, format!("did not train {name}")))?;
        *tensor = value.to_dtype(DType::BF16)?;
    }
    std::fs::create_dir_all(out).map_err(Error::io(out, "create"))?;
    for name in [
        "config.json",
        "tokenizer.json",
        "tokenizer_config.json",
        "generation_config.json",
    ] {
        std::fs::copy(start.join(name), out.join(name))
            .map_err(Error::io(start.join(name), "copy"))?;
    }
    candle_core::safetensors::save(&tensors, out.join("model.safetensors"))?;
    println!("step {step} written to {}", out.display());
    Ok(())
}
