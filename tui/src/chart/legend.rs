//! The legend of a chart that compares runs: a box with a row for each curve.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use compacter_core::view::Smoothed;

use super::spec::{Chart, Curve, CurveKind};

/// Below this, the names stand in the title.
const SMALLEST: (u16, u16) = (44, 7);
/// The longest row.
const LONGEST: usize = 48;

impl Chart<'_> {
    /// Whether the curves have a legend in a plot, and no place in the title.
    pub(super) fn has_legend(&self, plot: Rect) -> bool {
        let compares = self.lines() > 1 || self.baseline.is_some() || self.curves.len() > 2;
        compares && plot.width >= SMALLEST.0 && plot.height >= SMALLEST.1
    }

    /// Draws the legend where it hides least of the curves.
    pub(super) fn legend(&self, plot: Rect, buffer: &mut Buffer) {
        if !self.has_legend(plot) {
            return;
        }
        let rows = usize::from(plot.height) / 2;
        let names: Vec<String> = (0..self.curves.len().min(rows))
            .map(|n| self.name(n).chars().take(LONGEST).collect())
            .collect();
        let width = names.iter().map(|name| name.chars().count() + 2).max();
        let width = u16::try_from(width.unwrap_or(0)).unwrap_or(u16::MAX);
        let height = u16::try_from(names.len()).unwrap_or(u16::MAX);
        let (width, height) = (width.min(plot.width), height.min(plot.height));
        let (right, bottom) = (plot.right() - width, plot.bottom() - height);
        let corners = [
            (right, plot.y),
            (right, bottom),
            (plot.x, plot.y),
            (plot.x, bottom),
        ];
        let taken = |area: Rect, buffer: &Buffer| {
            let cells = area.positions().filter(|&at| buffer[at].symbol() != " ");
            cells.count()
        };
        let best = corners
            .into_iter()
            .map(|(x, y)| Rect::new(x, y, width, height))
            .min_by_key(|&area| taken(area, buffer));
        let Some(area) = best else { return };
        for (n, (name, row)) in names.iter().zip(area.rows()).enumerate() {
            let blank = " ".repeat(usize::from(row.width));
            buffer.set_string(row.x, row.y, blank, self.style.base);
            let room = usize::from(row.width.saturating_sub(1));
            buffer.set_stringn(row.x + 1, row.y, name, room, self.style.curve(n));
        }
    }

    /// How far the newest value of a curve is from the baseline's at the same place on the x
    /// axis; `None` for the baseline itself, and where it does not reach.
    #[must_use]
    pub fn to_baseline(&self, n: usize) -> Option<f64> {
        let at = self.baseline.filter(|&at| at != n)?;
        let (baseline, curve) = (self.curves.get(at)?, self.curves.get(n)?);
        if curve.kind != baseline.kind {
            return None;
        }
        let (step, _) = curve.series.newest()?;
        let x = curve.axes.x(self.axis, step);
        let there = baseline.axes.step(self.axis, x).round();
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a step is never negative, and far below 2^53"
        )]
        let there = there as u64;
        // Where the baseline has ended, the axis says its end for whatever comes later.
        let reaches = (baseline.axes.x(self.axis, there) - x).abs()
            <= 0.01 * self.extent().map_or(0.0, |(first, last)| last - first);
        let apart = self.drawn(curve, step)? - self.drawn(baseline, there)?;
        (reaches && apart.is_finite()).then_some(apart)
    }

    /// The value of a curve at a step, as it is drawn.
    fn drawn(&self, curve: &Curve<'_>, step: u64) -> Option<f64> {
        if self.smoothing > 0.0 && curve.kind == CurveKind::Line {
            Smoothed::of(curve.series, self.smoothing).at(step)
        } else {
            curve.series.value_at(step)
        }
    }
}
