//! The training loop and what it needs.
//!
//! ```text
//! session ─▶ prepare ─▶ Trainer: plan ─▶ step ─▶ optimizer
//!                          └─ between steps: evaluate, checkpoint, commands, edits
//! ```

mod between;
mod commands;
pub mod control;
mod edits;
pub mod evaluate;
pub mod exchange;
mod factors;
mod fit;
pub mod import;
pub mod metric;
pub mod objective;
mod on_finish;
pub mod optimizer;
pub mod plan;
pub mod prepare;
mod room;
pub mod schedule;
pub mod session;
pub mod steer;
pub mod step;
mod take_up;
pub mod trainer;

pub use objective::{FusedTaskLoss, Objective, TaskLoss};
pub use schedule::{Schedule, Shape};
pub use trainer::{Outcome, Trainer};
