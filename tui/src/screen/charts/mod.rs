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

use compacter_tui::run_view::RunView;

pub(crate) use grid::Grid;
pub(crate) use loss::Loss;

/// Another run whose curves lie over this one's.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Overlaid<'a> {
    /// Its name.
    pub(crate) name: &'a str,
    /// What is known of it.
    pub(crate) view: &'a RunView,
    /// Whether the others are compared with it.
    pub(crate) baseline: bool,
}

#[cfg(test)]
mod tests;
