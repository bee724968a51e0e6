//! What was run before, in this session and in earlier ones.
//!
//! One JSON object a line, `{"session":…,"line":…,"source":…}`, appended by every kernel of
//! the user's; a line that is cut off is passed over.

use std::collections::HashSet;
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::wire::Request;

/// Cells that are told of at most.
const MOST: usize = 10_000;

/// A cell that was run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Entry {
    session: u64,
    line: u64,
    source: String,
}

/// The cells that were run.
#[derive(Debug)]
pub struct History {
    path: PathBuf,
    session: u64,
    file: Mutex<Option<File>>,
}

impl History {
    /// The history in a file, which is made where there is none; a session of its own begins.
    #[must_use]
    pub fn open(path: &Path) -> Self {
        let session =
            entries(path).map_or(0, |all| all.last().map_or(0, |entry| entry.session)) + 1;
        let file = OpenOptions::new().create(true).append(true).open(path);
        let file = file
            .inspect_err(|error| tracing::warn!("{}: {error}: no history is kept", path.display()))
            .ok();
        Self {
            path: path.to_owned(),
            session,
            file: Mutex::new(file),
        }
    }

    /// Notes a cell.
    pub fn add(&self, line: u64, source: &str) {
        let entry = Entry {
            session: self.session,
            line,
            source: source.to_owned(),
        };
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(file) = file.as_mut() else { return };
        let written = serde_json::to_string(&entry)
            .map_err(io::Error::other)
            // In one go: other kernels write too.
            .and_then(|text| file.write_all(format!("{text}\n").as_bytes()));
        if let Err(error) = written {
            tracing::warn!("{}: {error}", self.path.display());
        }
    }

    /// The content of a `history_reply`.
    #[must_use]
    pub fn answer(&self, request: &Request) -> Value {
        let all = entries(&self.path).unwrap_or_default();
        let count = request
            .number("n")
            .and_then(|n| usize::try_from(n).ok())
            .unwrap_or(MOST)
            .min(MOST);
        let found = match request.text("hist_access_type") {
            "range" => self.range(all, request),
            "search" => search(
                all,
                request.text("pattern"),
                request.flag("unique", false),
                count,
            ),
            _ => last(all, count),
        };
        let output = request.flag("output", false);
        let told = found.into_iter().map(|entry| {
            let source = if output {
                json!([entry.source, Value::Null])
            } else {
                json!(entry.source)
            };
            json!([entry.session, entry.line, source])
        });
        json!({"status": "ok", "history": told.collect::<Vec<_>>()})
    }

    /// Lines `start` up to `stop`, not included, of a session; 0 is this one, -1 the one before.
    fn range(&self, all: Vec<Entry>, request: &Request) -> Vec<Entry> {
        let session = request.number("session").unwrap_or(0);
        let session = if session > 0 {
            u64::try_from(session).unwrap_or(0)
        } else {
            self.session.saturating_sub(session.unsigned_abs())
        };
        let start = request
            .number("start")
            .and_then(|at| u64::try_from(at).ok())
            .unwrap_or(0);
        let stop = request
            .number("stop")
            .and_then(|at| u64::try_from(at).ok())
            .unwrap_or(u64::MAX);
        let here = |entry: &Entry| entry.session == session && (start..stop).contains(&entry.line);
        all.into_iter().filter(here).collect()
    }
}

fn entries(path: &Path) -> io::Result<Vec<Entry>> {
    let lines = BufReader::new(File::open(path)?).lines();
    Ok(lines
        .map_while(Result::ok)
        .filter_map(|line| serde_json::from_str(&line).ok())
        .collect())
}

fn last(mut all: Vec<Entry>, count: usize) -> Vec<Entry> {
    all.split_off(all.len().saturating_sub(count))
}

/// The last entries that match; where they are to be unique, the last of each.
fn search(all: Vec<Entry>, pattern: &str, unique: bool, count: usize) -> Vec<Entry> {
    let mut seen = HashSet::new();
    let mut found: Vec<Entry> = all
        .into_iter()
        .rev()
        .filter(|entry| matches(pattern.as_bytes(), entry.source.as_bytes()))
        .filter(|entry| !unique || seen.insert(entry.source.clone()))
        .take(count)
        .collect();
    found.reverse();
    found
}

/// Whether a text is what a pattern says: `*` is any text, `?` any one byte.
fn matches(pattern: &[u8], text: &[u8]) -> bool {
    let (mut p, mut t) = (0, 0);
    // Where the last star was, and how much it has taken.
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(byte) if *byte == b'?' || *byte == text[t] => {
                p += 1;
                t += 1;
            }
            _ => match &mut star {
                Some((at, taken)) => {
                    *taken += 1;
                    (p, t) = (*at + 1, *taken);
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|byte| *byte == b'*')
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use crate::wire::message;

    fn ask(history: &History, content: Value) -> Value {
        let request = Request {
            identities: Vec::new(),
            header: message("history_request", json!({}), None).header,
            content,
        };
        history.answer(&request)["history"].clone()
    }

    #[test]
    fn cells_are_found_by_place_and_by_pattern_also_in_a_later_session() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("history.jsonl");
        let first = History::open(&path);
        for (line, source) in [(1, "let a = 1;"), (2, "a + 1"), (3, "let a = 1;")] {
            first.add(line, source);
        }
        std::fs::OpenOptions::new()
            .append(true)
            .open(&path)
            .unwrap()
            .write_all(b"{\"cut")
            .unwrap();
        drop(first);
        std::fs::OpenOptions::new()
            .append(true)
            .open(&path)
            .unwrap()
            .write_all(b"\n")
            .unwrap();
        let second = History::open(&path);
        second.add(1, "b");
        assert_eq!(
            ask(&second, json!({"hist_access_type": "tail", "n": 2})),
            json!([[1, 3, "let a = 1;"], [2, 1, "b"]])
        );
        assert_eq!(
            ask(
                &second,
                json!({"hist_access_type": "range", "session": -1, "start": 2, "stop": 3, "output": true})
            ),
            json!([[1, 2, ["a + 1", null]]])
        );
        assert_eq!(
            ask(
                &second,
                json!({"hist_access_type": "search", "pattern": "let*", "unique": true})
            ),
            json!([[1, 3, "let a = 1;"]])
        );
        assert_eq!(
            ask(&second, json!({"hist_access_type": "range", "session": 0})),
            json!([[2, 1, "b"]])
        );
    }

    #[test]
    fn patterns_are_those_of_a_shell() {
        for (pattern, text, is) in [
            ("*", "", true),
            ("a*c", "abbc", true),
            ("a*c", "abcd", false),
            ("?b*", "abc", true),
            ("", "a", false),
            ("a**", "a", true),
            ("*aab", "aaaab", true),
            ("a?", "a", false),
        ] {
            assert_eq!(
                matches(pattern.as_bytes(), text.as_bytes()),
                is,
                "{pattern} {text}"
            );
        }
    }
}
