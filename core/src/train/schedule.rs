//! The learning rate at each step, and how it bends when a live edit changes its shape.
//!
//! # The shape
//! With peak `η`, warm-up `w`, total `T` and `k` optimizer steps done before the one asked
//! for, as in Hugging Face's `get_{linear,cosine,constant}_schedule_with_warmup`:
//!
//! ```text
//! k < w      η · k / max(1, w)
//! linear     η · max(0, (T − k) / max(1, T − w))
//! cosine     η · ½ (1 + cos(π (k − w) / max(1, T − w)))
//! constant   η
//! ```
//! The very first step of a warm-up thus has rate 0, and a step past the total has the rate
//! of the total.
//!
//! # Live edits
//! Edited after `s` steps, when the rate was `r`, the run goes on as follows.
//! - **The peak** changed: that asks for a jump. Every rate is scaled by new / old peak, and
//!   so is `r` below.
//! - **Kind, warm-up or total** changed: the rate never jumps; it is anchored at `(s, r)`.
//!   - The new warm-up is not over (`s < w`): a straight line from `r` to the peak at `w`,
//!     then the new shape.
//!   - The old warm-up was not over, the new one is, and `r` is below the new shape: the
//!     rate climbs by `η / max(1, w)` a step until it meets the new shape.
//!   - Else the decay starts here: the new shape without warm-up, from `r` and over the
//!     `T − s` steps that are left.
//! - Before the first step, and where the old decay had come to 0, there is nothing to go
//!   on from: the new shape holds as it is.
//! - A new total that is already passed ends the run: the rate is that of its end.
//!
//! An anchor is part of a checkpoint's state, so a resumed run bends at the same place.

use std::f64::consts::PI;

use crate::config::{ScheduleKind, Warmup};
use crate::run::Anchor;

/// A schedule as the configuration gives it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Shape {
    /// What comes after the warm-up.
    pub kind: ScheduleKind,
    /// The highest rate; positive.
    pub peak: f64,
    /// Length of the warm-up in optimizer steps.
    pub warmup_steps: u64,
    /// Length of the run in optimizer steps.
    pub total_steps: u64,
}

/// The learning rate of a run, live edits included.
///
/// # Examples
/// ```
/// use compacter_core::config::ScheduleKind;
/// use compacter_core::train::{Schedule, Shape};
///
/// let shape = Shape { kind: ScheduleKind::Linear, peak: 0.8, warmup_steps: 2, total_steps: 10 };
/// let schedule = Schedule::new(shape);
/// let rates: Vec<f64> = [0, 1, 2, 6, 10].map(|step| schedule.learning_rate(step)).into();
/// assert_eq!(rates, [0.0, 0.4, 0.8, 0.4, 0.0]);
///
/// // Half of the steps are left, and twice as many are asked for: the slope changes.
/// let longer = schedule.edited(6, Shape { total_steps: 14, ..shape });
/// let rates: Vec<f64> = [6, 10, 14].map(|step| longer.learning_rate(step)).into();
/// assert_eq!(rates, [0.4, 0.2, 0.0]);
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Schedule {
    shape: Shape,
    anchor: Option<Anchor>,
}

/// Length of a warm-up in optimizer steps: a share of the total is rounded up, as Hugging
/// Face's trainer does.
#[must_use]
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the cast saturates, and a share is between 0 and the total"
)]
pub fn warmup_steps(warmup: Warmup, total_steps: u64) -> u64 {
    match warmup {
        Warmup::Steps(steps) => steps,
        Warmup::Percent(percent) => (total_steps as f64 * (percent / 100.0)).ceil() as u64,
    }
}

