//! The run folder: configuration in force, events, checkpoints, lock.

pub mod watch;
