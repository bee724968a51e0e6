//! A run's scalars as a TensorBoard event file.
//!
//! ```text
//! file    = record*
//! record  = length: u64 · crc(length): u32 · event: [u8; length] · crc(event): u32
//! crc(x)  = rotate_right(crc32c(x), 15) + 0xa282ead8      all little-endian
//! ```
//!
//! (TensorFlow's `tsl/lib/io/record_writer.h` and `tensorflow/core/util/event.proto`,
//! `summary.proto`.) An event is a protocol buffer of few fields, written here by hand:
//!
//! | message | field | number | type |
//! |---|---|---|---|
//! | `Event` | `wall_time`, `step` | 1, 2 | double, int64 |
//! | | `file_version` | 3 | string |
//! | | `summary` | 5 | `Summary`: 1, repeated `Value` |
//! | | `session_log` | 7 | `SessionLog`: 1, status; 1 is a start |
//! | `Value` | `tag`, `simple_value` | 1, 2 | string, float |

use std::fs::OpenOptions;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use super::append::Appender;
use super::{Event, Kind, Sink};
use crate::{Error, Result};

/// The sink that writes `events.out.tfevents.…`, a file for each process.
#[derive(Debug)]
pub struct TensorBoard(Appender);

impl TensorBoard {
    /// Starts a file in a folder, which is made where there is none.
    ///
    /// # Errors
    /// [`Error::Io`] when folder or file cannot be written.
    pub fn start(folder: &Path) -> Result<Self> {
        std::fs::create_dir_all(folder).map_err(Error::io(folder, "create"))?;
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH);
        let now = since_epoch.map_or(0.0, |duration| duration.as_secs_f64());
        // TensorBoard reads the files of a folder in the order of their names.
        let process = std::process::id();
        let name = format!("events.out.tfevents.{now:017.6}.compacter.{process}");
        Self::create(&folder.join(name), now)
    }

    fn create(path: &Path, now: f64) -> Result<Self> {
        let file = OpenOptions::new().append(true).create_new(true).open(path);
        let file = file.map_err(Error::io(path, "create"))?;
        let mut appender = Appender::over(path, file, 0);
        let mut first = Message::default();
        first.double(1, now).bytes(3, b"brain.Event:2");
        appender.append(record(&first.0), false)?;
        Ok(Self(appender))
    }
}

impl Sink for TensorBoard {
    fn event(&mut self, event: &Event) -> Result<()> {
        let mut message = Message::default();
        message.double(1, event.t);
        match &event.kind {
            Kind::Step(step) => {
                message.varint(2, event.step);
                let rate = step.tokens as f64 / step.seconds;
                message.bytes(
                    5,
                    &summary([
                        ("train/loss", step.loss),
                        ("train/learning_rate", step.learning_rate),
                        ("train/gradient_norm", step.gradient_norm),
                        ("train/tokens_per_second", rate),
                    ]),
                );
            }
            Kind::Eval(eval) => {
                message.varint(2, event.step);
                let named = eval.metrics.iter();
                let named: Vec<_> = named
                    .map(|(name, value)| (format!("{}/{name}", eval.split), *value))
                    .collect();
                let values = named.iter().map(|(name, value)| (name.as_str(), *value));
                message.bytes(5, &summary(values));
            }
            // What an earlier process did from this step on is void.
            Kind::Resumed { from_step } => {
                message.varint(2, from_step + 1);
                let mut start = Message::default();
                start.varint(1, 1);
                message.bytes(7, &start.0);
            }
            _ => return Ok(()),
        }
        self.0.append(record(&message.0), false)
    }

    fn flush(&mut self) -> Result<()> {
        self.0.flush()
    }
}

fn summary<'a>(values: impl IntoIterator<Item = (&'a str, f64)>) -> Vec<u8> {
    let mut summary = Message::default();
    for (tag, value) in values {
        let mut entry = Message::default();
        entry.bytes(1, tag.as_bytes()).float(2, value);
        summary.bytes(1, &entry.0);
    }
    summary.0
}

/// An event in its frame of length and checksums.
fn record(event: &[u8]) -> Vec<u8> {
    let length = (event.len() as u64).to_le_bytes();
    let mut record = Vec::with_capacity(event.len() + 16);
    record.extend(length);
    record.extend(masked(&length).to_le_bytes());
    record.extend(event);
    record.extend(masked(event).to_le_bytes());
    record
}

fn masked(bytes: &[u8]) -> u32 {
    crc32c::crc32c(bytes)
        .rotate_right(15)
        .wrapping_add(0xa282_ead8)
}

/// A protocol buffer that is being written.
#[derive(Debug, Default)]
struct Message(Vec<u8>);

/// How a field is laid out.
#[derive(Clone, Copy)]
enum Wire {
    Varint = 0,
    Fixed64 = 1,
    Bytes = 2,
    Fixed32 = 5,
}

impl Message {
    fn varint(&mut self, field: u64, value: u64) -> &mut Self {
        self.key(field, Wire::Varint);
        self.number(value);
        self
    }

    fn double(&mut self, field: u64, value: f64) -> &mut Self {
        self.key(field, Wire::Fixed64);
        self.0.extend(value.to_le_bytes());
        self
    }

    #[expect(
        clippy::cast_possible_truncation,
        reason = "TensorBoard keeps scalars in single precision"
    )]
    fn float(&mut self, field: u64, value: f64) -> &mut Self {
        self.key(field, Wire::Fixed32);
        self.0.extend((value as f32).to_le_bytes());
        self
    }

    fn bytes(&mut self, field: u64, value: &[u8]) -> &mut Self {
        self.key(field, Wire::Bytes);
        self.number(value.len() as u64);
        self.0.extend(value);
        self
    }

    fn key(&mut self, field: u64, wire: Wire) {
        self.number(field << 3 | wire as u64);
    }

    fn number(&mut self, mut value: u64) {
        loop {
            let low = (value & 0x7f) as u8;
            value >>= 7;
            if value == 0 {
                self.0.push(low);
                return;
            }
            self.0.push(low | 0x80);
        }
    }
}

#[cfg(test)]
mod tests;
