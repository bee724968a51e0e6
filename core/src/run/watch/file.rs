//! One configuration file under watch: what is known of it, and what is new.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::super::seal::is_sealed;
use super::Reload;
use crate::config::{RunConfig, Tree, read_text};

/// What a look at a file found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Look {
    /// Nothing new.
    Known,
    /// Something new that may still be changing.
    Settling,
    /// Something new that stays.
    Settled,
}

/// A file's content as a look finds it.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Content {
    Missing,
    Text(String),
    /// It cannot be read, for the reason given.
    Unreadable(String),
}

/// A configuration file and what is known of it.
#[derive(Debug)]
pub(super) struct WatchedFile {
    path: PathBuf,
    /// The content last reported, or found at the start.
    known: Content,
    /// A newer content, and since when it stays the same.
    settling: Option<(Content, Instant)>,
    /// The last content that could be used, against which edits are told.
    usable: Option<Tree>,
}

impl WatchedFile {
    /// Takes the present content for known.
    pub(super) fn new(path: &Path) -> Self {
        let known = Content::of(path);
        let usable = match &known {
            Content::Text(text) => Tree::parse(path, text, &[]).ok(),
            _ => None,
        };
        Self {
            path: path.to_path_buf(),
            known,
            settling: None,
            usable,
        }
    }

    /// Looks whether there is a new content, the same for at least `stable`.
    pub(super) fn look(&mut self, stable: Duration) -> Look {
        let found = Content::of(&self.path);
        if found == self.known {
            self.settling = None;
            return Look::Known;
        }
        if let Content::Text(text) = &found
            && is_sealed(text)
        {
            // The run's own writing, whole by construction: what edits are told against.
            self.usable = Tree::parse(&self.path, text, &[]).ok();
            self.known = found;
            self.settling = None;
            return Look::Known;
        }
        match &self.settling {
            Some((content, since)) if *content == found => {
                if since.elapsed() >= stable {
                    Look::Settled
                } else {
                    Look::Settling
                }
            }
            _ => {
                self.settling = Some((found, Instant::now()));
                Look::Settling
            }
        }
    }

    /// Takes the settled content for known and says what it is.
    ///
    /// Forgets those of the overrides whose key was edited.
    pub(super) fn report(&mut self, overrides: &mut Vec<String>) -> Reload {
        if let Some((content, _)) = self.settling.take() {
            self.known = content;
        }
        match &self.known {
            Content::Missing => Reload::Gone(self.path.clone()),
            Content::Unreadable(reason) => Reload::Refused(reason.clone()),
            Content::Text(text) => match self.accept(&text.clone(), overrides) {
                Ok(config) => Reload::Changed(Box::new(config)),
                Err(error) => Reload::Refused(error.to_string()),
            },
        }
    }

    fn accept(&mut self, text: &str, overrides: &mut Vec<String>) -> crate::Result<RunConfig> {
        let tree = Tree::parse(&self.path, text, &[])?;
        let mut kept = overrides.clone();
        if let Some(before) = &self.usable {
            kept.retain(|set| !tree.edits(before, set));
        }
        let config = RunConfig::parse(&self.path, text, &kept)?;
        self.usable = Some(tree);
        *overrides = kept;
        Ok(config)
    }
}

impl Content {
    fn of(path: &Path) -> Self {
        match path.try_exists() {
            Ok(false) => Self::Missing,
            Ok(true) | Err(_) => match read_text(path) {
                Ok(text) => Self::Text(text),
                // Removed in between: the next look will say so.
                Err(error) => Self::Unreadable(error.to_string()),
            },
        }
    }
}
