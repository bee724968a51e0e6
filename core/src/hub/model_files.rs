//! The files of a pretrained model, wherever they are.

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use crate::embedded::EmbeddedModel;
use crate::{Error, Result};

/// Where a model's files are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ModelFiles {
    /// In a folder.
    Folder(PathBuf),
    /// In the program itself.
    Embedded(EmbeddedModel),
}

impl ModelFiles {
    /// The folder, or the name as `model.path` has it: what messages call the model.
    #[must_use]
    pub fn location(&self) -> PathBuf {
        match self {
            Self::Folder(folder) => folder.clone(),
            Self::Embedded(model) => Path::new(&format!("embedded:{}", model.name)).to_path_buf(),
        }
    }

    /// Whether there is a file of that name.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        match self {
            Self::Folder(folder) => folder.join(name).is_file(),
            Self::Embedded(model) => model.file(name).is_some(),
        }
    }

    /// Reads a file that the model must have.
    ///
    /// # Errors
    /// [`Error::Io`] when it cannot be read; [`Error::Model`] when the program carries none.
    pub fn read(&self, name: &str) -> Result<Cow<'static, [u8]>> {
        match self {
            Self::Folder(folder) => {
                let path = folder.join(name);
                let bytes = std::fs::read(&path).map_err(Error::io(&path, "read"))?;
                Ok(Cow::Owned(bytes))
            }
            Self::Embedded(model) => {
                let file = model.file(name).map(Cow::Borrowed);
                file.ok_or_else(|| Error::model(self.location(), format!("holds no {name}")))
            }
        }
    }

    /// Reads a file of text that the model must have.
    ///
    /// # Errors
    /// As [`Self::read`], and [`Error::Model`] when it is no UTF-8.
    pub fn read_text(&self, name: &str) -> Result<String> {
        let bytes = self.read(name)?.into_owned();
        let path = self.location().join(name);
        String::from_utf8(bytes).map_err(|_| Error::model(path, "is not UTF-8 text"))
    }
}
