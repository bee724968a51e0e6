//! What the `compacter` program's screens are made of: what is known of a run, and its charts.
//!
//! | folder      | what                                                          |
//! |-------------|---------------------------------------------------------------|
//! | `run_view/` | what a viewer knows of a run, read from its record            |
//! | `chart/`    | draws series as curves, on the terminal and to files          |
//! | `table.rs`  | tables as CSV                                                 |
//!
//! Nothing here writes to a run: a viewer reads the record, commands go another way.

#![warn(missing_docs)]

pub mod chart;
pub mod run_view;
pub mod table;
