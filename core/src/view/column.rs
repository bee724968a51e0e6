//! What of a series is drawn in a window: at most one column of values for each column of dots.

use super::axes::{Axes, Axis};
use super::series::{Bucket, Series};

/// The points of a series that fall into one column of a picture.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Column {
    /// Which column, counted from the left.
    pub at: usize,
    /// Place of the last point on the axis.
    pub x: f64,
    /// Step of the last point.
    pub step: u64,
    /// The smallest value.
    pub min: f64,
    /// The largest value.
    pub max: f64,
    /// The mean of the values that are kept.
    pub mean: f64,
    /// The last value.
    pub last: f64,
    /// Whether values that are not finite stand between this column and the one before.
    pub broken: bool,
}

/// A window on an axis, cut into columns.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Grid {
    left: f64,
    right: f64,
    columns: usize,
}

impl Grid {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "from 0 up to the number of columns"
    )]
    fn column(&self, x: f64) -> usize {
        let width = self.right - self.left;
        if width <= 0.0 {
            return 0;
        }
        let at = (x - self.left) / width * (self.columns - 1) as f64;
        // Rounds; without SSE 4.1 `round` is a call.
        ((at.max(0.0) + 0.5) as usize).min(self.columns - 1)
    }
}

impl Series {
    /// What the window from `left` to `right` of an axis shows in so many columns.
    ///
    /// The finest level that reaches back to `left` is used. Where even that has only a few
    /// buckets in the window, those at its edges are drawn on them.
    #[must_use]
    pub fn columns(
        &self,
        axes: &Axes,
        axis: Axis,
        (left, right): (f64, f64),
        columns: usize,
    ) -> Vec<Column> {
        if columns == 0 || left.is_nan() || right.is_nan() || right < left {
            return Vec::new();
        }
        let grid = Grid {
            left,
            right,
            columns,
        };
        let (first, end) = (
            whole(axes.step(axis, left)),
            whole_up(axes.step(axis, right)),
        );
        let buckets = &self.finest(first).buckets;
        let from = buckets.partition_point(|b| u64::from(b.end) < first);
        let mut drawn: Vec<Column> = Vec::with_capacity(columns.min(buckets.len() - from));
        let mut in_last = 0.0;
        for bucket in buckets
            .range(from..)
            .take_while(|b| u64::from(b.first) <= end)
        {
            let x = axes.x(axis, bucket.end.into()).clamp(left, right);
            let at = grid.column(x);
            let before = drawn.last().map(|column| column.step);
            match drawn.last_mut() {
                Some(column) if column.at == at => {
                    in_last += 1.0;
                    add(column, bucket, x, in_last);
                }
                _ => {
                    in_last = 1.0;
                    let mut column = start(bucket, at, x);
                    column.broken = before.is_some_and(|before| self.is_broken(before, bucket));
                    drawn.push(column);
                }
            }
        }
        drawn
    }

    /// Whether the line is broken between a step and the bucket after it.
    fn is_broken(&self, before: u64, bucket: &Bucket) -> bool {
        let first = u64::from(bucket.first);
        first > before + 1 && self.bad().count_within(before + 1, first - 1) > 0
    }
}

fn start(bucket: &Bucket, at: usize, x: f64) -> Column {
    Column {
        at,
        x,
        step: bucket.end.into(),
        min: bucket.min,
        max: bucket.max,
        mean: bucket.last,
        last: bucket.last,
        broken: false,
    }
}

fn add(column: &mut Column, bucket: &Bucket, x: f64, count: f64) {
    column.x = x;
    column.step = bucket.end.into();
    column.min = column.min.min(bucket.min);
    column.max = column.max.max(bucket.max);
    column.mean += (bucket.last - column.mean) / count;
    column.last = bucket.last;
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a step is never negative, and far below 2^53"
)]
fn whole(step: f64) -> u64 {
    step.floor() as u64
}

fn whole_up(step: f64) -> u64 {
    whole(step.ceil())
}
