//! The curves of a chart, cut to its window and to so many columns.

use compacter_core::view::{Column, Smoothed};

use super::scale::Scale;
use super::spec::{Chart, Curve, CurveKind, Outliers};

/// One curve, ready to be drawn.
#[derive(Debug, Clone)]
pub struct Trace<'a> {
    /// Its name.
    pub name: &'a str,
    /// How it is drawn.
    pub kind: CurveKind,
    /// What is measured.
    pub raw: Vec<Column>,
    /// The smoothed line, a value for each column; empty when nothing is smoothed.
    pub smooth: Vec<f64>,
}

impl Trace<'_> {
    /// The value that stands for a column: smoothed where the chart is.
    #[must_use]
    pub fn value(&self, at: usize) -> f64 {
        self.smooth.get(at).copied().unwrap_or(self.raw[at].mean)
    }
}

/// A chart, computed.
#[derive(Debug, Clone)]
pub struct Picture<'a> {
    /// The edges of the window on the x axis.
    pub range: (f64, f64),
    /// The curves.
    pub traces: Vec<Trace<'a>>,
    /// The y axis.
    pub scale: Scale,
    /// Values in the window that are not finite.
    pub bad: u64,
    /// Columns of curves that reach outside the scale.
    pub outside: usize,
    /// Columns of curves that a logarithmic axis cannot show as a whole.
    pub not_positive: usize,
    /// Where values that are not finite stand on the x axis.
    pub bad_at: Vec<f64>,
}

/// The measured point next to a place.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Nearest<'a> {
    /// Name of its curve.
    pub name: &'a str,
    /// Its step.
    pub step: u64,
    /// Its place on the x axis.
    pub x: f64,
    /// Its value as measured: the last one where several share a column.
    pub value: f64,
    /// Its value as drawn.
    pub drawn: f64,
}

impl<'a> Picture<'a> {
    /// Computes a chart for so many columns; at most two points of a curve fall into each.
    #[must_use]
    pub fn new(chart: &Chart<'a>, columns: usize) -> Self {
        let range = chart.window.range(chart.extent().unwrap_or((0.0, 1.0)));
        let trace = |curve: &Curve<'a>| {
            let raw = curve.series.columns(curve.axes, chart.axis, range, columns);
            let smooths = chart.smoothing > 0.0 && curve.kind == CurveKind::Line;
            Trace {
                name: curve.name,
                kind: curve.kind,
                smooth: if smooths {
                    let smoothed = Smoothed::of(curve.series, chart.smoothing);
                    let value = |c: &Column| smoothed.at(c.step).unwrap_or(c.mean);
                    raw.iter().map(value).collect()
                } else {
                    Vec::new()
                },
                raw,
            }
        };
        let traces: Vec<Trace<'a>> = chart.curves.iter().map(trace).collect();
        let all = || traces.iter().flat_map(|trace| &trace.raw);
        let values = all().flat_map(|column| [column.min, column.max]);
        let scale = match chart.outliers {
            Outliers::Show => Scale::holding(chart.y, values),
            Outliers::Clip => Scale::clipping(chart.y, values),
        };
        let bad_at = bad_places(chart, range);
        Self {
            range,
            scale,
            bad: bad_count(chart, range),
            outside: all()
                .filter(|c| scale.is_outside(c.min) || scale.is_outside(c.max))
                .count(),
            not_positive: all().filter(|c| scale.place(c.min).is_none()).count(),
            bad_at,
            traces,
        }
    }

    /// From 0 at the left edge of the window to 1 at its right one.
    #[must_use]
    pub fn across(&self, x: f64) -> f64 {
        let (left, right) = self.range;
        if right > left {
            (x - left) / (right - left)
        } else {
            0.0
        }
    }

    /// The point of each curve that is nearest to a place on the x axis.
    #[must_use]
    pub fn nearest(&self, x: f64) -> Vec<Nearest<'a>> {
        let of = |trace: &Trace<'a>| {
            let after = trace.raw.partition_point(|column| column.x < x);
            let distance = |at: &usize| (trace.raw[*at].x - x).abs();
            let at = [after.checked_sub(1), Some(after)]
                .into_iter()
                .flatten()
                .filter(|&at| at < trace.raw.len())
                .min_by(|a, b| distance(a).total_cmp(&distance(b)))?;
            let column = trace.raw[at];
            Some(Nearest {
                name: trace.name,
                step: column.step,
                x: column.x,
                value: column.last,
                drawn: trace.value(at),
            })
        };
        self.traces.iter().filter_map(of).collect()
    }

    /// The point that is nearest to a place on the x axis, of all curves.
    #[must_use]
    pub fn nearest_of_all(&self, x: f64) -> Option<Nearest<'a>> {
        let distance = |point: &Nearest<'_>| (point.x - x).abs();
        let points = self.nearest(x).into_iter();
        points.min_by(|a, b| distance(a).total_cmp(&distance(b)))
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a step is never negative, and far below 2^53"
)]
fn steps_of(chart: &Chart<'_>, curve: &Curve<'_>, (left, right): (f64, f64)) -> (u64, u64) {
    let step = |x| curve.axes.step(chart.axis, x);
    (step(left).floor() as u64, step(right).ceil() as u64)
}

fn bad_count(chart: &Chart<'_>, range: (f64, f64)) -> u64 {
    let of = |curve: &Curve<'_>| {
        let (first, last) = steps_of(chart, curve, range);
        curve.series.bad().count_within(first, last)
    };
    chart.curves.iter().map(of).sum()
}

fn bad_places(chart: &Chart<'_>, range: (f64, f64)) -> Vec<f64> {
    let of = |curve: &Curve<'_>| {
        let (first, last) = steps_of(chart, curve, range);
        let inside = curve.series.bad().steps_within(first, last);
        let axes = curve.axes;
        let places = inside.map(|step| axes.x(chart.axis, step).clamp(range.0, range.1));
        places.collect::<Vec<f64>>()
    };
    chart.curves.iter().flat_map(of).collect()
}
