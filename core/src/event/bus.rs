//! Hands a run's events to whoever listens: the record, the screen, a notebook.
//!
//! ```text
//! trainer ─ emit ─▶ Bus ─┬─▶ Recorder     blocks, keeps everything
//!                        ├─▶ ChannelSink  never blocks, may drop steps
//!                        └─▶ …
//! ```
//!
//! The trainer knows the bus and nothing behind it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use crossbeam_channel::{Receiver, Sender};

use super::{Event, Kind, SCHEMA};
use crate::Result;

/// Takes a run's events.
pub trait Sink: Send {
    /// Takes one event.
    ///
    /// # Errors
    /// When the event could not be taken. A sink that can still deliver it keeps it for
    /// [`Self::flush`]; the bus hands it over only once.
    fn event(&mut self, event: &Event) -> Result<()>;

    /// Delivers what was kept back.
    ///
    /// # Errors
    /// When something still cannot be delivered.
    fn flush(&mut self) -> Result<()> {
        Ok(())
    }
}

/// A run's name, clock and sinks.
pub struct Bus {
    run: String,
    started: Instant,
    sinks: Vec<Box<dyn Sink>>,
}

impl std::fmt::Debug for Bus {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Bus")
            .field("run", &self.run)
            .field("sinks", &self.sinks.len())
            .finish_non_exhaustive()
    }
}

impl Bus {
    /// A bus without sinks for the run named; its clock starts now.
    #[must_use]
    pub fn new(run: impl Into<String>) -> Self {
        Self {
            run: run.into(),
            started: Instant::now(),
            sinks: Vec::new(),
        }
    }

    /// Adds a sink, which gets the events from now on.
    #[must_use]
    pub fn with(mut self, sink: impl Sink + 'static) -> Self {
        self.sinks.push(Box::new(sink));
        self
    }

    /// Hands an event to every sink; `step` counts the optimizer steps done.
    ///
    /// # Errors
    /// The first sink's error; the other sinks have the event all the same. After
    /// [`crate::Error::is_disk_full`] nothing is lost: call [`Self::flush`] until it works.
    pub fn emit(&mut self, step: u64, kind: Kind) -> Result<()> {
        let event = self.stamp(step, kind);
        self.each(|sink| sink.event(&event))
    }

    /// Has every sink deliver what it kept back.
    ///
    /// # Errors
    /// The first sink's error.
    pub fn flush(&mut self) -> Result<()> {
        self.each(Sink::flush)
    }

    fn stamp(&self, step: u64, kind: Kind) -> Event {
        // A clock before 1970 is a clock that was never set.
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH);
        Event {
            v: SCHEMA,
            run: self.run.clone(),
            step,
            t: since_epoch.map_or(0.0, |duration| duration.as_secs_f64()),
            elapsed: self.started.elapsed().as_secs_f64(),
            kind,
        }
    }

    fn each(
        &mut self,
        mut action: impl FnMut(&mut (dyn Sink + 'static)) -> Result<()>,
    ) -> Result<()> {
        let mut outcome = Ok(());
        for sink in &mut self.sinks {
            outcome = outcome.and(action(sink.as_mut()));
        }
        outcome
    }
}

/// Sends events to another thread and never makes the run wait for it.
///
/// When the receiver is `limit` events behind, steps and snapshots of factors are dropped;
/// steps are counted. No other kind ever is. The channel itself has no bound: other kinds are as rare as evaluations
/// and keystrokes, and blocking on them would let a stuck viewer stop the training.
#[derive(Debug)]
pub struct ChannelSink {
    sender: Sender<Event>,
    limit: usize,
    dropped: Dropped,
}

/// How many steps a [`ChannelSink`] had to drop; clones share the count.
#[derive(Debug, Clone, Default)]
pub struct Dropped(Arc<AtomicU64>);

impl Dropped {
    /// Steps dropped so far.
    #[must_use]
    pub fn steps(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl ChannelSink {
    /// A sink, and the receiver for the thread that reads.
    #[must_use]
    pub fn new(limit: usize) -> (Self, Receiver<Event>) {
        let (sender, receiver) = crossbeam_channel::unbounded();
        let sink = Self {
            sender,
            limit,
            dropped: Dropped::default(),
        };
        (sink, receiver)
    }

    /// The count of dropped steps, for the thread that reads.
    #[must_use]
    pub fn dropped(&self) -> Dropped {
        self.dropped.clone()
    }
}

impl Sink for ChannelSink {
    fn event(&mut self, event: &Event) -> Result<()> {
        if event.kind.is_measurement() && self.sender.len() >= self.limit {
            if matches!(event.kind, Kind::Step(_)) {
                self.dropped.0.fetch_add(1, Ordering::Relaxed);
            }
            return Ok(());
        }
        // A receiver that is gone is a viewer that was closed, which is no failure of the run.
        let _closed = self.sender.send(event.clone());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use crate::Error;
    use crate::event::tests::step;

    fn warning() -> Kind {
        Kind::Warning {
            message: "w".to_owned(),
        }
    }

    #[test]
    fn a_slow_reader_misses_steps_and_nothing_else() {
        let (sink, receiver) = ChannelSink::new(3);
        let dropped = sink.dropped();
        let mut bus = Bus::new("demo").with(sink);
        for at in 0..10 {
            bus.emit(at, step(0.5)).unwrap();
            bus.emit(at, warning()).unwrap();
        }
        drop(bus);
        let received: Vec<Event> = receiver.iter().collect();
        let warnings = received.iter().filter(|e| e.kind == warning()).count();
        assert_eq!(warnings, 10);
        assert_eq!(received.len() - warnings, 2);
        assert_eq!(dropped.steps(), 8);
        assert!(received.is_sorted_by_key(|event| event.step));
    }

    #[test]
    fn a_closed_viewer_does_not_stop_the_run() {
        let (sink, receiver) = ChannelSink::new(3);
        drop(receiver);
        let mut bus = Bus::new("demo").with(sink);
        bus.emit(1, warning()).unwrap();
    }

    struct Broken;

    impl Sink for Broken {
        fn event(&mut self, _: &Event) -> Result<()> {
            Err(Error::Cancelled)
        }
    }

    #[test]
    fn a_failing_sink_keeps_nothing_from_the_others() {
        let (sink, receiver) = ChannelSink::new(3);
        let mut bus = Bus::new("demo").with(Broken).with(sink);
        assert!(bus.emit(7, warning()).is_err());
        let event = receiver.try_recv().unwrap();
        assert_eq!((event.run.as_str(), event.step), ("demo", 7));
        assert!(event.t > 1.6e9 && event.elapsed >= 0.0);
    }
}
