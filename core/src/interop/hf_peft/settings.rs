//! What an `adapter_config.json` of PEFT says, and what of it cannot be computed here.
//!
//! A setting is one of three things: it has no part in what the tensors compute
//! ([`WITHOUT_EFFECT`]), it is read by name, or it has to be switched off: null, false, 0 or
//! empty. So a setting that nobody here has heard of is refused as soon as it says anything.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use super::super::{files, is_off};
use crate::{Error, Result};

/// The adapters that are read and written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// `LoRA`, and `DoRA` where `use_dora` says so.
    Lora,
    /// (IA)³.
    Ia3,
    /// Prompt tuning.
    Prompt,
    /// Prefix tuning.
    Prefix,
}

impl Kind {
    const ALL: [(&'static str, Self); 4] = [
        ("LORA", Self::Lora),
        ("IA3", Self::Ia3),
        ("PROMPT_TUNING", Self::Prompt),
        ("PREFIX_TUNING", Self::Prefix),
    ];
}

/// Settings that say nothing about what the tensors compute: where the adapter comes from,
/// where its training started, which modules have tensors (the file says that itself), and
/// what is read by name.
const WITHOUT_EFFECT: &[&str] = &[
    "auto_mapping",
    "base_model_name_or_path",
    "encoder_hidden_size",
    "eva_config",
    "exclude_modules",
    "feedforward_modules",
    "inference_mode",
    "init_ia3_weights",
    "init_lora_weights",
    "init_weights",
    "layers_pattern",
    "lora_alpha",
    "lora_dropout",
    "megatron_core",
    "modules_to_save",
    "num_attention_heads",
    "num_layers",
    "num_transformer_submodules",
    "num_virtual_tokens",
    "peft_type",
    "peft_version",
    "prefix_projection",
    "prompt_tuning_init",
    "prompt_tuning_init_text",
    "qalora_group_size",
    "r",
    "revision",
    "runtime_config",
    "target_modules",
    "task_type",
    "token_dim",
    "tokenizer_kwargs",
    "tokenizer_name_or_path",
    "use_dora",
    "use_rslora",
];

/// Settings that must be switched off, and why.
const OFF: &[(&str, &str)] = &[
    (
        "alora_invocation_tokens",
        "its update acts on some tokens only",
    ),
    ("alpha_pattern", "all updates have one alpha here"),
    ("arrow_config", "several updates are mixed by a router"),
    (
        "bias",
        "the model's biases were trained too; here an update leaves them alone",
    ),
    (
        "fan_in_fan_out",
        "its weights are stored transposed, as those of no model here",
    ),
    (
        "kasa_config",
        "it changes the weights of the pretrained model",
    ),
    ("layer_replication", "it repeats layers of the model"),
    (
        "layers_to_transform",
        "here all layers are updated or none is",
    ),
    ("loftq_config", "it quantises the pretrained model"),
    ("lora_bias", "updates have no bias here"),
    (
        "megatron_config",
        "its weights are those of a model in parts",
    ),
    ("rank_pattern", "all updates have one rank here"),
    (
        "target_parameters",
        "here maps are updated, not parameters by name",
    ),
    (
        "trainable_token_indices",
        "rows of the embedding were trained too",
    ),
    ("use_bdlora", "its factors are block-diagonal"),
    ("use_qalora", "its updates read averages of their inputs"),
];

/// Initialisations of `LoRA` that leave the pretrained weights alone. All others take
/// something out of them, and the adapter belongs to what was left.
const INITIALISATIONS: &[&str] = &["gaussian", "eva", "orthogonal", "mica"];

/// Modules that PEFT names as saved wherever there is a classification head.
const HEADS: &[&str] = &["classifier", "score"];

/// A configuration as it was read.
#[derive(Debug)]
pub(super) struct Settings<'a> {
    path: PathBuf,
    says: &'a Map<String, Value>,
}

impl<'a> Settings<'a> {
    /// The configuration of the adapter in a folder.
    pub(super) fn new(folder: &Path, config: &'a Value) -> Result<Self> {
        let path = folder.join(files::CONFIG);
        let Some(says) = config.as_object() else {
            return Err(Error::model(path, "is no table of settings"));
        };
        Ok(Self { path, says })
    }

