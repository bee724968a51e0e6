//! The display that moves while the run does.

use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use compacter_core::Error;
use compacter_core::view::{Change, Source};

use super::{Run, card, place};
use crate::error::Result;
use crate::show::{Bundle, DisplayHandle, display};

/// Time between two looks at the record.
const LOOK: Duration = Duration::from_millis(50);
/// Time between two pictures at least: ten a second.
const FRAME: Duration = Duration::from_millis(100);
/// Time after which a picture is drawn though nothing was recorded: a pause and silence are
/// told by the clock.
const CLOCK: Duration = Duration::from_secs(5);
/// How long nobody may hold the run before the display ends: a trainer that takes it up
/// again needs a moment.
const PATIENCE: Duration = Duration::from_secs(3);

/// Shows a run in the cell that runs, and goes on while the run does: on the thread returned.
pub(super) fn show(run: &Run) -> Result<Option<Arc<JoinHandle<()>>>> {
    let source = run.source()?;
    let bundle = drawn(run, &source);
    let handle = display(&bundle);
    if source.view().status(place::now()).is_over() && !run.is_running()? {
        return Ok(None);
    }
    let live = Live {
        run: run.clone(),
        source,
        handle,
        bundle,
    };
    let thread = thread::Builder::new().name("live display".to_owned());
    let started = thread.spawn(move || live.follow());
    let started = started.map_err(Error::io(run.path(), "start a thread for"))?;
    Ok(Some(Arc::new(started)))
}

fn drawn(run: &Run, source: &Source) -> Bundle {
    card::bundle(source.view(), run.is_running().unwrap_or(false), run.path())
}

struct Live {
    run: Run,
    source: Source,
    handle: DisplayHandle,
    /// What is shown.
    bundle: Bundle,
}

impl Live {
    fn follow(mut self) {
        let (mut shown, mut held) = (Instant::now(), Instant::now());
        let mut is_new = true;
        loop {
            thread::sleep(LOOK);
            let runs = self.run.is_running().unwrap_or(false);
            if runs {
                held = Instant::now();
            }
            let is_left = !runs && held.elapsed() >= PATIENCE;
            // What cannot be read now may be readable later; the run itself is not concerned.
            let change = self.source.poll(place::now()).unwrap_or(Change::Nothing);
            is_new |= change != Change::Nothing;
            let is_over = !runs && self.source.view().status(place::now()).is_over();
            let is_due = is_new && shown.elapsed() >= FRAME || shown.elapsed() >= CLOCK;
            if is_due || is_over || is_left {
                self.draw();
                (shown, is_new) = (Instant::now(), false);
            }
            if is_over || is_left {
                return;
            }
        }
    }

    fn draw(&mut self) {
        let bundle = drawn(&self.run, &self.source);
        if bundle != self.bundle {
            self.handle.update(&bundle);
            self.bundle = bundle;
        }
    }
}
