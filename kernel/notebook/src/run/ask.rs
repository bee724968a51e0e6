//! Asks a run to do something, and waits for its acknowledgement.
//!
//! A run on this machine is asked through its socket, any other through its mailbox; it
//! answers once the trainer has heard the request, between two steps. The cell waits on
//! another thread's work, so that it can be interrupted meanwhile.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use compacter_core::Error;
use compacter_core::event::Kind;
use compacter_core::event::replay::{Follow, Update};
use compacter_core::run::{Answer, Envelope, Mailbox, Request, lock, socket};

use super::{Run, place};
use crate::error::{NotebookError, Result};
use crate::interrupt::{self, LOOK};

/// How long a run may take to answer: a step of a large model is long.
const LIMIT: Duration = Duration::from_secs(30);
/// Time between looks for an answer in the record.
const TICK: Duration = Duration::from_millis(50);

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
            Some(answer) if answer.accepted => Ok(answer.id),
            Some(answer) => {
                let message = answer.message;
                Err(denied(
                    message.unwrap_or_else(|| "the run refused".to_owned()),
                ))
            }
            None if !self.is_running()? => Err(self.over(request)),
            None => Err(denied(format!(
                "no answer within {} s: the run is busy, and hears it between two steps",
                LIMIT.as_secs()
            ))),
        }
    }

    /// Sends a request, and waits for the answer or an interrupt; `None` where there is none.
    fn answer(&self, request: &Request) -> Result<Option<Answer>> {
        Mailbox::of(self.path()).check_owner()?;
        let envelope = Envelope::new("notebook", &user(), request);
        let (sender, answers) = mpsc::channel();
        let path = self.path().to_path_buf();
        thread::spawn(move || {
            // A cell that was interrupted does not wait any longer.
            let _unheard = sender.send(answer(&path, &envelope));
        });
        loop {
            match answers.recv_timeout(LOOK) {
                Ok(answer) => return answer,
                Err(RecvTimeoutError::Disconnected) => return Ok(None),
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

/// The user's name, for the record.
fn user() -> String {
    let mut names = ["USER", "LOGNAME"]
        .iter()
        .filter_map(|name| std::env::var(name).ok());
    names.next().unwrap_or_else(|| "somebody".to_owned())
}

/// Sends a request, and waits for the answer; `None` where there is none.
fn answer(path: &Path, envelope: &Envelope) -> Result<Option<Answer>> {
    if let Some(through_socket) = by_socket(path, envelope)? {
        return Ok(Some(through_socket));
    }
    by_mailbox(path, envelope)
}

/// `None` where the run has no socket that hears.
fn by_socket(path: &Path, envelope: &Envelope) -> Result<Option<Answer>> {
    let runtime = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
    let address = runtime.and_then(|runtime| socket::address(&runtime, path));
    let Some(address) = address else {
        return Ok(None);
    };
    match socket::ask(&address, path, envelope, LIMIT) {
        Ok(answer) => Ok(Some(answer)),
        Err(error) if error.kind() == ErrorKind::NotConnected => Ok(None),
        Err(error) if matches!(error.kind(), ErrorKind::TimedOut | ErrorKind::WouldBlock) => {
            Err(NotebookError::Denied {
                request: envelope.command.clone(),
                message: format!("no answer within {} s: the run is busy", LIMIT.as_secs()),
            })
        }
        Err(error) => Err(Error::io(&address, "ask through")(error).into()),
    }
}

fn by_mailbox(path: &Path, envelope: &Envelope) -> Result<Option<Answer>> {
    let mut follow = Follow::new(path.join("events.jsonl"));
    // What was recorded before answers nothing.
    follow.poll()?;
    let mailbox = Mailbox::of(path);
    mailbox.send(envelope)?;
    let start = Instant::now();
    loop {
        // Looked at first: a run that has ended may have answered before.
        let runs = lock::holder(path)?.is_some();
        let (Update::Appended(events) | Update::Restarted(events)) = follow.poll()?;
        let answer = events.into_iter().find_map(|event| match event.kind {
            Kind::Command {
                id,
                accepted,
                message,
                ..
            } if id == envelope.id => Some(Answer {
                id,
                accepted,
                message,
            }),
            _ => None,
        });
        if answer.is_some() {
            return Ok(answer);
        }
        if !runs || start.elapsed() >= LIMIT {
            // Whether it was taken or not, nobody waits for it any longer.
            let _unheard = mailbox.take_back(&envelope.id);
            return Ok(None);
        }
        thread::sleep(TICK);
    }
}
