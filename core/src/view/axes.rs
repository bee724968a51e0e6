//! What stands on the x axis: steps, or what had come to pass at a step.

use super::series::Series;

/// A measure of how far a run is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Axis {
    /// Optimizer steps.
    #[default]
    Step,
    /// Passes over the training data.
    Epoch,
    /// Tokens worked on.
    Tokens,
    /// Seconds of the run's processes, one after the other.
    RelativeTime,
    /// Seconds since 1970.
    WallTime,
}

impl Axis {
    /// The axis after this one, for a key that goes through them.
    #[must_use]
    pub fn next(self) -> Self {
        match self {
            Self::Step => Self::Epoch,
            Self::Epoch => Self::Tokens,
            Self::Tokens => Self::RelativeTime,
            Self::RelativeTime => Self::WallTime,
            Self::WallTime => Self::Step,
        }
    }

    /// Its name for people.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Step => "step",
            Self::Epoch => "epoch",
            Self::Tokens => "tokens",
            Self::RelativeTime => "time",
            Self::WallTime => "wall time",
        }
    }
}

/// How far a run was when a step was done.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Moment {
    /// Optimizer steps done.
    pub step: u64,
    /// Passes over the training data.
    pub epoch: f64,
    /// Tokens worked on since the start.
    pub tokens: f64,
    /// Seconds of the run's processes, one after the other.
    pub relative: f64,
    /// Seconds since 1970.
    pub wall: f64,
}

/// From a step to its place on each axis.
#[derive(Debug, Clone, Default)]
pub struct Axes {
    epoch: Series,
    tokens: Series,
    relative: Series,
    wall: Series,
}

impl Axes {
    /// Appends the moment of a step.
    pub fn push(&mut self, moment: Moment) {
        let Moment { step, .. } = moment;
        // A clock that was set back must not turn the axis round.
        let newest = self.wall.newest().map_or(moment.wall, |(_, wall)| wall);
        self.epoch.push(step, moment.epoch);
        self.tokens.push(step, moment.tokens);
        self.relative.push(step, moment.relative);
        self.wall.push(step, moment.wall.max(newest));
    }

    /// Drops what came after `step`.
    pub fn rewind(&mut self, step: u64) {
        for series in [
            &mut self.epoch,
            &mut self.tokens,
            &mut self.relative,
            &mut self.wall,
        ] {
            series.rewind(step);
        }
    }

    fn series(&self, axis: Axis) -> Option<&Series> {
        match axis {
            Axis::Step => None,
            Axis::Epoch => Some(&self.epoch),
            Axis::Tokens => Some(&self.tokens),
            Axis::RelativeTime => Some(&self.relative),
            Axis::WallTime => Some(&self.wall),
        }
    }

    /// Where a step stands on an axis.
    #[must_use]
    pub fn x(&self, axis: Axis, step: u64) -> f64 {
        match self.series(axis) {
            None => step as f64,
            Some(series) => series.at(step).unwrap_or(0.0),
        }
    }

    /// The step that stands at `x` on an axis, with its fraction.
    #[must_use]
    pub fn step(&self, axis: Axis, x: f64) -> f64 {
        match self.series(axis) {
            None => x.max(0.0),
            Some(series) => series.step_of(x).unwrap_or(0.0),
        }
    }
}
