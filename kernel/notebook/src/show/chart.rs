//! Curves as SVG.
//!
//! plotters draws; text and lines of the frame are then given the colour of the page's text.
//! A picture has a bounded size however long its curves are: of each column
//! the smallest and the largest value are drawn.

use plotters::coord::Shift;
use plotters::coord::types::RangedCoordf64;
use plotters::prelude::*;

use super::colour::{BAD, CURVES, FAINT, HEIGHT, INK, WIDTH, css, hex};
use super::html::{append, escape, title};
use super::number::short;
use super::{Bundle, Rich};

mod line;

pub use super::bars::{Bars, bars};
pub(crate) use line::COLUMNS;
pub use line::Line;

/// Something that happened at a place of the x axis.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Mark {
    /// What happened, for the names below the title.
    pub(crate) name: &'static str,
    pub(crate) x: f64,
    pub(crate) colour: RGBColor,
    /// Share of the plot's height that its line takes, from below.
    pub(crate) height: f64,
}

/// Curves over one x axis.
#[derive(Debug, Clone, Default)]
pub struct Chart {
    pub(crate) title: String,
    pub(crate) x_name: String,
    pub(crate) lines: Vec<Line>,
    pub(crate) marks: Vec<Mark>,
    /// Places of values that are not finite.
    pub(crate) bad: Vec<f64>,
    /// From where to where the x axis goes, where that is more than the curves do.
    pub(crate) x: Option<(f64, f64)>,
    /// Whether places on the x axis are powers of two.
    pub(crate) doubles: bool,
}

/// A chart of curves in a cell: a name, and `(x, y)` points, for each.
///
/// # Examples
/// ```
/// use compacter_notebook::show::{chart, display};
///
/// let curve: Vec<(f64, f64)> = (0..50).map(f64::from).map(|x| (x, x.sin())).collect();
/// display(&chart::of("a wave", [("sin", curve)]).x_name("radians"));
/// ```
pub fn of<S: Into<String>>(
    title: impl Into<String>,
    curves: impl IntoIterator<Item = (S, Vec<(f64, f64)>)>,
) -> Chart {
    let mut chart = Chart {
        title: title.into(),
        ..Chart::default()
    };
    for (at, (name, points)) in curves.into_iter().enumerate() {
        let colour = CURVES[at % CURVES.len()];
        let finite = |(x, y): &&(f64, f64)| x.is_finite() && y.is_finite();
        let bad = points.iter().filter(|point| !finite(point));
        chart
            .bad
            .extend(bad.map(|point| point.0).filter(|x| x.is_finite()));
        chart.lines.push(Line::of(name, colour, &points));
    }
    chart
}

/// A chart of means in a cell: a name, and `(x, mean, spread)` points, for each curve. A bar goes
/// from `mean - spread` to `mean + spread`; curves stand a little beside each other.
///
/// # Examples
/// ```
/// use compacter_notebook::show::{chart, display};
///
/// let points = vec![(16.0, 0.61, 0.05), (32.0, 0.72, 0.04), (64.0, 0.80, 0.02)];
/// display(&chart::spreads("accuracy", [("compacter", points)]).doubling("examples"));
/// ```
pub fn spreads<S: Into<String>>(
    title: impl Into<String>,
    curves: impl IntoIterator<Item = (S, Vec<(f64, f64, f64)>)>,
) -> Chart {
    let (names, points): (Vec<S>, Vec<Vec<_>>) = curves.into_iter().unzip();
    let means = points.iter().map(|points| {
        let means = points.iter().map(|(x, mean, _)| (*x, *mean));
        means.collect()
    });
    let mut chart = of(title, names.into_iter().zip(means));
    for (line, points) in chart.lines.iter_mut().zip(points) {
        line.dots = true;
        line.bars = points;
    }
    chart
}

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Canvas<'a, 'b> = ChartContext<'b, SVGBackend<'a>, Cartesian2d<RangedCoordf64, RangedCoordf64>>;
type Painted<'a> = Result<(), DrawingAreaErrorKind<<SVGBackend<'a> as DrawingBackend>::ErrorType>>;

impl Chart {
    /// The same with a name below its x axis.
    #[must_use]
    pub fn x_name(mut self, name: impl Into<String>) -> Self {
        self.x_name = name.into();
        self
    }

