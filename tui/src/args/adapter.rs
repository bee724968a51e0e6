//! Arguments of the commands that exchange adapters with other libraries.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::Which;

/// Whose files are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// AdapterHub's `adapters`: `adapter_config.json`, `adapter.safetensors`, and a head
    Adapterhub,
    /// Hugging Face PEFT: `adapter_config.json`, `adapter_model.safetensors`
    Peft,
    /// A whole model for `transformers`, the adapter merged into its weights
    Merged,
}

#[derive(Debug, Args)]
pub(crate) struct Export {
    /// The run's folder, or its name in `runs`
    pub(crate) run: PathBuf,
    /// The folder to make
    pub(crate) folder: PathBuf,
    /// Whose files to write
    #[arg(long = "to", value_enum, value_name = "FORMAT")]
    pub(crate) format: Format,
    /// The checkpoint: `best`, `last` or a step
    #[arg(long, default_value = "best")]
    pub(crate) checkpoint: Which,
    /// The adapter's name, of AdapterHub's; `default` when left out
    #[arg(long, value_parser = plain_name)]
    pub(crate) name: Option<String>,
    /// Leave the task head out
    #[arg(long)]
    pub(crate) without_head: bool,
    /// Write trained layer norms, for which AdapterHub's files have no place, into one of
    /// their own
    #[arg(long)]
    pub(crate) layer_norms: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Import {
    /// The adapter's folder, which holds `adapter_config.json`
    pub(crate) adapter: PathBuf,
    /// A configuration with model and task; its method becomes the adapter's
    pub(crate) config: PathBuf,
    /// Leave the adapter's task head alone: the run has a new one, which is not trained
    #[arg(long)]
    pub(crate) without_head: bool,
    /// Name of the run, in place of the file's
    #[arg(long)]
    pub(crate) name: Option<String>,
    /// Override a field, such as `model.path=bert-base-uncased`
    #[arg(long = "set", value_name = "KEY=VALUE", value_parser = no_method)]
    pub(crate) overrides: Vec<String>,
}

/// A field to override, which is none of the method's.
fn no_method(text: &str) -> Result<String, String> {
    let field = text.split('=').next().unwrap_or_default().trim();
    if field == "method" || field.starts_with("method.") {
        return Err("the method is the adapter's own".to_owned());
    }
    Ok(text.to_owned())
}

impl Export {
    /// The option that was given and has no meaning for the format.
    pub(crate) fn idle(&self) -> Option<&'static str> {
        let hub = self.format == Format::Adapterhub;
        let given = [
            ("--name", self.name.is_some() && !hub),
            ("--layer-norms", self.layer_norms && !hub),
            (
                "--without-head",
                self.without_head && self.format == Format::Merged,
            ),
        ];
        let idle = given.into_iter().find(|(_, idle)| *idle);
        idle.map(|(option, _)| option)
    }
}

/// A name that can be a part of a tensor's.
fn plain_name(text: &str) -> Result<String, String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if text.is_empty() || !text.chars().all(plain) {
        return Err("expected letters, digits, _ and -".to_owned());
    }
    Ok(text.to_owned())
}
