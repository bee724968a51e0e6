//! Where events come from: a record that grows, or one that is played back by a clock.

use std::collections::VecDeque;
use std::time::Instant;

use compacter_core::Result;
use compacter_core::event::replay::{Follow, Update};
use compacter_core::event::{Event, History};
use compacter_core::run::RunFolder;

/// Longest that a replay waits between two events, in seconds of the run: a run that was
/// interrupted over night is not played back over night.
const LONGEST_GAP: f64 = 5.0;

/// Events in the order they happened.
#[derive(Debug)]
pub(crate) enum Source {
    /// The record of a run that goes on, or has ended.
    Record(Follow),
    /// A record, played back.
    Replay(Replay),
}

/// Events with a clock.
#[derive(Debug)]
pub(crate) struct Replay {
    /// Those to come, with the second each is due at.
    events: VecDeque<(f64, Event)>,
    speed: f64,
    began: Instant,
}

impl Source {
    /// What a run's process records.
    pub(crate) fn of(run: &RunFolder) -> Self {
        Self::Record(Follow::new(run.events_path()))
    }

    /// The events that count of a record, `speed` times as fast as they happened.
    pub(crate) fn replay(history: &History, speed: f64) -> Self {
        Self::Replay(Replay::new(history.events(), speed))
    }

    /// What came since the last look, without waiting.
    ///
    /// # Errors
    /// Fails if the record cannot be read; the next call tries again.
    pub(crate) fn poll(&mut self) -> Result<Update> {
        match self {
            Self::Record(follow) => follow.poll(),
            Self::Replay(replay) => {
                let now = replay.began.elapsed().as_secs_f64();
                Ok(Update::Appended(replay.due(now)))
            }
        }
    }

    /// Whether it shows what happens now.
    pub(crate) fn is_live(&self) -> bool {
        matches!(self, Self::Record(_))
    }
}

impl Replay {
    fn new(events: &[Event], speed: f64) -> Self {
        let mut before = events.first().map_or(0.0, |event| event.t);
        let mut due = 0.0;
        let events = events.iter().map(|event| {
            // Clocks of the machine may have gone back.
            due += (event.t - before).clamp(0.0, LONGEST_GAP);
            before = event.t;
            (due, event.clone())
        });
        Self {
            events: events.collect(),
            speed,
            began: Instant::now(),
        }
    }

    /// The events due so many seconds after the beginning.
    fn due(&mut self, seconds: f64) -> Vec<Event> {
        let reached = seconds * self.speed;
        let count = self.events.partition_point(|(due, _)| *due <= reached);
        self.events.drain(..count).map(|(_, event)| event).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::screen::seen::tests::{event, step};

    #[test]
    fn a_replay_keeps_the_pace_and_shortens_breaks() {
        let mut events: Vec<Event> = (1..=4).map(|at| event(at, step(0.1))).collect();
        events[2].t = 50_000.0; // resumed the next day
        events[3].t = 50_001.0;
        let mut replay = Replay::new(&events, 2.0);
        let mut steps =
            |seconds| -> Vec<u64> { replay.due(seconds).iter().map(|event| event.step).collect() };
        assert_eq!(steps(0.0), [1]);
        assert_eq!(steps(0.5), [2]);
        assert_eq!(steps(2.9), [] as [u64; 0]);
        assert_eq!(steps(3.0), [3]);
        assert_eq!(steps(100.0), [4]);
    }
}
