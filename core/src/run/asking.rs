//! Asks a run of another process to do something.
//!
//! A run on this machine is asked through its socket, any other through its mailbox; both
//! answer once the trainer has heard the request, between two steps.

use std::path::PathBuf;
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::{Answer, Envelope, Mailbox, Request, RunFolder, lock};
use crate::event::Kind;
use crate::event::replay::{Follow, Update};
use crate::{Error, Result};

/// Time between looks for the answer.
const TICK: Duration = Duration::from_millis(50);

/// What came of asking.
#[derive(Debug)]
pub enum Outcome {
    /// The run's answer.
    Answered(Answer),
    /// Nothing, for the reason given.
    Unanswered(String),
}

/// A request of this user, `from` the part of the program named.
#[must_use]
pub fn envelope(from: &str, request: &Request) -> Envelope {
    Envelope::new(from, &user(), request)
}

/// Asks a run, and waits for its answer as long as `limit`.
///
/// # Errors
/// Fails if the run's folder is another user's, or its record cannot be read.
pub fn ask(folder: &RunFolder, envelope: &Envelope, limit: Duration) -> Result<Outcome> {
    let mailbox = Mailbox::of(folder.path());
    mailbox.check_owner()?;
    match lock::holder(folder.path())? {
        None => Ok(Outcome::Unanswered(format!(
            "{} is not running: nothing was asked of it",
            folder.path().display()
        ))),
        Some(_) => ask_running(folder, &mailbox, envelope, limit),
    }
}

/// The user's name, for the record.
fn user() -> String {
    let name = ["USER", "LOGNAME", "USERNAME"];
    let mut names = name.iter().filter_map(|name| std::env::var(name).ok());
    names.next().unwrap_or_else(|| "somebody".to_owned())
}

/// Asks a run that goes on, and waits for its answer.
fn ask_running(
    folder: &RunFolder,
    mailbox: &Mailbox,
    envelope: &Envelope,
    limit: Duration,
) -> Result<Outcome> {
    if let Some(outcome) = ask_socket(folder, envelope, limit) {
        return Ok(outcome);
    }
    let mut follow = Follow::new(folder.events_path());
    // What was recorded before answers nothing.
    follow.poll()?;
    mailbox.send(envelope)?;
    let start = Instant::now();
    loop {
        // Looked at first: a run that has ended may have answered before.
        let runs = lock::holder(folder.path())?.is_some();
        if let Some(answer) = answer(&mut follow, &envelope.id)? {
            return Ok(Outcome::Answered(answer));
        }
        if !runs {
            // Whether it was taken or not, nobody is there to do it.
            let _unheard = mailbox.take_back(&envelope.id);
            let message = "the run ended before it heard the request";
            return Ok(Outcome::Unanswered(message.to_owned()));
        }
        if start.elapsed() >= limit {
            return Ok(Outcome::Unanswered(late(mailbox, envelope, limit)));
        }
        sleep(TICK);
    }
}

/// The answer that a record gives to the request of a number, among what is new in it.
fn answer(follow: &mut Follow, id: &str) -> Result<Option<Answer>> {
    let (Update::Appended(events) | Update::Restarted(events)) = follow.poll()?;
    Ok(events.into_iter().find_map(|event| match event.kind {
        Kind::Command {
            id: of,
            accepted,
            message,
            ..
        } if of == id => Some(Answer {
            id: of,
            accepted,
            message,
        }),
        _ => None,
    }))
}

fn late(mailbox: &Mailbox, envelope: &Envelope, limit: Duration) -> String {
    let seconds = limit.as_secs();
    if mailbox.take_back(&envelope.id) {
        format!("the run has not looked into its mailbox for {seconds} s; the request is withdrawn")
    } else {
        busy(limit)
    }
}

fn busy(limit: Duration) -> String {
    let seconds = limit.as_secs();
    format!("no answer within {seconds} s: the run is busy and will hear it between two steps")
}

/// Asks through the run's socket; `None` where it has none that hears.
#[cfg(unix)]
fn ask_socket(folder: &RunFolder, envelope: &Envelope, limit: Duration) -> Option<Outcome> {
    use std::io::ErrorKind;

    use crate::run::socket;

    let runtime = PathBuf::from(std::env::var_os("XDG_RUNTIME_DIR")?);
    let address = socket::address(&runtime, folder.path())?;
    match socket::ask(&address, folder.path(), envelope, limit) {
        Ok(answer) => Some(Outcome::Answered(answer)),
        Err(error) if matches!(error.kind(), ErrorKind::TimedOut | ErrorKind::WouldBlock) => {
            Some(Outcome::Unanswered(busy(limit)))
        }
        Err(error) if error.kind() == ErrorKind::NotConnected => None,
        Err(error) => {
            let error = Error::io(&address, "ask through")(error);
            Some(Outcome::Unanswered(error.to_string()))
        }
    }
}

#[cfg(not(unix))]
fn ask_socket(_: &RunFolder, _: &Envelope, _: Duration) -> Option<Outcome> {
    None
}
