//! Adapters of other libraries, read and written.
//!
//! ```text
//! trainables ─ entries ─▶ tensors and a configuration of theirs ─▶ folder      write
//! folder ─ method ─▶ a model with that method ─ entries ─▶ its trainables      read
//! ```
//!
//! | file            | what                                                                 |
//! |-----------------|----------------------------------------------------------------------|
//! | `entry.rs`      | `Entry`: a tensor of theirs, made of ours; both directions  |
//! | `files.rs`      | folders: a configuration in JSON, tensors in safetensors or a pickle |
//! | `adapterhub.rs` | `AdapterHub`'s `adapters` 1.3: names, configurations, heads          |
//! | `hf_peft.rs`    | Hugging Face PEFT 0.21: names, configurations                        |
//! | `whole.rs`      | a plain model with the adapter merged into its weights; written only |
//!
//! A library's module says what a configuration of theirs is in ours and back, and lists the
//! `Entry`s of a method; nothing else knows the library. What it cannot say
//! in the other's terms it refuses by name: an adapter that loads and computes something
//! else is worse than none.

mod adapterhub;
mod entry;
mod files;
mod hf_peft;
mod whole;

use std::path::{Path, PathBuf};

use candle_core::{Device, Tensor};
use serde_json::Value;

use crate::config::{Method, MethodConfig, Pooling};
use crate::model::{Family, Model};
use crate::peft::{Parameter, Trainables, group};
use crate::{Error, Result};
use entry::Tensors;

pub use whole::write_merged;

/// Whose files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Library {
    /// `AdapterHub`'s `adapters`, as of 1.3.
    AdapterHub,
    /// Hugging Face PEFT, as of 0.21.
    Peft,
}

/// An adapter of another library, read.
#[derive(Debug)]
pub struct Adapter {
    /// Whose it is.
    pub library: Library,
    /// The method that computes the same.
    pub method: MethodConfig,
    /// The task head that came with it.
    pub head: Head,
    /// Its name there; empty where adapters have none.
    name: String,
    folder: PathBuf,
    /// The family that the names of its tensors tell; most tell none.
    family: Option<Family>,
    /// The configuration as it was read.
    config: Value,
    tensors: Tensors,
}

/// The task head beside an adapter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Head {
    /// There is none.
    None,
    /// One that is no linear map of a pooled state; why.
    LeftOut(String),
    /// A linear map.
    Linear {
        /// Its outputs.
        outputs: usize,
        /// What it reads.
        pooling: Pooling,
        /// The classes' names, in the order of their numbers; empty where none are told.
        labels: Vec<String>,
    },
}

impl Head {
    /// Outputs of a linear map; `None` where there is none.
    #[must_use]
    pub fn outputs(&self) -> Option<usize> {
        match self {
            Self::Linear { outputs, .. } => Some(*outputs),
            Self::None | Self::LeftOut(_) => None,
        }
    }
}

/// What is to be written, and what it belongs to.
#[derive(Debug, Clone, Copy)]
pub struct Export<'a> {
    /// The method with every field decided.
    pub method: &'a Method,
    /// The model that it is installed in.
    pub model: &'a Model,
    /// Its values.
    pub trainables: &'a Trainables,
    /// The classes' names, in the order of their numbers; none where there are no classes.
    pub labels: &'a [String],
    /// The pretrained model, as a hub id or a path.
    pub base: &'a str,
    /// The adapter's name.
    pub name: &'a str,
    /// Whether the task head is written too, where there is one.
    pub head: bool,
    /// Whether trained layer norms may be written beside the adapter, where its own files
    /// have no place for them.
    pub layer_norms: bool,
}

/// Reads the adapter in a folder, whichever library it is of.
///
/// # Errors
/// Fails if there is none, its files are damaged, or it does what no method here does,
/// saying which setting that is.
pub fn read(folder: &Path) -> Result<Adapter> {
    let config = files::config(folder)?;
    let mut adapter = if config.get("peft_type").is_some() {
        hf_peft::read(folder, config)?
    } else {
        adapterhub::read(folder, config)?
    };
    adapter.method = simplest(&adapter.method)?;
    Ok(adapter)
}

