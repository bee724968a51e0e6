//! The socket to the kernel: connected when first needed, and once more when it breaks.

use std::io::{self, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;

use super::Lines;

/// How long a kernel that does not read may hold up a display.
const PATIENCE: Duration = Duration::from_secs(5);

#[derive(Debug)]
pub(super) struct Socket {
    path: PathBuf,
    stream: Option<UnixStream>,
}

impl Socket {
    /// The socket that the environment names.
    pub(super) fn from_environment() -> Option<Self> {
        let path = std::env::var_os("COMPACTER_KERNEL_CHANNEL")?;
        Some(Self::at(path.into()))
    }

    pub(super) fn at(path: PathBuf) -> Self {
        Self { path, stream: None }
    }

    fn write(&mut self, line: &str) -> io::Result<()> {
        let stream = if let Some(stream) = &mut self.stream {
            stream
        } else {
            let stream = UnixStream::connect(&self.path)?;
            stream.set_write_timeout(Some(PATIENCE))?;
            self.stream.insert(stream)
        };
        let written = stream.write_all(line.as_bytes());
        if written.is_err() {
            // Part of a line may be through: what follows needs a connection of its own.
            self.stream = None;
        }
        written
    }
}

impl Lines for Socket {
    fn send(&mut self, line: &str) -> io::Result<()> {
        let was_connected = self.stream.is_some();
        match self.write(line) {
            Err(_) if was_connected => self.write(line),
            written => written,
        }
    }
}
