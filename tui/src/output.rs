//! Events on standard output: readable lines, or JSON.

use std::io::Write;

use compacter_core::event::{Event, Kind, Sink, plain};
use compacter_core::{Error, Result};

use crate::print;

/// A readable line for each event; of the steps, every `log_every`-th.
#[derive(Debug)]
pub(crate) struct PlainSink {
    pub(crate) log_every: u64,
}

impl Sink for PlainSink {
    fn event(&mut self, event: &Event) -> Result<()> {
        if matches!(event.kind, Kind::Step(_)) && !event.step.is_multiple_of(self.log_every) {
            return Ok(());
        }
        match plain::line(event) {
            Some(line) => print::line(&line),
            None => Ok(()),
        }
    }
}

/// Every event as one JSON object a line.
#[derive(Debug)]
pub(crate) struct JsonSink;

impl Sink for JsonSink {
    fn event(&mut self, event: &Event) -> Result<()> {
        print::text(&event.to_line())
    }

    fn flush(&mut self) -> Result<()> {
        std::io::stdout()
            .flush()
            .map_err(Error::io("standard output", "write"))
    }
}
