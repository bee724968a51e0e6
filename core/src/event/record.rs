//! Appends a run's events to its `events.jsonl`, which is never rewritten.
//!
//! A line is written by one call and counts once its newline is there, so a process that
//! dies leaves at most a torn last line; [`Recorder::append`] cuts it. When a write fails
//! half-way (a full disk), the half line is cut at once and the event is kept in memory:
//! [`Sink::flush`] tries again, in order, and nothing is lost.

use std::collections::VecDeque;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use super::{Event, Sink, replay};
use crate::{Error, Result};

/// The sink that writes `events.jsonl`.
#[derive(Debug)]
pub struct Recorder {
    path: PathBuf,
    file: File,
    /// Bytes of whole lines in the file.
    length: u64,
    /// Whether something may follow the whole lines that has to be cut.
    torn: bool,
    backlog: VecDeque<Line>,
}

#[derive(Debug)]
struct Line {
    text: String,
    durable: bool,
}

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
        let mut recorder = Self::over(path, file, length);
        recorder.torn = true;
        recorder.cut()?;
        Ok(recorder)
    }

    fn over(path: &Path, file: File, length: u64) -> Self {
        Self {
            path: path.to_path_buf(),
            file,
            length,
            torn: false,
            backlog: VecDeque::new(),
        }
    }

    /// Cuts the file back to its whole lines, if it may be longer.
    fn cut(&mut self) -> Result<()> {
        if self.torn {
            let cut = self.file.set_len(self.length);
            cut.map_err(Error::io(&self.path, "cut a torn line of"))?;
            self.torn = false;
        }
        Ok(())
    }

    fn put(&mut self, line: &Line) -> Result<()> {
        self.cut()?;
        let mut written = self.file.write_all(line.text.as_bytes());
        if line.durable {
            written = written.and_then(|()| self.file.sync_data());
        }
        if let Err(error) = written {
            self.torn = true;
            // Should the cut fail too, the next attempt starts with it, and so does the
            // next process: the first error is the one to tell.
            let _retried = self.cut();
            return Err(Error::io(&self.path, "write")(error));
        }
        self.length += line.text.len() as u64;
        Ok(())
    }
}

impl Sink for Recorder {
    fn event(&mut self, event: &Event) -> Result<()> {
        self.backlog.push_back(Line {
            text: event.to_line(),
            durable: event.kind.is_durable(),
        });
        self.flush()
    }

    fn flush(&mut self) -> Result<()> {
        while let Some(line) = self.backlog.pop_front() {
            if let Err(error) = self.put(&line) {
                self.backlog.push_front(line);
                return Err(error);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
