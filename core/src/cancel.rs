//! A flag that tells a long operation to stop.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::{Error, Result};

/// Tells a long operation to stop; clones share one flag.
///
/// # Examples
/// ```
/// use compacter_core::cancel::CancelToken;
///
/// let token = CancelToken::default();
/// let held_by_the_operation = token.clone();
/// assert!(held_by_the_operation.check().is_ok());
/// token.cancel();
/// assert!(held_by_the_operation.check().is_err());
/// ```
#[derive(Clone, Debug, Default)]
pub struct CancelToken(Arc<AtomicBool>);

impl CancelToken {
    /// Asks the operation to stop; it cannot be taken back.
    pub fn cancel(&self) {
        self.0.store(true, Ordering::Release);
    }

    /// Whether the operation was asked to stop.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }

    /// Returns early from a long operation: `token.check()?`.
    ///
    /// # Errors
    /// [`Error::Cancelled`] once [`Self::cancel`] was called on any clone.
    pub fn check(&self) -> Result<()> {
        if self.is_cancelled() {
            return Err(Error::Cancelled);
        }
        Ok(())
    }
}
