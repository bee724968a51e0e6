//! Where a pretrained model or a data set comes from: a local folder, the Hugging Face cache,
//! or a download.
//!
//! `model.path` is tried in this order:
//!
//! 1. `embedded:…`, a model inside the program;
//! 2. a folder that exists;
//! 3. a hub id, `name` or `org/name`, with an optional `@revision` (branch, tag or commit):
//!    first in the cache that all Hugging Face libraries share, then on the hub.
//!
//! What is cached whole is used as it is, without a question to the hub: a run that starts
//! today starts tomorrow, on a train too. `HF_HOME`, `HF_HUB_CACHE`, `HF_ENDPOINT`,
//! `HF_TOKEN` and `HF_HUB_OFFLINE` mean what they mean to those libraries.
//!
//! Downloads go on where they broke off, also in another process, and are checked by length
//! and hash before they are called by their name.

mod cache;
#[cfg(feature = "hub")]
mod download;
#[cfg(feature = "hub")]
mod explain;
pub(crate) mod files;
mod model_files;
#[cfg(feature = "hub")]
mod store;
#[cfg(feature = "hub")]
mod transfer;

use std::path::{Path, PathBuf};

use crate::cancel::CancelToken;
use crate::{Error, Result, embedded};
use cache::Cached;
pub use model_files::ModelFiles;

/// Turns `model.path` into the files of a model, with settings from the environment.
///
/// # Errors
/// Those of [`Hub::resolve`], and [`Error::Model`] for an embedded model that is not there.
pub fn resolve(path: &str, cancel: &CancelToken) -> Result<ModelFiles> {
    if let Some(name) = path.strip_prefix(EMBEDDED) {
        let found = embedded::MODELS.iter().find(|model| model.name == name);
        return match found {
            Some(model) => Ok(ModelFiles::Embedded(*model)),
            None => Err(Error::model(path, no_embedded(name))),
        };
    }
    let folder = Hub::from_env().resolve(path, cancel)?;
    Ok(ModelFiles::Folder(folder))
}

/// Whether `model.path` means a model inside the program.
#[must_use]
pub fn is_embedded(path: &str) -> bool {
    path.starts_with(EMBEDDED)
}

/// What `model.path` starts with for a model inside the program.
const EMBEDDED: &str = "embedded:";

fn no_embedded(name: &str) -> String {
    let known: Vec<&str> = embedded::MODELS.iter().map(|model| model.name).collect();
    embedded::unknown("embedded model", name, &known)
}

/// What `model.path` may be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A folder that exists.
    Folder(PathBuf),
    /// A model of the hub.
    Hub(HubId),
}

/// What a repository of the hub holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A model.
    Model,
    /// A data set.
    DataSet,
}

#[cfg(feature = "hub")]
impl Kind {
    fn noun(self) -> &'static str {
        match self {
            Self::Model => "model",
            Self::DataSet => "data set",
        }
    }
}

/// Names the files that are needed of those that there are, by their paths in a repository;
/// or says why they are not enough.
pub(crate) type Choose<'a> = &'a (dyn Fn(&[String]) -> Result<Vec<String>> + Sync);

/// A model or data set of the hub, at a revision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HubId {
    /// What it is.
    pub kind: Kind,
    /// `name` or `org/name`.
    pub repository: String,
    /// Branch, tag or commit.
    pub revision: String,
}

impl Source {
    /// Tells folders and hub ids apart; a folder that exists wins.
    ///
    /// # Errors
    /// [`Error::Model`] when the text is neither, or names an embedded model.
    pub fn parse(text: &str) -> Result<Self> {
        if text.starts_with(EMBEDDED) {
            let message = "is inside the program: it has no folder";
            return Err(Error::model(text, message));
        }
        let path = Path::new(text);
        if path.is_dir() {
            return Ok(Self::Folder(path.to_path_buf()));
        }
        if path.exists() {
            let message = "is a file; give the folder that holds it";
            return Err(Error::model(path, message));
        }
        HubId::parse(Kind::Model, text).map(Self::Hub)
    }
}

impl HubId {
    /// Reads `name` or `org/name`, with or without `@revision`, for what is no folder.
    ///
    /// # Errors
    /// [`Error::Model`] or [`Error::Data`], by kind, when the text is none of these.
    pub fn parse(kind: Kind, text: &str) -> Result<Self> {
        let (repository, revision) = text.split_once('@').unwrap_or((text, "main"));
        let id = Self {
            kind,
            repository: repository.to_owned(),
            revision: revision.to_owned(),
        };
        if is_repository(repository) && is_revision(revision) {
            return Ok(id);
        }
        let message = "there is no such folder, and a hub id would read `name` or `org/name`, \
                       with or without `@revision`";
        Err(Self::refusal(kind, text, message.to_owned()))
    }

    fn refuse(&self, message: String) -> Error {
        Self::refusal(self.kind, &self.to_string(), message)
    }

    fn refusal(kind: Kind, text: &str, message: String) -> Error {
        match kind {
            Kind::Model => Error::model(text, message),
            Kind::DataSet => Error::data(text, None, message),
        }
    }
}

impl std::fmt::Display for HubId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.repository)?;
        match self.revision.as_str() {
            "main" => Ok(()),
            revision => write!(f, "@{revision}"),
        }
    }
}

