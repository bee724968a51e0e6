//! A chart as a file: its data as CSV, its picture as SVG.

use plotters::prelude::*;

use super::label;
use super::picture::{Picture, Trace};
use super::scale::Scale;
use super::spec::{Chart, CurveKind};
use crate::table;

/// Columns of a picture in a file: as many as a series keeps, so nothing is put together.
const COLUMNS: usize = 4096;
/// Size of the SVG in its own units.
const SIZE: (u32, u32) = (960, 540);
/// Colours that are told apart with the common kinds of colour blindness (Okabe and Ito).
pub(crate) const COLOURS: [RGBColor; 6] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(230, 159, 0),
    RGBColor(86, 180, 233),
];

/// The data of a chart's window: a line for each point that the series keep.
///
/// `min`, `max`, `mean` and `last` differ where a line stands for several steps, of which
/// `step` is the last.
#[must_use]
pub fn csv(chart: &Chart<'_>) -> String {
    let picture = Picture::new(chart, COLUMNS);
    let axis = chart.axis.name().replace(' ', "_");
    let axis = if axis == "step" { "x" } else { &axis };
    let mut rows = Vec::new();
    for (trace, curve) in picture.traces.iter().zip(&chart.curves) {
        for (at, column) in trace.raw.iter().enumerate() {
            rows.push([
                table::name(trace.name),
                column.step.to_string(),
                // Where it is, also if it is drawn on the window's edge.
                curve.axes.x(chart.axis, column.step).to_string(),
                column.min.to_string(),
                column.max.to_string(),
                column.mean.to_string(),
                column.last.to_string(),
                table::number(trace.smooth.get(at).copied()),
            ]);
        }
    }
    let head = [
        "curve", "step", axis, "min", "max", "mean", "last", "smoothed",
    ];
    table::csv(head, rows)
}

/// The chart as an SVG picture.
///
/// # Errors
/// What the drawing library says, which it has no reason to.
pub fn svg(chart: &Chart<'_>) -> Result<String, String> {
    let mut text = String::new();
    let picture = Picture::new(chart, COLUMNS);
    let root = SVGBackend::with_string(&mut text, SIZE).into_drawing_area();
    paint(chart, &picture, &root).map_err(|error| error.to_string())?;
    drop(root);
    Ok(text)
}

type Area<'a> = DrawingArea<SVGBackend<'a>, plotters::coord::Shift>;
type Painted<'a> = Result<(), DrawingAreaErrorKind<<SVGBackend<'a> as DrawingBackend>::ErrorType>>;

fn paint<'a>(chart: &Chart<'_>, picture: &Picture<'_>, root: &Area<'a>) -> Painted<'a> {
    root.fill(&WHITE)?;
    let (left, right) = picture.range;
    let mut canvas = ChartBuilder::on(root)
        .margin(12)
        .caption(label::plain(chart.title), ("sans-serif", 20))
        .x_label_area_size(36)
        .y_label_area_size(64)
        .build_cartesian_2d(left..right, 0.0..1.0)?;
    // Places from 0 to 1 are drawn; the labels say which values they are.
    canvas
        .configure_mesh()
        .x_desc(chart.axis.name())
        .x_label_formatter(&|&x| label::x(chart.axis, x, picture.range))
        .y_label_formatter(&|&y| label::y(&picture.scale, y))
        .draw()?;
    for (n, trace) in picture.traces.iter().enumerate() {
        let colour = COLOURS[n % COLOURS.len()];
        let legend = move |(x, y)| PathElement::new(vec![(x, y), (x + 16, y)], colour);
        if trace.kind == CurveKind::Points {
            let points = trace.raw.iter().filter_map(|column| {
                let place = inside(&picture.scale, column.last)?;
                Some(Circle::new((column.x, place), 3, colour.filled()))
            });
            canvas
                .draw_series(points)?
                .label(label::plain(trace.name))
                .legend(legend);
            continue;
        }
        let faint = if trace.smooth.is_empty() { 1.0 } else { 0.3 };
        for line in pieces(trace, |at| extremes(trace, at), &picture.scale) {
            canvas.draw_series(LineSeries::new(line, colour.mix(faint)))?;
        }
        for line in pieces(trace, |at| vec![trace.value(at)], &picture.scale) {
            canvas.draw_series(LineSeries::new(line, colour.stroke_width(2)))?;
        }
        let nothing = LineSeries::new(std::iter::empty(), colour);
        canvas
            .draw_series(nothing)?
            .label(label::plain(trace.name))
            .legend(legend);
    }
    let bad = picture.bad_at.iter();
    canvas.draw_series(
        bad.map(|&x| Text::new("!", (x, 0.02), ("sans-serif", 16).into_font().color(&RED))),
    )?;
    canvas
        .configure_series_labels()
        .background_style(WHITE.mix(0.8))
        .border_style(BLACK.mix(0.3))
        .draw()?;
    root.present()
}

fn extremes(trace: &Trace<'_>, at: usize) -> Vec<f64> {
    let column = &trace.raw[at];
    if column.min < column.max {
        vec![column.min, column.max]
    } else {
        vec![column.last]
    }
}

/// A place within the scale.
fn inside(scale: &Scale, value: f64) -> Option<f64> {
    scale.place(value).map(|place| place.clamp(0.0, 1.0))
}

/// A trace as lines between the breaks.
fn pieces(
    trace: &Trace<'_>,
    values: impl Fn(usize) -> Vec<f64>,
    scale: &Scale,
) -> Vec<Vec<(f64, f64)>> {
    let mut pieces: Vec<Vec<(f64, f64)>> = vec![Vec::new()];
    for (at, column) in trace.raw.iter().enumerate() {
        if column.broken {
            pieces.push(Vec::new());
        }
        for value in values(at) {
            match (inside(scale, value), pieces.last_mut()) {
                (Some(place), Some(piece)) => piece.push((column.x, place)),
                _ => pieces.push(Vec::new()),
            }
        }
    }
    pieces
}
