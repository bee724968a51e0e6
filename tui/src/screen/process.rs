//! The process that trains a run: whether it is there, and signals to it.

use std::fs;
use std::path::{Path, PathBuf};

use compacter_core::run::lock::{self, Holder};
use compacter_core::run::machine;
use compacter_core::{Error, Result};
use rustix::io::Errno;
use rustix::process::{Pid, Signal, kill_process};

/// The process that writes to a run's folder, or did last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Trainer {
    run: PathBuf,
    holder: Holder,
}

/// What is known of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Life {
    /// It is there.
    Lives,
    /// It is on this machine no more.
    Gone,
    /// It is, or was, on another machine.
    Elsewhere,
}

impl Trainer {
    /// The process that a run's lock names; none where no process took it.
    pub(crate) fn of(run: &Path) -> Option<Self> {
        let text = fs::read(run.join("lock")).ok()?;
        let holder = serde_json::from_slice(&text).ok()?;
        Some(Self {
            run: run.to_path_buf(),
            holder,
        })
    }

    /// Whether it is there: as long as it holds the lock. Its number may be that of another
    /// process by now.
    pub(crate) fn life(&self) -> Life {
        if self.holder.host != machine::host() {
            return Life::Elsewhere;
        }
        match lock::holder(&self.run) {
            Ok(Some(holder)) if holder.pid == self.holder.pid => Life::Lives,
            _ => Life::Gone,
        }
    }

    /// Tells it to save and end, as `Ctrl-C` does where it has a terminal.
    ///
    /// # Errors
    /// Fails if it is on another machine, gone, or somebody else's.
    pub(crate) fn end(&self) -> Result<()> {
        self.signal(Signal::TERM)
    }

    /// Ends it at once.
    ///
    /// # Errors
    /// As [`Self::end`].
    pub(crate) fn kill(&self) -> Result<()> {
        self.signal(Signal::KILL)
    }

    fn signal(&self, signal: Signal) -> Result<()> {
        let Holder { host, pid, .. } = &self.holder;
        let refuse = |message: String| Err(Error::run(&self.run, message));
        match self.life() {
            Life::Elsewhere => {
                return refuse(format!(
                    "process {pid} is on {host}: signals reach this machine only"
                ));
            }
            Life::Gone => return refuse(format!("process {pid} is gone")),
            Life::Lives => {}
        }
        let sent = self
            .pid()
            .map_or(Err(Errno::SRCH), |pid| kill_process(pid, signal));
        sent.map_err(|error| Error::io(&self.run, "signal the run's process")(error.into()))
    }

    fn pid(&self) -> Option<Pid> {
        Pid::from_raw(i32::try_from(self.holder.pid).ok()?)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use std::io::{BufRead, BufReader, Read, Write};
    use std::process::{Child, Command, Stdio};

    use compacter_core::run::lock::Lock;

    use super::*;

    const HELD: &str = "COMPACTER_TEST_TRAINED_FOLDER";

    #[test]
    #[ignore = "started by another test, as the process that trains"]
    fn holds_a_run_until_killed() {
        let folder = std::env::var_os(HELD).unwrap();
        let _lock = Lock::take(Path::new(&folder)).unwrap();
        std::io::stderr().write_all(b"held\n").unwrap();
        // Ends with its parent's end of the pipe at the latest.
        std::io::stdin().read_to_end(&mut Vec::new()).unwrap();
    }

    /// A process that holds a run.
    fn process(run: &Path) -> Child {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "screen::process::tests::holds_a_run_until_killed",
                "--ignored",
                "--nocapture",
            ])
            .env(HELD, run)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let mut told = BufReader::new(child.stderr.take().unwrap());
        told.read_line(&mut line).unwrap();
        assert_eq!(line, "held\n");
        child
    }

    #[test]
    fn a_process_lives_until_it_is_killed() {
        let run = tempfile::tempdir().unwrap();
        assert_eq!(Trainer::of(run.path()), None);
        let mut child = process(run.path());
        let trainer = Trainer::of(run.path()).unwrap();
        assert_eq!(trainer.life(), Life::Lives);
        trainer.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(trainer.life(), Life::Gone);
        let message = trainer.end().unwrap_err().to_string();
        assert!(message.contains("is gone"), "{message}");
    }

    #[test]
    fn a_process_that_has_the_number_of_a_dead_one_gets_no_signal() {
        let run = tempfile::tempdir().unwrap();
        drop(Lock::take(run.path()).unwrap());
        // Signed by this process, which is there, but holds the lock no more.
        let trainer = Trainer::of(run.path()).unwrap();
        assert_eq!(trainer.holder.pid, std::process::id());
        assert_eq!(trainer.life(), Life::Gone);
        assert!(trainer.kill().is_err());
    }

    #[test]
    fn another_machine_s_process_gets_no_signal() {
        let holder = Holder {
            host: "no-such-machine".to_owned(),
            pid: std::process::id(),
            since: 0,
        };
        let run = PathBuf::from("runs/demo");
        let far = Trainer { run, holder };
        assert_eq!(far.life(), Life::Elsewhere);
        let message = far.kill().unwrap_err().to_string();
        assert!(message.contains("no-such-machine"), "{message}");
    }
}
