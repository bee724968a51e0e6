//! From a file to a checked configuration.
//!
//! Relative paths of a file mean what stands beside it: `task.train`, `task.validation`,
//! `task.test`, and `model.path` and `task.source` where they start with `./` or `../` or
//! name a folder there, are taken relative to the file's folder. The same paths in a `--set` are
//! relative to the working directory, where the user typed them. Either way the
//! configuration holds them absolute, so that it means the same wherever it is copied.
//! `output.directory` is always relative to the working directory.

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::complaint::{Complaint, Outcome};
use super::tree::{Origin, Tree, place};
use super::{MethodConfig, ModelConfig, RunConfig, de};
use crate::error::{Error, Result};

/// Larger files are no configurations, and reading them could take for ever.
const LARGEST_FILE: u64 = 1 << 20;

impl RunConfig {
    /// Reads a configuration from a file, with `--set` values such as
    /// `train.learning_rate=1e-3` laid over it.
    ///
    /// Task files and a model's folder are found beside the file; those of a `--set`, and
    /// `output.directory`, in the working directory.
    ///
    /// # Errors
    /// When the file cannot be read, or [`RunConfig::parse`] refuses it.
    pub fn load(path: &Path, overrides: &[String]) -> Result<Self> {
        Self::parse(path, &read_text(path)?, overrides)
    }

    /// Reads a configuration from the text of the file at `path`.
    ///
    /// # Errors
    /// [`Error::Config`] with the place and the field, when the text is not TOML, holds a
    /// key that does not exist or a value of the wrong type, lacks a key, or is refused by
    /// [`RunConfig::validate`].
    pub fn parse(path: &Path, text: &str, overrides: &[String]) -> Result<Self> {
        Self::of_tree(&Tree::parse(path, text, overrides)?, path)
    }

    /// Reads a configuration from what the file at `path` says.
    pub(crate) fn of_tree(tree: &Tree, path: &Path) -> Result<Self> {
        Self::from_tree(tree, path).map_err(|complaint| tree.refuse(complaint))
    }

    fn from_tree(tree: &Tree, path: &Path) -> Outcome<Self> {
        let mut config: Self = de::read(tree.root())?;
        config.check()?;
        config.anchor(tree, path.parent().unwrap_or(Path::new("")))?;
        Ok(config)
    }

    /// Makes paths absolute: relative to `folder` those of the file, to the working
    /// directory those of a `--set`.
    fn anchor(&mut self, tree: &Tree, folder: &Path) -> Outcome {
        let base = |field: &str| {
            let path: Vec<String> = field.split('.').map(str::to_owned).collect();
            match tree.origin(&path) {
                Some(Origin::Set(_)) => Path::new(""),
                Some(Origin::File(_)) | None => folder,
            }
        };
        let task = &mut self.task;
        for (field, path) in [
            ("task.train", &mut task.train),
            ("task.validation", &mut task.validation),
            ("task.test", &mut task.test),
        ] {
            if let Some(path) = path {
                *path = absolute(field, &base(field).join(&path))?.into();
            }
        }
        for (field, path) in [
            ("model.path", Some(&mut self.model.path)),
            ("task.source", task.source.as_mut()),
        ] {
            let Some(path) = path else { continue };
            let beside = base(field).join(&path);
            if path.starts_with("./") || path.starts_with("../") || beside.is_dir() {
                *path = absolute(field, &beside)?;
            } else if Path::new(path).is_dir() {
                // Beside nothing but where the program runs: whoever reads the value later,
                // from another file, is to find the same folder.
                *path = absolute(field, Path::new(path))?;
            }
        }
        Ok(())
    }
}

impl ModelConfig {
    /// The `[model]` table of a model that is made up, with settings such as `dtype=bf16`, for
    /// measuring it.
    ///
    /// # Errors
    /// As [`RunConfig::parse`].
    pub fn made_up(settings: &[String]) -> Result<Self> {
        // The other tables only make the configuration whole.
        let text = "name = 'model'\n[model]\npath = 'made up'\n[task]\nname = 'none'\n";
        let settings = settings.iter().map(|setting| format!("model.{setting}"));
        let settings: Vec<String> = settings.collect();
        Ok(RunConfig::parse(Path::new("made up"), text, &settings)?.model)
    }
}

impl MethodConfig {
    /// The `[method]` table of a kind with settings such as `n=12` laid over it, for whoever
    /// asks about a method alone.
    ///
    /// # Errors
    /// As [`RunConfig::parse`], with `path` for where the kind was named.
    pub fn of_kind(path: &Path, kind: &str, settings: &[String]) -> Result<Self> {
        // The other tables only make the configuration whole.
        let text = "name = 'method'\n[model]\npath = 'none'\n[task]\nname = 'none'\n";
        let settings = settings.iter().map(|setting| format!("method.{setting}"));
        let settings: Vec<String> = std::iter::once(format!("method.kind={kind}"))
            .chain(settings)
            .collect();
        match RunConfig::parse(path, text, &settings) {
            Ok(config) => Ok(config.method),
            // Named as it was given, not as a field of a file.
            Err(Error::Config { field, message, .. }) if field == "method.kind" => {
                Err(Error::Config {
                    path: path.to_path_buf(),
                    place: None,
                    field: String::new(),
                    message,
                })
            }
            Err(error) => Err(error),
        }
    }
}

fn absolute(field: &str, path: &Path) -> Outcome<String> {
    let path = std::path::absolute(path)
        .map_err(|error| Complaint::new(field, format!("cannot be made absolute: {error}")))?;
    path.into_os_string().into_string().map_err(|path| {
        let message = format!(
            "{} is not UTF-8; rename the folder",
            PathBuf::from(path).display()
        );
        Complaint::new(field, message)
    })
}

/// Reads the text of a configuration file.
pub(crate) fn read_text(path: &Path) -> Result<String> {
    let refuse = |place, message: String| Error::Config {
        path: path.to_path_buf(),
        place,
        field: String::new(),
        message,
    };
    let bytes = read_bytes(path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => {
            let message = "no such file; `compacter init` writes one to start from";
            refuse(None, message.to_owned())
        }
        io::ErrorKind::IsADirectory => {
            let message = "is a folder; name the configuration file in it";
            refuse(None, message.to_owned())
        }
        io::ErrorKind::FileTooLarge => {
            let message = format!("is longer than {LARGEST_FILE} bytes: not a configuration");
            refuse(None, message)
        }
        _ => Error::io(path, "read")(error),
    })?;
    String::from_utf8(bytes).map_err(|error| {
        let (valid, _) = error.as_bytes().split_at(error.utf8_error().valid_up_to());
        let before = String::from_utf8_lossy(valid);
        let at = place(&before, before.len());
        refuse(Some(at), "is not UTF-8; save the file as UTF-8".to_owned())
    })
}

/// The file's bytes; also of a pipe, whose length nobody knows.
fn read_bytes(path: &Path) -> io::Result<Vec<u8>> {
    if path.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    let mut bytes = Vec::new();
    let file = fs::File::open(path)?;
    file.take(LARGEST_FILE + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > LARGEST_FILE {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    Ok(bytes)
}
