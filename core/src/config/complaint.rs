//! What is wrong with one field, before it is known where the field was written.

use std::fmt;

use super::hint;

/// The result of a check.
pub(crate) type Outcome<T = ()> = Result<T, Complaint>;

/// What is wrong with a field and what would be right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Complaint {
    /// Keys from the root to the field; elements of a list by their number, from 0.
    pub(crate) path: Vec<String>,
    /// What is wrong.
    pub(crate) message: String,
    /// Keys that would have been known, when the last key of the path is not.
    pub(crate) known: Option<&'static [&'static str]>,
}

impl Complaint {
    /// A complaint about the field at a dotted path.
    pub(crate) fn new(field: &str, message: impl Into<String>) -> Self {
        Self {
            path: field.split('.').map(str::to_owned).collect(),
            message: message.into(),
            known: None,
        }
    }

    /// A complaint about a word that is none of the names allowed.
    pub(crate) fn not_one_of(field: &str, word: &str, names: &[&str]) -> Self {
        Self::new(field, hint::not_one_of(word, names))
    }

    /// A complaint about the value at hand, whose path is not known yet.
    pub(crate) fn whole(message: impl Into<String>) -> Self {
        Self {
            path: Vec::new(),
            message: message.into(),
            known: None,
        }
    }

    /// The complaint seen from a table or list that holds the value under `key`.
    pub(crate) fn within(mut self, key: &str) -> Self {
        self.path.insert(0, key.to_owned());
        self
    }

    /// The complaint seen from the root, where the value stands at `path`.
    pub(crate) fn below(mut self, path: &[String]) -> Self {
        self.path.splice(0..0, path.iter().cloned());
        self
    }

    /// Dotted path of the field; empty for the whole configuration.
    pub(crate) fn field(&self) -> String {
        self.path.join(".")
    }
}

impl fmt::Display for Complaint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.path.is_empty() {
            write!(f, "{}: ", self.field())?;
        }
        f.write_str(&self.message)
    }
}

impl std::error::Error for Complaint {}

/// Complains about `field` unless the condition holds.
pub(crate) fn ensure(holds: bool, field: &str, message: impl Into<String>) -> Outcome {
    if holds {
        Ok(())
    } else {
        Err(Complaint::new(field, message))
    }
}

/// Complains about a number, if given, that is below `least`.
pub(crate) fn at_least<N>(field: &str, value: impl Into<Option<N>>, least: N) -> Outcome
where
    N: Copy + PartialOrd + fmt::Display,
{
    match value.into() {
        Some(value) if value < least => Err(Complaint::new(
            field,
            format!("must be at least {least}, found {value}"),
        )),
        _ => Ok(()),
    }
}

/// Complains about a number, if given, that is not finite and above 0.
pub(crate) fn positive(field: &str, value: impl Into<Option<f64>>) -> Outcome {
    match value.into() {
        Some(value) if !(value.is_finite() && value > 0.0) => Err(Complaint::new(
            field,
            format!("must be a finite number above 0, found {value}"),
        )),
        _ => Ok(()),
    }
}
