//! Gives a cell back when it is interrupted, with every variable intact.
//!
//! The kernel interrupts a cell with SIGINT to the process that runs it. That raises a flag,
//! which loops look at; nothing is killed. Code that loops for long looks itself:
//!
//! ```
//! # fn main() -> Result<(), compacter_notebook::interrupt::Interrupted> {
//! for step in 0..3 {
//!     compacter_notebook::interrupt::check()?;
//!     // … a step of training
//! }
//! # Ok(())
//! # }
//! ```

use std::fmt;
use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock, Once};
use std::thread;
use std::time::Duration;

use compacter_core::cancel::CancelToken;

use crate::channel::complain;

/// How often a loop looks at the flag.
pub(crate) const LOOK: Duration = Duration::from_millis(20);
/// How often what a cell printed without a newline is sent on.
const FLUSH: Duration = Duration::from_millis(40);

static FLAG: LazyLock<Arc<AtomicBool>> = LazyLock::new(Arc::default);
static INIT: Once = Once::new();

/// The cell was interrupted.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Interrupted;

impl fmt::Display for Interrupted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("interrupted; every variable is as it was")
    }
}

impl fmt::Debug for Interrupted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for Interrupted {}

/// Makes SIGINT a flag, and has standard output flushed every 40 ms, so that `print!`
/// without a newline is seen. The kernel calls it once; further calls do nothing.
pub fn init() {
    INIT.call_once(|| {
        let flag = Arc::clone(&FLAG);
        if let Err(error) = signal_hook::flag::register(signal_hook::consts::SIGINT, flag) {
            complain(&format!("cells cannot be interrupted: {error}"));
        }
        let flusher = thread::Builder::new().name("flush".to_owned());
        let started = flusher.spawn(|| {
            loop {
                thread::sleep(FLUSH);
                // Nobody may read any longer; then nobody misses it.
                let _unread = std::io::stdout().flush();
            }
        });
        if let Err(error) = started {
            complain(&format!(
                "what is printed without a newline is seen late: {error}"
            ));
        }
    });
}

/// Whether the cell was interrupted.
#[must_use]
pub fn interrupted() -> bool {
    if !FLAG.load(Ordering::Acquire) {
        return false;
    }
    let meant = is_meant();
    if !meant {
        FLAG.store(false, Ordering::Release);
    }
    meant
}

/// Whether the flag is for the cell that runs, and not for one that has ended without
/// looking at it: the kernel notes which one it means, and which one runs.
fn is_meant() -> bool {
    let Some(cell) = std::env::var_os(crate::channel::CELL) else {
        return true;
    };
    let mut note = cell.clone();
    note.push(".interrupt");
    match (std::fs::read(cell), std::fs::read(note)) {
        (Ok(cell), Ok(meant)) => cell == meant,
        _ => true,
    }
}

/// Returns early from a cell that was interrupted: `check()?`. The flag is taken down.
///
/// # Errors
/// [`Interrupted`], once for each interrupt.
pub fn check() -> Result<(), Interrupted> {
    if !interrupted() {
        return Ok(());
    }
    FLAG.store(false, Ordering::Release);
    Err(Interrupted)
}

/// A token that is cancelled when the cell is interrupted, for work in this process.
///
/// A thread looks at the flag every 20 ms until this is dropped.
#[derive(Debug)]
pub struct Watched {
    token: CancelToken,
    done: Arc<AtomicBool>,
}

impl Watched {
    /// Begins to look.
    #[must_use]
    pub fn new() -> Self {
        let watched = Self {
            token: CancelToken::default(),
            done: Arc::default(),
        };
        let (token, done) = (watched.token.clone(), Arc::clone(&watched.done));
        thread::spawn(move || {
            while !done.load(Ordering::Acquire) {
                if interrupted() {
                    token.cancel();
                    return;
                }
                thread::sleep(LOOK);
            }
        });
        watched
    }

    /// The token to hand to what takes long.
    #[must_use]
    pub fn token(&self) -> &CancelToken {
        &self.token
    }
}

impl Default for Watched {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.done.store(true, Ordering::Release);
    }
}
