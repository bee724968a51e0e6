//! Commands to a running trainer.
//!
//! ```text
//! keys, notebook, `ctl`, signals ─▶ ControlHandle ─▶ Control ─▶ trainer, between two steps
//! ```
//! A handle never waits: a queue that is full is told to whoever sent the command.

use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, TrySendError};

use crate::cancel::CancelToken;
use crate::config::RunConfig;
use crate::event::Refusal;
use crate::run::watch::Saved;
use crate::run::{Answer, Envelope};
use crate::{Error, Result};

/// Commands that wait for the trainer at most.
const CAPACITY: usize = 64;

/// How long a waiting trainer goes without a look at its cancellation token.
const TICK: Duration = Duration::from_millis(50);

/// What a running trainer can be told.
#[derive(Debug, Clone, PartialEq)]
pub enum Command {
    /// Wait after the present step.
    Pause,
    /// Go on after a pause.
    Resume,
    /// Do so many steps, then wait.
    Step(u64),
    /// Evaluate now.
    Evaluate,
    /// Write a checkpoint now.
    Checkpoint,
    /// End the run as complete after the present step.
    Stop,
    /// Bring a configuration into force at the next step.
    Apply(Box<RunConfig>),
    /// Bring the changes of files that were saved at the same moment into force.
    Edit(Vec<Saved>),
    /// Tell that an edit was refused before it came here, and why.
    Refuse(Refusal),
    /// Do what somebody outside this process asks for, and answer.
    Asked(Asked),
    /// Tell something that deserves attention.
    Warn(String),
}

/// A request from outside, and where its answer goes.
#[derive(Debug, Clone)]
pub struct Asked {
    /// The request.
    pub envelope: Envelope,
    answer: Option<Sender<Answer>>,
}

impl Asked {
    /// A request that is answered by an event alone.
    #[must_use]
    pub fn new(envelope: Envelope) -> Self {
        Self {
            envelope,
            answer: None,
        }
    }

    /// A request, and the answer beside the event; there is none once the run has ended.
    #[must_use]
    pub fn with_answer(envelope: Envelope) -> (Self, Receiver<Answer>) {
        let (sender, receiver) = crossbeam_channel::bounded(1);
        let answer = Some(sender);
        (Self { envelope, answer }, receiver)
    }

    /// Sends the answer to whoever waits for one.
    pub(super) fn answer(&self, answer: Answer) {
        if let Some(sender) = &self.answer {
            // Whoever asked may have left.
            let _gone = sender.try_send(answer);
        }
    }
}

impl PartialEq for Asked {
    fn eq(&self, other: &Self) -> bool {
        self.envelope == other.envelope
    }
}

/// The trainer's end.
#[derive(Debug)]
pub struct Control {
    receiver: Receiver<Command>,
    // Kept so that a wait for commands outlives every handle.
    sender: Sender<Command>,
}

/// The other end, for screens, notebooks and scripts; clones reach the same trainer.
#[derive(Debug, Clone)]
pub struct ControlHandle(Sender<Command>);

impl Default for Control {
    fn default() -> Self {
        let (sender, receiver) = crossbeam_channel::bounded(CAPACITY);
        Self { receiver, sender }
    }
}

impl Control {
    /// A handle to send commands here with.
    #[must_use]
    pub fn handle(&self) -> ControlHandle {
        ControlHandle(self.sender.clone())
    }

    /// The next command, if one waits.
    #[must_use]
    pub fn poll(&self) -> Option<Command> {
        self.receiver.try_recv().ok()
    }

    /// Waits for the next command.
    ///
    /// # Errors
    /// [`Error::Cancelled`] within 100 ms of the token's cancellation.
    pub fn wait(&self, token: &CancelToken) -> Result<Command> {
        loop {
            if let Some(command) = self.wait_at_most(token, Duration::from_mins(1))? {
                return Ok(command);
            }
        }
    }

    /// Waits for the next command, at most for `limit`: then there is `None`.
    ///
    /// # Errors
    /// [`Error::Cancelled`] within 100 ms of the token's cancellation.
    pub fn wait_at_most(&self, token: &CancelToken, limit: Duration) -> Result<Option<Command>> {
        let start = Instant::now();
        loop {
            token.check()?;
            let left = limit.saturating_sub(start.elapsed());
            match self.receiver.recv_timeout(left.min(TICK)) {
                Ok(command) => return Ok(Some(command)),
                Err(RecvTimeoutError::Timeout) if left > TICK => {}
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => return Ok(None),
            }
        }
    }
}

impl ControlHandle {
    /// Hands a command to the trainer without waiting for it.
    ///
    /// # Errors
    /// [`Error::Command`] when the trainer has ended, or is behind with so many commands
    /// that it takes no more.
    pub fn send(&self, command: Command) -> Result<()> {
        self.0.try_send(command).map_err(|error| {
            let message = match error {
                TrySendError::Full(_) => "the trainer is busy with earlier commands: try again",
                TrySendError::Disconnected(_) => "the run has ended",
            };
            Error::Command { message }
        })
    }

    /// Hands a command to the trainer, and waits until it takes it.
    ///
    /// # Errors
    /// [`Error::Command`] when the trainer has ended.
    pub fn deliver(&self, command: Command) -> Result<()> {
        let message = "the run has ended";
        let sent = self.0.send(command);
        sent.map_err(|_| Error::Command { message })
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn commands_arrive_in_order_from_every_handle() {
        let control = Control::default();
        let (first, second) = (control.handle(), control.handle().clone());
        first.send(Command::Pause).unwrap();
        second.send(Command::Step(3)).unwrap();
        first.send(Command::Resume).unwrap();
        let received: Vec<Command> = std::iter::from_fn(|| control.poll()).collect();
        assert_eq!(
            received,
            [Command::Pause, Command::Step(3), Command::Resume]
        );
    }

    #[test]
    fn a_waiting_trainer_hears_a_command() {
        let control = Control::default();
        let handle = control.handle();
        let sender = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(120));
            handle.send(Command::Stop)
        });
        assert_eq!(
            control.wait(&CancelToken::default()).unwrap(),
            Command::Stop
        );
        sender.join().unwrap().unwrap();
    }

    #[test]
    fn a_waiting_trainer_hears_a_cancellation() {
        let control = Control::default();
        let token = CancelToken::default();
        let elsewhere = token.clone();
        let canceller = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(80));
            elsewhere.cancel();
            Instant::now()
        });
        assert!(matches!(control.wait(&token), Err(Error::Cancelled)));
        let heard = Instant::now();
        let delay = heard.duration_since(canceller.join().unwrap());
        // 100 ms are promised; a loaded machine may wake the thread late.
        assert!(delay < Duration::from_millis(500), "{delay:?}");
    }

    #[test]
    fn a_wait_with_a_limit_ends() {
        let control = Control::default();
        let start = Instant::now();
        let limit = Duration::from_millis(120);
        let heard = control
            .wait_at_most(&CancelToken::default(), limit)
            .unwrap();
        assert_eq!(heard, None);
        assert!(start.elapsed() >= limit);
    }

    #[test]
    fn a_command_that_is_not_delivered_is_told() {
        let control = Control::default();
        let handle = control.handle();
        for _ in 0..CAPACITY {
            handle.send(Command::Evaluate).unwrap();
        }
        let busy = handle.send(Command::Evaluate).unwrap_err().to_string();
        assert!(busy.contains("busy"), "{busy}");
        drop(control);
        let ended = handle.send(Command::Evaluate).unwrap_err().to_string();
        assert!(ended.contains("the run has ended"), "{ended}");
    }
}
