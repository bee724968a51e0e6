//! Asks a run to do something, and waits for its acknowledgement.
//!
//! A run on this machine is asked through its socket, any other through its mailbox; it
//! answers once the trainer has heard the request, between two steps. The cell waits on
//! another thread's work, so that it can be interrupted meanwhile.

use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use compacter_core::event::Kind;
use compacter_core::event::replay::{Follow, Update};
use compacter_core::run::{Outcome, Request, RunFolder, ask, envelope};

use super::{Run, place};
use crate::error::{NotebookError, Result};
use crate::interrupt::{self, LOOK};

/// How long a run may take to answer: a step of a large model is long.
const LIMIT: Duration = Duration::from_secs(30);

impl Run {
    /// Asks, and waits until the run has answered.
    pub(super) fn ask(&self, request: &Request) -> Result<()> {
        self.asked(request).map(|_| ())
    }

    /// Asks, and waits until the run has recorded what comes of it, or is over.
    pub(super) fn ask_until(
        &self,
        request: &Request,
        is_done: impl Fn(&Kind) -> bool,
    ) -> Result<()> {
        let mut follow = Follow::new(self.path().join("events.jsonl"));
        // What was recorded before is nothing that was asked for.
        follow.poll()?;
        let asked = self.asked(request)?;
        let mut is_heard = false;
        loop {
            // Looked at first: what it recorded last is then there.
            let runs = self.is_running()?;
            let (Update::Appended(events) | Update::Restarted(events)) = follow.poll()?;
            for event in events {
                if is_heard && is_done(&event.kind) {
                    return Ok(());
                }
                is_heard |= matches!(event.kind, Kind::Command { id, .. } if id == asked);
            }
            if !runs {
                return Ok(());
            }
            if interrupt::check().is_err() {
                let message = format!("the run does `{request}` all the same");
                return Err(NotebookError::Interrupted { message });
            }
            thread::sleep(LOOK);
        }
    }

    /// Asks, and waits until the run has answered; the request's number.
    fn asked(&self, request: &Request) -> Result<String> {
        if !self.is_running()? {
            return Err(self.over(request));
        }
        let denied = |message: String| NotebookError::Denied {
            request: request.to_string(),
            message,
        };
        match self.answer(request)? {
            Outcome::Answered(answer) if answer.accepted => Ok(answer.id),
            Outcome::Answered(answer) => {
                let message = answer.message;
                Err(denied(
                    message.unwrap_or_else(|| "the run refused".to_owned()),
                ))
            }
            Outcome::Unanswered(_) if !self.is_running()? => Err(self.over(request)),
            Outcome::Unanswered(why) => Err(denied(why)),
        }
    }

    /// Sends a request, and waits for the answer or an interrupt.
    fn answer(&self, request: &Request) -> Result<Outcome> {
        let folder = RunFolder::open(self.path())?;
        let envelope = envelope("notebook", request);
        let (sender, answers) = mpsc::channel();
        thread::spawn(move || {
            // A cell that was interrupted does not wait any longer.
            let _unheard = sender.send(ask(&folder, &envelope, LIMIT));
        });
        loop {
            match answers.recv_timeout(LOOK) {
                Ok(outcome) => return Ok(outcome?),
                Err(RecvTimeoutError::Disconnected) => {
                    let message = "nobody waits for its answer".to_owned();
                    return Ok(Outcome::Unanswered(message));
                }
                Err(RecvTimeoutError::Timeout) if interrupt::check().is_err() => {
                    let message = format!("`{request}` was sent, and the run may still do it");
                    return Err(NotebookError::Interrupted { message });
                }
                Err(RecvTimeoutError::Timeout) => {}
            }
        }
    }

    /// The mistake of asking a run that is over.
    fn over(&self, request: &Request) -> NotebookError {
        let state = place::state(self.path()).unwrap_or_else(|error| (error.to_string(), false));
        let path = self.path().to_path_buf();
        let hint = if state.1 {
            "`run.fork(None)?` starts a new run from its last checkpoint".to_owned()
        } else {
            format!(
                "`Run::builder({:?}).resume().start()?` goes on with it",
                path.join("config.toml").display().to_string()
            )
        };
        NotebookError::Over {
            path,
            request: request.to_string(),
            state: state.0,
            hint,
        }
    }
}
