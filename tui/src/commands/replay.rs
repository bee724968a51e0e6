//! `compacter replay`: a run's record, played back on the dashboard.

use std::path::Path;

use compacter_core::{Error, Result};

use super::watch;
use crate::Exit;
use crate::args::Replay;
use crate::screen::source::Source;
use crate::screen::steer::Replayed;
use crate::screen::{self, Watched};

/// Name of the run that the program carries.
const DEMO: &str = "demo";

pub(crate) fn run(args: &Replay) -> Result<Exit> {
    if args.run == Path::new(DEMO) {
        let message = "this program carries no run to replay: name a run's folder";
        return Err(Error::run(DEMO, message));
    }
    let folder = watch::named(&args.run)?;
    if !screen::is_wanted() {
        let message = "a replay needs a terminal: `compacter watch --plain` prints a record";
        return Err(Error::run(folder.path(), message));
    }
    let watched = Watched {
        source: Source::replay(&folder.history()?, args.speed),
        steer: Box::new(Replayed(folder.clone())),
        folder,
    };
    screen::show(watched, &args.look)
}
