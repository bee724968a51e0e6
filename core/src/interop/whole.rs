//! A whole model with the adapter merged into its weights, in a folder that `transformers`
//! and every other reader of its checkpoints loads.

use std::fs;
use std::path::Path;

use candle_core::Device;

use super::entry::Tensors;
use super::files;
use crate::hub::ModelFiles;
use crate::hub::files::{CONFIG, EXTRAS, SAFETENSORS, TOKENIZERS};
use crate::model::Model;
use crate::model::site::Backbone;
use crate::peft::merge::merge;
use crate::{Error, Result, atomic};

/// File of a task head that the model's class has no place for.
const HEAD: &str = "head.safetensors";

/// Writes the model with what is installed in it merged into its weights, into a new folder:
/// configuration and tokenizer of the pretrained `model_files`, `model.safetensors`, and the
/// task head of an encoder as `weight: [outputs, d_model]` and `bias: [outputs]` in
/// `head.safetensors`, because no class of `transformers` has one on every kind of pooling.
///
/// A pooler of BERT is written where `model.pooling` reads it; elsewhere it was not loaded.
///
/// The model is left as it was.
///
/// # Errors
/// Fails if the folder exists, or the method cannot be merged, saying at which site.
pub fn write_merged(model: &mut Model, model_files: &ModelFiles, folder: &Path) -> Result<()> {
    files::check_free(folder)?;
    let merged = merge(model)?;
    let gathered = gathered(model);
    merged.undo(model)?;
    let tensors = gathered?;
    let mut head = Tensors::new();
    if let Some(of_model) = &model.head {
        head.insert(
            "weight".to_owned(),
            of_model.weight.to_device(&Device::Cpu)?,
        );
        head.insert("bias".to_owned(), of_model.bias.to_device(&Device::Cpu)?);
    }
    atomic::write_dir(folder, |folder| {
        files::write_tensors(&folder.join(SAFETENSORS.single), &tensors)?;
        if !head.is_empty() {
            files::write_tensors(&folder.join(HEAD), &head)?;
        }
        copy(model_files, CONFIG, folder)?;
        for name in TOKENIZERS.iter().chain(&EXTRAS) {
            if model_files.has(name) {
                copy(model_files, name, folder)?;
            }
        }
        Ok(())
    })
}

/// The weights of a model by their names in checkpoints.
fn gathered(model: &mut Model) -> Result<Tensors> {
    let mut tensors = Tensors::new();
    model.visit_weights(&mut |name, weight| {
        let tensor = weight.tensor()?.to_device(&Device::Cpu)?.contiguous()?;
        match tensors.insert(name.to_owned(), tensor) {
            Some(_) => Err(Error::method(format!("{name} is there twice"))),
            None => Ok(()),
        }
    })?;
    Ok(tensors)
}

fn copy(model_files: &ModelFiles, name: &str, folder: &Path) -> Result<()> {
    let path = folder.join(name);
    let bytes = model_files.read(name)?;
    fs::write(&path, bytes).map_err(Error::io(path, "write"))
}
