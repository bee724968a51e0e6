//! Commands to a run through a Unix socket: the fast path on the machine that it runs on.
//!
//! ```text
//! $XDG_RUNTIME_DIR/compacter/<16 digits of a hash of the run's path>.sock
//!
//! client ─ one line of JSON: the run's path and an envelope ─▶ run
//!        ◀─ one line of JSON: the answer ────────────────────
//! ```
//!
//! The name is short because an address holds 108 bytes, however long the run's path is.
//! The folder is its owner's alone, and so is the socket; who connects must be the same
//! user, which the system itself says. A client may send anything or nothing: it has two
//! seconds for its line, the line has a longest length, and each client has a thread of
//! its own, of which there are a few. Where no socket can be had, the mailbox does it all.

use std::fs::{self, DirBuilder};
use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError};
use serde::{Deserialize, Serialize};

use super::machine;
use super::request::{Answer, Envelope, LARGEST};
use crate::hash::fnv1a;
use crate::{Error, Result};

/// Bytes in a socket's address, on Linux; elsewhere a few less, which the system tells.
const LONGEST_ADDRESS: usize = 107;

/// Clients at a time; who comes while there are so many is sent away.
const CLIENTS: usize = 16;

/// How long a client may take for its line, and to take the answer.
const LINE: Duration = Duration::from_secs(2);

/// How long a client is kept waiting for a run that is busy.
const BUSY: Duration = Duration::from_mins(10);

/// Time between looks for a client.
const TICK: Duration = Duration::from_millis(20);

/// Takes over a request, and says where its answer will come out.
pub type Deliver = dyn Fn(Envelope) -> Result<Receiver<Answer>> + Send + Sync;

/// The socket's path for a run, below a folder such as `$XDG_RUNTIME_DIR`; `None` where it
/// would be too long or the run is not there.
#[must_use]
pub fn address(runtime: &Path, run: &Path) -> Option<PathBuf> {
    let run = run.canonicalize().ok()?;
    let hash = fnv1a(run.as_os_str().as_encoded_bytes());
    let path = runtime.join("compacter").join(format!("{hash:016x}.sock"));
    let fits = path.as_os_str().len() <= LONGEST_ADDRESS;
    (fits && runtime.is_absolute()).then_some(path)
}

/// What a client sends.
#[derive(Debug, Serialize, Deserialize)]
struct Call {
    /// The run that is meant: two paths may have the same hash.
    run: PathBuf,
    #[serde(flatten)]
    envelope: Envelope,
}

/// Listens for commands to a run until it is dropped.
#[derive(Debug)]
pub struct Listener {
    address: PathBuf,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Listener {
    /// Starts listening at [`address`]. Only for the one process that holds the run's lock.
    ///
    /// # Errors
    /// [`Error::Io`] when there can be no socket, or none that is safe: then the run has
    /// its mailbox.
    pub fn start(address: &Path, run: &Path, deliver: Arc<Deliver>) -> Result<Self> {
        let refused = |action| Error::io(address, action);
        if let Some(folder) = address.parent() {
            make_private(folder)?;
        }
        let run = run.canonicalize().map_err(Error::io(run, "open"))?;
        let peers = Peers::new().map_err(refused("listen at"))?;
        let listener = bind(address).map_err(refused("listen at"))?;
        fs::set_permissions(address, fs::Permissions::from_mode(0o600))
            .and_then(|()| listener.set_nonblocking(true))
            .map_err(refused("listen at"))?;
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let server = Arc::new(Server {
            run,
            deliver,
            peers,
            clients: AtomicUsize::new(0),
        });
        let thread = std::thread::Builder::new()
            .name("command-socket".to_owned())
            .spawn(move || {
                while !stopped.load(Ordering::Acquire) {
                    match listener.accept() {
                        Ok((client, _)) => server.receive(client),
                        Err(_) => std::thread::sleep(TICK),
                    }
                }
            })
            .map_err(refused("listen at"))?;
        Ok(Self {
            address: address.to_path_buf(),
            stop,
            thread: Some(thread),
        })
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the thread that listened for commands panicked");
        }
        // What is left is replaced by the run's next process.
        let _left = fs::remove_file(&self.address);
    }
}

/// Makes a folder that nobody else can look into, or makes sure that it is one.
fn make_private(folder: &Path) -> Result<()> {
    let refused = |error| Error::io(folder, "use")(error);
    match DirBuilder::new().mode(0o700).create(folder) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
        made => made.map_err(refused)?,
    }
    let found = fs::symlink_metadata(folder).map_err(refused)?;
    if !found.is_dir() || Some(found.uid()) != machine::user() {
        let message = "it is no folder of this user's own";
        return Err(refused(io::Error::new(
            ErrorKind::PermissionDenied,
            message,
        )));
    }
    if found.mode() & 0o077 != 0 {
        fs::set_permissions(folder, fs::Permissions::from_mode(0o700)).map_err(refused)?;
    }
    Ok(())
}

/// Binds the address; what a dead process left there is replaced.
fn bind(address: &Path) -> io::Result<UnixListener> {
    match UnixListener::bind(address) {
        Err(error) if error.kind() == ErrorKind::AddrInUse => {}
        bound => return bound,
    }
    if UnixStream::connect(address).is_ok() {
        // A run whose path has the same hash.
        return Err(ErrorKind::AddrInUse.into());
    }
    fs::remove_file(address)?;
    UnixListener::bind(address)
}

struct Server {
    run: PathBuf,
    deliver: Arc<Deliver>,
    peers: Peers,
    clients: AtomicUsize,
}

