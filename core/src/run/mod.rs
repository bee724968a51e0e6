//! The run folder: configuration in force, events, checkpoints, lock.
//!
//! ```text
//! runs/<name>/
//!   config.toml                   the configuration in force
//!   events.jsonl                  everything that happened, only ever appended to
//!   lock                          held by the process that writes; says which one
//!   mailbox/                      commands to the run, one a file, gone once they are heard
//!   checkpoints/
//!     index.json                  which checkpoints are last and best
//!     step-000200/
//!       trained.safetensors       the trained tensors
//!       optimizer.safetensors     the optimizer's, and values at the last snapshot
//!       state.json                everything else that training goes on from
//! ```
//!
//! Whoever can read the folder can watch the run. Invariants:
//! - A file or checkpoint is there whole or not at all: it is made under a name that starts
//!   with `.tmp-`, forced to the disk, and renamed. The next writer removes leftovers.
//! - One process writes; the lock goes with the process, however it ends.
//! - `events.jsonl` is never rewritten. A resumed run appends and says from which step.
//! - The last checkpoint is removed only after a newer one is in place and in the index.

pub mod asking;
pub mod checkpoint;
pub mod find;
pub mod folder;
pub mod fork;
pub mod index;
pub mod live;
pub mod lock;
pub mod machine;
pub mod mailbox;
pub mod request;
pub mod resume;
mod seal;
#[cfg(unix)]
pub mod socket;
pub mod state;
pub mod watch;

pub use asking::{Outcome, ask, envelope};
pub use checkpoint::Checkpoint;
pub use find::find;
pub use folder::{RunFolder, Start, Started, free, start};
pub use fork::fork;
pub use index::{Checkpoints, Keep};
pub use lock::Lock;
pub use mailbox::Mailbox;
pub use request::{Answer, Envelope, Request};
pub use resume::{Edit, Resume};
pub use state::{Anchor, Best, Evaluated, Layout, Origin, State};
