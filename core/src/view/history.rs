//! Reads a whole record into a view, with what became void left out from the start.
//!
//! A view keeps no points that it could go back to when a run is taken up again from an
//! earlier step. So the record is looked through for such events first, at the speed of
//! memory, and then read with the knowledge of what will be void:
//!
//! ```text
//! an event is void  ⇔  some later `Resumed { from_step }` has from_step < its step
//! ```

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::Result;
use crate::event::tail::{Found, Line, Tail};
use crate::event::{Event, Kind};

use super::run_view::RunView;

/// Bytes read at once.
pub(super) const PIECE: usize = 1 << 20;

/// How far a reading is; shared with whoever waits for it.
#[derive(Debug, Default)]
pub(super) struct Progress {
    /// Bytes read.
    pub(super) done: AtomicU64,
    /// Whether nobody waits any longer.
    pub(super) cancelled: AtomicBool,
}

/// A record that was read, and the place behind it.
#[derive(Debug)]
pub(super) struct History {
    pub(super) view: RunView,
    pub(super) tail: Tail,
}

/// Reads the lines of a record that end at byte `upto` or before.
///
/// # Errors
/// [`crate::Error::Io`] when the file cannot be read.
pub(super) fn read(path: &Path, upto: u64, progress: &Progress) -> Result<History> {
    let voids = Voids::find(path, upto)?;
    let mut history = History {
        view: RunView::default(),
        tail: Tail::new(path),
    };
    while history.tail.offset() < upto && !progress.cancelled.load(Ordering::Relaxed) {
        let limit = piece(upto - history.tail.offset());
        let view = &mut history.view;
        let found = history.tail.read(limit, |line| {
            take(view, line, &voids);
            Ok(())
        })?;
        match found {
            // The view of another file starts empty, without knowledge of the first one's.
            Found::Another => history.view = RunView::default(),
            Found::Nothing => break,
            Found::Lines => {}
        }
        progress
            .done
            .store(history.tail.offset(), Ordering::Relaxed);
    }
    Ok(history)
}

/// Pushes a line's event, or takes note that it is none.
pub(super) fn take(view: &mut RunView, line: Line<'_>, voids: &Voids) {
    match Event::from_line(line.text) {
        Ok(event) if voids.has(event.step, line.end) => view.push_void(&event),
        Ok(event) => view.push(event),
        Err(why) => view.push_unreadable(line.number, &why),
    }
}

/// Where a record says that it was taken up again.
#[derive(Debug, Default)]
pub(super) struct Voids {
    /// The byte behind each `Resumed`, and the earliest step that it or a later one goes
    /// back to; both ascend.
    resumed: Vec<(u64, u64)>,
}

impl Voids {
    fn find(path: &Path, upto: u64) -> Result<Self> {
        let word = memchr::memmem::Finder::new(br#""resumed""#);
        let mut resumed = Vec::new();
        let mut tail = Tail::new(path);
        while tail.offset() < upto {
            let found = tail.read(piece(upto - tail.offset()), |line| {
                if word.find(line.text).is_some()
                    && let Ok(event) = Event::from_line(line.text)
                    && let Kind::Resumed { from_step } = event.kind
                {
                    resumed.push((line.end, from_step));
                }
                Ok(())
            })?;
            match found {
                Found::Another => resumed.clear(),
                Found::Nothing => break,
                Found::Lines => {}
            }
        }
        let mut earliest = u64::MAX;
        for (_, from_step) in resumed.iter_mut().rev() {
            earliest = earliest.min(*from_step);
            *from_step = earliest;
        }
        Ok(Self { resumed })
    }

    /// Whether an event at `step`, whose line ends at byte `end`, is void.
    fn has(&self, step: u64, end: u64) -> bool {
        let later = self.resumed.partition_point(|&(at, _)| at <= end);
        self.resumed
            .get(later)
            .is_some_and(|&(_, from)| from < step)
    }
}

fn piece(left: u64) -> usize {
    usize::try_from(left).map_or(PIECE, |left| left.min(PIECE))
}
