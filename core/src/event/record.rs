//! Appends a run's events to its `events.jsonl`, which is never rewritten.
//!
//! A line is written by one call and counts once its newline is there, so a process that
//! dies leaves at most a torn last line; [`Recorder::append`] cuts it. After a write that
//! failed (a full disk), [`Sink::flush`] tries again, in order, and nothing is lost.

use std::fs::OpenOptions;
use std::path::Path;

use super::append::Appender;
use super::{Event, Sink, replay};
use crate::{Error, Result};

/// The sink that writes `events.jsonl`.
#[derive(Debug)]
pub struct Recorder(Appender);

impl Recorder {
    /// Opens a record to append to, and makes it where there is none.
    ///
    /// # Errors
    /// [`Error::Checkpoint`] with the line when what is there is no record: only its last
    /// line may be torn, which is cut. [`Error::Io`] when the file cannot be used.
    pub fn append(path: &Path) -> Result<Self> {
        let file = OpenOptions::new()
            .append(true)
            .create(true)
            .open(path)
            .map_err(Error::io(path, "open"))?;
        let length = replay::read_whole(path)?.length;
        Ok(Self(Appender::new(path, file, length)?))
    }
}

impl Sink for Recorder {
    fn event(&mut self, event: &Event) -> Result<()> {
        let durable = event.kind.is_durable();
        self.0.append(event.to_line().into_bytes(), durable)
    }

    fn flush(&mut self) -> Result<()> {
        self.0.flush()
    }
}

#[cfg(test)]
mod tests;
