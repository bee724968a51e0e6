//! The training loop and what it needs.

pub mod control;
pub mod metric;
pub mod schedule;

pub use control::{Command, Control, ControlHandle};
pub use schedule::{Schedule, Shape};