    /// Says what the x axis is, and has it double from one mark to the next.
    #[must_use]
    pub fn doubling(mut self, x_name: impl Into<String>) -> Self {
        self.doubles = true;
        for line in &mut self.lines {
            for point in line.pieces.iter_mut().flatten() {
                point.0 = point.0.log2();
            }
            for bar in &mut line.bars {
                bar.0 = bar.0.log2();
            }
        }
        self.x_name(x_name)
    }

    /// The chart as an SVG picture, 640 by 220 pixels.
    #[must_use]
    pub fn svg(&self) -> String {
        let mut svg = String::new();
        let root = SVGBackend::with_string(&mut svg, (WIDTH, HEIGHT)).into_drawing_area();
        let painted = self.paint(&root).map_err(|error| error.to_string());
        drop(root);
        if let Err(error) = painted {
            // Drawing into memory has no reason to fail; a chart is never a cell's error.
            return super::html::aside(&format!("the chart could not be drawn: {error}"));
        }
        svg.replace(&hex(INK), &css(INK)).replacen(
            "<svg ",
            "<svg style=\"max-width:100%;display:block\" ",
            1,
        )
    }

    /// From the smallest to the largest of what is drawn, with some room.
    fn ranges(&self) -> ((f64, f64), (f64, f64)) {
        let points = || {
            self.lines
                .iter()
                .flat_map(|line| line.pieces.iter().flatten())
        };
        let bars = || self.lines.iter().flat_map(|line| &line.bars);
        let ends = |values: &mut dyn Iterator<Item = f64>| {
            values.fold(None, |ends: Option<(f64, f64)>, value| {
                let (low, high) = ends.unwrap_or((value, value));
                Some((low.min(value), high.max(value)))
            })
        };
        let bad = self.bad.iter().copied();
        let x = ends(&mut points().map(|point| point.0).chain(bad));
        let (left, right) = self.x.or(x).unwrap_or((0.0, 1.0));
        let bars = bars().flat_map(|(_, mean, spread)| [mean - spread, mean + spread]);
        let bars = bars.filter(|end| end.is_finite());
        let (low, high) =
            ends(&mut points().map(|point| point.1).chain(bars)).unwrap_or((0.0, 1.0));
        // One value alone gets an axis that its labels can tell apart.
        let room = if high > low {
            (high - low).max(high.abs() * 1e-3) * 0.06
        } else if high == 0.0 {
            1.0
        } else {
            high.abs() * 0.1
        };
        let right = if right > left { right } else { left + 1.0 };
        // Curves with bars stand beside each other.
        let side = if self.lines.iter().any(|line| !line.bars.is_empty()) {
            (right - left) * 0.04
        } else {
            0.0
        };
        let (left, right) = (left - side, right + side);
        ((left, right), (low - room, high + room))
    }

