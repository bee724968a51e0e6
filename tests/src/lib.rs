//! Helpers that the end-to-end tests share.
#![expect(
    clippy::missing_panics_doc,
    reason = "a test that cannot go on should say where"
)]

pub mod gradient;
pub mod parity;
pub mod program;
pub mod reference;
pub mod runs;
pub mod said;
pub mod sweeps;
pub mod terminal;
