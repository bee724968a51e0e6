//! A configuration as written: values that remember where they come from.
//!
//! The file's text becomes a tree, `--set` values are laid over it, and only then is it
//! read as a [`RunConfig`](super::RunConfig). So a complaint about any field, whoever
//! raises it, finds the line and column, or the `--set`, where it was written.

mod node;
mod set;

use std::path::{Path, PathBuf};

use toml::de::DeTable;

pub(crate) use node::{Entry, Node, Origin};

use super::complaint::Complaint;
use super::{hint, schema};
use crate::error::{Error, Place, Result};

/// A configuration as written.
#[derive(Debug, Clone)]
pub(crate) struct Tree {
    path: PathBuf,
    text: String,
    sets: Vec<String>,
    root: Node,
}

impl Tree {
    /// Reads the text of a file and lays `--set` values over it, the last one on top.
    pub(crate) fn parse(path: &Path, text: &str, sets: &[String]) -> Result<Self> {
        let mut tree = Self {
            path: path.to_path_buf(),
            text: text.to_owned(),
            sets: sets.to_vec(),
            root: Node::Table(Vec::new()),
        };
        let table = DeTable::parse(text).map_err(|error| {
            let start = error.span().map(|span| span.start);
            tree.error(start, &Complaint::whole(syntax_message(&error, text)))
        })?;
        tree.root = Node::from_file(table.get_ref());
        for (at, set) in sets.iter().enumerate() {
            set::lay_over(&mut tree.root, at, set)
                .map_err(|complaint| tree.set_error(at, &complaint))?;
        }
        Ok(tree)
    }

    /// The outermost table.
    pub(crate) fn root(&self) -> &Node {
        &self.root
    }

    /// This tree without some of the outermost table's keys.
    pub(crate) fn without(&self, keys: &[&str]) -> Self {
        let mut tree = self.clone();
        if let Node::Table(entries) = &mut tree.root {
            entries.retain(|entry| !keys.contains(&entry.key.as_str()));
        }
        tree
    }

    /// Puts a value of the same file at another place; it keeps where it was written.
    pub(crate) fn put(&mut self, path: &[String], entry: &Entry) -> Result<()> {
        let put = self.root.put(path, entry.origin, entry.value.clone());
        put.map_err(|complaint| match entry.origin {
            Origin::File(start) => self.error(Some(start), &complaint),
            Origin::Set(at) => self.set_error(at, &complaint),
        })
    }

    /// Where the field was written, or, if it was not, the innermost table around it.
    pub(super) fn origin(&self, path: &[String]) -> Option<Origin> {
        let mut origin = None;
        let mut node = &self.root;
        for key in path {
            let Some(entry) = node.entry(key) else { break };
            origin = Some(entry.origin);
            node = &entry.value;
        }
        origin
    }

    /// Whether the field of a `--set` has another value here than in `old`.
    pub(crate) fn edits(&self, old: &Self, set: &str) -> bool {
        set::split(set).is_ok_and(|(path, _)| self.root.at(&path) != old.root.at(&path))
    }

    /// Whether every key of `old` is still there.
    pub(crate) fn has_keys_of(&self, old: &Self) -> bool {
        self.root.has_keys_of(&old.root)
    }

    /// Turns a complaint into an error that names the place.
    pub(crate) fn refuse(&self, mut complaint: Complaint) -> Error {
        if let Some(known) = complaint.known {
            complaint.message = unknown_key(&complaint.path, known);
        }
        match self.origin(&complaint.path) {
            Some(Origin::Set(at)) => self.set_error(at, &complaint),
            Some(Origin::File(start)) => self.error(Some(start), &complaint),
            None => self.error(None, &complaint),
        }
    }

    fn set_error(&self, at: usize, complaint: &Complaint) -> Error {
        Error::Config {
            path: PathBuf::from(format!("--set {}", self.sets[at])),
            place: None,
            field: complaint.field(),
            message: complaint.message.clone(),
        }
    }

    fn error(&self, start: Option<usize>, complaint: &Complaint) -> Error {
        Error::Config {
            path: self.path.clone(),
            place: start.map(|start| place(&self.text, start)),
            field: complaint.field(),
            message: complaint.message.clone(),
        }
    }
}

/// Line and column of a byte of a text, both from 1; columns count characters.
pub(super) fn place(text: &str, byte: usize) -> Place {
    let before = text[..text.floor_char_boundary(byte)].trim_start_matches('\u{feff}');
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    Place {
        line: 1 + before.matches('\n').count(),
        column: 1 + before[line_start..].chars().count(),
    }
}

/// A parser's message, with the word that it is about.
fn syntax_message(error: &toml::de::Error, text: &str) -> String {
    let word = error.span().and_then(|span| text.get(span));
    match (error.message().trim(), word.unwrap_or_default().trim()) {
        ("duplicate key", word) => format!("`{word}` is there twice; remove one of the two"),
        // The parser takes what is not there for a string without quotes.
        (message, "") if message.starts_with("string values must be quoted") => {
            "a key has no value after `=`".to_owned()
        }
        (message, _) => one_line(message),
    }
}

/// Joins the lines of a parser's message.
fn one_line(message: &str) -> String {
    message.trim().replace('\n', "; ")
}

fn unknown_key(path: &[String], known: &[&'static str]) -> String {
    let (key, table) = match path {
        [key] => (key, "the top level".to_owned()),
        [table @ .., key] => (key, format!("[{}]", table.join("."))),
        [] => return "no such setting".to_owned(),
    };
    if let Some(name) = hint::closest(key, known) {
        return format!("no such setting; did you mean `{name}`?");
    }
    let keys = schema::keys();
    let last = |full: &str| full.rsplit('.').next() == Some(key);
    let elsewhere: Vec<String> = keys
        .iter()
        .filter(|full| last(full))
        .map(|full| format!("`{full}`"))
        .collect();
    if elsewhere.is_empty() {
        return format!("{table} has no such setting; it has {}", known.join(", "));
    }
    format!(
        "{table} has no such setting; did you mean {}?",
        elsewhere.join(" or ")
    )
}
