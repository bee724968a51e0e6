//! Why a cell failed, as the protocol wants it: a name, a sentence, a traceback.

use std::ops::Range;

use ariadne::sources;
use evcxr::{CompilationError, Error, Theme};
use serde_json::{Value, json};

use crate::outlet::Happened;

/// A cell's failure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Failure {
    /// What kind it is of.
    pub(super) name: &'static str,
    /// What it is, in a sentence.
    pub(super) value: String,
    /// What is shown.
    pub(super) traceback: Vec<String>,
}

impl Failure {
    /// One that is told by a sentence alone.
    pub(super) fn new(name: &'static str, value: impl Into<String>) -> Self {
        let value = value.into();
        let headline = format!("\u{1b}[1;31m{name}\u{1b}[0m: {value}");
        Self {
            name,
            value,
            traceback: headline.lines().map(str::to_owned).collect(),
        }
    }

    /// What evcxr says of a cell's code.
    pub(super) fn of(error: &Error, code: &str, count: u64) -> Self {
        let Error::CompilationErrors(errors) = error else {
            let mut text = error.to_string();
            if text.contains("offline") {
                text.push_str("\nCrates are taken from cargo's own store: `:offline 0` first lets it ask the network");
            }
            return Self::new("Error", text);
        };
        let value = errors
            .iter()
            .map(CompilationError::message)
            .collect::<Vec<_>>();
        let shown = errors.iter().flat_map(|error| shown(error, code, count));
        Self {
            name: "CompileError",
            value: value.join("\n"),
            traceback: shown.collect(),
        }
    }

    /// What happened to a cell while it ran, if it is a failure.
    pub(super) fn of_run(happened: &Happened) -> Option<Self> {
        if happened.panicked {
            return Some(Self::new("Panic", panic_message(&happened.errors)));
        }
        let value = happened.errors.trim();
        let value = if value.is_empty() {
            "an error was returned"
        } else {
            value
        };
        happened.failed.then(|| Self::new("Error", value))
    }

    /// The content of an `error` message, and most of a reply's.
    pub(super) fn content(&self) -> Value {
        json!({"ename": self.name, "evalue": self.value, "traceback": self.traceback})
    }
}

/// A compiler's message with the places it speaks of.
fn shown(error: &CompilationError, code: &str, count: u64) -> Vec<String> {
    let name = format!("cell {count}");
    let mut text = Vec::new();
    // Only text that is all ASCII can be pointed at: the places are bytes.
    let drawn = error
        .build_report(name.clone(), code.to_owned(), Theme::Dark)
        .is_some_and(|report| {
            let span: (String, Range<usize>) = (name.clone(), 0..code.len());
            let source = sources([(span.0, code)]);
            report.write(source, &mut text).is_ok()
        });
    let mut text = if drawn {
        String::from_utf8_lossy(&text).into_owned()
    } else {
        error.rendered()
    };
    if let Some(hint) = error.evcxr_extra_hint() {
        text.push_str(hint);
    }
    text.lines().map(str::to_owned).collect()
}

/// What a panic said, of what the standard library printed of it.
fn panic_message(errors: &str) -> String {
    let Some(at) = errors.rfind("panicked at ") else {
        return "a cell panicked".to_owned();
    };
    let rest = errors[at..].split_once('\n').map_or("", |(_, rest)| rest);
    let message = rest
        .lines()
        .take_while(|line| !line.starts_with("note: run with"));
    message.collect::<Vec<_>>().join("\n").trim().to_owned()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn a_panic_is_told_by_its_message() {
        let errors = "earlier\n\nthread '<unnamed>' (7) panicked at src/lib.rs:9:5:\nboom\nand more\n\
                      note: run with `RUST_BACKTRACE=1`";
        let happened = Happened {
            panicked: true,
            errors: errors.to_owned(),
            ..Happened::default()
        };
        let failure = Failure::of_run(&happened).unwrap();
        assert_eq!(
            (failure.name, failure.value.as_str()),
            ("Panic", "boom\nand more")
        );
        assert_eq!(failure.traceback.len(), 2);
    }

    #[test]
    fn a_returned_error_is_told_by_what_it_printed() {
        let happened = Happened {
            failed: true,
            errors: "no such file\n".to_owned(),
            ..Happened::default()
        };
        assert_eq!(Failure::of_run(&happened).unwrap().value, "no such file");
        assert_eq!(Failure::of_run(&Happened::default()), None);
    }
}
