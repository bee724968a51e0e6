//! What is drawn of a curve: at most two points for each column.

use compacter_core::view::{Axes, Axis, Column, Series, Smoothed};
use plotters::prelude::*;

use super::{Canvas, Painted};

/// Columns that a curve is cut into: one for two pixels.
pub(crate) const COLUMNS: usize = 300;

/// A curve as it is drawn.
#[derive(Debug, Clone)]
pub struct Line {
    /// Empty for one that is not named.
    pub(crate) name: String,
    pub(crate) colour: RGBColor,
    /// Points between the places where it is broken.
    pub(crate) pieces: Vec<Vec<(f64, f64)>>,
    /// In pixels.
    pub(crate) width: u32,
    pub(crate) opacity: f64,
    /// Whether its points are dots too.
    pub(crate) dots: bool,
    /// `(x, mean, spread)`: bars from below to above the mean.
    pub(crate) bars: Vec<(f64, f64, f64)>,
}

impl Line {
    /// Draws it, that far to the right of its places.
    pub(super) fn paint<'a>(&self, canvas: &mut Canvas<'a, '_>, aside: f64) -> Painted<'a> {
        let moved = |&(x, y): &(f64, f64)| (x + aside, y);
        if self.dots {
            let points = self.pieces.iter().flatten().map(moved);
            let dots = points.map(|point| Circle::new(point, 3, self.colour.filled()));
            canvas.draw_series(dots)?;
        }
        let style = self.colour.mix(self.opacity).stroke_width(self.width);
        for piece in &self.pieces {
            canvas.draw_series(LineSeries::new(piece.iter().map(moved), style))?;
        }
        let finite = |(x, mean, spread): &&(f64, f64, f64)| (x + mean + spread).is_finite();
        for (x, mean, spread) in self.bars.iter().filter(finite) {
            let ends = [(*x, mean - spread), (*x, mean + spread)];
            let bar = ends.iter().map(moved).collect::<Vec<_>>();
            canvas.draw_series([PathElement::new(bar, style)])?;
        }
        Ok(())
    }

    fn new(name: impl Into<String>, colour: RGBColor, pieces: Vec<Vec<(f64, f64)>>) -> Self {
        Self {
            name: name.into(),
            colour,
            pieces,
            width: 2,
            opacity: 1.0,
            dots: false,
            bars: Vec::new(),
        }
    }

    /// A curve of any points, in the order of their `x`; it breaks where one is not finite.
    pub(crate) fn of(name: impl Into<String>, colour: RGBColor, points: &[(f64, f64)]) -> Self {
        let runs = points.split(|(x, y)| !x.is_finite() || !y.is_finite());
        let pieces = runs.filter(|run| !run.is_empty());
        let size = points.len().div_ceil(COLUMNS).max(1);
        Self::new(name, colour, pieces.map(|run| thinned(run, size)).collect())
    }

    /// The values of a series within a window, pale: both ends of each column.
    pub(crate) fn raw(series: &Series, axes: &Axes, window: (f64, f64), colour: RGBColor) -> Self {
        let columns = series.columns(axes, Axis::Step, window, COLUMNS);
        let pieces = broken(&columns, |column| {
            let (first, last) = if column.last < column.mean {
                (column.max, column.min)
            } else {
                (column.min, column.max)
            };
            let ends = [(column.x, first), (column.x, last)];
            ends[..if first < last || last < first { 2 } else { 1 }].to_vec()
        });
        let line = Self::new("", colour, pieces);
        Self {
            width: 1,
            opacity: 0.5,
            ..line
        }
    }

    /// The moving average of a series within a window.
    pub(crate) fn smooth(
        name: impl Into<String>,
        (series, axes): (&Series, &Axes),
        window: (f64, f64),
        colour: RGBColor,
    ) -> Self {
        let smoothed = Smoothed::of(series, factor(series));
        let columns = series.columns(axes, Axis::Step, window, COLUMNS);
        let pieces = broken(&columns, |column| {
            let value = smoothed.at(column.step);
            value.map(|value| (column.x, value)).into_iter().collect()
        });
        Self::new(name, colour, pieces)
    }

    /// The last values of a series within a window, as dots on a line.
    pub(crate) fn dotted(
        name: impl Into<String>,
        (series, axes): (&Series, &Axes),
        window: (f64, f64),
        colour: RGBColor,
    ) -> Self {
        let columns = series.columns(axes, Axis::Step, window, COLUMNS / 3);
        let pieces = broken(&columns, |column| vec![(column.x, column.last)]);
        let line = Self::new(name, colour, pieces);
        Self { dots: true, ..line }
    }
}

/// The share that the past keeps: less in a short series, which would lie flat.
fn factor(series: &Series) -> f64 {
    match series.points() {
        0..40 => 0.6,
        40..2000 => 0.9,
        _ => 0.98,
    }
}

/// The points of columns, in pieces between those that are broken.
fn broken(columns: &[Column], points: impl Fn(&Column) -> Vec<(f64, f64)>) -> Vec<Vec<(f64, f64)>> {
    let mut pieces: Vec<Vec<(f64, f64)>> = Vec::new();
    for column in columns {
        match pieces.last_mut() {
            Some(piece) if !column.broken => piece.extend(points(column)),
            _ => pieces.push(points(column)),
        }
    }
    pieces
}

/// Of every so many points those with the smallest and the largest value.
fn thinned(points: &[(f64, f64)], size: usize) -> Vec<(f64, f64)> {
    if size == 1 {
        return points.to_vec();
    }
    let mut kept = Vec::new();
    for part in points.chunks(size) {
        let by_value = |a: &&(f64, f64), b: &&(f64, f64)| a.1.total_cmp(&b.1);
        let ends = part
            .iter()
            .min_by(by_value)
            .zip(part.iter().max_by(by_value));
        if let Some((low, high)) = ends {
            let (first, last) = if low.0 <= high.0 {
                (low, high)
            } else {
                (high, low)
            };
            kept.push(*first);
            if first != last {
                kept.push(*last);
            }
        }
    }
    kept
}