    /// What kind of adapter it is, once everything that cannot be computed is ruled out.
    pub(super) fn kind(&self) -> Result<Kind> {
        let name = self.text("peft_type")?.unwrap_or_default();
        let found = Kind::ALL.iter().find(|(known, _)| *known == name);
        let Some((_, kind)) = found else {
            let known = Kind::ALL.map(|(known, _)| known).join(", ");
            return Err(self.refused(format!(
                "peft_type is {name:?}, which no method here computes; those that are read: {known}"
            )));
        };
        for (key, value) in self.says {
            self.check(key, value)?;
        }
        self.check_start()?;
        self.check_saved()?;
        Ok(*kind)
    }

    fn check(&self, key: &str, value: &Value) -> Result<()> {
        if is_off(value) || WITHOUT_EFFECT.contains(&key) {
            return Ok(());
        }
        let why = OFF.iter().find(|(known, _)| *known == key);
        let why = why.map_or("nothing here knows what that does", |(_, why)| *why);
        Err(self.refused(format!("{key} is {value}: {why}")))
    }

    /// Refuses an update that belongs to other weights than the pretrained ones.
    fn check_start(&self) -> Result<()> {
        let Some(Value::String(start)) = self.says.get("init_lora_weights") else {
            return Ok(());
        };
        if INITIALISATIONS.contains(&start.as_str()) {
            return Ok(());
        }
        Err(self.refused(format!(
            "init_lora_weights is {start:?}: it changes the pretrained weights; let PEFT \
             convert it (save_pretrained with path_initial_model_for_weight_conversion)"
        )))
    }

    /// Refuses modules that were trained whole, the task head apart.
    fn check_saved(&self) -> Result<()> {
        let saved = match self.says.get("modules_to_save") {
            None | Some(Value::Null) => return Ok(()),
            Some(Value::Array(saved)) => saved,
            Some(other) => return Err(self.refused(format!("modules_to_save is {other}"))),
        };
        match saved
            .iter()
            .find(|name| !HEADS.iter().any(|head| *name == head))
        {
            None => Ok(()),
            Some(other) => Err(self.refused(format!(
                "modules_to_save names {other}: beside an adapter only a classification head \
                 is trained here"
            ))),
        }
    }

    /// Refuses a head that does something else than classify sequences.
    pub(super) fn check_head(&self) -> Result<()> {
        match self.text("task_type")? {
            None | Some("SEQ_CLS") => Ok(()),
            Some(task) => Err(self.refused(format!(
                "task_type is {task:?}, and it comes with a head: heads here classify sequences"
            ))),
        }
    }

    /// A text; `None` where there is none.
    pub(super) fn text(&self, key: &str) -> Result<Option<&'a str>> {
        self.read(key, "a text", Value::as_str)
    }

    /// A whole number; `None` where there is none.
    pub(super) fn count(&self, key: &str) -> Result<Option<usize>> {
        let whole = |value: &Value| value.as_u64().and_then(|number| number.try_into().ok());
        self.read(key, "a whole number", whole)
    }

    /// A number; `None` where there is none.
    pub(super) fn number(&self, key: &str) -> Result<Option<f64>> {
        self.read(key, "a number", Value::as_f64)
    }

    /// Whether a switch is on.
    pub(super) fn is_on(&self, key: &str) -> Result<bool> {
        let on = self.read(key, "true or false", Value::as_bool)?;
        Ok(on.unwrap_or(false))
    }

    fn read<T>(
        &self,
        key: &str,
        what: &str,
        read: impl FnOnce(&'a Value) -> Option<T>,
    ) -> Result<Option<T>> {
        match self.says.get(key) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => match read(value) {
                Some(value) => Ok(Some(value)),
                None => Err(self.refused(format!("{key} is {value}, which is not {what}"))),
            },
        }
    }

    /// The configuration cannot be used.
    pub(super) fn refused(&self, message: impl Into<String>) -> Error {
        Error::model(&self.path, message)
    }
}
