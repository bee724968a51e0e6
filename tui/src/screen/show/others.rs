//! From one run to another.

use std::path::Path;

use compacter_core::Result;
use compacter_core::run::RunFolder;
use compacter_tui::run_view::Source;

use super::{Screen, wall_clock};
use crate::screen::steer::Steered;

impl Screen {
    /// Watches another run instead; what is wrong with it is told, and this one stays.
    pub(super) fn open_run(&mut self, run: &Path) {
        if let Err(error) = self.try_open(run) {
            self.app.tell(error.to_string(), true);
        }
    }

    fn try_open(&mut self, run: &Path) -> Result<()> {
        let folder = RunFolder::open(run)?;
        let source = Source::open(&folder.events_path())?;
        let steer = Box::new(Steered::new(folder.clone()));
        self.app.change_run(folder, source, steer);
        self.app.read(wall_clock())?;
        Ok(())
    }
}
