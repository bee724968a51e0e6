//! The readable lines of a run: its chronicle, in which void events stay, marked as such.

use std::collections::VecDeque;

use crate::event::{Event, Kind, plain};

/// Lines that are kept; older ones are in the record.
const LIMIT: usize = 1000;

/// How much attention a line asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// None in particular.
    Info,
    /// Some: the run goes on.
    Warning,
    /// All: something was refused or the run failed.
    Error,
}

/// One line of the log.
#[derive(Debug, Clone, PartialEq)]
pub struct LogLine {
    /// Wall time, seconds since 1970.
    pub t: f64,
    /// Optimizer steps done when it happened.
    pub step: u64,
    /// How much attention it asks for.
    pub severity: Severity,
    /// The event in words.
    pub text: String,
    /// Whether the run was taken up again from an earlier step since.
    pub void: bool,
}

/// The newest lines of a run.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Log {
    lines: VecDeque<LogLine>,
}

impl Log {
    /// The lines, oldest first.
    #[must_use]
    pub fn lines(&self) -> impl DoubleEndedIterator<Item = &LogLine> + ExactSizeIterator {
        self.lines.iter()
    }

    /// Takes an event; steps are for the charts and make no line.
    pub(super) fn push(&mut self, event: &Event, void: bool) {
        if matches!(event.kind, Kind::Step(_)) {
            return;
        }
        if let Some(text) = plain::line(event) {
            self.add(LogLine {
                t: event.t,
                step: event.step,
                severity: severity(&event.kind),
                text,
                void,
            });
        }
    }

    /// Takes a line that is no event of the run: what its viewer has to say.
    pub(super) fn note(&mut self, t: f64, step: u64, text: String) {
        self.add(LogLine {
            t,
            step,
            severity: Severity::Warning,
            text,
            void: false,
        });
    }

    /// Marks the lines after `step` as void.
    pub(super) fn rewind(&mut self, step: u64) {
        for line in self.lines.iter_mut().filter(|line| line.step > step) {
            line.void = true;
        }
    }

    fn add(&mut self, line: LogLine) {
        if self.lines.len() == LIMIT {
            self.lines.pop_front();
        }
        self.lines.push_back(line);
    }
}

fn severity(kind: &Kind) -> Severity {
    match kind {
        Kind::Warning { .. } | Kind::Interrupted { .. } => Severity::Warning,
        Kind::ConfigRefused(_) | Kind::Failed { .. } => Severity::Error,
        _ => Severity::Info,
    }
}
