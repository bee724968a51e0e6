//! Waits for a run's end.

use std::collections::BTreeMap;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use compacter_core::event::Ending;
use compacter_core::view::{RunView, Status};

use super::{Run, place};
use crate::error::{NotebookError, Result};
use crate::interrupt::{self, LOOK};
use crate::show::html::{facts, plain_facts, title};
use crate::show::number::{duration, grouped, short};
use crate::show::{Bundle, Rich};

/// How long a pause has to last before a cell does not wait for its end.
const PAUSE: Duration = Duration::from_secs(2);
/// How long a trainer that has said its last word may take to let go of the folder.
const LET_GO: Duration = Duration::from_secs(2);
/// How long a cell that was interrupted waits for a trainer of this process.
const SAVING: Duration = Duration::from_millis(300);
/// Bytes from the end of a trainer's log that a message may hold.
const LOG: usize = 600;

/// How a run came to its end.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// The run's name.
    pub name: String,
    /// Why it ended.
    pub reason: Ending,
    /// Optimizer steps done.
    pub steps: u64,
    /// Seconds that its processes took.
    pub seconds: f64,
    /// The best evaluation by metric; empty where there was none.
    pub best: BTreeMap<String, f64>,
}

impl Run {
    /// Waits until the run is complete.
    ///
    /// # Errors
    /// When the run failed, was told to end, or is paused by somebody; and when the cell is
    /// interrupted. A run in a process of its own then goes on; one of this process saves and
    /// ends.
    pub fn wait(&self) -> Result<Outcome> {
        let mut source = self.source()?;
        let mut paused: Option<Instant> = None;
        loop {
            if interrupt::check().is_err() {
                return Err(self.interrupted());
            }
            // Looked at first: what it said last is then in the record.
            let runs = self.is_running()?;
            source.poll(place::now())?;
            let view = source.view();
            match self.ended(view, runs) {
                Some(ended) => {
                    self.let_go();
                    return ended;
                }
                None => thread::sleep(LOOK),
            }
            if !matches!(source.view().status(place::now()), Status::Paused { .. }) {
                paused = None;
            } else if paused.get_or_insert_with(Instant::now).elapsed() > PAUSE {
                return Err(self.end(
                    "the run is paused, so there is nothing to wait for".to_owned(),
                    "`run.resume()?` has it go on",
                ));
            }
        }
    }

    /// How it ended; `None` while it has not.
    fn ended(&self, view: &RunView, runs: bool) -> Option<Result<Outcome>> {
        let again = "`.resume()` on its builder goes on from the last checkpoint";
        match view.status(place::now()) {
            Status::Finished { reason, best } => Some(Ok(Outcome {
                name: self.name(),
                reason,
                steps: view.step,
                seconds: view.elapsed(place::now()),
                best: best.unwrap_or_default(),
            })),
            // An earlier process may have said so.
            _ if runs => None,
            Status::Failed { message } => {
                Some(Err(self.end(format!("the run failed: {message}"), again)))
            }
            Status::Interrupted { reason } => Some(Err(
                self.end(format!("the run was told to end: {reason}"), again)
            )),
            _ => {
                let said = last_words(&self.path().join("run.log"));
                let message = format!("the trainer is gone, at step {}{said}", view.step);
                Some(Err(self.end(message, again)))
            }
        }
    }

    fn end(&self, message: String, hint: &str) -> NotebookError {
        NotebookError::Ended {
            path: self.path().to_path_buf(),
            message,
            hint: hint.to_owned(),
        }
    }

    /// Waits until the folder is free, so that the next cell finds it so, and until the last
    /// picture is drawn: a front end may keep nothing that comes after the cell.
    fn let_go(&self) {
        let is_drawn = || self.live.as_ref().is_none_or(|live| live.is_finished());
        let start = Instant::now();
        while start.elapsed() < LET_GO && (self.is_running().unwrap_or(false) || !is_drawn()) {
            thread::sleep(LOOK);
        }
    }

    fn interrupted(&self) -> NotebookError {
        let Some(local) = &self.local else {
            return NotebookError::Interrupted {
                message: "the run goes on; `run.stop()?` ends it, `run.wait()?` waits again"
                    .to_owned(),
            };
        };
        local.cancel();
        let start = Instant::now();
        while start.elapsed() < SAVING && !local.has_ended() {
            thread::sleep(LOOK);
        }
        let saved = if local.has_ended() {
            "the run is saved"
        } else {
            "the run is being saved"
        };
        NotebookError::Interrupted {
            message: format!("{saved}; `.resume()` on its builder goes on with it"),
        }
    }
}

/// The end of a trainer's log, where it has one.
fn last_words(log: &Path) -> String {
    let said = std::fs::read(log).unwrap_or_default();
    let said = String::from_utf8_lossy(&said[said.len().saturating_sub(LOG)..]).into_owned();
    let lines: Vec<&str> = said.lines().rev().take(3).collect();
    if lines.is_empty() {
        return String::new();
    }
    let lines: Vec<&str> = lines.into_iter().rev().collect();
    format!("; its log ends with\n{}", lines.join("\n"))
}

impl Outcome {
    fn said(&self) -> Vec<(&str, String)> {
        let mut said = vec![
            ("ended", self.reason.to_string()),
            ("steps", grouped(self.steps)),
            ("time", duration(self.seconds)),
        ];
        said.extend(
            self.best
                .iter()
                .map(|(name, value)| (name.as_str(), short(*value))),
        );
        said
    }
}

impl Rich for Outcome {
    fn bundle(&self) -> Bundle {
        let plain = format!("{}: {}", self.name, plain_facts(self.said()));
        Bundle::plain(plain).with_html(title(&self.name) + &facts(self.said()))
    }
}
