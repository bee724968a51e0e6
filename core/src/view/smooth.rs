//! Moving averages that are right from their first value on.
//!
//! ```text
//! mₜ = a·mₜ₋₁ + (1 − a)·xₜ,  m₀ = 0;   shown: mₜ / (1 − aᵗ)
//! ```
//!
//! Without the division an average would start near zero and take `1 / (1 − a)` values to
//! arrive where the curve is.

use super::series::Series;

/// The factors that a screen goes through; 0 is no smoothing.
pub const SMOOTHING: [f64; 5] = [0.0, 0.6, 0.9, 0.98, 0.995];

/// An exponential moving average, debiased.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ema {
    factor: f64,
    sum: f64,
    weight: f64,
}

impl Ema {
    /// An average of nothing yet; `factor` is the share that the past keeps, below 1.
    #[must_use]
    pub fn new(factor: f64) -> Self {
        Self {
            factor,
            sum: 0.0,
            weight: 0.0,
        }
    }

    /// Takes a value, and is the average with it. A value that is not finite is passed over.
    pub fn push(&mut self, value: f64) -> Option<f64> {
        self.push_keeping(value, self.factor)
    }

    /// Takes a value that stands for several, of which the past keeps another share.
    fn push_keeping(&mut self, value: f64, keep: f64) -> Option<f64> {
        if value.is_finite() {
            self.sum = keep * self.sum + (1.0 - keep) * value;
            self.weight = keep * self.weight + (1.0 - keep);
        }
        self.value()
    }

    /// The average so far.
    #[must_use]
    pub fn value(&self) -> Option<f64> {
        (self.weight > 0.0).then(|| self.sum / self.weight)
    }
}

/// The moving average of a whole series, the same whatever part of it is drawn.
///
/// The past keeps its share from point to point. In a series of more than
/// [`super::BUCKETS`] points it does so from one such part of the series to the next: what
/// smooths the curve of a short run would not be seen in that of a long one.
#[derive(Debug, Clone, PartialEq)]
pub struct Smoothed {
    /// Steps, ascending, and the average there.
    points: Vec<(u64, f64)>,
}

impl Smoothed {
    /// Averages a series; `factor` is the share that the past keeps, below 1.
    #[must_use]
    pub fn of(series: &Series, factor: f64) -> Self {
        let mut ema = Ema::new(factor);
        // Nearly all points stand for equally many.
        let (mut of, mut keep) = (1.0, factor);
        let averaged = series.thinned().map(|(step, value, share)| {
            if share.to_bits() != f64::to_bits(of) {
                (of, keep) = (share, factor.powf(share));
            }
            (step, ema.push_keeping(value, keep).unwrap_or(value))
        });
        Self {
            points: averaged.collect(),
        }
    }

    /// The average at a step, between two points on a line; `None` outside of the series.
    #[must_use]
    pub fn at(&self, step: u64) -> Option<f64> {
        let after = self.points.partition_point(|(at, _)| *at < step);
        let &(to, high) = self.points.get(after)?;
        let Some(&(from, low)) = after.checked_sub(1).and_then(|at| self.points.get(at)) else {
            // The first point may stand for several.
            return Some(high);
        };
        let share = (step - from) as f64 / (to - from).max(1) as f64;
        Some(low * (1.0 - share) + high * share)
    }
}