/// The hub's own rule for names: one or two parts of letters, digits, `-`, `_`, `.`, none
/// at an end that a path or an address could mistake.
fn is_repository(text: &str) -> bool {
    let part = |part: &str| {
        !part.is_empty()
            && part.len() <= 96
            && part
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
            && !part.starts_with(['-', '.'])
            && !part.ends_with(['-', '.'])
            && !part.contains("..")
            && !part.contains("--")
    };
    let mut parts = text.split('/');
    parts.next().is_some_and(part) && parts.next().is_none_or(part) && parts.next().is_none()
}

/// The names that git gives branches and tags, without those that a path could mistake.
fn is_revision(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= 255
        && !text.starts_with(['/', '-'])
        && text
            .split('/')
            .all(|part| !part.is_empty() && !part.starts_with('.'))
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"-_./+".contains(&b))
}

/// The cache and the hub behind it.
#[derive(Debug, Clone)]
pub struct Hub {
    cache: PathBuf,
    offline: bool,
    /// The hub's address where it is not the usual one or `HF_ENDPOINT`.
    #[cfg(feature = "hub")]
    endpoint: Option<String>,
    /// How often a request is repeated that may succeed later.
    #[cfg(feature = "hub")]
    retries: usize,
    /// Shows the hub who asks; left out, `HF_TOKEN` or what a log-in left.
    #[cfg(feature = "hub")]
    token: Option<String>,
}

impl Hub {
    /// The cache and hub that the environment names.
    #[must_use]
    pub fn from_env() -> Self {
        let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
        let offline = variable("HF_HUB_OFFLINE").is_some_and(|value| {
            let value = value.to_string_lossy().to_ascii_lowercase();
            ["1", "on", "yes", "true"].contains(&value.as_str())
        });
        Self {
            offline,
            ..Self::new(cache::folder(variable))
        }
    }

    /// The usual hub with a cache folder of one's own.
    #[must_use]
    pub fn new(cache: PathBuf) -> Self {
        Self {
            cache,
            offline: false,
            #[cfg(feature = "hub")]
            endpoint: None,
            #[cfg(feature = "hub")]
            retries: 5,
            #[cfg(feature = "hub")]
            token: None,
        }
    }

    /// Turns `model.path` into a folder that holds the model, downloading it if need be.
    ///
    /// # Errors
    /// [`Error::Model`] when there is no such folder or hub model, the folder holds no
    /// `config.json`, the hub cannot be reached or refuses, or a file arrives damaged;
    /// [`Error::Cancelled`] at most 100 ms after the token says so.
    pub fn resolve(&self, path: &str, cancel: &CancelToken) -> Result<PathBuf> {
        cancel.check()?;
        match Source::parse(path)? {
            Source::Folder(folder) if folder.join(files::CONFIG).is_file() => Ok(folder),
            Source::Folder(folder) => {
                let message = "holds no config.json, so it is not a model's folder";
                Err(Error::model(folder, message))
            }
            Source::Hub(id) => match cache::find(&self.cache, &id)? {
                Cached::Whole(folder) => Ok(folder),
                Cached::Lacks(what) => self.fetch(&id, &what, || self.download(&id, cancel)),
            },
        }
    }

    /// Returns a folder that holds the files of a data set that `choose` names, downloading
    /// those that the cache lacks.
    ///
    /// # Errors
    /// What `choose` says of the hub's files; [`Error::Data`] when the hub cannot be reached
    /// or refuses, or a file arrives damaged; [`Error::Cancelled`] at most 100 ms after
    /// `cancelled` says so.
    pub(crate) fn data_set(
        &self,
        id: &HubId,
        choose: Choose<'_>,
        cancelled: &(dyn Fn() -> bool + Sync),
    ) -> Result<PathBuf> {
        if let Some(folder) = cache::snapshot(&self.cache, id)
            && choose(&cache::listing(&folder)).is_ok()
        {
            return Ok(folder);
        }
        self.fetch(id, "files of this data set that are needed", || {
            self.download_files(id, choose, cancelled)
        })
    }

    /// Downloads what the cache lacks, where that is allowed.
    fn fetch(
        &self,
        id: &HubId,
        lacking: &str,
        download: impl FnOnce() -> Result<PathBuf>,
    ) -> Result<PathBuf> {
        let forbidden = if self.offline {
            "HF_HUB_OFFLINE forbids to download it"
        } else if cfg!(feature = "hub") {
            return download();
        } else {
            "this program was built without downloads (the feature `hub`)"
        };
        let cache = self.cache.display();
        Err(id.refuse(format!(
            "there is no such folder, the cache {cache} lacks {lacking}, and {forbidden}"
        )))
    }

    #[cfg(feature = "hub")]
    fn download(&self, id: &HubId, cancel: &CancelToken) -> Result<PathBuf> {
        download::model(self, id, &|| cancel.is_cancelled())
    }

    #[cfg(feature = "hub")]
    fn download_files(
        &self,
        id: &HubId,
        choose: Choose<'_>,
        cancelled: &(dyn Fn() -> bool + Sync),
    ) -> Result<PathBuf> {
        download::data_set(self, id, choose, cancelled)
    }

    #[cfg(not(feature = "hub"))]
    fn download(&self, id: &HubId, _cancel: &CancelToken) -> Result<PathBuf> {
        Err(id.refuse("cannot be downloaded by this program".to_owned()))
    }

    #[cfg(not(feature = "hub"))]
    fn download_files(
        &self,
        id: &HubId,
        _choose: Choose<'_>,
        _cancelled: &(dyn Fn() -> bool + Sync),
    ) -> Result<PathBuf> {
        Err(id.refuse("cannot be downloaded by this program".to_owned()))
    }
}

#[cfg(test)]
mod tests;
