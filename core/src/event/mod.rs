//! What a run tells the world: typed events, one JSON object a line.
//!
//! | file        | what                                                             |
//! |-------------|------------------------------------------------------------------|
//! | `kind.rs`   | the kinds of event and what each carries                         |
//! | `factors.rs` | the kind `factors`: a snapshot of fast and slow weights                |
//! | `refusal.rs` | why an edit was refused, and where                              |
//! | `bus.rs`    | hands events from a run to its sinks                             |
//! | `record.rs` | the sink that appends to `events.jsonl`                          |
//! | `tensorboard.rs` | the sink that writes scalars for TensorBoard                |
//! | `lean.rs`   | reads a step's line fast                                         |
//! | `tail.rs`   | the lines of a file that may grow                                |
//! | `replay.rs` | reads a record back, whole or while it grows                     |
//! | `plain.rs`  | an event as one readable line                                    |
//!
//! # The format
//! Every line has `v` (this format's version, [`SCHEMA`]), `run`, `step`, `t`, `elapsed`
//! and `kind`; the rest depends on the kind. Within one version, kinds and fields may be
//! added: a reader keeps kinds that it does not know as [`Kind::Other`] and passes over
//! fields that it does not know. Whatever would break a reader raises `v`, which is then
//! refused with a message that says so. A float that JSON cannot write is one of the
//! strings `"NaN"`, `"Infinity"`, `"-Infinity"`; a value that is absent is left out,
//! never `null`. A last line without its newline is not there yet.
//!
//! A line of kind `factors` has `slow`, a list of slow weights (`name`, `entries`, `change`,
//! `gradient_norm`), and `projections`, a list of
//!
//! | field | what |
//! |---|---|
//! | `name`, `stack`, `block`, `branch`, `role` | which: `encoder`, 3, `feed_forward`, `down` |
//! | `shape` | `[in, out]` of the projection `W` |
//! | `norm`, `drift`, `change` | `‖W‖`, `‖W − W₀‖`, and since the snapshot before |
//! | `gradient_norm` | of the last step, before clipping |
//! | `spectrum`, `effective_rank` | singular values, largest first; `exp(H(σ²/Σσ²))` |
//! | `left_change`, `right_change`, `fast_change` | `‖s − s₀‖ / ‖s₀‖`, likewise `t` and `B` |
//! | `slow` or `scale` | place of `A` in the list above, or the one number it is |
//! | `left`, `right` or `fast` | `s` and `t`, or `B`: entries |
//!
//! Entries are `shape`, `exponent` and `data`: little-endian `f16` numbers in base64, times
//! 2 to the `exponent`. Every field from `change` on but `slow` or `scale` may be left out.

mod append;
pub mod bus;
pub mod factors;
mod kind;
mod lean;
pub(crate) mod number;
pub mod plain;
pub mod record;
mod refusal;
pub mod replay;
pub mod tail;
#[cfg(feature = "tensorboard")]
pub mod tensorboard;

pub use bus::{Bus, ChannelSink, Sink};
pub use factors::Factors;
pub use kind::{Change, ConfigApplied, Ending, Eval, Group, Kind, Started, Step};
pub use record::Recorder;
pub use refusal::Refusal;
pub use replay::{Follow, History};

use serde::{Deserialize, Serialize};

/// Version of the event format, the `v` of every line.
pub const SCHEMA: u32 = 1;

/// Something that happened in a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// Version of the format.
    pub v: u32,
    /// Name of the run.
    pub run: String,
    /// Optimizer steps done when it happened.
    pub step: u64,
    /// Wall time, seconds since 1970.
    #[serde(with = "number")]
    pub t: f64,
    /// Seconds since this process started the run, from a clock that never goes back.
    #[serde(with = "number")]
    pub elapsed: f64,
    /// What happened.
    #[serde(flatten)]
    pub kind: Kind,
}

impl Event {
    /// The event as one line of JSON, newline included.
    ///
    /// # Panics
    /// Never: everything in an event can be written as JSON.
    #[must_use]
    pub fn to_line(&self) -> String {
        let mut line = serde_json::to_string(self)
            .expect("an event is strings, numbers and maps with string keys");
        line.push('\n');
        line
    }

    /// Reads one line of JSON, with or without its newline.
    ///
    /// # Errors
    /// A message that says why the line is no event of this version.
    pub fn from_line(line: &[u8]) -> Result<Self, String> {
        #[derive(Deserialize)]
        struct Version {
            v: u32,
        }
        if let Some(step) = lean::step(line) {
            return Ok(step);
        }
        // The version is looked at on its own where the line as a whole cannot be read: a
        // newer format is the better explanation.
        let parsed = serde_json::from_slice::<Self>(line);
        let version = match &parsed {
            Ok(event) => Ok(event.v),
            Err(_) => serde_json::from_slice::<Version>(line).map(|head| head.v),
        };
        match (parsed, version) {
            (_, Ok(v)) if v != SCHEMA => Err(format!(
                "event format {v}, this program reads {SCHEMA}: use the version of compacter that wrote it, or a newer one"
            )),
            (Ok(event), _) => Ok(event),
            (Err(error), _) => Err(format!("not an event: {error}")),
        }
    }
}

#[cfg(all(test, unix))]
pub(crate) mod limited;
#[cfg(test)]
pub(crate) mod tests;
