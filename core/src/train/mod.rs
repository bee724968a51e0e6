//! The training loop and what it needs.

pub mod optimizer;
