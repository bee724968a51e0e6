//! Printing to standard output; a closed pipe ends the program's output, not its work.

use std::io::{self, ErrorKind, Write};

use compacter_core::{Error, Result};
use serde::Serialize;

/// Prints text as it is.
pub(crate) fn text(text: &str) -> Result<()> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(e) if e.kind() == ErrorKind::BrokenPipe => Ok(()),
        outcome => outcome.map_err(Error::io("standard output", "write")),
    }
}

/// Prints one line.
pub(crate) fn line(line: &str) -> Result<()> {
    text(&format!("{line}\n"))
}

/// Prints a value as one line of JSON.
pub(crate) fn json(value: &impl Serialize) -> Result<()> {
    match serde_json::to_string(value) {
        Ok(text) => line(&text),
        Err(e) => Err(Error::io("standard output", "write")(e.into())),
    }
}

/// How the program was called, for commands that are to be typed next.
pub(crate) fn program() -> String {
    let called = std::env::args().next();
    called
        .filter(|name| !name.is_empty())
        .unwrap_or_else(|| "compacter".to_owned())
}
