//! Trains Compacter and its peers on T5 and BERT-family models.
//!
//! Data flows one way; a module uses only what stands to its left:
//!
//! ```text
//! event ─▶ config ─▶ hub ─▶ data ─▶ ops ─▶ model ─▶ peft ─▶ interop, fused ─▶ run ─▶ train ─▶ sweep
//!   └──▶ view                        what whoever watches a run knows of it
//! ```
//!
//! `bench` measures a step of that, and stands behind `train`.
//!
//! `event` stands first because it is vocabulary: the trainer sends events last, but a
//! changed setting and a group of parameters are already spoken of in its types. `error`,
//! `atomic`, `cancel`, `embedded` and `random` belong to everyone. Read in that order.
//!
//! Nothing here knows a terminal or a notebook, and nothing is global to the process but the
//! arithmetic that a GPU was switched to when it was opened: what a run needs is handed to it.
#![warn(missing_docs)]

pub mod atomic;
pub mod bench;
pub mod cancel;
pub mod config;
pub mod data;
pub mod embedded;
pub mod error;
pub mod event;
pub mod fused;
mod hash;
pub mod hub;
pub mod interop;
pub mod model;
pub mod ops;
pub mod peft;
pub mod random;
pub mod run;
pub mod sweep;
mod tensor_file;
pub mod train;
pub mod view;

pub use error::{Error, Result};
