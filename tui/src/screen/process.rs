//! The process that trains a run: whether it is there, and signals to it.

use std::fs;
use std::path::{Path, PathBuf};

use compacter_core::run::lock::Holder;
use compacter_core::run::machine;
use compacter_core::{Error, Result};
use rustix::io::Errno;
use rustix::process::{Pid, Signal, kill_process, test_kill_process};

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

    /// Whether it is there.
    pub(crate) fn life(&self) -> Life {
        if self.holder.host != machine::host() {
            return Life::Elsewhere;
        }
        match self.pid().map(test_kill_process) {
            // Somebody else's process is a process.
            Some(Ok(()) | Err(Errno::PERM)) => Life::Lives,
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

    use std::process::Command;

    use super::*;

    fn trainer(host: &str, pid: u32) -> Trainer {
        let holder = Holder {
            host: host.to_owned(),
            pid,
            since: 0,
        };
        Trainer {
            run: PathBuf::from("runs/demo"),
            holder,
        }
    }

    #[test]
    fn a_process_lives_until_it_is_killed() {
        let mut child = Command::new("sleep").arg("60").spawn().unwrap();
        let sleeper = trainer(&machine::host(), child.id());
        assert_eq!(sleeper.life(), Life::Lives);
        sleeper.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(sleeper.life(), Life::Gone);
        let message = sleeper.end().unwrap_err().to_string();
        assert!(message.contains("is gone"), "{message}");
    }

    #[test]
    fn another_machine_s_process_gets_no_signal() {
        let far = trainer("no-such-machine", std::process::id());
        assert_eq!(far.life(), Life::Elsewhere);
        let message = far.kill().unwrap_err().to_string();
        assert!(message.contains("no-such-machine"), "{message}");
    }
}
