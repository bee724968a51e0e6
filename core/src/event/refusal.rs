//! Why an edit of the configuration was refused, and where it stands.

use serde::{Deserialize, Serialize};

use super::Change;
use crate::error::Error;

/// Characters of a source line that are recorded at most.
const LONGEST_LINE: usize = 200;

/// An edit that was refused; the values in force stay.
///
/// The message says everything; the other fields say its parts again, as far as they are
/// known. Records of earlier versions have the message alone.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Refusal {
    /// Why, with file, line and field.
    pub message: String,
    /// The file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// Line in the file, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<usize>,
    /// Column in the line, in characters, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub column: Option<usize>,
    /// Dotted path of the field.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// What is wrong and what would be right, without the place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The line as it stood in the file, its beginning where it is long.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// Changes that are right in themselves and need a restart.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub restart: Vec<Change>,
}

impl Refusal {
    /// A refusal of which nothing is known but the reason.
    #[must_use]
    pub fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            ..Self::default()
        }
    }

    /// A refusal for an error, found in a file's text.
    #[must_use]
    pub fn of(error: &Error, text: &str) -> Self {
        let mut refusal = Self::new(error.to_string());
        let Error::Config {
            path,
            place,
            field,
            message,
        } = error
        else {
            return refusal;
        };
        refusal.file = Some(path.display().to_string());
        refusal.field = Some(field.clone()).filter(|field| !field.is_empty());
        refusal.reason = Some(message.clone());
        if let Some(place) = place {
            refusal.line = Some(place.line);
            refusal.column = Some(place.column);
            let line = text.lines().nth(place.line.saturating_sub(1));
            refusal.source = line.map(|line| line.chars().take(LONGEST_LINE).collect());
        }
        refusal
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use crate::config::RunConfig;

    #[test]
    fn an_error_of_a_file_is_taken_apart() {
        let text = "name = 'a'\n[train]\nlearning_rate = 'fast'\n";
        let error = RunConfig::parse("run.toml".as_ref(), text, &[]).unwrap_err();
        let refusal = Refusal::of(&error, text);
        assert_eq!(refusal.file.as_deref(), Some("run.toml"));
        assert_eq!((refusal.line, refusal.column.is_some()), (Some(3), true));
        assert_eq!(refusal.field.as_deref(), Some("train.learning_rate"));
        assert_eq!(refusal.source.as_deref(), Some("learning_rate = 'fast'"));
    }

    #[test]
    fn a_record_of_an_earlier_version_is_read() {
        let refusal: Refusal = serde_json::from_str("{\"message\":\"no\"}").unwrap();
        assert_eq!(refusal, Refusal::new("no"));
        assert_eq!(
            serde_json::to_string(&refusal).unwrap(),
            "{\"message\":\"no\"}"
        );
    }
}
