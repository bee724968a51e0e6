//! What the `compacter` program's screens are made of: charts and tables of a run.
//!
//! | folder      | what                                                          |
//! |-------------|---------------------------------------------------------------|
//! | `chart/`    | draws series as curves, on the terminal and to files          |
//! | `table.rs`  | tables as CSV                                                 |
//!
//! Nothing here writes to a run: a viewer reads the record, commands go another way.

#![warn(missing_docs)]

pub mod chart;
pub mod figure;
pub mod table;
