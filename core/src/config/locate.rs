//! Finds the line that a later refusal is about.
//!
//! Whether `n` divides a width, or a task has a metric, is known only once model and data
//! are: by then the configuration is plain values, and the refusal cannot say where in
//! which file its field was written. [`locate`] looks that up.

use std::path::Path;

use super::complaint::Complaint;
use super::read_text;
use super::tree::Tree;
use crate::error::Error;

/// Stands for the file in a refusal by who does not know it.
pub(crate) const UNNAMED: &str = "configuration";

/// Gives a refusal of a field its place in the file at `path`, or in one of the `--set`.
///
/// Other errors stay as they are, as do all when the file cannot be read any more.
#[must_use]
pub fn locate(error: Error, path: &Path, overrides: &[String]) -> Error {
    let complaint = match &error {
        Error::Config {
            path,
            field,
            message,
            ..
        } if path == Path::new(UNNAMED) => Complaint::new(field, message),
        Error::Method { message } => Complaint::new("method", message),
        Error::Device { device, message } => {
            Complaint::new("model.device", format!("{device}: {message}"))
        }
        _ => return error,
    };
    match read_text(path).and_then(|text| Tree::parse(path, &text, overrides)) {
        Ok(tree) => tree.refuse(complaint),
        Err(_) => error,
    }
}

/// A refusal of a field in a text that can be read otherwise, with its place; `None` where
/// it cannot be read.
pub(crate) fn refuse_field(path: &Path, text: &str, field: &str, why: &str) -> Option<Error> {
    let tree = Tree::parse(path, text, &[]).ok()?;
    Some(tree.refuse(Complaint::new(field, why)))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn located(error: Error, overrides: &[&str]) -> String {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("run.toml");
        std::fs::write(
            &path,
            "name = 'a'\n[method]\nn = 3\n[eval]\nmetric = 'f2'\n",
        )
        .unwrap();
        let overrides: Vec<String> = overrides.iter().map(|&set| set.to_owned()).collect();
        let text = locate(error, &path, &overrides).to_string();
        text.replace(&folder.path().display().to_string(), "~")
    }

    fn refused(field: &str) -> Error {
        Error::Config {
            path: UNNAMED.into(),
            place: None,
            field: field.to_owned(),
            message: "no".to_owned(),
        }
    }

    #[test]
    fn a_field_is_found_where_it_was_written() {
        assert_eq!(
            located(refused("eval.metric"), &[]),
            "~/run.toml:5:1: eval.metric: no"
        );
        let set = located(refused("eval.metric"), &["eval.metric=f3"]);
        assert_eq!(set, "--set eval.metric=f3: eval.metric: no");
        assert_eq!(
            located(refused("eval.every"), &[]),
            "~/run.toml:4:2: eval.every: no"
        );
    }

    #[test]
    fn a_method_that_does_not_fit_is_found_by_its_table() {
        assert_eq!(
            located(Error::method("no"), &[]),
            "~/run.toml:2:2: method: no"
        );
    }

    #[test]
    fn other_errors_stay_as_they_are() {
        assert_eq!(located(Error::run("runs/a", "no"), &[]), "runs/a: no");
    }
}
