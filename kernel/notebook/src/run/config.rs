//! What a configuration may be given as: a file, its text, or itself.

use std::path::{Path, PathBuf};

use compacter_core::config::{RunConfig, template};

use crate::error::Result;

/// A configuration as it was given.
#[derive(Debug, Clone)]
pub enum Given {
    /// A TOML file. It stays live: an edit of it is an edit of the run.
    File(PathBuf),
    /// TOML text; its relative paths start at the notebook's folder.
    Text(String),
    /// The configuration itself.
    Config(Box<RunConfig>),
    /// The lesson that the program carries.
    FirstLesson,
}

/// What [`super::Run::start`] takes: a path to a TOML file, TOML text, or a [`RunConfig`].
///
/// A string with a line break or a `=` is text, any other a path; the empty string is the
/// lesson that needs no file.
pub trait IntoConfig {
    /// What was given.
    fn given(self) -> Given;
}

impl IntoConfig for &str {
    fn given(self) -> Given {
        if self.trim().is_empty() {
            Given::FirstLesson
        } else if self.contains(['\n', '=']) {
            Given::Text(self.to_owned())
        } else {
            Given::File(self.into())
        }
    }
}

impl IntoConfig for String {
    fn given(self) -> Given {
        self.as_str().given()
    }
}

impl IntoConfig for &String {
    fn given(self) -> Given {
        self.as_str().given()
    }
}

impl IntoConfig for &Path {
    fn given(self) -> Given {
        Given::File(self.to_path_buf())
    }
}

impl IntoConfig for PathBuf {
    fn given(self) -> Given {
        Given::File(self)
    }
}

impl IntoConfig for RunConfig {
    fn given(self) -> Given {
        Given::Config(Box::new(self))
    }
}

impl IntoConfig for &RunConfig {
    fn given(self) -> Given {
        self.clone().given()
    }
}

impl Given {
    /// The configuration with values such as `train.epochs=3` laid over it.
    ///
    /// # Errors
    /// When it is refused, with the place and the field.
    pub fn load(&self, overrides: &[String]) -> Result<RunConfig> {
        Ok(match self {
            Self::File(path) => RunConfig::load(path, overrides)?,
            Self::Text(text) => RunConfig::parse(Path::new("cell"), text, overrides)?,
            Self::Config(config) => {
                config.validate()?;
                RunConfig::parse(Path::new("config"), &config.to_toml(), overrides)?
            }
            Self::FirstLesson => template::first_lesson(overrides)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_string_is_a_path_or_a_text_by_what_is_in_it() {
        assert!(matches!("run.toml".given(), Given::File(_)));
        assert!(matches!("name = \"x\"".given(), Given::Text(_)));
        assert!(matches!("[model]\n".given(), Given::Text(_)));
        assert!(matches!("".given(), Given::FirstLesson));
    }
}
