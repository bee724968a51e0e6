//! Moving averages that are right from their first value on.
//!
//! ```text
//! mₜ = a·mₜ₋₁ + (1 − a)·xₜ,  m₀ = 0;   shown: mₜ / (1 − aᵗ)
//! ```
//!
//! Without the division an average would start near zero and take `1 / (1 − a)` values to
//! arrive where the curve is.

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
        if value.is_finite() {
            self.sum = self.factor * self.sum + (1.0 - self.factor) * value;
            self.weight = self.factor * self.weight + (1.0 - self.factor);
        }
        self.value()
    }

    /// The average so far.
    #[must_use]
    pub fn value(&self) -> Option<f64> {
        (self.weight > 0.0).then(|| self.sum / self.weight)
    }
}