impl Shape {
    /// The rate after `step` steps.
    fn rate(&self, step: u64) -> f64 {
        let Self {
            warmup_steps,
            total_steps,
            ..
        } = *self;
        let factor = if step < warmup_steps {
            step as f64 / warmup_steps.max(1) as f64
        } else {
            let decay = total_steps.saturating_sub(warmup_steps).max(1) as f64;
            match self.kind {
                ScheduleKind::Linear => total_steps.saturating_sub(step) as f64 / decay,
                ScheduleKind::Cosine => {
                    let progress = ((step - warmup_steps) as f64 / decay).min(1.0);
                    0.5 * (1.0 + (PI * progress).cos())
                }
                ScheduleKind::Constant => 1.0,
            }
        };
        self.peak * factor
    }

    /// By how much the rate climbs in each step of the warm-up.
    fn climb(&self) -> f64 {
        self.peak / self.warmup_steps.max(1) as f64
    }
}

/// How an anchored schedule goes on; see the module's text.
enum Course {
    RampToPeak,
    CatchUp,
    Decay,
}

impl Schedule {
    /// A schedule without edits.
    #[must_use]
    pub fn new(shape: Shape) -> Self {
        Self::resumed(shape, None)
    }

    /// The schedule of a run that was resumed with the anchor in its state.
    #[must_use]
    pub fn resumed(shape: Shape, anchor: Option<Anchor>) -> Self {
        Self { shape, anchor }
    }

    /// The shape in force.
    #[must_use]
    pub fn shape(&self) -> &Shape {
        &self.shape
    }

    /// Where edits bent the schedule last, for the run's state.
    #[must_use]
    pub fn anchor(&self) -> Option<Anchor> {
        self.anchor
    }

    /// The learning rate of the step that follows `step` others.
    #[must_use]
    pub fn learning_rate(&self, step: u64) -> f64 {
        let shape = &self.shape;
        let Some(anchor) = self.anchor.filter(|anchor| step >= anchor.step) else {
            return shape.rate(step);
        };
        let since = (step - anchor.step) as f64;
        match self.course(&anchor) {
            Course::RampToPeak if step < shape.warmup_steps => {
                let ramp = (shape.warmup_steps - anchor.step) as f64;
                anchor.rate + (shape.peak - anchor.rate) * (since / ramp)
            }
            Course::RampToPeak => shape.rate(step),
            Course::CatchUp => shape.rate(step).min(anchor.rate + since * shape.climb()),
            Course::Decay => {
                let rest = Shape {
                    kind: shape.kind,
                    peak: anchor.rate,
                    warmup_steps: 0,
                    total_steps: shape.total_steps.saturating_sub(anchor.step),
                };
                rest.rate(step - anchor.step)
            }
        }
    }

    /// The schedule after a live edit that came when `step` steps were done.
    #[must_use]
    pub fn edited(&self, step: u64, shape: Shape) -> Self {
        if shape == self.shape {
            return *self;
        }
        let rate = self.learning_rate(step);
        if step == 0 || rate == 0.0 {
            return Self::new(shape);
        }
        let scale = shape.peak / self.shape.peak;
        let same_course = Shape {
            peak: self.shape.peak,
            ..shape
        } == self.shape;
        let anchor = if same_course {
            self.anchor.map(|anchor| Anchor {
                rate: anchor.rate * scale,
                ..anchor
            })
        } else {
            Some(Anchor {
                step,
                rate: rate * scale,
                warming_up: self.is_warming_up(step),
            })
        };
        Self { shape, anchor }
    }

    fn course(&self, anchor: &Anchor) -> Course {
        if anchor.step < self.shape.warmup_steps {
            Course::RampToPeak
        } else if anchor.warming_up && anchor.rate < self.shape.rate(anchor.step) {
            Course::CatchUp
        } else {
            Course::Decay
        }
    }

    fn is_warming_up(&self, step: u64) -> bool {
        let catching_up = self.anchor.is_some_and(|anchor| {
            matches!(self.course(&anchor), Course::CatchUp)
                && self.learning_rate(step) < self.shape.rate(step)
        });
        step < self.shape.warmup_steps || catching_up
    }
}

#[cfg(test)]
mod tests;