impl Server {
    /// Answers a client on a thread of its own.
    fn receive(self: &Arc<Self>, client: UnixStream) {
        if self.clients.fetch_add(1, Ordering::AcqRel) >= CLIENTS {
            self.clients.fetch_sub(1, Ordering::AcqRel);
            return;
        }
        let server = Arc::clone(self);
        let spawned = std::thread::Builder::new()
            .name("command-client".to_owned())
            .spawn(move || {
                if let Err(error) = server.serve(&client) {
                    tracing::debug!("a client of the command socket: {error}");
                }
                server.clients.fetch_sub(1, Ordering::AcqRel);
            });
        if spawned.is_err() {
            self.clients.fetch_sub(1, Ordering::AcqRel);
        }
    }

    fn serve(&self, client: &UnixStream) -> io::Result<()> {
        if !self.peers.is_this_user(client)? {
            return Err(ErrorKind::PermissionDenied.into());
        }
        client.set_write_timeout(Some(LINE))?;
        let line = read_line(client, Instant::now() + LINE)?;
        let answer = self.answer(&line);
        let mut line = serde_json::to_vec(&answer)?;
        line.push(b'\n');
        let mut client = client;
        client.write_all(&line)
    }

    fn answer(&self, line: &[u8]) -> Answer {
        let refused = |id: &str, message: &str| Answer {
            id: id.to_owned(),
            accepted: false,
            message: Some(message.to_owned()),
        };
        // The line is an envelope with one field more.
        let envelope = match Envelope::parse(line) {
            Ok(envelope) => envelope,
            Err(message) => return refused("", &message),
        };
        let id = envelope.id.clone();
        match serde_json::from_slice::<Call>(line) {
            Ok(call) if call.run == self.run => {}
            _ => return refused(&id, OTHER_RUN),
        }
        match (self.deliver)(envelope) {
            Err(error) => refused(&id, &error.to_string()),
            Ok(answers) => match answers.recv_timeout(BUSY) {
                Ok(answer) => answer,
                Err(RecvTimeoutError::Timeout) => refused(&id, "the run has not come to it yet"),
                Err(RecvTimeoutError::Disconnected) => refused(&id, ENDED),
            },
        }
    }
}

/// What a client is told that has come to the wrong run.
const OTHER_RUN: &str = "this socket is another run's";

/// What a client is told when the run ends before it has heard the request.
const ENDED: &str = "the run has ended";

/// Asks the system who is at the other end.
///
/// The standard library cannot yet; tokio can on every Unix, and wants a runtime for it,
/// which nothing ever runs on.
struct Peers {
    runtime: tokio::runtime::Runtime,
    user: u32,
}

impl Peers {
    fn new() -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .build()?;
        let unknown = || io::Error::other("the system does not say whose process this is");
        Ok(Self {
            runtime,
            user: machine::user().ok_or_else(unknown)?,
        })
    }

    /// Whether the client is a process of this user; it is then ready to be read from.
    fn is_this_user(&self, client: &UnixStream) -> io::Result<bool> {
        let _entered = self.runtime.enter();
        // Both are one socket to the system, and tokio's must not block.
        client.set_nonblocking(true)?;
        let peer = tokio::net::UnixStream::from_std(client.try_clone()?)?.peer_cred()?;
        client.set_nonblocking(false)?;
        Ok(peer.uid() == self.user)
    }
}

/// Reads up to the end of a line, or of what the other end sends, until `end` at most.
fn read_line(stream: &UnixStream, end: Instant) -> io::Result<Vec<u8>> {
    let mut line = Vec::new();
    let mut part = [0; 4096];
    let mut stream = stream;
    while !line.contains(&b'\n') {
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(ErrorKind::TimedOut.into());
        }
        stream.set_read_timeout(Some(left))?;
        match stream.read(&mut part)? {
            0 => break,
            length => line.extend(&part[..length]),
        }
        if line.len() > 2 * LARGEST {
            return Err(ErrorKind::InvalidData.into());
        }
    }
    Ok(line)
}

/// Asks the run that listens at `address` and waits for its answer until `limit` is over.
///
/// # Errors
/// Any that connecting, writing and reading have, `TimedOut` or `WouldBlock` when the run
/// has not answered in time, and `NotConnected` when nobody has heard the request: the
/// mailbox may then be tried.
pub fn ask(address: &Path, run: &Path, envelope: &Envelope, limit: Duration) -> io::Result<Answer> {
    let unheard = |_| io::Error::from(ErrorKind::NotConnected);
    let mut stream = UnixStream::connect(address).map_err(unheard)?;
    stream.set_read_timeout(Some(limit.max(TICK)))?;
    stream.set_write_timeout(Some(LINE))?;
    let call = Call {
        run: run.canonicalize()?,
        envelope: envelope.clone(),
    };
    let mut line = serde_json::to_vec(&call)?;
    line.push(b'\n');
    stream.write_all(&line).map_err(unheard)?;
    let mut answer = Vec::new();
    BufReader::new(stream.take(2 * LARGEST as u64)).read_until(b'\n', &mut answer)?;
    let answer: Answer = match serde_json::from_slice(&answer) {
        Ok(answer) => answer,
        Err(_) if answer.is_empty() => return Err(ErrorKind::NotConnected.into()),
        Err(error) => return Err(error.into()),
    };
    match answer.message.as_deref() {
        Some(OTHER_RUN | ENDED) if !answer.accepted => Err(ErrorKind::NotConnected.into()),
        _ => Ok(answer),
    }
}

#[cfg(test)]
mod tests;
