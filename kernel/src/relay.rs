//! The process between evcxr and the one that runs cells.
//!
//! ```text
//! evcxr ── commands ───── relay ────────────────▶ cells
//!   ▲                     ▲    │ a cell begins       │ stdout, stderr
//!   └──── control lines ──┤    ▼                     │
//!                         │  kernel                  │
//!                         │    ▲ everything else, at once
//!                         └────┴─────────────────────┘
//! ```
//!
//! evcxr reads its child's output by the line and only while a cell runs, and tells nobody of
//! panics. So this program is its child, starts itself again as the real one, and sorts what
//! that writes: control lines go to evcxr, all else straight to the kernel. What evcxr tells the
//! process it passes on, so the kernel knows whether a cell is being compiled or runs.

use std::io::{self, BufRead, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};

use crate::sorting::{Sorted, Sorter};

/// Environment variable that makes this program a relay: the kernel's socket.
pub const VARIABLE: &str = "COMPACTER_KERNEL_RELAY";
/// What evcxr tells the process that runs cells when it is to run one.
const RUN: &[u8] = b"LOAD_AND_RUN ";
/// evcxr's mark of the process that runs cells.
const RUNTIME: &str = "EVCXR_IS_RUNTIME";
/// Set when whoever uses the kernel wants to see where a panic came from.
const BACKTRACE: &str = "COMPACTER_BACKTRACE";

/// What the relay tells the kernel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Heard {
    /// The process that runs cells has this number.
    Child(u32),
    /// A cell is compiled, and begins to run.
    Begun,
    /// It wrote to its standard output.
    Stdout(Vec<u8>),
    /// It wrote to its standard error.
    Stderr(Vec<u8>),
    /// It wrote a block of rich output as evcxr's own libraries do.
    Block {
        /// Its MIME type.
        mime: String,
        /// Its text.
        body: String,
    },
    /// A cell panicked.
    Panic,
    /// A cell was left by a failed `?`.
    Failed,
    /// All that was written before the kernel's question of this number has been told.
    Fence(u64),
}

/// Whether this process is to be a relay.
#[must_use]
pub fn is_wanted() -> bool {
    std::env::var_os(VARIABLE).is_some() && std::env::var_os(RUNTIME).is_some()
}

/// Relays until the process that runs cells ends, and ends as it did.
///
/// # Errors
/// When the kernel is not there or no process can be started.
pub fn run() -> io::Result<ExitStatus> {
    let address = std::env::var_os(VARIABLE).unwrap_or_default();
    let kernel = UnixStream::connect(address)?;
    let mut command = Command::new(std::env::current_exe()?);
    command
        .args(std::env::args_os().skip(1))
        .env_remove(VARIABLE)
        .env(
            "RUST_BACKTRACE",
            std::env::var(BACKTRACE).unwrap_or_else(|_| "0".to_owned()),
        )
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    // Of a group of its own: what interrupts the kernel's terminal is not for cells.
    command.process_group(0);
    let mut child = command.spawn()?;
    let to = To(Arc::new(Mutex::new(kernel.try_clone()?)));
    to.tell(&Heard::Child(child.id()))?;
    if let Some(cells) = child.stdin.take() {
        let to = to.clone();
        thread::spawn(move || {
            // When evcxr has ended, so does the process that runs cells: it reads no more.
            let _ended = pass_commands(io::stdin().lock(), cells, &to);
        });
    }
    let mut relay = Relay {
        kernel,
        to,
        sorter: Sorter::default(),
    };
    let ended = relay.serve(&mut child);
    if ended.is_err() {
        // The kernel is gone: nobody will see what the cells do.
        child.kill()?;
    }
    child.wait()
}

/// Ends this process as another one ended.
pub fn end_as(status: ExitStatus) -> ! {
    if let Some(signal) = status.signal() {
        let _ended = signal_hook::low_level::emulate_default_handler(signal);
    }
    #[expect(clippy::exit, reason = "to end as the other process did")]
    std::process::exit(status.code().unwrap_or(1))
}

