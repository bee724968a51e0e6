//! A first look at a long record, from its two ends: enough for the first screen.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use crate::event::{Event, Kind};
use crate::{Error, Result};

use super::run_view::RunView;

/// Bytes looked at from the start: `started` carries the configuration.
const HEAD: u64 = 256 << 10;
/// Bytes looked at from the end: about two thousand steps.
const TAIL: u64 = 512 << 10;

/// What the first and the last lines of a record of `length` bytes tell: what the run is, and
/// how it stands. Of a long record, that is not every evaluation and edit.
///
/// # Errors
/// [`Error::Io`] when the file cannot be read.
pub fn glimpse(path: &Path, length: u64) -> Result<RunView> {
    let mut file = File::open(path).map_err(Error::io(path, "open"))?;
    let mut view = RunView::default();
    let from = length.saturating_sub(TAIL);
    let tail = piece(&mut file, from, TAIL).map_err(Error::io(path, "read"))?;
    if from == 0 {
        lines(&tail).for_each(|event| view.push(event));
        return Ok(view);
    }
    let head = piece(&mut file, 0, HEAD).map_err(Error::io(path, "read"))?;
    let is_start = |event: &Event| matches!(event.kind, Kind::Started(_));
    if let Some(started) = lines(&head).find(is_start) {
        view.push(started);
    }
    // The piece starts in the middle of a line.
    let whole = memchr::memchr(b'\n', &tail).map_or(tail.len(), |at| at + 1);
    lines(&tail[whole..]).for_each(|event| view.push(event));
    Ok(view)
}

fn piece(file: &mut File, from: u64, length: u64) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.seek(SeekFrom::Start(from))?;
    file.take(length).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn lines(bytes: &[u8]) -> impl Iterator<Item = Event> + '_ {
    let whole = memchr::memrchr(b'\n', bytes).map_or(0, |at| at + 1);
    let lines = bytes[..whole].split_inclusive(|&b| b == b'\n');
    lines.filter_map(|line| Event::from_line(line).ok())
}
