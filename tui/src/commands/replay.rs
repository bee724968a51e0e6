//! `compacter replay`: a run's record, played back on the dashboard.

use std::path::Path;

use compacter_core::run::{RunFolder, find};
use compacter_core::view::Source;
use compacter_core::{Error, Result, embedded};
use tempfile::TempDir;

use crate::Exit;
use crate::args::Replay;
use crate::screen::steer::Replayed;
use crate::screen::{self, Watched};

/// Name of the run that the program carries.
const DEMO: &str = "demo";

pub(crate) fn run(args: &Replay) -> Result<Exit> {
    if !screen::is_wanted() {
        let message =
            "a replay needs a terminal: `compacter watch RUN --plain` prints a run's record";
        return Err(Error::run(&args.run, message));
    }
    if args.run != Path::new(DEMO) {
        return show(find(&args.run)?, args);
    }
    let demo = Demo::unpack()?;
    show(demo.folder.clone(), args)
}

fn show(folder: RunFolder, args: &Replay) -> Result<Exit> {
    let watched = Watched {
        source: Source::replay(&folder.events_path(), args.speed, screen::wall_clock())?,
        steer: Box::new(Replayed(folder.clone())),
        folder,
    };
    screen::show(watched, &args.look)
}

/// The run that the program carries, in a folder for as long as it is looked at.
struct Demo {
    folder: RunFolder,
    // Removed with this value.
    _base: TempDir,
}

impl Demo {
    fn unpack() -> Result<Self> {
        let missing = "this program was built without the feature `embedded`, so it carries no run";
        let record = embedded::DEMO.ok_or_else(|| Error::run(DEMO, missing))?;
        let base = TempDir::with_prefix("compacter-demo-")
            .map_err(Error::io(std::env::temp_dir(), "write to"))?;
        let folder = RunFolder::create(base.path(), DEMO)?;
        let path = folder.events_path();
        std::fs::write(&path, record).map_err(Error::io(&path, "write"))?;
        Ok(Self {
            folder,
            _base: base,
        })
    }
}
