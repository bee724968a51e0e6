//! How the screen tells a run what to do.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::Duration;

use compacter_core::run::{self, Outcome, Request, RunFolder};
use compacter_core::{Error, Result};

/// How long a run may take to hear a command before it is withdrawn. The screen does not
/// wait: what becomes of a command is an event of the run.
const PATIENCE: Duration = Duration::from_mins(1);

/// Takes the words that `compacter ctl` takes, such as `pause`, `step 10` or `lr 3e-4`.
pub(crate) trait Steer {
    /// Sends a command; returns what to tell whoever gave it.
    ///
    /// # Errors
    /// Fails if the command is none, or cannot be delivered.
    fn send(&self, words: &str) -> Result<String>;

    /// What came back of a command sent earlier, if it was not followed.
    fn unheard(&self) -> Option<String> {
        None
    }
}

/// A run of another process.
#[derive(Debug)]
pub(crate) struct Steered {
    folder: RunFolder,
    report: Sender<String>,
    reports: Receiver<String>,
}

impl Steered {
    /// Steers the run of a folder.
    pub(crate) fn new(folder: RunFolder) -> Self {
        let (report, reports) = channel();
        Self {
            folder,
            report,
            reports,
        }
    }
}

impl Steer for Steered {
    fn send(&self, words: &str) -> Result<String> {
        let refused = |message: String| Error::run(self.folder.path(), message);
        let request: Request = words.parse().map_err(refused)?;
        let told = format!("asked to {request}");
        let (folder, report) = (self.folder.clone(), self.report.clone());
        let envelope = run::envelope("dashboard", &request);
        thread::spawn(move || {
            let message = match run::ask(&folder, &envelope, PATIENCE) {
                Ok(Outcome::Answered(answer)) if answer.accepted => return,
                Ok(Outcome::Answered(answer)) => answer.message.unwrap_or_default(),
                Ok(Outcome::Unanswered(reason)) => reason,
                Err(error) => error.to_string(),
            };
            // A screen that is gone is told nothing; what was accepted is recorded.
            let _gone = report.send(format!("{request}: {message}"));
        });
        Ok(told)
    }

    fn unheard(&self) -> Option<String> {
        self.reports.try_recv().ok()
    }
}

/// A replay: there is nobody to steer.
#[derive(Debug)]
pub(crate) struct Replayed(pub(crate) RunFolder);

impl Steer for Replayed {
    fn send(&self, words: &str) -> Result<String> {
        let message = format!("`{words}` has nobody to go to: this is a replay");
        Err(Error::run(self.0.path(), message))
    }
}
