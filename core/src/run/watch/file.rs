//! One configuration file under watch: what is known of it, and what is new.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::super::seal::is_sealed;
use super::{Closed, Pace, Reload, Saved};
use crate::config::{RunConfig, Tree, read_text};
use crate::event::Refusal;

/// What a look at a file found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Look {
    /// Nothing new.
    Known,
    /// Something new that may still be changing.
    Settling,
    /// Something new that stays.
    Settled,
    /// What the run wrote itself, where there was something else that was refused.
    Mended,
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
    closed: Closed,
    /// The content last reported, or found at the start.
    known: Content,
    /// A newer content, and since when it stays the same.
    settling: Option<(Content, Instant)>,
    /// The last content that could be used, against which edits are told.
    usable: Option<Tree>,
    /// Whether what was last reported was refused.
    refused: bool,
}

impl WatchedFile {
    /// Takes the present content for known.
    pub(super) fn new(path: &Path, closed: Closed) -> Self {
        let known = Content::of(path);
        let usable = match &known {
            Content::Text(text) => Tree::parse(path, text, &[]).ok(),
            _ => None,
        };
        Self {
            path: path.to_path_buf(),
            closed,
            known,
            settling: None,
            usable,
            refused: false,
        }
    }

    /// Looks whether there is a new content that has stayed the same for long enough.
    pub(super) fn look(&mut self, pace: Pace) -> Look {
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
            let mended = std::mem::take(&mut self.refused);
            return if mended { Look::Mended } else { Look::Known };
        }
        match &self.settling {
            Some((content, since)) if *content == found => {
                if since.elapsed() >= self.patience(&found, pace) {
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

    /// How long a content has to stay the same to be taken for all of it.
    fn patience(&self, content: &Content, pace: Pace) -> Duration {
        let doubtful = pace.doubtful.max(pace.stable);
        let Content::Text(text) = content else {
            return doubtful;
        };
        let usable = RunConfig::parse(&self.path, text, &[]).is_ok();
        let complete = || {
            let tree = Tree::parse(&self.path, text, &[]);
            let before = self.usable.as_ref();
            tree.is_ok_and(|tree| before.is_none_or(|before| tree.has_keys_of(before)))
        };
        if self.closed.is_closed() && usable && complete() {
            pace.stable
        } else {
            doubtful
        }
    }

    /// Whether a settled content can wait for another file's.
    pub(super) fn can_wait(&self, pace: Pace) -> bool {
        let settled = self.settling.as_ref();
        let longest = 2 * pace.doubtful.max(pace.stable);
        settled.is_none_or(|(_, since)| since.elapsed() < longest)
    }

    /// Takes the settled content for known and says what it is, or why it is nothing.
    ///
    /// Forgets those of the overrides whose key was edited.
    pub(super) fn report(&mut self, overrides: &mut Vec<String>) -> Result<Saved, Box<Reload>> {
        if let Some((content, _)) = self.settling.take() {
            self.known = content;
        }
        // Nothing is known of the next save: on some file systems nobody will tell.
        self.closed.forget();
        let report = self.told(overrides);
        self.refused = report.is_err();
        report
    }

    fn told(&mut self, overrides: &mut Vec<String>) -> Result<Saved, Box<Reload>> {
        match &self.known {
            Content::Missing => Err(Box::new(Reload::Gone(self.path.clone()))),
            Content::Unreadable(reason) => Err(Box::new(Reload::Refused(Refusal::new(reason)))),
            Content::Text(text) => {
                let text = text.clone();
                match self.accept(&text, overrides) {
                    Ok(config) => Ok(Saved {
                        path: self.path.clone(),
                        text,
                        config,
                    }),
                    Err(error) => Err(Box::new(Reload::Refused(Refusal::of(&error, &text)))),
                }
            }
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
