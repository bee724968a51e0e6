//! What is to be drawn, and how.

use compacter_core::view::{Axes, Axis, MarkKind, RunView, Series};

use super::style::ChartStyle;
use super::window::Window;

/// How a curve is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CurveKind {
    /// As a line, smoothed if the chart says so.
    Line,
    /// Point by point: measurements that are far apart.
    Points,
}

/// One series in a chart.
#[derive(Debug, Clone, Copy)]
pub struct Curve<'a> {
    /// Its name in the legend.
    pub name: &'a str,
    /// Its values.
    pub series: &'a Series,
    /// From its steps to the chart's x axis; those of its own run.
    pub axes: &'a Axes,
    /// How it is drawn.
    pub kind: CurveKind,
}

/// The kind of y axis.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum YAxis {
    /// Values.
    #[default]
    Linear,
    /// Their decimal logarithms; values up to 0 are marked at the bottom.
    Log,
}

/// What becomes of the extremes of a curve.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Outliers {
    /// They are drawn, whatever that does to the scale.
    #[default]
    Show,
    /// The scale is that of the 1st to the 99th percentile; what is outside is counted.
    Clip,
}

/// Curves over a common x axis.
#[derive(Debug, Clone)]
pub struct Chart<'a> {
    /// What the curves are, such as `loss`.
    pub title: &'a str,
    /// The curves, the first one's markers first; several runs are compared by several lines.
    pub curves: Vec<Curve<'a>>,
    /// What is marked under the axis, with places on it.
    pub marks: Vec<(MarkKind, f64)>,
    /// What is on the x axis.
    pub axis: Axis,
    /// What part of it.
    pub window: Window,
    /// What is on the y axis.
    pub y: YAxis,
    /// How much of the past a smoothed line keeps, of [`compacter_core::view::SMOOTHING`].
    pub smoothing: f64,
    /// What becomes of extremes.
    pub outliers: Outliers,
    /// Where the crosshair stands on the x axis, if there is one.
    pub cursor: Option<f64>,
    /// The place on the x axis that the crosshair's values are compared with.
    pub from: Option<f64>,
    /// The curve that the newest values of the others of its kind are compared with.
    pub baseline: Option<usize>,
    /// What the window is a part of, where that is more than these curves: from where to
    /// where on the x axis.
    pub span: Option<(f64, f64)>,
    /// How it looks.
    pub style: &'a ChartStyle,
}

impl<'a> Chart<'a> {
    /// An empty chart that follows the newest point.
    #[must_use]
    pub fn new(title: &'a str, style: &'a ChartStyle) -> Self {
        Self {
            title,
            curves: Vec::new(),
            marks: Vec::new(),
            axis: Axis::Step,
            window: Window::default(),
            y: YAxis::Linear,
            smoothing: 0.0,
            outliers: Outliers::Show,
            cursor: None,
            from: None,
            baseline: None,
            span: None,
            style,
        }
    }

    /// Adds a run's series, if the run has it.
    #[must_use]
    pub fn with(mut self, run: &'a RunView, series: &str, name: &'a str, kind: CurveKind) -> Self {
        let found = run.scalars.get(series).map(|series| Curve {
            name,
            series,
            axes: &run.axes,
            kind,
        });
        self.curves.extend(found);
        self
    }

    /// Adds a run's marks; call it once the axis is set.
    #[must_use]
    pub fn with_marks(mut self, run: &RunView) -> Self {
        let placed = run
            .marks()
            .map(|(kind, step)| (kind, run.axes.x(self.axis, step)));
        self.marks.extend(placed);
        self
    }

    /// From where to where the x axis goes; `None` while there are no curves.
    #[must_use]
    pub fn extent(&self) -> Option<(f64, f64)> {
        let ends = self.curves.iter().filter_map(|curve| {
            let (first, last) = curve.series.steps()?;
            let x = |step| curve.axes.x(self.axis, step);
            Some((x(first), x(last)))
        });
        let ends = ends.chain(self.span);
        ends.reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)))
    }
}
