//! The terminal while a screen is drawn, and its way back to what it was.
//!
//! | what            | taken by `enter`             | given back                                |
//! |-----------------|------------------------------|-------------------------------------------|
//! | line discipline | raw mode                     | once, by whoever comes first: `Drop`,     |
//! | screen          | the alternate one, no cursor | the panic hook, a stop (Ctrl-Z), an       |
//! | reports         | paste, focus, mouse if asked | editor that takes the screen over         |
//! | the tab's title | kept on the terminal's stack | from the stack                            |

use std::io::{self, Write};
use std::panic;
use std::sync::Once;
use std::sync::atomic::{AtomicU8, Ordering};

use ratatui::crossterm::cursor::{Hide, Show};
use ratatui::crossterm::event::{
    DisableBracketedPaste, DisableFocusChange, DisableMouseCapture, EnableBracketedPaste,
    EnableFocusChange, EnableMouseCapture,
};
use ratatui::crossterm::terminal::{
    EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode,
};
use ratatui::crossterm::{execute, queue};

/// What is taken of the terminal beside raw mode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Takes {
    /// The alternate screen, with its cursor hidden; otherwise lines in the scroll-back.
    pub(crate) whole_screen: bool,
    /// Reports of the mouse.
    pub(crate) mouse: bool,
}

const TAKEN: u8 = 1;
const WHOLE_SCREEN: u8 = 2;
const MOUSE: u8 = 4;

/// What is taken now: the panic hook and `Drop` may both come to give it back.
static STATE: AtomicU8 = AtomicU8::new(0);

/// Keeps a terminal's title for later, and takes it back (XTWINOPS).
const KEEP_TITLE: &[u8] = b"\x1b[22;0t";
const OLD_TITLE: &[u8] = b"\x1b[23;0t";

/// Holds the terminal until it is dropped.
#[derive(Debug)]
pub(crate) struct TerminalGuard {
    takes: Takes,
}

impl TerminalGuard {
    /// Takes the terminal; `farewell` is printed after a panic, once the terminal is whole.
    ///
    /// # Errors
    /// Fails if the terminal refuses; it is then as it was.
    pub(crate) fn enter(takes: Takes, farewell: String) -> io::Result<Self> {
        hook(farewell);
        let guard = Self { takes };
        guard.take()?;
        Ok(guard)
    }

    /// Gives the terminal to somebody else for a while: the shell, or an editor.
    #[expect(
        clippy::unused_self,
        reason = "only who holds the terminal can lend it"
    )]
    pub(crate) fn lend(&self) {
        give_back();
    }

    /// Takes the terminal again, whatever became of it meanwhile.
    ///
    /// # Errors
    /// Fails if the terminal refuses.
    pub(crate) fn take(&self) -> io::Result<()> {
        give_back();
        let mut bits = TAKEN;
        enable_raw_mode()?;
        bits |= if self.takes.whole_screen {
            WHOLE_SCREEN
        } else {
            0
        };
        bits |= if self.takes.mouse { MOUSE } else { 0 };
        STATE.store(bits, Ordering::SeqCst);
        let mut out = io::stdout();
        let taken = (|| {
            out.write_all(KEEP_TITLE)?;
            if self.takes.whole_screen {
                queue!(out, EnterAlternateScreen)?;
            }
            if self.takes.mouse {
                queue!(out, EnableMouseCapture)?;
            }
            execute!(out, EnableBracketedPaste, EnableFocusChange, Hide)
        })();
        if taken.is_err() {
            give_back();
        }
        taken
    }
}

impl Drop for TerminalGuard {
    fn drop(&mut self) {
        give_back();
    }
}

/// Gives back what is taken, the mouse first: its reports would be typed into the shell.
fn give_back() {
    let bits = STATE.swap(0, Ordering::SeqCst);
    if bits & TAKEN == 0 {
        return;
    }
    let mut out = io::stdout();
    // A terminal that is gone cannot be told anything, and need not be.
    let _gone = (|| {
        if bits & MOUSE != 0 {
            execute!(out, DisableMouseCapture)?;
        }
        queue!(out, DisableFocusChange, DisableBracketedPaste)?;
        if bits & WHOLE_SCREEN != 0 {
            queue!(out, LeaveAlternateScreen)?;
        }
        out.write_all(OLD_TITLE)?;
        execute!(out, Show)
    })();
    let _gone = disable_raw_mode();
}

/// Puts the terminal back before a panic is told; the hook that was there tells it.
fn hook(farewell: String) {
    static HOOKED: Once = Once::new();
    HOOKED.call_once(|| {
        let told = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            let drawn = STATE.load(Ordering::SeqCst) & TAKEN != 0;
            give_back();
            told(info);
            if drawn {
                let _gone = writeln!(io::stderr(), "{farewell}");
            }
        }));
    });
}
