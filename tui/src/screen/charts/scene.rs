//! From a run, and those laid over it, to a chart.

use compacter_core::view::{Axis, RunView, SMOOTHING, Scalars};
use compacter_tui::chart::{Chart, ChartStyle, CurveKind, Outliers, Picture, YAxis};
use ratatui::layout::Rect;

use super::Overlaid;
use crate::screen::panel::{Context, Hand};
use crate::screen::seen::Seen;
use crate::screen::shared::Charting;
use crate::screen::theme::Theme;

/// What charts are made of.
#[derive(Debug)]
pub(super) struct Scene<'a> {
    /// The run.
    pub(super) seen: Seen<'a>,
    /// How curves are shown.
    pub(super) charting: &'a Charting,
    /// What lies over the run's curves.
    others: Vec<Overlaid<'a>>,
    /// From where to where the x axis of all charts goes.
    span: Option<(f64, f64)>,
}

/// The name of the loss on the validation split.
fn validation() -> String {
    Scalars::eval_name("validation", "loss")
}

impl<'a> Scene<'a> {
    /// What a panel draws.
    pub(super) fn of(context: &Context<'a>) -> Self {
        let others = context.shared.overlaid();
        Self::new(context.seen, &context.shared.charting, others)
    }

    /// What a panel acts on.
    pub(super) fn held(hand: &'a Hand<'_>) -> Self {
        Self::new(hand.seen, &hand.shared.charting, hand.shared.overlaid())
    }

    pub(super) fn new(seen: Seen<'a>, charting: &'a Charting, others: Vec<Overlaid<'a>>) -> Self {
        let views = others.iter().map(|other| other.view);
        let spans = std::iter::once(seen.view)
            .chain(views)
            .filter_map(|view| span(view, charting.axis));
        let span = spans.reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)));
        Self {
            seen,
            charting,
            others,
            span,
        }
    }

    /// The chart of the loss: training as a line, evaluations as points.
    pub(super) fn loss(&self, style: &'a ChartStyle) -> Chart<'a> {
        let chart = self.over("loss", "train/loss", "train", style);
        let view = self.seen.view;
        let chart = chart.with(view, &validation(), "validation", CurveKind::Points);
        self.shown(chart)
    }

    /// The chart of a scalar of the run.
    pub(super) fn scalar(&self, name: &'a str, style: &'a ChartStyle) -> Chart<'a> {
        let short = name.rsplit('/').next().unwrap_or(name);
        let chart = self.over(name, name, short, style);
        self.shown(chart)
    }

    /// The chart of a series of the run, under a name where it is alone, with that of the
    /// others.
    fn over(
        &self,
        title: &'a str,
        series: &str,
        name: &'a str,
        style: &'a ChartStyle,
    ) -> Chart<'a> {
        let kind = if series.starts_with("eval/") {
            CurveKind::Points
        } else {
            CurveKind::Line
        };
        let compares = !self.others.is_empty();
        let name = if compares { self.seen.name } else { name };
        let mut chart = Chart::new(title, style).with(self.seen.view, series, name, kind);
        for other in &self.others {
            let before = chart.curves.len();
            chart = chart.with(other.view, series, other.name, kind);
            if other.baseline && chart.curves.len() > before {
                chart.baseline = Some(before);
            }
        }
        chart
    }

    /// The same chart, shown as all are.
    fn shown(&self, mut chart: Chart<'a>) -> Chart<'a> {
        let charting = self.charting;
        chart.axis = charting.axis;
        chart.window = charting.window;
        chart.smoothing = SMOOTHING.get(charting.smoothing).copied().unwrap_or(0.0);
        if charting.logarithmic {
            chart.y = YAxis::Log;
        }
        if charting.clipped {
            chart.outliers = Outliers::Clip;
        }
        (chart.cursor, chart.from) = (charting.cursor, charting.from);
        chart.span = self.span;
        chart.with_marks(self.seen.view)
    }
}

/// From where to where a run goes on an axis.
pub(super) fn span(view: &RunView, axis: Axis) -> Option<(f64, f64)> {
    let steps = view.scalars.iter().filter_map(|(_, series)| series.steps());
    let (first, last) = steps.reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)))?;
    Some((view.axes.x(axis, first), view.axes.x(axis, last)))
}

/// The style of charts in a theme.
pub(super) fn style(theme: &Theme, focused: bool) -> ChartStyle {
    ChartStyle {
        base: theme.text(),
        frame: theme.frame(focused),
        title: if focused {
            theme.strong()
        } else {
            theme.text()
        },
        axis: theme.faint(),
        raw: theme.faint(),
        curves: theme.curves(),
        bad: theme.bad(),
        mark: theme.warning(),
        cursor: theme.chosen(),
        glyphs: theme.glyphs,
    }
}

/// The place on the x axis of a place in a chart's area; `None` beside the plot.
pub(super) fn under((column, row): (u16, u16), plot: Rect, picture: &Picture<'_>) -> Option<f64> {
    if !plot.contains((column, row).into()) {
        return None;
    }
    let share = f64::from(column - plot.x) / f64::from(plot.width.max(2) - 1);
    let (left, right) = picture.range;
    Some(left * (1.0 - share) + right * share)
}
