//! Mistakes in a cell: what is wrong, and what to do about it.

use std::fmt;
use std::path::PathBuf;

use compacter_core::Error;

use crate::interrupt::Interrupted;

/// What a fallible function of this crate returns.
pub type Result<T, E = NotebookError> = std::result::Result<T, E>;

/// Why a cell's wish could not be fulfilled.
///
/// A cell that ends with `?` prints `Debug`, so that reads like `Display`: the problem, and
/// below it what to try.
#[non_exhaustive]
pub enum NotebookError {
    /// What the library said; its text says what to do.
    Core(Error),
    /// The trainer ended before the run began.
    Refused {
        /// What it said.
        message: String,
    },
    /// The name of a run is taken.
    Exists {
        /// The run's folder.
        path: PathBuf,
        /// How that run stands, such as `finished, with the same configuration`.
        state: String,
        /// What to do.
        hint: String,
    },
    /// There is no run in a folder.
    NoSuchRun {
        /// The folder.
        path: PathBuf,
        /// What to do.
        hint: String,
    },
    /// The program that trains is not to be found.
    NoProgram {
        /// Where it was looked for.
        looked: String,
    },
    /// A run that is over was asked for something.
    Over {
        /// The run's folder.
        path: PathBuf,
        /// What was asked.
        request: String,
        /// How the run stands, such as `finished`.
        state: String,
        /// What to do.
        hint: String,
    },
    /// A run refused what it was asked, or did not answer.
    Denied {
        /// What was asked.
        request: String,
        /// What the run answered.
        message: String,
    },
    /// The cell was interrupted.
    Interrupted {
        /// What became of the work, such as `the run goes on`.
        message: String,
    },
    /// A run ended otherwise than complete.
    Ended {
        /// The run's folder.
        path: PathBuf,
        /// Why.
        message: String,
        /// What to do.
        hint: String,
    },
    /// There are no factors to show.
    NoFactors {
        /// Why.
        message: String,
        /// What to do.
        hint: String,
    },
    /// A projection that is not there.
    NoLayer {
        /// As it was asked for.
        asked: String,
        /// What to do.
        hint: String,
    },
    /// An argument that cannot be meant.
    Argument {
        /// What is wrong.
        message: String,
        /// What to do.
        hint: String,
    },
    /// The tensor library refused an operation.
    Tensor(candle_core::Error),
}

impl NotebookError {
    /// What is wrong, without what to do.
    #[must_use]
    pub fn problem(&self) -> String {
        match self {
            Self::Core(error) => error.to_string(),
            Self::Exists { path, state, .. } => {
                format!("{}: the run exists already: {state}", path.display())
            }
            Self::NoSuchRun { path, .. } => format!("{}: there is no run here", path.display()),
            Self::NoProgram { looked } => {
                format!("the program `compacter`, which trains, was not found: {looked}")
            }
            Self::Over {
                path,
                request,
                state,
                ..
            } => format!("{request}: {} is not running: {state}", path.display()),
            Self::Denied { request, message } => format!("{request}: {message}"),
            Self::Interrupted { message } => format!("interrupted; {message}"),
            Self::Ended { path, message, .. } => format!("{}: {message}", path.display()),
            Self::Refused { message }
            | Self::NoFactors { message, .. }
            | Self::Argument { message, .. } => message.clone(),
            Self::NoLayer { asked, .. } => format!("there is no layer `{asked}`"),
            Self::Tensor(error) => first_line(error),
        }
    }

    /// What to do about it, where the problem does not say that itself.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Exists { hint, .. }
            | Self::NoSuchRun { hint, .. }
            | Self::Over { hint, .. }
            | Self::Ended { hint, .. }
            | Self::NoFactors { hint, .. }
            | Self::NoLayer { hint, .. }
            | Self::Argument { hint, .. } => Some(hint.clone()),
            Self::NoProgram { .. } => Some(
                "set COMPACTER_PROGRAM to its path and restart the kernel, or train here: `Run::builder(…).in_process().start()`".to_owned(),
            ),
            Self::Refused { .. } => Some(
                "change the configuration, or lay a value over it: `Run::builder(…).set(\"key=value\").start()`".to_owned(),
            ),
            Self::Core(error) => core_hint(error).map(str::to_owned),
            Self::Denied { .. } | Self::Interrupted { .. } | Self::Tensor(_) => None,
        }
    }
}

/// What a notebook adds to the library's own advice.
pub(crate) fn core_hint(error: &Error) -> Option<&'static str> {
    match error {
        Error::Config { .. } => Some("nothing was started; change the text and run the cell again"),
        Error::Io { source, .. } if source.kind() == std::io::ErrorKind::NotFound => Some(
            "relative paths in a configuration file start at the file, those in a cell at the notebook's folder",
        ),
        _ => None,
    }
}

/// The library appends a backtrace where that is switched on.
fn first_line(error: &candle_core::Error) -> String {
    let text = error.to_string();
    let line = text.lines().find(|line| !line.trim().is_empty());
    line.unwrap_or_default().trim().to_owned()
}

impl fmt::Display for NotebookError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.problem())?;
        match self.hint() {
            Some(hint) => write!(f, "\n  what to do: {hint}"),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for NotebookError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for NotebookError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Core(error) => Some(error),
            Self::Tensor(error) => Some(error),
            _ => None,
        }
    }
}

impl From<Error> for NotebookError {
    fn from(error: Error) -> Self {
        Self::Core(error)
    }
}

/// So that `check()?` stands in a function of one's own, too.
impl From<Interrupted> for NotebookError {
    fn from(_: Interrupted) -> Self {
        Self::Interrupted {
            message: "every variable is as it was".to_owned(),
        }
    }
}

impl From<candle_core::Error> for NotebookError {
    fn from(error: candle_core::Error) -> Self {
        Self::Tensor(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interrupt_reads_the_same_from_a_function_of_ones_own() {
        let error = NotebookError::from(Interrupted);
        assert_eq!(error.to_string(), Interrupted.to_string());
    }

    #[test]
    fn debug_reads_like_display_and_ends_with_what_to_do() {
        let error = NotebookError::NoLayer {
            asked: "enc.9 attn down".to_owned(),
            hint: "did you mean `enc.1 attn down`?".to_owned(),
        };
        let text = format!("{error:?}");
        assert_eq!(text, error.to_string());
        assert!(
            text.ends_with("what to do: did you mean `enc.1 attn down`?"),
            "{text}"
        );
    }
}
