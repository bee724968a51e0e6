//! The y axis: from values to places between the bottom (0) and the top (1).

use super::spec::YAxis;

/// Places of values on the y axis.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scale {
    kind: YAxis,
    /// The ends, in values or their logarithms.
    low: f64,
    high: f64,
}

impl Scale {
    /// A scale that just holds the values given; those that it cannot show are passed over.
    #[must_use]
    pub fn holding(kind: YAxis, values: impl Iterator<Item = f64>) -> Self {
        let (low, high) = values
            .filter_map(|value| place(kind, value))
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), y| {
                (low.min(y), high.max(y))
            });
        Self::over(kind, low, high)
    }

    /// The same scale from the 1st to the 99th percentile of the values.
    #[must_use]
    pub fn clipping(kind: YAxis, values: impl Iterator<Item = f64>) -> Self {
        let mut places: Vec<f64> = values.filter_map(|value| place(kind, value)).collect();
        places.sort_unstable_by(f64::total_cmp);
        let Some(last) = places.len().checked_sub(1) else {
            return Self::over(kind, 0.0, 1.0);
        };
        let cut = places.len().div_ceil(100);
        let (low, high) = if cut * 2 > last {
            (0, last)
        } else {
            (cut, last - cut)
        };
        Self::over(kind, places[low], places[high])
    }

    fn over(kind: YAxis, low: f64, high: f64) -> Self {
        if low > high {
            // No value at all.
            return Self {
                kind,
                low: 0.0,
                high: 1.0,
            };
        }
        // A flat curve runs through the middle. Values near the largest float have no room.
        let room = if high - low > f64::EPSILON * high.abs().max(low.abs()) {
            0.0
        } else if kind == YAxis::Linear && low != 0.0 {
            0.1 * low.abs()
        } else {
            0.5
        };
        Self {
            kind,
            low: low - room,
            high: high + room,
        }
    }

    /// The kind of axis.
    #[must_use]
    pub fn kind(&self) -> YAxis {
        self.kind
    }

    /// The place of a value, below 0 or above 1 when it is outside; `None` when the axis
    /// cannot show it: not finite, or up to 0 on a logarithmic one.
    #[must_use]
    pub fn place(&self, value: f64) -> Option<f64> {
        let y = place(self.kind, value)?;
        // Halves, because the difference of two large floats may be infinite.
        let place = (y / 2.0 - self.low / 2.0) / (self.high / 2.0 - self.low / 2.0);
        place.is_finite().then_some(place)
    }

    /// The value at a place.
    #[must_use]
    pub fn value(&self, place: f64) -> f64 {
        let y = self.low * (1.0 - place) + self.high * place;
        match self.kind {
            YAxis::Linear => y,
            YAxis::Log => 10_f64.powf(y),
        }
    }

    /// Bottom and top, in values or their logarithms.
    #[must_use]
    pub fn ends(&self) -> (f64, f64) {
        (self.low, self.high)
    }

    /// Whether a value lies above or below the scale.
    #[must_use]
    pub fn is_outside(&self, value: f64) -> bool {
        self.place(value)
            .is_some_and(|place| !(-1e-9..=1.0 + 1e-9).contains(&place))
    }
}

fn place(kind: YAxis, value: f64) -> Option<f64> {
    let y = match kind {
        YAxis::Linear => value,
        YAxis::Log if value > 0.0 => value.log10(),
        YAxis::Log => return None,
    };
    y.is_finite().then_some(y)
}
