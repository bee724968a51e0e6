//! `compacter watch`: any run, from outside; on a terminal its dashboard, otherwise lines.

use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, SystemTime};

use compacter_core::event::replay::{Follow, Update};
use compacter_core::event::{Event, Kind, Sink};
use compacter_core::run::RunFolder;
use compacter_core::run::find::{RUNS, find};
use compacter_core::view::Source;
use compacter_core::{Error, Result};

use crate::Exit;
use crate::args::Watch;
use crate::output::PlainSink;
use crate::screen::steer::Steered;
use crate::screen::{self, Life, Trainer, Watched};

/// Steps between lines.
const LOG_EVERY: u64 = 10;

/// Between two looks at a record.
const LOOK: Duration = Duration::from_millis(100);

pub(crate) fn run(args: &Watch) -> Result<Exit> {
    let folder = match &args.run {
        Some(run) => find(run)?,
        None => newest(Path::new(RUNS))?,
    };
    if !args.plain && screen::is_wanted() {
        screen::show(watched(folder)?, &args.look)
    } else {
        lines(&folder)
    }
}

/// A run to be shown as it goes on.
///
/// # Errors
/// Fails if its record cannot be read.
pub(crate) fn watched(folder: RunFolder) -> Result<Watched> {
    Ok(Watched {
        source: Source::open(&folder.events_path())?,
        steer: Box::new(Steered::new(folder.clone())),
        folder,
    })
}

/// The run in a folder whose record was written last.
fn newest(runs: &Path) -> Result<RunFolder> {
    let entries = fs::read_dir(runs).into_iter().flatten().flatten();
    let folders = entries.filter_map(|entry| RunFolder::open(&entry.path()).ok());
    let dated = folders.filter_map(|folder| Some((written(&folder)?, folder)));
    let newest = dated.max_by_key(|(time, _)| *time);
    newest.map(|(_, folder)| folder).ok_or_else(|| {
        let message =
            "there is no run in it: start one (`compacter train`), or name a run's folder";
        Error::run(runs, message)
    })
}

fn written(folder: &RunFolder) -> Option<SystemTime> {
    let metadata = fs::metadata::<PathBuf>(folder.events_path()).ok()?;
    metadata.modified().ok()
}

/// Prints a run's lines from its beginning until it ends.
fn lines(folder: &RunFolder) -> Result<Exit> {
    let mut source = Follow::new(folder.events_path());
    let mut sink = PlainSink {
        log_every: LOG_EVERY,
    };
    let mut last = None;
    loop {
        // Looked for before the record is read: what it wrote last is then read too.
        let gone = Trainer::of(folder.path()).is_none_or(|trainer| trainer.life() == Life::Gone);
        let (Update::Appended(events) | Update::Restarted(events)) = source.poll()?;
        for event in &events {
            sink.event(event)?;
        }
        for event in &events {
            // A command of the user's own may fail after the end.
            let after = matches!(event.kind, Kind::Warning { .. });
            last = ending(event).or(last.filter(|_| after));
        }
        if let Some(exit) = last {
            return Ok(exit);
        }
        if gone {
            let message = format!(
                "the run's process is gone and did not say why; `compacter train {} --resume` \
                 goes on",
                folder.config_path().display()
            );
            return Err(Error::run(folder.path(), message));
        }
        thread::sleep(LOOK);
    }
}

/// What an event says about the end of its run's process.
fn ending(event: &Event) -> Option<Exit> {
    match event.kind {
        Kind::Finished { .. } => Some(Exit::Done),
        Kind::Interrupted { .. } => Some(Exit::Interrupted),
        Kind::Failed { .. } => Some(Exit::Failed),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use std::fs::File;

    use super::*;

    #[test]
    fn the_newest_run_is_the_one_written_last() {
        let runs = tempfile::tempdir().unwrap();
        let message = newest(runs.path()).unwrap_err().to_string();
        assert!(message.contains("there is no run in it"), "{message}");
        for (name, age) in [("first", 30), ("second", 10), ("third", 20)] {
            let folder = RunFolder::create(runs.path(), name).unwrap();
            let record = File::create(folder.events_path()).unwrap();
            let time = SystemTime::now() - Duration::from_secs(age);
            record.set_modified(time).unwrap();
        }
        RunFolder::create(runs.path(), "without-a-record").unwrap();
        fs::create_dir(runs.path().join("no-run")).unwrap();
        assert_eq!(newest(runs.path()).unwrap().name(), "second");
    }
}
