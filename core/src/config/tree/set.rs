//! Values given one by one: `--set train.learning_rate=1e-3`.

use toml::Spanned;
use toml::de::DeValue;

use super::node::{Node, Origin};
use crate::config::complaint::{Complaint, Outcome};

/// Splits a `--set` into the path of its field and the text of the value.
pub(super) fn split(set: &str) -> Outcome<(Vec<String>, &str)> {
    let Some((path, value)) = set.split_once('=') else {
        let message = "has no `=`; write it like train.learning_rate=1e-3";
        return Err(Complaint::whole(message));
    };
    let path: Vec<String> = path.split('.').map(|key| key.trim().to_owned()).collect();
    if path.iter().any(String::is_empty) {
        let message = "names no field before `=`; write it like train.learning_rate=1e-3";
        return Err(Complaint::whole(message));
    }
    match value.trim() {
        "" => Err(Complaint::whole("has no value after `=`").below(&path)),
        value => Ok((path, value)),
    }
}

/// Lays the `--set` of number `at` over a tree.
pub(super) fn lay_over(root: &mut Node, at: usize, set: &str) -> Outcome {
    let (path, text) = split(set)?;
    let value = parse(text, at).map_err(|complaint| complaint.below(&path))?;
    root.put(&path, Origin::Set(at), value)
}

/// The value of a `--set`: TOML where it is TOML, else the text itself.
fn parse(text: &str, at: usize) -> Outcome<Node> {
    let parsed = DeValue::parse(text);
    match parsed.as_ref().map(Spanned::get_ref) {
        Ok(value) => Ok(Node::from_set(value, text, at)),
        // Whoever opens a bracket or a quote means TOML.
        Err(error) if text.starts_with(['[', '{', '"', '\'']) => {
            Err(Complaint::whole(super::one_line(error.message())))
        }
        Err(_) => Ok(Node::Text(text.to_owned())),
    }
}
