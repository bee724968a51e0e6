//! What part of the x axis is seen.

/// A window on the x axis. By default it shows everything, also what is to come.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Window {
    /// How much is seen; `None` is all of it.
    width: Option<f64>,
    /// The right edge; `None` is the newest point.
    right: Option<f64>,
}

/// The smallest share of the curves that a window can show.
const CLOSEST: f64 = 1e-6;

impl Window {
    /// Whether the right edge is the newest point, and goes with it.
    #[must_use]
    pub fn follows(&self) -> bool {
        self.right.is_none()
    }

    /// Whether everything is seen.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.width.is_none()
    }

    /// Has the right edge go with the newest point.
    pub fn follow(&mut self) {
        self.right = None;
    }

    /// Keeps the right edge where it is.
    pub fn hold(&mut self, extent: (f64, f64)) {
        self.right = Some(self.range(extent).1);
    }

    /// Left and right edge, for curves that go from `extent.0` to `extent.1`.
    #[must_use]
    pub fn range(&self, extent: (f64, f64)) -> (f64, f64) {
        let (first, last) = extent;
        let all = whole(extent);
        let width = self.width.unwrap_or(all).min(all);
        let right = self.right.unwrap_or(last);
        let right = right.min(first + all).max(first + width);
        (right - width, right)
    }

    /// Shows from `left` to `right` of another axis, which ends at `last`. What shows
    /// everything, or follows, goes on to do so.
    pub fn carry_over(&mut self, (left, right): (f64, f64), last: f64) {
        self.right = self.right.map(|_| right);
        let right = self.right.unwrap_or(last);
        self.width = self.width.map(|_| (right - left).clamp(0.0, f64::MAX));
    }

    /// Shows `factor` times as much (below 1: zooms in) about a place of the window, from 0
    /// at its left edge to 1 at its right one. A window that follows stays at the newest point.
    pub fn zoom(&mut self, factor: f64, about: f64, extent: (f64, f64)) {
        let (left, right) = self.range(extent);
        let all = whole(extent);
        let width = ((right - left) * factor).clamp(all * CLOSEST, all);
        if width >= all {
            *self = Self::default();
            return;
        }
        if self.right.is_some() {
            let about = about.clamp(0.0, 1.0);
            let fixed = left + about * (right - left);
            self.right = Some(fixed + (1.0 - about) * width);
        }
        self.width = Some(width);
    }

    /// Moves by a share of its width, to the right if positive; at the newest point it
    /// follows again.
    pub fn pan(&mut self, share: f64, extent: (f64, f64)) {
        let (left, right) = self.range(extent);
        let moved = right + share * (right - left);
        self.right = (moved < extent.1).then_some(moved);
    }
}

/// The width of everything; a single point has some too.
fn whole((first, last): (f64, f64)) -> f64 {
    if last > first {
        // The ends of a record that nobody's clock wrote may be further apart than a float.
        (last - first).min(f64::MAX)
    } else {
        1.0
    }
}