    fn paint<'a>(&self, root: &Area<'a>) -> Painted<'a> {
        let ((left, right), (low, high)) = self.ranges();
        let mut canvas = ChartBuilder::on(root)
            .margin(6)
            .margin_right(14)
            .x_label_area_size(32)
            .y_label_area_size(58)
            .build_cartesian_2d(left..right, low..high)?;
        let text = ("sans-serif", 12).into_font().color(&INK);
        let whole = right - left > 8.0;
        canvas
            .configure_mesh()
            .x_desc(self.x_name.as_str())
            .x_labels(8)
            .y_labels(5)
            .max_light_lines(0)
            .bold_line_style(INK.mix(0.12))
            .axis_style(INK.mix(0.5))
            .label_style(text.clone())
            .axis_desc_style(text)
            .x_label_formatter(&|x| match () {
                () if self.doubles => power(*x),
                () if whole => format!("{x:.0}"),
                () => short(*x),
            })
            .y_label_formatter(&|y| label(*y, high - low))
            .draw()?;
        for mark in self.marks_drawn(left, right) {
            let top = low + (high - low) * mark.height;
            let line = PathElement::new(vec![(mark.x, low), (mark.x, top)], mark.colour.mix(0.7));
            canvas.draw_series([line])?;
        }
        let barred = self.lines.iter().filter(|line| !line.bars.is_empty());
        let (count, apart) = (barred.count(), (right - left) * 0.008);
        for (at, line) in self.lines.iter().enumerate() {
            let aside = apart * (at as f64 - (count.saturating_sub(1)) as f64 / 2.0);
            let aside = if line.bars.is_empty() { 0.0 } else { aside };
            line.paint(&mut canvas, aside)?;
        }
        let top = high - (high - low) * 0.03;
        let bad = columns(self.bad.iter().copied(), left, right);
        canvas.draw_series(bad.map(|x| Cross::new((x, top), 4, BAD.stroke_width(2))))?;
        root.present()
    }

    /// One mark of a colour for each column at most.
    fn marks_drawn(&self, left: f64, right: f64) -> Vec<Mark> {
        let mut drawn: Vec<Mark> = Vec::new();
        for mark in self
            .marks
            .iter()
            .filter(|mark| mark.x >= left && mark.x <= right)
        {
            let near = |other: &&Mark| {
                other.colour == mark.colour
                    && (other.x - mark.x).abs() < (right - left) / COLUMNS as f64
            };
            if !drawn.iter().rev().take(8).any(|other| near(&other)) {
                drawn.push(*mark);
            }
        }
        drawn
    }

    /// The picture below its title, with the names of its curves and marks.
    #[must_use]
    pub(crate) fn html(&self) -> String {
        let opacity = f64::midpoint(FAINT, 1.0);
        let legend = self.legend();
        let names = legend.iter().map(|(sign, name, colour)| {
            let (name, colour) = (escape(name), css(*colour));
            format!(
                "<span style=\"display:inline-block;margin-right:1em\"><span style=\"color:{colour}\">{sign}</span> {name}</span> "
            )
        });
        let names: String = names.collect();
        let names = format!("<div style=\"font-size:90%;opacity:{opacity}\">{names}</div>");
        title(&self.title) + &names + &self.svg()
    }

    /// What each sign and colour stands for.
    fn legend(&self) -> Vec<(&'static str, &str, RGBColor)> {
        let named = self.lines.iter().filter(|line| !line.name.is_empty());
        let mut legend: Vec<_> = named
            .map(|line| ("━", line.name.as_str(), line.colour))
            .collect();
        for mark in &self.marks {
            let entry = ("|", mark.name, mark.colour);
            if !legend.contains(&entry) {
                legend.push(entry);
            }
        }
        if !self.bad.is_empty() {
            legend.push(("×", "not finite", BAD));
        }
        legend
    }

    /// The chart in words: where each curve starts and ends.
    #[must_use]
    pub(crate) fn text(&self) -> String {
        let mut text = self.title.clone();
        let place = |x: f64| if self.doubles { x.exp2() } else { x };
        for line in self.lines.iter().filter(|line| !line.name.is_empty()) {
            if !line.bars.is_empty() {
                append(&mut text, format_args!("\n{}:", line.name));
                for (x, mean, spread) in &line.bars {
                    let (x, mean, spread) = (short(place(*x)), short(*mean), short(*spread));
                    append(&mut text, format_args!(" {mean} ± {spread} at {x}"));
                }
                continue;
            }
            let mut points = line.pieces.iter().flatten();
            let first = points.next();
            let last = line.pieces.iter().flatten().next_back();
            if let (Some(first), Some(last)) = (first, last) {
                append(
                    &mut text,
                    format_args!(
                        "\n{}: {} at {} to {} at {}",
                        line.name,
                        short(first.1),
                        short(place(first.0)),
                        short(last.1),
                        short(place(last.0))
                    ),
                );
            }
        }
        if !self.bad.is_empty() {
            append(&mut text, format_args!("\nnot finite: {}", self.bad.len()));
        }
        text
    }
}

impl Rich for Chart {
    fn bundle(&self) -> Bundle {
        Bundle::plain(self.text()).with_html(self.html())
    }
}

/// Places within the window, one for each column at most.
fn columns(places: impl Iterator<Item = f64>, left: f64, right: f64) -> impl Iterator<Item = f64> {
    let width = (right - left) / COLUMNS as f64;
    let mut last = f64::NEG_INFINITY;
    let places = places.filter(move |x| (left..=right).contains(x));
    places.filter(move |x| {
        let is_apart = (x - last).abs() >= width;
        if is_apart {
            last = *x;
        }
        is_apart
    })
}

/// `2^x` where that is a whole number; nothing between.
fn power(x: f64) -> String {
    if (x - x.round()).abs() < 1e-6 && x >= 0.0 {
        format!("{:.0}", x.exp2())
    } else {
        String::new()
    }
}

/// A value on the y axis, with digits enough to tell it from its neighbours.
fn label(value: f64, range: f64) -> String {
    match range {
        _ if value.abs() >= 1e5 || range < 1e-4 => format!("{value:.2e}"),
        0.0..0.01 => format!("{value:.5}"),
        0.01..0.1 => format!("{value:.4}"),
        0.1..10.0 => format!("{value:.2}"),
        _ => format!("{value:.0}"),
    }
}

#[cfg(test)]
mod tests;
