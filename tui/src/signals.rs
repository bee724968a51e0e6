//! Signals that end a run: it saves and leaves, to be gone on with.

use std::thread;

use compacter_core::cancel::CancelToken;
use compacter_core::{Error, Result};
use signal_hook::consts::{SIGINT, SIGTERM, SIGUSR1};
use signal_hook::iterator::Signals;

/// Raises `cancel` at Ctrl-C, at SIGTERM and at SIGUSR1 (Slurm's warning before a time
/// limit); a second signal ends the process at once, as it would without us.
///
/// # Errors
/// Fails if the system does not let signals be handled.
pub(crate) fn install(cancel: &CancelToken) -> Result<()> {
    let mut signals =
        Signals::new([SIGINT, SIGTERM, SIGUSR1]).map_err(Error::io("signals", "handle"))?;
    let cancel = cancel.clone();
    thread::spawn(move || {
        for signal in signals.forever() {
            if cancel.is_cancelled() {
                // Best effort: a process that cannot end itself goes on saving.
                let _unhandled = signal_hook::low_level::emulate_default_handler(signal);
            }
            cancel.cancel();
        }
    });
    Ok(())
}