/// The same method without the settings that its preset has by itself.
fn simplest(method: &MethodConfig) -> Result<MethodConfig> {
    let resolved = method.resolve()?;
    let Ok(Value::Object(mut fields)) = serde_json::to_value(method) else {
        return Ok(method.clone());
    };
    let mut simplest = method.clone();
    let names: Vec<String> = fields.keys().cloned().collect();
    for name in names.iter().filter(|name| *name != "kind") {
        let Some(value) = fields.remove(name) else {
            continue;
        };
        let without = serde_json::from_value(Value::Object(fields.clone()));
        match without {
            Ok(without) if resolves_to(&without, &resolved) => simplest = without,
            _ => {
                fields.insert(name.clone(), value);
            }
        }
    }
    Ok(simplest)
}

fn resolves_to(method: &MethodConfig, resolved: &Method) -> bool {
    method.resolve().is_ok_and(|found| found == *resolved)
}

/// Writes an adapter into a new folder, as a library would.
///
/// # Errors
/// Fails if the folder exists, and if the library has no word for what the method does,
/// saying what that is.
pub fn write(library: Library, export: &Export<'_>, folder: &Path) -> Result<()> {
    match library {
        Library::AdapterHub => adapterhub::write(export, folder),
        Library::Peft => hf_peft::write(export, folder),
    }
}

impl Adapter {
    /// Where it was read from.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The adapter without its task head: [`Self::restore`] then leaves a model's alone.
    #[must_use]
    pub fn without_head(mut self) -> Self {
        let is_of_head = match self.library {
            Library::AdapterHub => adapterhub::is_of_head,
            Library::Peft => hf_peft::is_of_head,
        };
        self.tensors.retain(|name, _| !is_of_head(name));
        self.head = Head::None;
        self
    }

    /// Puts the adapter's values into a model in which its method is installed.
    ///
    /// A task head of the model that the adapter has none for keeps its values.
    ///
    /// # Errors
    /// Fails if the adapter does not belong to this model, naming a tensor.
    pub fn restore(&self, method: &Method, model: &Model, trainables: &Trainables) -> Result<()> {
        let parameters = trainables.parameters();
        let entries = match self.library {
            Library::AdapterHub => adapterhub::entries(self, method, model, parameters)?,
            Library::Peft => hf_peft::entries(self, method, model, parameters)?,
        };
        let path = &self.folder;
        let mut named = entry::to_ours(&entries, &self.tensors, parameters, path)?;
        for parameter in parameters.iter().filter(|p| p.group == group::HEAD) {
            if named.iter().all(|(name, _)| *name != parameter.name) {
                let kept = trainables.slice(trainables.values(), parameter)?;
                named.push((parameter.name.clone(), kept));
            }
        }
        trainables.restore(&named)
    }
}

impl Export<'_> {
    /// The trained tensors by name, on the CPU.
    fn tensors(&self) -> Result<Tensors> {
        let named = self.trainables.named(self.trainables.values())?;
        let on_cpu = |(name, tensor): (String, Tensor)| -> Result<_> {
            Ok((name, tensor.to_device(&Device::Cpu)?))
        };
        named.into_iter().map(on_cpu).collect()
    }

    /// The parameters of the method, without the task head.
    fn of_method(&self) -> impl Iterator<Item = &Parameter> {
        let parameters = self.trainables.parameters().iter();
        parameters.filter(|parameter| parameter.group != group::HEAD)
    }
}

/// Why something cannot be said in another library's terms.
fn no_word(library: &str, what: impl std::fmt::Display) -> Error {
    Error::method(format!("{library} cannot hold this adapter: {what}"))
}

/// Whether the value of a setting switches nothing on.
fn is_off(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(on) => !on,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty() || text == "none",
        Value::Array(values) => values.is_empty(),
        Value::Object(values) => values.is_empty(),
    }
}
