//! The one error type of the crate: a variant is something that the user can act on.

use std::path::{Path, PathBuf};

use crate::config::UNNAMED;

/// What a fallible function of this crate returns.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Where in a text file something was found; both count from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
}

/// Why something could not be done, and, in its text, what to do about it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A configuration was refused; nothing of it is in force.
    #[error("{}: {message}", location(path, *place, field))]
    Config {
        /// The file, or a stand-in such as `--set`.
        path: PathBuf,
        /// Where in the file, when that is known.
        place: Option<Place>,
        /// Dotted path of the field, such as `train.learning_rate`; empty for the whole file.
        field: String,
        /// What is wrong and what would be right.
        message: String,
    },
    /// A file or folder could not be read or written.
    #[error("{}: cannot {action}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What was attempted, such as `read`.
        action: &'static str,
        /// The operating system's reason.
        #[source]
        source: std::io::Error,
    },
    /// A data file holds something that cannot be used.
    #[error("{}: {message}", file_line(path, *line))]
    Data {
        /// The data file.
        path: PathBuf,
        /// Line, counted from 1, when one line is to blame.
        line: Option<usize>,
        /// What is wrong and what would be right.
        message: String,
    },
    /// A tokenizer file cannot be used.
    #[error("{}: {message}", path.display())]
    Tokenizer {
        /// The tokenizer's file or the model's folder.
        path: PathBuf,
        /// What is wrong.
        message: String,
    },
    /// A model's folder, configuration or weights cannot be used.
    #[error("{}: {message}", path.display())]
    Model {
        /// The file or folder.
        path: PathBuf,
        /// What is wrong and what would be right.
        message: String,
    },
    /// A method does not fit the model or its own settings.
    #[error("method: {message}")]
    Method {
        /// What does not fit and what would.
        message: String,
    },
    /// A compute device cannot be used.
    #[error("device {device}: {message}")]
    Device {
        /// The device as the configuration names it.
        device: String,
        /// What is wrong and what to do.
        message: String,
    },
    /// A run's folder is not in a state that allows what was asked.
    #[error("{}: {message}", path.display())]
    Run {
        /// The run's folder.
        path: PathBuf,
        /// What is wrong and which option helps.
        message: String,
    },
    /// A checkpoint or an event file is damaged or of another make.
    #[error("{}: {message}", file_line(path, *line))]
    Checkpoint {
        /// The file.
        path: PathBuf,
        /// Line, counted from 1, when one line is to blame.
        line: Option<usize>,
        /// What is wrong.
        message: String,
    },
    /// The loss was not finite for too many steps in a row.
    #[error(
        "loss or gradient was not finite for {steps} steps in a row; {}: lower train.learning_rate or look at the data",
        kept_checkpoint(*kept)
    )]
    NotFinite {
        /// Steps in a row.
        steps: usize,
        /// Step of the last good checkpoint, if there is one.
        kept: Option<u64>,
    },
    /// A command did not reach the trainer.
    #[error("command not delivered: {message}")]
    Command {
        /// Why, and what to do.
        message: &'static str,
    },
    /// A long operation was told to stop.
    #[error("cancelled")]
    Cancelled,
    /// Two tensors do not fit together.
    #[error("{what}: expected shape {expected:?}, found {found:?}")]
    Shape {
        /// The tensor's name.
        what: String,
        /// The shape that fits.
        expected: Vec<usize>,
        /// The shape that came.
        found: Vec<usize>,
    },
    /// The tensor library refused an operation.
    #[error("{}", without_backtrace(.0))]
    Tensor(#[from] candle_core::Error),
}

impl Error {
    /// Wraps an I/O error with the path and what was attempted there.
    pub fn io(path: impl AsRef<Path>, action: &'static str) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.as_ref().to_path_buf();
        move |source| Self::Io {
            path,
            action,
            source,
        }
    }

    /// A [`Error::Method`] with the message given.
    pub fn method(message: impl Into<String>) -> Self {
        Self::Method {
            message: message.into(),
        }
    }

    /// An [`Error::Config`] about a setting, by who does not know the file:
    /// [`locate`](crate::config::locate) finds its place.
    pub(crate) fn setting(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self::Config {
            path: PathBuf::from(UNNAMED),
            place: None,
            field: field.into(),
            message: message.into(),
        }
    }

    /// A [`Error::Data`] about one line, or about the whole file when `line` is `None`.
    pub fn data(path: impl AsRef<Path>, line: Option<usize>, message: impl Into<String>) -> Self {
        Self::Data {
            path: path.as_ref().to_path_buf(),
            line,
            message: message.into(),
        }
    }

    /// A [`Error::Model`] about a file or folder of a model.
    pub fn model(path: impl AsRef<Path>, message: impl Into<String>) -> Self {
        Self::Model {
            path: path.as_ref().to_path_buf(),
            message: message.into(),
        }
    }

    /// A [`Error::Run`] about a run's folder.
    pub fn run(path: impl AsRef<Path>, message: impl Into<String>) -> Self {
        Self::Run {
            path: path.as_ref().to_path_buf(),
            message: message.into(),
        }
    }

    /// A [`Error::Checkpoint`] about a file.
    pub fn checkpoint(path: impl AsRef<Path>, message: impl Into<String>) -> Self {
        Self::Checkpoint {
            path: path.as_ref().to_path_buf(),
            line: None,
            message: message.into(),
        }
    }

    /// Whether the cause is a full disk or an exhausted quota: what was being written can
    /// be written again once there is room.
    #[must_use]
    pub fn is_disk_full(&self) -> bool {
        use std::io::ErrorKind::{QuotaExceeded, StorageFull};
        matches!(self, Self::Io { source, .. } if matches!(source.kind(), StorageFull | QuotaExceeded))
    }
}

/// The library's message on one line, without the backtrace that it appends to its own
/// text where `RUST_BACKTRACE` is set.
fn without_backtrace(error: &candle_core::Error) -> String {
    use candle_core::Error::{Context, WithBacktrace, WithPath};
    match error {
        WithBacktrace { inner, .. } => without_backtrace(inner),
        Context { inner, context } => format!("{context}: {}", without_backtrace(inner)),
        WithPath { inner, path } => format!("{}: {}", path.display(), without_backtrace(inner)),
        plain => plain.to_string().trim().replace('\n', "; "),
    }
}

fn kept_checkpoint(step: Option<u64>) -> String {
    match step {
        Some(step) => format!("the checkpoint of step {step} is kept"),
        None => "there is no checkpoint yet".to_owned(),
    }
}

fn location(path: &Path, place: Option<Place>, field: &str) -> String {
    let mut text = path.display().to_string();
    if let Some(place) = place {
        text = format!("{text}:{}:{}", place.line, place.column);
    }
    if !field.is_empty() {
        text = format!("{text}: {field}");
    }
    text
}

fn file_line(path: &Path, line: Option<usize>) -> String {
    match line {
        Some(line) => format!("{}:{line}", path.display()),
        None => path.display().to_string(),
    }
}

#[cfg(test)]
mod tests {
    use std::backtrace::Backtrace;

    use super::*;

    #[test]
    fn the_tensor_library_s_backtrace_is_not_part_of_the_message() {
        let inner = candle_core::Error::Msg("no such row".to_owned());
        let traced = candle_core::Error::WithBacktrace {
            inner: Box::new(inner.context("word embedding")),
            backtrace: Box::new(Backtrace::force_capture()),
        };
        assert_eq!(
            Error::from(traced).to_string(),
            "word embedding: no such row"
        );
    }
}
