//! The Jupyter kernel of Compacter Workbench: Rust cells that train while the curve moves.
//!
//! ```text
//! front end ─▶ server ─ queue ─▶ engine (evcxr) ─▶ relay ─▶ the process that runs cells
//!     ▲          ▲                                  │                │
//!     │          └─ info, parse, history            │ text, errors   │ displays, updates
//!     └── iopub ◀────────────── outlet ◀────────────┴────────────────┘
//! ```
//!
//! | file          | what                                                               |
//! |---------------|--------------------------------------------------------------------|
//! | `wire.rs`     | messages: which are let in, how ours are made                      |
//! | `server.rs`   | the sockets, and what is answered at once                          |
//! | `engine.rs`   | the thread that compiles and runs cells                            |
//! | `relay.rs`    | the process between evcxr and the cells; `sorting.rs`: what it sorts |
//! | `side.rs`     | the socket through which the notebook library shows things         |
//! | `outlet.rs`   | puts all that in order, under the cell that it is of               |
//! | `child.rs`    | interrupts, and what became of the process that runs cells         |
//! | `parse.rs`    | whether a cell is whole; `history.rs`: what was run before         |
//! | `folders.rs`  | what is kept where                                                 |
//! | `view.rs`     | what rust-analyzer is shown of the crates that cells link          |
//! | `hidden.rs`   | names that completion leaves out                                   |
//! | `install/`    | does everything slow once                                          |
//! | `run.rs`      | one kernel, from its connection file to its end                    |
//!
//! Variables, gradients and statics live in the process that runs cells, and there candle is
//! one dynamic library: with a copy in each cell its counters would repeat and gradients of
//! variables of different cells be silently wrong.
#![warn(missing_docs)]

pub mod child;
pub mod engine;
pub mod folders;
mod hidden;
pub mod history;
mod info;
pub mod install;
pub mod outlet;
pub mod parse;
pub mod relay;
pub mod run;
pub mod server;
pub mod side;
mod sorting;
mod text;
pub mod view;
pub mod wire;
