//! Messages on the wire: what is let in, and what goes out.
//!
//! A message is let in if its signature is right and was not seen before. Whatever else
//! arrives is an error for the log, and the socket goes on being read.

use std::collections::{HashSet, VecDeque};
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use jupyter_protocol::{Header, JupyterMessage, JupyterMessageContent, UnknownMessage};
use jupyter_zmq_client::{Connection, RawMessage};
use serde_json::{Value, json};
use zeromq::{Socket as _, SocketRecv, ZmqMessage};

/// The protocol that is spoken.
pub const PROTOCOL: &str = "5.5";

/// Messages that are remembered, so that nobody can send them again; as many as the
/// reference client remembers.
const REMEMBERED: usize = 1 << 16;

/// Why a message was not let in.
#[derive(Debug, thiserror::Error)]
pub enum WireError {
    /// Its frames or its signature are wrong.
    #[error("{0}")]
    Frames(#[from] jupyter_zmq_client::RuntimeError),
    /// A part of it is not the JSON it should be.
    #[error("its {part}: {error}")]
    Json {
        /// Which part.
        part: &'static str,
        /// What the parser says.
        error: serde_json::Error,
    },
    /// It was let in before.
    #[error("message {0} was sent before")]
    Replayed(String),
    /// The socket is gone.
    #[error("the socket: {0}")]
    Socket(#[from] zeromq::ZmqError),
}

/// A message that was let in.
#[derive(Debug, Clone)]
pub struct Request {
    /// Who is to have the answer.
    pub identities: Vec<Bytes>,
    /// Its header; its `msg_type` says what `content` is.
    pub header: Header,
    /// What it says.
    pub content: Value,
}

impl Request {
    /// A text of its content; empty where there is none.
    #[must_use]
    pub fn text(&self, name: &str) -> &str {
        self.content[name].as_str().unwrap_or_default()
    }

    /// A yes or no of its content, or what it is by default.
    #[must_use]
    pub fn flag(&self, name: &str, default: bool) -> bool {
        self.content[name].as_bool().unwrap_or(default)
    }

    /// A whole number of its content.
    #[must_use]
    pub fn number(&self, name: &str) -> Option<i64> {
        self.content[name].as_i64()
    }

    /// An answer to whoever asked.
    #[must_use]
    pub fn reply(&self, kind: &str, content: Value) -> JupyterMessage {
        message(kind, content, Some(&self.header)).with_zmq_identities(self.identities.clone())
    }
}

/// A message of our own.
#[must_use]
pub fn message(kind: &str, content: Value, parent: Option<&Header>) -> JupyterMessage {
    let content = JupyterMessageContent::UnknownMessage(UnknownMessage {
        msg_type: kind.to_owned(),
        content,
    });
    let mut message = JupyterMessage::new(content, None);
    "kernel".clone_into(&mut message.header.username);
    PROTOCOL.clone_into(&mut message.header.version);
    message.parent_header = parent.cloned();
    message.metadata = json!({});
    message
}

/// The messages that were let in.
#[derive(Debug, Default)]
pub struct Seen(Mutex<Signatures>);

/// A set of signatures, and the order in which they came.
type Signatures = (HashSet<Vec<u8>>, VecDeque<Vec<u8>>);

impl Seen {
    /// Notes a message; false if it was noted before.
    fn is_new(&self, signature: &[u8]) -> bool {
        // Nothing in here panics with the lock held.
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (signatures, order) = &mut *seen;
        if !signatures.insert(signature.to_owned()) {
            return false;
        }
        order.push_back(signature.to_owned());
        if order.len() > REMEMBERED
            && let Some(oldest) = order.pop_front()
        {
            signatures.remove(&oldest);
        }
        true
    }
}

/// The next message of a socket.
///
/// # Errors
/// [`WireError::Socket`] when there will be no more; any other, and the next can be read.
pub async fn read<S: SocketRecv>(
    socket: &mut Connection<S>,
    seen: &Seen,
) -> Result<Request, WireError> {
    let frames = socket.socket.recv().await?;
    let signature = signature(&frames);
    let raw = RawMessage::from_multipart(frames, &socket.mac)?;
    request(raw, &signature, seen)
}

/// What frames say, if they are signed with a key.
///
/// # Errors
/// As [`read`].
pub fn decode(frames: Vec<Bytes>, key: &str, seen: &Seen) -> Result<Request, WireError> {
    let frames = ZmqMessage::try_from(frames).map_err(|error| {
        let text = error.to_string();
        jupyter_zmq_client::RuntimeError::ZmqMessageError(text)
    })?;
    // Only its key is used.
    let socket = Connection::new(zeromq::RouterSocket::new(), key, "");
    let signature = signature(&frames);
    let raw = RawMessage::from_multipart(frames, &socket.mac)?;
    request(raw, &signature, seen)
}

/// The frame after the delimiter.
fn signature(frames: &ZmqMessage) -> Bytes {
    let mut frames = frames.iter();
    let _delimiter = frames.find(|frame| frame.as_ref() == b"<IDS|MSG>");
    frames.next().cloned().unwrap_or_default()
}

fn request(raw: RawMessage, signature: &[u8], seen: &Seen) -> Result<Request, WireError> {
    let part = |at: usize, part| {
        serde_json::from_slice::<Value>(&raw.jparts[at])
            .map_err(|error| WireError::Json { part, error })
    };
    let header =
        serde_json::from_value::<Header>(part(0, "header")?).map_err(|error| WireError::Json {
            part: "header",
            error,
        })?;
    let content = part(3, "content")?;
    // Ids may repeat: a front end and its manager count each for itself. Signatures do not,
    // and in letters of either size they are the same.
    if !seen.is_new(&signature.to_ascii_lowercase()) {
        return Err(WireError::Replayed(header.msg_id));
    }
    Ok(Request {
        identities: raw.zmq_identities,
        header,
        content,
    })
}
