//! The tab of the fast weights: what a method's factors look like, snapshot by snapshot.
//!
//! ```text
//! factors events ─▶ Decoded (once a snapshot, in Shared) ─▶ panels ─▶ cells
//! ```
//!
//! | file             | what                                                          |
//! |------------------|---------------------------------------------------------------|
//! | `decoded.rs`     | a snapshot's numbers, worked out once                         |
//! | `snapshot.rs`    | the newest snapshot, the projection chosen, why there is none |
//! | `quantity.rs`    | what is measured of a projection, places and numbers in words |
//! | `paint.rs`       | grids of values, bars, legends                                |
//! | `projections.rs` | the table of projections                                      |
//! | `columns.rs`     | its columns                                                   |
//! | `maps.rs`        | the components of one projection                              |
//! | `slow.rs`        | the slow weights                                              |
//! | `strips.rs`      | a quantity, a cell a layer                                    |
//! | `cosine.rs`      | cosines between layers                                        |
//! | `curves.rs`      | a quantity over the snapshots; singular values                |
//! | `arrange.rs`     | where they stand                                              |

mod arrange;
mod columns;
mod cosine;
mod curves;
mod decoded;
mod maps;
mod paint;
mod projections;
mod quantity;
mod slow;
mod snapshot;
mod strips;

pub(crate) use arrange::tab;
pub(crate) use cosine::Cosine;
pub(crate) use decoded::Cache;
pub(crate) use maps::Maps;
pub(crate) use projections::Projections;
pub(crate) use strips::Strips;
