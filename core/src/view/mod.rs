//! What a viewer knows of a run, and where it reads it.
//!
//! ```text
//! events.jsonl ─ Tail ─ lines ─▶ Source ─ events ─▶ RunView ─▶ { cards, log, charts }
//! ```
//!
//! | file          | what                                                              |
//! |---------------|-------------------------------------------------------------------|
//! | `run_view.rs` | [`RunView`]: everything a screen draws from                       |
//! | `apply.rs`    | how each event changes it                                         |
//! | `status.rs`   | running, paused, silent, over; pace and time to go                |
//! | `log.rs`      | readable lines                                                    |
//! | `scalars.rs`  | the named series of a run                                         |
//! | `series.rs`   | [`Series`]: a curve of any length in a fixed amount of memory     |
//! | `column.rs`   | what of a series is drawn in a window                             |
//! | `axes.rs`     | from steps to epochs, tokens and times                            |
//! | `marks.rs`    | steps at which something happened                                 |
//! | `smooth.rs`   | moving averages                                                   |
//! | `history.rs`  | reads a whole record, void steps left out                         |
//! | `glimpse.rs`  | a first look at a long record, from its two ends                  |
//! | `source.rs`   | [`Source`]: a record on the screen, live or replayed              |

mod apply;
mod axes;
mod column;
mod glimpse;
mod history;
mod log;
mod marks;
mod run_view;
mod scalars;
mod series;
mod smooth;
mod source;
mod status;

pub use axes::{Axes, Axis, Moment};
pub use column::Column;
pub use glimpse::glimpse;
pub use log::{Log, LogLine, Severity};
pub use marks::{MarkKind, Marks};
pub use run_view::{CheckpointSeen, Edit, EvalPoint, Measured, RunView};
pub use scalars::{Scalars, TRAIN};
pub use series::{BUCKETS, LEVELS, Series};
pub use smooth::{Ema, SMOOTHING, Smoothed};
pub use source::{Change, Source};
pub use status::{Pace, Status};

#[cfg(test)]
mod tests;
