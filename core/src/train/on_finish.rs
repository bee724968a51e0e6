//! The user's own command, started when a run has finished or failed.
//!
//! | variable           | what                                              | missing where           |
//! |--------------------|---------------------------------------------------|-------------------------|
//! | `COMPACTER_RUN`    | the run's folder                                  | –                       |
//! | `COMPACTER_STATUS` | `finished` or `failed`                            | –                       |
//! | `COMPACTER_STEP`   | optimizer steps done                              | –                       |
//! | `COMPACTER_LOSS`   | loss of the best evaluation                       | nothing was evaluated   |
//! | `COMPACTER_METRIC` | name of the metric that decides which is best     | nothing was evaluated   |
//! | `COMPACTER_BEST`   | its value at the best evaluation                  | nothing was evaluated   |
//!
//! It stands in the configuration, so a configuration from somebody else can run commands. A
//! run that was interrupted has not ended and starts nothing. The command gets no input, and
//! writes to standard error, which is the run's log where the trainer has left the terminal.
//!
//! It is waited for a moment, so that a failure can be recorded as a warning; after that it
//! goes on by itself. The run is over by then, whatever becomes of the command.

use std::io;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::trainer::{Outcome, Trainer};
use crate::Result;
use crate::cancel::CancelToken;
use crate::event::Kind;
use crate::run::State;

/// Longest that the end of a run's process waits for the command.
const PATIENCE: Duration = Duration::from_secs(2);
/// Between two looks whether it has ended.
const LOOK: Duration = Duration::from_millis(20);

impl Trainer {
    /// Starts the command that the configuration in force names for the end of the run.
    pub(super) fn start_on_finish(&mut self, outcome: &Result<Outcome>) {
        let status = match outcome {
            Ok(Outcome::Finished(_)) => "finished",
            Ok(Outcome::Interrupted) => return,
            Err(_) => "failed",
        };
        let line = self.prepared.config.output.on_finish.as_deref();
        let (Some(line), Some(folder)) = (line, &self.folder) else {
            return;
        };
        let mut command = prepared(line, status, folder.path(), &self.state);
        if let Some(what) = failure(&mut command, &self.cancel) {
            let message = format!("output.on_finish: `{line}` {what}");
            // Best effort: the run has ended, and how is recorded already.
            let _unrecorded = self.emit_last(Kind::Warning { message });
        }
    }

    fn emit_last(&mut self, kind: Kind) -> Result<()> {
        self.bus.emit(self.state.step, kind)?;
        self.bus.flush()
    }
}

/// The command, with what it is told of the run.
fn prepared(line: &str, status: &str, run: &Path, state: &State) -> Command {
    let mut command = shell(line);
    let run = std::path::absolute(run).unwrap_or_else(|_| run.to_path_buf());
    command
        .env("COMPACTER_RUN", run)
        .env("COMPACTER_STATUS", status)
        .env("COMPACTER_STEP", state.step.to_string());
    let best = state.best.as_ref();
    let loss = best.and_then(|best| best.metrics.get("loss"));
    for (name, value) in [
        ("COMPACTER_LOSS", loss.map(f64::to_string)),
        ("COMPACTER_METRIC", best.map(|best| best.metric.clone())),
        ("COMPACTER_BEST", best.map(|best| best.value.to_string())),
    ] {
        match value {
            Some(value) => command.env(name, value),
            // Another run's, where this one was started by its command.
            None => command.env_remove(name),
        };
    }
    // Standard output may be events as JSON, for another program to read.
    command.stdin(Stdio::null()).stdout(io::stderr());
    command
}

#[cfg(unix)]
fn shell(line: &str) -> Command {
    use std::os::unix::process::CommandExt;

    let mut command = Command::new("sh");
    // A group of its own: a Ctrl-C meant for the trainer is not meant for it.
    command.args(["-c", line]).process_group(0);
    command
}

#[cfg(not(unix))]
fn shell(line: &str) -> Command {
    let mut command = Command::new("cmd");
    command.args(["/C", line]);
    command
}

/// Starts a command and waits for its end, a moment at most; says what went wrong.
fn failure(command: &mut Command, cancel: &CancelToken) -> Option<String> {
    let mut child = match command.spawn() {
        Ok(child) => child,
        Err(error) => return Some(format!("cannot be started: {error}")),
    };
    let start = Instant::now();
    while start.elapsed() < PATIENCE && !cancel.is_cancelled() {
        match child.try_wait() {
            Ok(None) => sleep(LOOK),
            Ok(Some(status)) if status.success() => return None,
            Ok(Some(status)) => return Some(format!("failed: {status}")),
            Err(error) => return Some(format!("cannot be waited for: {error}")),
        }
    }
    None
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn a_command_that_fails_is_told_and_one_that_takes_long_is_left_alone() {
        let cancel = CancelToken::default();
        let failure = |line: &str| failure(&mut shell(line), &cancel);
        assert_eq!(failure("exit 0"), None);
        assert_eq!(failure("exit 3").as_deref(), Some("failed: exit status: 3"));
        let start = Instant::now();
        assert_eq!(failure("sleep 20"), None);
        assert!(start.elapsed() < Duration::from_secs(15));
    }
}
