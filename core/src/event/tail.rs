//! The lines of a file that may grow, read piece by piece.
//!
//! A last line without its newline is not there yet. A file that another has taken the place
//! of, or that got shorter, is read from its start again, and the caller is told.

use std::fs::File;
use std::io::{ErrorKind, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use crate::{Error, Result};

/// The longest line that is held in memory; a longer one is no event.
const LONGEST: usize = 16 << 20;

/// One whole line.
#[derive(Debug, Clone, Copy)]
pub struct Line<'a> {
    /// Its number, from 1.
    pub number: usize,
    /// Byte at which the next one starts.
    pub end: u64,
    /// Its text with the newline; empty when it was too long.
    pub text: &'a [u8],
}

/// What [`Tail::read`] found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// No whole line, for now.
    Nothing,
    /// Some lines; there may be more.
    Lines,
    /// Another file: what was read before is not of it. Nothing was read yet.
    Another,
}

/// A place in a file, behind its last whole line that was read.
#[derive(Debug)]
pub struct Tail {
    path: PathBuf,
    file: Option<FileId>,
    offset: u64,
    lines: usize,
    /// Whether the present line was too long, and its beginning is gone.
    inside: bool,
    buffer: Vec<u8>,
}

/// Device and inode: what tells a file from another of the same name.
type FileId = (u64, u64);

impl Tail {
    /// The start of a file, which need not be there yet.
    #[must_use]
    pub fn new(path: &Path) -> Self {
        Self {
            path: path.to_path_buf(),
            file: None,
            offset: 0,
            lines: 0,
            inside: false,
            buffer: Vec::new(),
        }
    }

    /// Bytes read so far, in whole lines.
    #[must_use]
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// Reads about `limit` bytes and hands over the whole lines among them.
    ///
    /// # Errors
    /// [`Error::Io`] when the file cannot be read, and what `each` fails with; the next call
    /// begins with the same line again.
    pub fn read(
        &mut self,
        limit: usize,
        each: impl FnMut(Line<'_>) -> Result<()>,
    ) -> Result<Found> {
        let read = Error::io(&self.path, "read");
        let mut file = match File::open(&self.path) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Found::Nothing),
            Err(error) => return Err(Error::io(&self.path, "open")(error)),
        };
        let metadata = file.metadata().map_err(read)?;
        let id = file_id(&metadata);
        let same = self.file.is_none_or(|known| known == id) && metadata.len() >= self.offset;
        if !same || !self.stands_behind_a_line(&mut file)? {
            *self = Self::new(&self.path);
            return Ok(Found::Another);
        }
        self.file = Some(id);
        self.fill(&mut file, limit)?;
        self.split(each)
    }

    /// Whether the byte before the place is a newline, as it was: a file that was cut and has
    /// grown again is another one.
    fn stands_behind_a_line(&self, file: &mut File) -> Result<bool> {
        if self.offset == 0 || self.inside {
            return Ok(true);
        }
        let mut before = [0];
        file.seek(SeekFrom::Start(self.offset - 1))
            .and_then(|_| file.read_exact(&mut before))
            .map_err(Error::io(&self.path, "read"))?;
        Ok(before == *b"\n")
    }

    fn fill(&mut self, file: &mut File, limit: usize) -> Result<()> {
        self.buffer.clear();
        file.seek(SeekFrom::Start(self.offset))
            .map_err(Error::io(&self.path, "read"))?;
        let mut wanted = limit;
        loop {
            let more = wanted - self.buffer.len();
            let got = file
                .by_ref()
                .take(more as u64)
                .read_to_end(&mut self.buffer)
                .map_err(Error::io(&self.path, "read"))?;
            let whole = memchr::memchr(b'\n', &self.buffer).is_some();
            if whole || got < more || self.buffer.len() >= LONGEST {
                return Ok(());
            }
            wanted *= 2;
        }
    }

    fn split(&mut self, mut each: impl FnMut(Line<'_>) -> Result<()>) -> Result<Found> {
        let Some(last) = memchr::memrchr(b'\n', &self.buffer) else {
            if self.buffer.len() >= LONGEST {
                self.inside = true;
                self.offset += self.buffer.len() as u64;
                return Ok(Found::Lines);
            }
            return Ok(Found::Nothing);
        };
        let mut from = 0;
        for newline in memchr::memchr_iter(b'\n', &self.buffer[..=last]) {
            let text = &self.buffer[from..=newline];
            let end = self.offset + text.len() as u64;
            from = newline + 1;
            each(Line {
                number: self.lines + 1,
                end,
                text: if self.inside { &[] } else { text },
            })?;
            (self.offset, self.inside) = (end, false);
            self.lines += 1;
        }
        Ok(Found::Lines)
    }
}

#[cfg(unix)]
fn file_id(metadata: &std::fs::Metadata) -> FileId {
    use std::os::unix::fs::MetadataExt;
    (metadata.dev(), metadata.ino())
}

/// Elsewhere only a file that got shorter, or whose lines moved, is noticed.
#[cfg(not(unix))]
fn file_id(_: &std::fs::Metadata) -> FileId {
    (0, 0)
}
