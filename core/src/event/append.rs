//! Appends whole pieces to a file, and loses none of them when a disk is full.
//!
//! A piece is written by one call. When a write fails half-way, the half piece is cut at
//! once and the whole one is kept in memory: [`Appender::flush`] tries again, in order.

use std::collections::VecDeque;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use crate::{Error, Result};

/// A file that whole pieces are appended to.
#[derive(Debug)]
pub(super) struct Appender {
    path: PathBuf,
    pub(super) file: File,
    /// Bytes of whole pieces in the file.
    pub(super) length: u64,
    /// Whether something may follow the whole pieces that has to be cut.
    pub(super) torn: bool,
    pub(super) backlog: VecDeque<Piece>,
}

/// What is appended as a whole or not at all.
#[derive(Debug)]
pub(super) struct Piece {
    bytes: Vec<u8>,
    durable: bool,
}

impl Appender {
    /// Appends to a file, opened to append, whose whole pieces are `length` bytes long;
    /// what may follow them is cut.
    pub(super) fn new(path: &Path, file: File, length: u64) -> Result<Self> {
        let mut appender = Self::over(path, file, length);
        appender.torn = true;
        appender.cut()?;
        Ok(appender)
    }

    /// Appends to a file that holds whole pieces only.
    pub(super) fn over(path: &Path, file: File, length: u64) -> Self {
        Self {
            path: path.to_path_buf(),
            file,
            length,
            torn: false,
            backlog: VecDeque::new(),
        }
    }

    /// Appends a piece, and what was kept back before it; a durable piece is forced to
    /// the disk.
    pub(super) fn append(&mut self, bytes: Vec<u8>, durable: bool) -> Result<()> {
        self.backlog.push_back(Piece { bytes, durable });
        self.flush()
    }

    /// Appends what was kept back.
    pub(super) fn flush(&mut self) -> Result<()> {
        while let Some(piece) = self.backlog.pop_front() {
            if let Err(error) = self.put(&piece) {
                self.backlog.push_front(piece);
                return Err(error);
            }
        }
        Ok(())
    }

    /// Cuts the file back to its whole pieces, if it may be longer.
    fn cut(&mut self) -> Result<()> {
        if self.torn {
            let cut = self.file.set_len(self.length);
            cut.map_err(Error::io(&self.path, "cut a torn line of"))?;
            self.torn = false;
        }
        Ok(())
    }

    fn put(&mut self, piece: &Piece) -> Result<()> {
        self.cut()?;
        let mut written = self.file.write_all(&piece.bytes);
        if piece.durable {
            written = written.and_then(|()| self.file.sync_data());
        }
        if let Err(error) = written {
            self.torn = true;
            // Should the cut fail too, the next attempt starts with it, and so does the
            // next process: the first error is the one to tell.
            let _retried = self.cut();
            return Err(Error::io(&self.path, "write")(error));
        }
        self.length += piece.bytes.len() as u64;
        Ok(())
    }
}
