//! Brings commands from outside the process to the trainer.
//!
//! ```text
//! mailbox ─ looked at twice a second ─┐
//!                                     ├─▶ ControlHandle ─▶ trainer ─▶ event `command`
//! socket ─ where there can be one ────┘                       └─▶ the socket's answer
//! ```
//!
//! A file leaves the mailbox when the trainer's queue has its command; one that finds the
//! queue full is tried again at the next look.

use std::path::{Path, PathBuf};
use std::thread::JoinHandle;
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, bounded};

use super::control::{Asked, Command, ControlHandle};
use crate::run::Mailbox;
use crate::run::mailbox::{Letter, refusal};
use crate::{Error, Result};

/// Time between looks into the mailbox.
const LOOK: Duration = Duration::from_millis(500);

/// Listens for commands to a run until it is dropped.
#[derive(Debug)]
pub struct Steering {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
    #[cfg(unix)]
    _socket: Option<crate::run::socket::Listener>,
}

impl Steering {
    /// Starts listening for commands to the run in a folder, whose lock this process
    /// holds. `runtime` is the folder for sockets, such as `$XDG_RUNTIME_DIR`; without it
    /// the run has its mailbox alone.
    ///
    /// # Errors
    /// [`Error::Io`] when there can be no mailbox or the system has no thread to give.
    pub fn start(run: &Path, runtime: Option<PathBuf>, handle: ControlHandle) -> Result<Self> {
        let mailbox = Mailbox::of(run);
        mailbox.make()?;
        let (stop, stopped) = bounded(0);
        let sender = handle.clone();
        let thread = std::thread::Builder::new()
            .name("mailbox".to_owned())
            .spawn(move || read(mailbox, &sender, &stopped))
            .map_err(Error::io(run, "start a thread for"))?;
        Ok(Self {
            stop: Some(stop),
            thread: Some(thread),
            #[cfg(unix)]
            _socket: runtime.and_then(|runtime| listen(&runtime, run, handle)),
        })
    }
}

impl Drop for Steering {
    fn drop(&mut self) {
        self.stop.take();
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the thread that read the mailbox panicked");
        }
    }
}

#[cfg(unix)]
fn listen(
    runtime: &Path,
    run: &Path,
    handle: ControlHandle,
) -> Option<crate::run::socket::Listener> {
    use crate::run::socket;
    let address = socket::address(runtime, run)?;
    let deliver = move |envelope| {
        let (asked, answer) = Asked::with_answer(envelope);
        handle.send(Command::Asked(asked)).map(|()| answer)
    };
    let listener = socket::Listener::start(&address, run, std::sync::Arc::new(deliver));
    listener
        .inspect_err(|error| tracing::warn!("{error}; commands come through the mailbox alone"))
        .ok()
}

/// Looks into the mailbox until told to stop.
fn read(mut mailbox: Mailbox, handle: &ControlHandle, stopped: &Receiver<()>) {
    let mut told = false;
    loop {
        match mailbox.look() {
            Ok(letters) => {
                told = false;
                for letter in letters {
                    if !hand_over(&mut mailbox, letter, handle) {
                        break;
                    }
                }
            }
            Err(error) if !told => {
                told = handle.send(Command::Warn(error.to_string())).is_ok();
            }
            Err(_) => {}
        }
        match stopped.recv_timeout(LOOK) {
            Err(crossbeam_channel::RecvTimeoutError::Timeout) => {}
            _ => return,
        }
    }
}

/// Hands over what is in a file and takes it away; says whether the trainer took it.
fn hand_over(mailbox: &mut Mailbox, letter: Letter, handle: &ControlHandle) -> bool {
    let (name, command) = match letter {
        Letter::Command { name, envelope } => (name, Command::Asked(Asked::new(envelope))),
        Letter::Refused { name, reason } => {
            let message = refusal(&name, &reason);
            (name, Command::Warn(message))
        }
    };
    let taken = handle.send(command).is_ok();
    if taken {
        mailbox.remove(&name);
    }
    taken
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use crate::cancel::CancelToken;
    use crate::run::{Envelope, Request};
    use crate::train::control::Control;

    #[test]
    fn what_is_put_into_the_mailbox_reaches_the_trainer_once() {
        let run = tempfile::tempdir().unwrap();
        let control = Control::default();
        let _steering = Steering::start(run.path(), None, control.handle()).unwrap();
        let mailbox = Mailbox::of(run.path());
        let envelope = Envelope::new("test", "somebody", &Request::Pause);
        mailbox.send(&envelope).unwrap();
        let wait = || control.wait_at_most(&CancelToken::default(), Duration::from_secs(20));
        let heard = wait().unwrap();
        assert_eq!(heard, Some(Command::Asked(Asked::new(envelope))));
        std::fs::write(mailbox.folder().join("x.json"), "x").unwrap();
        let Some(Command::Warn(message)) = wait().unwrap() else {
            panic!("no warning");
        };
        assert!(message.contains("mailbox/x.json: not obeyed"), "{message}");
        std::thread::sleep(2 * LOOK);
        assert_eq!(control.poll(), None);
        assert_eq!(mailbox.look().unwrap(), []);
    }
}
