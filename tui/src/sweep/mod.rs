//! Starts the runs of a sweep as processes of this program, and tells how they fare.
//!
//! | file        | what                                                        |
//! |-------------|-------------------------------------------------------------|
//! | `job.rs`    | one run: trained by a process, then measured by another      |
//! | `runner.rs` | which runs go on beside each other                          |
//! | `told.rs`   | what is printed meanwhile                                   |

mod job;
mod runner;
mod told;

pub(crate) use runner::{Runner, Tried};
pub(crate) use told::Told;
