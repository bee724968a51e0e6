//! Reads a record of events: whole, as the history that counts, or while it grows.
//!
//! A record is only ever appended to. When a run is taken up again from a checkpoint, what
//! an earlier process did after that checkpoint stays in the file but is void:
//! [`History`] is the record without it.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::tail::{Found, Tail};
use super::{Event, Kind};
use crate::{Error, Result};

/// Bytes read at once.
const PIECE: usize = 1 << 20;

/// Reads every event of a record, superseded ones too; a torn last line is not there yet.
///
/// # Errors
/// [`Error::Io`] when the file cannot be read, [`Error::Checkpoint`] with the line for a
/// line that is no event.
pub fn read(path: &Path) -> Result<Vec<Event>> {
    read_whole(path).map(|parsed| parsed.events)
}

/// What a stretch of a record holds.
#[derive(Debug)]
pub(super) struct Parsed {
    /// The events of its whole lines.
    pub(super) events: Vec<Event>,
    /// Bytes that the whole lines take up.
    pub(super) length: u64,
}

pub(super) fn read_whole(path: &Path) -> Result<Parsed> {
    let bytes = std::fs::read(path).map_err(Error::io(path, "read"))?;
    let length = memchr::memrchr(b'\n', &bytes).map_or(0, |at| at + 1);
    let lines = bytes[..length].split_inclusive(|&b| b == b'\n');
    let events = lines.zip(1..).map(|(text, line)| event(path, line, text));
    Ok(Parsed {
        events: events.collect::<Result<_>>()?,
        length: length as u64,
    })
}

/// The events of a run that count.
///
/// After `Resumed { from_step }`, the events seen before it with a later step are void. An
/// edit of the configuration with a version seen before replaces that and what followed
/// it: a resumed run repeats the edits that its checkpoint does not have. In the same way a
/// split's evaluation replaces the one made of it at the same step, and so does a snapshot
/// of factors.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct History {
    events: Vec<Event>,
}

impl History {
    /// Reads the history that a record holds; a record that is not there is an empty one.
    ///
    /// # Errors
    /// Those of [`read`].
    pub fn read(path: &Path) -> Result<Self> {
        match read(path) {
            Ok(events) => Ok(events.into_iter().collect()),
            Err(Error::Io { source, .. }) if source.kind() == ErrorKind::NotFound => {
                Ok(Self::default())
            }
            Err(error) => Err(error),
        }
    }

    /// Takes the next event and drops what it makes void.
    pub fn push(&mut self, event: Event) {
        match &event.kind {
            Kind::Resumed { from_step } => self.events.retain(|e| e.step <= *from_step),
            Kind::ConfigApplied(new) => self.events.retain(
                |e| !matches!(&e.kind, Kind::ConfigApplied(old) if old.version >= new.version),
            ),
            Kind::Eval(new) => self.events.retain(
                |e| !matches!(&e.kind, Kind::Eval(old) if e.step == event.step && old.split == new.split),
            ),
            Kind::Factors(_) => self
                .events
                .retain(|e| !(matches!(e.kind, Kind::Factors(_)) && e.step == event.step)),
            _ => {}
        }
        self.events.push(event);
    }

    /// The events in the order they happened.
    #[must_use]
    pub fn events(&self) -> &[Event] {
        &self.events
    }

    /// How the run came to its end; `None` while it can go on.
    #[must_use]
    pub fn finished(&self) -> Option<&Event> {
        // A process that took the run up again says so before anything else.
        let last_process = self
            .events
            .iter()
            .rev()
            .take_while(|e| !matches!(e.kind, Kind::Started(_) | Kind::Resumed { .. }));
        last_process
            .into_iter()
            .find(|e| matches!(e.kind, Kind::Finished { .. }))
    }
}

impl FromIterator<Event> for History {
    fn from_iter<I: IntoIterator<Item = Event>>(events: I) -> Self {
        let mut history = Self::default();
        events.into_iter().for_each(|event| history.push(event));
        history
    }
}

/// Reads a record while another process writes it.
#[derive(Debug)]
pub struct Follow {
    path: PathBuf,
    tail: Tail,
}

/// What [`Follow::poll`] found.
#[derive(Debug, Clone, PartialEq)]
pub enum Update {
    /// Events that came since the last look, often none.
    Appended(Vec<Event>),
    /// Another record has taken the file's place; what was read before is not of this run.
    Restarted(Vec<Event>),
}

impl Follow {
    /// Follows the record at `path`, from its first event; it need not be there yet.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        let path = path.into();
        let tail = Tail::new(&path);
        Self { path, tail }
    }

    /// Reads the events that came since the last call, without waiting for any.
    ///
    /// # Errors
    /// Those of [`read`]; after an error the next call tries the same place again.
    pub fn poll(&mut self) -> Result<Update> {
        let (mut events, mut restarted) = (Vec::new(), false);
        let path = &self.path;
        loop {
            let found = self.tail.read(PIECE, |line| {
                events.push(event(path, line.number, line.text)?);
                Ok(())
            });
            match found {
                Ok(Found::Lines) => {}
                Ok(Found::Another) => {
                    restarted = true;
                    events.clear();
                }
                // What came before is told first; the next call meets the error again.
                Ok(Found::Nothing) | Err(_) if restarted => return Ok(Update::Restarted(events)),
                Err(error) if events.is_empty() => return Err(error),
                Ok(Found::Nothing) | Err(_) => return Ok(Update::Appended(events)),
            }
        }
    }
}

/// Reads a line's event.
fn event(path: &Path, line: usize, text: &[u8]) -> Result<Event> {
    Event::from_line(text).map_err(|message| Error::Checkpoint {
        path: path.to_path_buf(),
        line: Some(line),
        message,
    })
}

#[cfg(test)]
mod tests;
