//! The charts: the loss on the overview, and a grid of every scalar.
//!
//! | file        | what                                                          |
//! |-------------|---------------------------------------------------------------|
//! | `scene.rs`  | from a run, and those laid over it, to a chart                |
//! | `change.rs` | what keys make of how curves are shown                        |
//! | `loss.rs`   | the panel of the loss                                         |
//! | `grid.rs`   | the panel of all charts                                       |
//! | `filter.rs` | charts by their names                                         |
//!
//! How curves are shown is [`super::shared::Charting`]: all charts go in step.

mod change;
mod filter;
mod grid;
mod loss;
mod scene;

use super::runs::Overlaid;

pub(crate) use grid::Grid;
pub(crate) use loss::Loss;

#[cfg(test)]
mod tests;
