//! Asks whoever looks at the notebook, and waits for the answer.
//!
//! ```text
//! cell ─ EVCXR_INPUT_REQUEST:prompt ─▶ kernel ─ input_request ─▶ front end
//!     ◀──────────── a line ────────────       ◀─ input_reply ───
//! ```
//!
//! The question is a line on standard output as evcxr reads it, which ends a prompt at a colon
//! and at the line's end: colons and newlines go as `COLON` and `NEWLINE`. The answer is a
//! line on standard input; `NOBODY` says that there will be none.

use std::io::{self, BufRead, Write};

use crate::error::{NotebookError, Result};
use crate::{channel, interrupt};

/// Stands for a colon in a prompt (a unit separator).
const COLON: char = '\u{1f}';
/// Stands for a newline in a prompt (a record separator).
const NEWLINE: char = '\u{1e}';
/// Comes instead of an answer (a cancel character).
const NOBODY: &str = "\u{18}";

/// Asks for a line of text.
///
/// ```no_run
/// # fn main() -> compacter_notebook::Result<()> {
/// # use compacter_notebook::input;
/// let name = input("A name for the run: ")?;
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// When the cell is interrupted, and where nobody can be asked: a notebook that runs by itself,
/// or a program outside of a notebook whose standard input has ended.
pub fn input(prompt: &str) -> Result<String> {
    ask("EVCXR_INPUT_REQUEST", prompt)
}

/// Asks for a line that is not shown while it is typed.
///
/// # Errors
/// As [`input`].
pub fn password(prompt: &str) -> Result<String> {
    ask("EVCXR_INPUT_REQUEST_PASSWORD", prompt)
}

fn ask(command: &str, prompt: &str) -> Result<String> {
    // A line of its own, whatever was printed before; a kernel of ours shows no empty one for it.
    let begin = match std::env::var_os(channel::CELL) {
        Some(_) => channel::NOTHING,
        None => "\n",
    };
    let question = question(begin, command, prompt);
    match exchange(&mut io::stdout().lock(), &mut io::stdin().lock(), &question) {
        Ok(Some(answer)) => Ok(answer),
        Ok(None) => {
            interrupt::check()?;
            Err(nobody("nobody can be asked here"))
        }
        Err(error) => Err(nobody(&format!("the question was not asked: {error}"))),
    }
}

fn nobody(message: &str) -> NotebookError {
    NotebookError::Argument {
        message: message.to_owned(),
        hint: "write the value into the cell where a notebook runs by itself".to_owned(),
    }
}

/// A question as evcxr reads it.
fn question(begin: &str, command: &str, prompt: &str) -> String {
    let prompt = prompt.replace(':', &COLON.to_string());
    let prompt = prompt.replace(['\n', '\r'], &NEWLINE.to_string());
    format!("{begin}{command}:{prompt}\n")
}

/// Asks on one stream and reads the answer from the other; `None` where there is none.
fn exchange(
    to: &mut impl Write,
    from: &mut impl BufRead,
    question: &str,
) -> io::Result<Option<String>> {
    to.write_all(question.as_bytes())?;
    to.flush()?;
    let mut line = String::new();
    if from.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let answer = line.strip_suffix('\n').unwrap_or(&line);
    Ok((answer != NOBODY).then(|| answer.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(line: &str) -> Option<String> {
        exchange(&mut io::sink(), &mut line.as_bytes(), "").expect("no stream fails here")
    }

    #[test]
    fn a_question_is_one_line_without_a_colon_of_its_own() {
        assert_eq!(question("\n", "ASK", "a: b\nc"), "\nASK:a\u{1f} b\u{1e}c\n");
    }

    #[test]
    fn an_answer_is_taken_as_it_was_typed() {
        assert_eq!(answered(" two words \n").as_deref(), Some(" two words "));
        assert_eq!(answered("\n").as_deref(), Some(""));
    }

    #[test]
    fn no_answer_is_not_an_empty_one() {
        assert_eq!(answered("\u{18}\n"), None);
        assert_eq!(answered(""), None);
    }
}
