//! How the screen tells a run what to do.

use compacter_core::run::RunFolder;
use compacter_core::{Error, Result};

/// Takes the words that `compacter ctl` takes, such as `pause`, `step 10` or `lr 3e-4`.
pub(crate) trait Steer {
    /// Sends a command; returns what to tell whoever gave it.
    ///
    /// # Errors
    /// Fails if the command is none, or cannot be delivered.
    fn send(&self, words: &str) -> Result<String>;
}

/// A run that takes no commands yet.
#[derive(Debug)]
pub(crate) struct Unsteered(pub(crate) RunFolder);

impl Steer for Unsteered {
    fn send(&self, words: &str) -> Result<String> {
        let message = format!(
            "`{words}` cannot be sent to a run yet: edit its configuration ({})",
            self.0.config_path().display()
        );
        Err(Error::run(self.0.path(), message))
    }
}

/// A replay: there is nobody to steer.
#[derive(Debug)]
pub(crate) struct Replayed(pub(crate) RunFolder);

impl Steer for Replayed {
    fn send(&self, words: &str) -> Result<String> {
        let message = format!("`{words}` has nobody to go to: this is a replay");
        Err(Error::run(self.0.path(), message))
    }
}
