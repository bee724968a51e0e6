//! The training loop and what it needs.
//!
//! ```text
//! session ─▶ prepare ─▶ Trainer: plan ─▶ step ─▶ optimizer
//!                          └─ between steps: evaluate, checkpoint, commands, edits
//! ```

mod between;
pub mod control;
pub mod evaluate;
mod fit;
pub mod metric;
pub mod optimizer;
pub mod plan;
pub mod prepare;
pub mod schedule;
pub mod session;
pub mod step;
pub mod trainer;

pub use schedule::{Schedule, Shape};
pub use trainer::{Outcome, Trainer};
