//! Tells what happens, and waits where the disk has no room for it.

use std::time::Duration;

use super::trainer::Trainer;
use crate::Result;
use crate::event::Kind;

/// How long a run that waits for room on the disk goes without looking again; short enough
/// to hear the cancellation token in time.
const RETRY: Duration = Duration::from_millis(100);

impl Trainer {
    /// Sends an event; waits where the disk is full until it can be recorded.
    pub(super) fn emit(&mut self, kind: Kind) -> Result<()> {
        let outcome = self.bus.emit(self.state.step, kind);
        self.wait_for_room(outcome, |trainer| trainer.bus.flush())
    }

    /// Repeats `again` until the disk has room, saying so once. The token is heard
    /// meanwhile, so that the run can still be ended; a run that is ending does not wait.
    pub(super) fn wait_for_room(
        &mut self,
        first: Result<()>,
        mut again: impl FnMut(&mut Self) -> Result<()>,
    ) -> Result<()> {
        let mut outcome = first;
        let mut told = false;
        while let Err(error) = &outcome {
            if !error.is_disk_full() || self.leaving {
                return outcome;
            }
            if !told {
                let reason = format!("{error}: free some space; the run goes on by itself");
                self.tell(Kind::Paused { reason })?;
                told = true;
            }
            self.cancel.check()?;
            std::thread::sleep(RETRY);
            outcome = again(self);
        }
        if told {
            self.tell(Kind::Continued)?;
        }
        Ok(())
    }

    /// Sends an event that the record takes when it can; screens have it at once.
    fn tell(&mut self, kind: Kind) -> Result<()> {
        match self.bus.emit(self.state.step, kind) {
            Err(error) if error.is_disk_full() => Ok(()),
            told => told,
        }
    }
}