/// The way to the kernel, for both threads.
#[derive(Clone)]
struct To(Arc<Mutex<UnixStream>>);

impl To {
    fn tell(&self, heard: &Heard) -> io::Result<()> {
        // Nothing panics with it held.
        heard.write(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Passes on what evcxr says, line by line, until it says no more.
fn pass_commands(mut evcxr: impl BufRead, mut cells: ChildStdin, to: &To) -> io::Result<()> {
    let mut line = Vec::new();
    while evcxr.read_until(b'\n', &mut line)? > 0 {
        if line.starts_with(RUN) {
            to.tell(&Heard::Begun)?;
        }
        cells.write_all(&line)?;
        line.clear();
    }
    Ok(())
}

struct Relay {
    /// Where the kernel asks.
    kernel: UnixStream,
    to: To,
    sorter: Sorter,
}

impl Relay {
    /// Passes on what is written until both ends are closed.
    fn serve(&mut self, child: &mut Child) -> io::Result<()> {
        let (Some(mut stdout), Some(mut stderr)) = (child.stdout.take(), child.stderr.take())
        else {
            return Err(io::ErrorKind::BrokenPipe.into());
        };
        for fd in [stdout.as_fd(), stderr.as_fd()] {
            fcntl_setfl(fd, fcntl_getfl(fd)? | OFlags::NONBLOCK)?;
        }
        let (mut out, mut err) = (true, true);
        while out || err {
            let asked = {
                let flags = |open: bool| {
                    if open {
                        PollFlags::IN
                    } else {
                        PollFlags::empty()
                    }
                };
                let mut fds = [
                    PollFd::new(&self.kernel, PollFlags::IN),
                    PollFd::new(&stdout, flags(out)),
                    PollFd::new(&stderr, flags(err)),
                ];
                poll(
                    &mut fds,
                    Some(&Timespec::try_from(Duration::from_hours(1)).map_err(io::Error::other)?),
                )?;
                !fds[0].revents().is_empty()
            };
            // Errors first: a panic's message comes before the word that it happened.
            err = err && self.drain_errors(&mut stderr)?;
            out = out && self.drain_output(&mut stdout, &mut stderr)?;
            if asked {
                self.answer(&mut stdout, &mut stderr)?;
            }
        }
        Ok(())
    }

    /// Answers the kernel's question: all that is there has been told.
    fn answer(&mut self, stdout: &mut impl Read, stderr: &mut impl Read) -> io::Result<()> {
        let mut number = [0; 8];
        self.kernel.read_exact(&mut number)?;
        self.drain_errors(stderr)?;
        self.drain_output(stdout, stderr)?;
        for heard in self.sorter.flush() {
            self.pass(heard)?;
        }
        self.tell(&Heard::Fence(u64::from_be_bytes(number)))
    }

    /// Tells what is there; says whether there may be more.
    fn drain_errors(&mut self, stderr: &mut impl Read) -> io::Result<bool> {
        drain(stderr, |bytes| self.tell(&Heard::Stderr(bytes.to_vec())))
    }

    fn drain_output(&mut self, stdout: &mut impl Read, stderr: &mut impl Read) -> io::Result<bool> {
        drain(stdout, |bytes| {
            for sorted in self.sorter.sort(bytes) {
                if matches!(sorted, Sorted::Control(_)) {
                    self.drain_errors(stderr)?;
                }
                self.pass(sorted)?;
            }
            Ok(())
        })
    }

    fn pass(&mut self, sorted: Sorted) -> io::Result<()> {
        match sorted {
            Sorted::Text(bytes) => self.tell(&Heard::Stdout(bytes)),
            Sorted::Block { mime, body } => self.tell(&Heard::Block { mime, body }),
            Sorted::Control(line) => {
                match line.as_str() {
                    "EVCXR_PANIC_NOTIFICATION" => self.tell(&Heard::Panic)?,
                    "EVCXR_ERROR_OCCURRED" => self.tell(&Heard::Failed)?,
                    _ => {}
                }
                let mut evcxr = io::stdout().lock();
                writeln!(evcxr, "{line}").and_then(|()| evcxr.flush())
            }
        }
    }

    fn tell(&self, heard: &Heard) -> io::Result<()> {
        self.to.tell(heard)
    }
}

/// Reads what is there; says whether there may be more.
fn drain(from: &mut impl Read, mut take: impl FnMut(&[u8]) -> io::Result<()>) -> io::Result<bool> {
    let mut part = vec![0; 1 << 16];
    loop {
        match from.read(&mut part) {
            Ok(0) => return Ok(false),
            Ok(length) => take(&part[..length])?,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(true),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

impl Heard {
    /// Writes it as a letter, a length of four bytes, and so many bytes.
    fn write(&self, to: &mut impl Write) -> io::Result<()> {
        let (letter, body): (u8, Vec<u8>) = match self {
            Self::Child(id) => (b'c', id.to_be_bytes().to_vec()),
            Self::Begun => (b'r', Vec::new()),
            Self::Stdout(bytes) => (b'o', bytes.clone()),
            Self::Stderr(bytes) => (b'e', bytes.clone()),
            Self::Block { mime, body } => (b'b', format!("{mime}\n{body}").into_bytes()),
            Self::Panic => (b'p', Vec::new()),
            Self::Failed => (b'q', Vec::new()),
            Self::Fence(number) => (b'f', number.to_be_bytes().to_vec()),
        };
        let length = u32::try_from(body.len()).map_err(io::Error::other)?;
        to.write_all(&[letter])?;
        to.write_all(&length.to_be_bytes())?;
        to.write_all(&body)
    }

    /// Reads the next one; `None` where the relay has ended.
    ///
    /// # Errors
    /// When the stream fails or holds something else.
    pub fn read(from: &mut impl Read) -> io::Result<Option<Self>> {
        let mut letter = [0];
        if from.read(&mut letter)? == 0 {
            return Ok(None);
        }
        let mut length = [0; 4];
        from.read_exact(&mut length)?;
        let length = u64::from(u32::from_be_bytes(length));
        let mut body = Vec::new();
        from.take(length).read_to_end(&mut body)?;
        let odd = || io::Error::from(io::ErrorKind::InvalidData);
        let heard = match letter[0] {
            b'c' => Self::Child(u32::from_be_bytes(body.try_into().map_err(|_| odd())?)),
            b'r' => Self::Begun,
            b'o' => Self::Stdout(body),
            b'e' => Self::Stderr(body),
            b'b' => {
                let text = String::from_utf8_lossy(&body);
                let (mime, body) = text.split_once('\n').ok_or_else(odd)?;
                Self::Block {
                    mime: mime.to_owned(),
                    body: body.to_owned(),
                }
            }
            b'p' => Self::Panic,
            b'q' => Self::Failed,
            b'f' => Self::Fence(u64::from_be_bytes(body.try_into().map_err(|_| odd())?)),
            _ => return Err(odd()),
        };
        Ok(Some(heard))
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn what_is_told_is_heard() {
        let block = Heard::Block {
            mime: "text/html".to_owned(),
            body: "<b>\n</b>".to_owned(),
        };
        let all = [
            Heard::Child(7),
            Heard::Begun,
            Heard::Stdout(b"\xff\n".to_vec()),
            Heard::Stderr(Vec::new()),
            block,
            Heard::Panic,
            Heard::Failed,
            Heard::Fence(u64::MAX),
        ];
        let mut bytes = Vec::new();
        for heard in &all {
            heard.write(&mut bytes).unwrap();
        }
        let mut from = bytes.as_slice();
        for heard in all {
            assert_eq!(Heard::read(&mut from).unwrap(), Some(heard));
        }
        assert_eq!(Heard::read(&mut from).unwrap(), None);
        assert!(Heard::read(&mut [b'z', 0, 0, 0, 0].as_slice()).is_err());
        assert!(Heard::read(&mut [b'f', 0, 0, 0, 1, 5].as_slice()).is_err());
    }
}
