//! Trains Compacter and its peers on T5 and BERT-family models.
//!
//! Data flows one way; a module uses only what stands to its left:
//!
//! ```text
//! config ─▶ hub ─▶ data ─▶ ops ─▶ model ─▶ peft ─▶ event ─▶ run ─▶ train
//! ```
//!
//! Read in that order. Nothing here knows a terminal or a notebook, and nothing is
//! global to the process: what a run needs is handed to it.
#![warn(missing_docs)]

pub mod cancel;
pub mod config;
pub mod data;
pub mod error;
pub mod event;
pub mod hub;
pub mod model;
pub mod ops;
pub mod peft;
pub mod run;
pub mod train;

pub use error::{Error, Result};
