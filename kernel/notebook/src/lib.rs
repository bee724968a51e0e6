//! What Rust cells in a notebook link: runs that draw themselves, tensors and factors shown.
//!
//! ```text
//! cell ─▶ Run ─ starts, asks ─▶ trainer ─▶ runs/<name>/events.jsonl
//!          │                                        │ read
//!          └─ display ─▶ channel ─▶ kernel ─▶ cell  ◀┘ live, in place
//! ```
//!
//! | module         | what                                                              |
//! |----------------|-------------------------------------------------------------------|
//! | [`run`]        | [`run::Run`]: starts, shows, steers and compares runs             |
//! | [`show`]       | [`show::Rich`] values, [`show::display`], tables and charts       |
//! | [`tensors`]    | values that a seed decides, and singular values                   |
//! | [`channel`]    | how a display gets to the kernel, from any thread at any time     |
//! | [`input`](mod@input) | asks whoever looks at the notebook                     |
//! | [`interrupt`]  | gives a cell back without losing its variables                    |
//! | [`error`]      | mistakes, and what to do about them                               |
//! | [`prelude`]    | what every cell sees                                              |
//!
//! A run is a folder, here as elsewhere: this crate reads the record and asks through socket
//! or mailbox, as any viewer does. It holds a trainer only for [`run::Builder::in_process`].
//!
//! Cells use candle through this crate only. A second copy of it in the same process would
//! number its variables anew, and gradients would be silently wrong.
#![warn(missing_docs)]

pub mod channel;
pub mod error;
pub mod input;
pub mod interrupt;
pub mod prelude;
pub mod run;
pub mod show;
pub mod tensors;

pub use candle_core;
pub use candle_nn;
pub use compacter_core as core;

pub use error::{NotebookError, Result};
pub use input::{input, password};
pub use interrupt::init;
pub use run::{Run, compare, sweep};
pub use show::{Rich, display};
