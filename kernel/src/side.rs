//! What the library in the process that runs cells shows, from any thread, at any time.
//!
//! One JSON object a line, through a socket that only the owner can open.

use std::io::{self, BufRead, BufReader, Read};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::thread;

use crossbeam_channel::Sender;

use crate::child::restrict;
use crate::outlet::Inlet;

/// The longest line that is taken, in bytes.
const LONGEST: u64 = 64 << 20;

/// Where the library finds the kernel.
#[must_use]
pub fn address(folder: &Path) -> PathBuf {
    folder.join("channel")
}

/// Listens in the kernel's folder; what comes goes to the outlet.
///
/// # Errors
/// When no socket can be made there.
pub fn listen(folder: &Path, outlet: Sender<Inlet>) -> io::Result<()> {
    let listener = UnixListener::bind(address(folder))?;
    restrict(&address(folder))?;
    thread::Builder::new()
        .name("channels".to_owned())
        .spawn(move || {
            for stream in listener.incoming().flatten() {
                let outlet = outlet.clone();
                thread::spawn(move || {
                    if let Err(error) = hear(stream, &outlet) {
                        tracing::warn!("channel: {error}");
                    }
                });
            }
        })?;
    Ok(())
}

fn hear(stream: UnixStream, outlet: &Sender<Inlet>) -> io::Result<()> {
    let mut from = BufReader::new(stream);
    let mut line = Vec::new();
    loop {
        line.clear();
        if from.by_ref().take(LONGEST).read_until(b'\n', &mut line)? == 0 {
            return Ok(());
        }
        match serde_json::from_slice(&line) {
            Ok(shown) => {
                if outlet.send(Inlet::Shown(shown)).is_err() {
                    return Ok(());
                }
            }
            Err(error) => tracing::warn!("channel: a line that is no message: {error}"),
        }
    }
}
