//! What a run tells the world: typed events, one JSON object a line.
//!
//! | file        | what                                                             |
//! |-------------|------------------------------------------------------------------|
//! | `kind.rs`   | the kinds of event and what each carries                         |
//! | `bus.rs`    | hands events from a run to its sinks                             |
//! | `record.rs` | the sink that appends to `events.jsonl`                          |
//! | `lean.rs`   | reads a step's line fast                                         |
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

pub mod bus;
mod kind;
mod lean;
pub(crate) mod number;
pub mod plain;
pub mod record;
pub mod replay;

pub use bus::{Bus, ChannelSink, Sink};
pub use kind::{Change, ConfigApplied, Ending, Eval, Group, Kind, Started, Step};
pub use record::Recorder;
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
