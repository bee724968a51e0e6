//! How a display gets to the kernel: one line of JSON through a Unix socket.
//!
//! | variable | what |
//! |---|---|
//! | `COMPACTER_KERNEL_CHANNEL` | the socket's path |
//! | `COMPACTER_KERNEL_CELL` | a file with the id of the cell that runs |
//!
//! ```text
//! {"op":"display","cell":"…","display_id":"…","data":{"text/html":"…",…},"order":7, …}
//! ```
//!
//! A display and what is printed come two ways. To keep their order, a message with an
//! `order` is followed by the line `␞COMPACTER 7` on standard output: the kernel shows the
//! message in its place (0 is no message's). Updates change what is there already and have no order.
//!
//! Without the variables (a plain program, another kernel) a display is a block on standard
//! output as evcxr reads it, and updates are dropped.

mod message;
mod socket;

use std::io::{self, Write};
use std::sync::{Mutex, OnceLock, PoisonError};

pub use message::{Message, Op};

use socket::Socket;

use crate::show::html::append;

/// Environment variable: a file with the id of the cell that runs.
pub(crate) const CELL: &str = "COMPACTER_KERNEL_CELL";

/// The mark of no display: it ends what was printed without a newline, and is not shown.
pub(crate) const NOTHING: &str = "\u{1e}COMPACTER 0\n";

/// Takes lines on their way to the kernel.
pub trait Lines: Send {
    /// Takes one line, its newline included.
    ///
    /// # Errors
    /// When the line did not get through.
    fn send(&mut self, line: &str) -> io::Result<()>;
}

/// The channel of this process.
static CHANNEL: OnceLock<Channel> = OnceLock::new();

/// Says which cell runs.
type Cell = Box<dyn Fn() -> String + Send + Sync>;

/// The ways out of a process that runs cells.
pub struct Channel {
    state: Mutex<State>,
    cell: Cell,
}

struct State {
    /// `None` where no kernel of ours listens.
    lines: Option<Box<dyn Lines>>,
    /// Standard output.
    printed: Box<dyn Write + Send>,
    order: u64,
    complained: bool,
}

impl std::fmt::Debug for Channel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Channel").finish_non_exhaustive()
    }
}

impl Channel {
    /// A channel that sends through `lines`, or without it writes evcxr's blocks to `printed`.
    pub fn new(
        lines: Option<Box<dyn Lines>>,
        printed: Box<dyn Write + Send>,
        cell: impl Fn() -> String + Send + Sync + 'static,
    ) -> Self {
        Self {
            state: Mutex::new(State {
                lines,
                printed,
                order: 0,
                complained: false,
            }),
            cell: Box::new(cell),
        }
    }

    /// Has this process use a channel that its environment does not describe; `false` when
    /// it has used one already.
    pub fn install(channel: Self) -> bool {
        CHANNEL.set(channel).is_ok()
    }

    /// The channel of this process, as its environment describes it.
    pub fn of_process() -> &'static Self {
        CHANNEL.get_or_init(|| {
            let socket = Socket::from_environment();
            let lines = socket.map(|socket| Box::new(socket) as Box<dyn Lines>);
            let cell = std::env::var_os(CELL);
            Self::new(lines, Box::new(io::stdout()), move || {
                let text = cell.as_ref().map(std::fs::read_to_string);
                let text = text.and_then(Result::ok).unwrap_or_default();
                text.trim().to_owned()
            })
        })
    }

    /// The cell that runs now; empty where nobody says.
    #[must_use]
    pub fn cell(&self) -> String {
        (self.cell)()
    }

    /// Sends a message. One that cannot be sent is dropped, which is told once.
    pub fn send(&self, message: Message) {
        // A thread that panicked while it sent left nothing half done that matters.
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let sent = state.send(message);
        if let Err(error) = sent
            && !state.complained
        {
            state.complained = true;
            complain(&format!("a display did not reach the kernel: {error}"));
        }
    }
}

impl State {
    fn send(&mut self, mut message: Message) -> io::Result<()> {
        let Some(lines) = &mut self.lines else {
            return blocks(&mut *self.printed, &message);
        };
        if message.op == Op::Update {
            return lines.send(&message.to_line());
        }
        self.order += 1;
        message.order = Some(self.order);
        lines.send(&message.to_line())?;
        self.printed.flush()?;
        let marker = format!("\u{1e}COMPACTER {}\n", self.order);
        // One call, which takes the lock of standard output: no other line gets between.
        self.printed.write_all(marker.as_bytes())?;
        self.printed.flush()
    }
}

/// A display as evcxr reads it from standard output.
fn blocks(printed: &mut (dyn Write + Send), message: &Message) -> io::Result<()> {
    if !matches!(message.op, Op::Display | Op::Result) {
        return Ok(());
    }
    let mut text = String::new();
    for (mime, value) in message.data.iter() {
        append(
            &mut text,
            format_args!("EVCXR_BEGIN_CONTENT {mime}\n{value}\nEVCXR_END_CONTENT\n"),
        );
    }
    printed.write_all(text.as_bytes())?;
    printed.flush()
}

/// Says on standard error what nobody can be given as an error.
pub(crate) fn complain(text: &str) {
    let _unread = writeln!(io::stderr(), "{text}");
}

#[cfg(test)]
mod tests;
