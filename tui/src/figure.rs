//! A sweep as a picture: values of the test split over a number that varies, such as that of
//! training examples, as in the low-resource figure of the paper.
//!
//! A panel for each combination of the other columns, a curve for each compared value; bars
//! are one standard deviation to both sides. Numbers stand evenly spaced, in their order.

use compacter_core::sweep::{Report, Row, Value};
use plotters::coord::ranged1d::{KeyPointHint, NoDefaultFormatting, ValueFormatter};
use plotters::coord::types::RangedCoordf64;
use plotters::prelude::*;

use crate::chart::COLOURS;

/// Size of a panel in the picture's own units.
const PANEL: (u32, u32) = (480, 360);
/// Panels beside each other.
const ACROSS: usize = 3;
/// Space between the places of two numbers that the curves' points are spread over.
const SPREAD: f64 = 0.2;

type Area<'a> = DrawingArea<SVGBackend<'a>, plotters::coord::Shift>;
type Painted<'a> = Result<(), DrawingAreaErrorKind<<SVGBackend<'a> as DrawingBackend>::ErrorType>>;

/// What is drawn of a report.
#[derive(Debug)]
struct Figure<'a> {
    report: &'a Report,
    /// Place of the column on the x axis, and its values, ascending.
    x: usize,
    numbers: Vec<(f64, &'a str)>,
    /// The compared values, a curve each.
    curves: Vec<String>,
    /// Titles of the panels.
    panels: Vec<String>,
    /// Smallest and largest value drawn.
    y: (f64, f64),
}

/// The picture as SVG; `None` where no reported column has two numbers or nothing is measured.
///
/// # Errors
/// What the drawing library says, which it has no reason to.
pub fn svg(report: &Report) -> Result<Option<String>, String> {
    let Some(figure) = Figure::of(report) else {
        return Ok(None);
    };
    let across = figure.panels.len().min(ACROSS);
    let down = figure.panels.len().div_ceil(ACROSS);
    let size = |panels: usize, size: u32| {
        u32::try_from(panels)
            .unwrap_or(u32::MAX)
            .saturating_mul(size)
    };
    let mut text = String::new();
    let root = SVGBackend::with_string(&mut text, (size(across, PANEL.0), size(down, PANEL.1)));
    let root = root.into_drawing_area();
    figure
        .paint(&root, (down, across))
        .map_err(|error| error.to_string())?;
    drop(root);
    Ok(Some(text))
}

impl<'a> Figure<'a> {
    fn of(report: &'a Report) -> Option<Self> {
        let x = (0..report.columns.len()).find(|&at| {
            Some(at) != report.compared && numbers(report, at).is_some_and(|n| n.len() > 1)
        })?;
        let mut figure = Self {
            report,
            x,
            numbers: numbers(report, x)?,
            curves: Vec::new(),
            panels: Vec::new(),
            y: (f64::INFINITY, f64::NEG_INFINITY),
        };
        for row in &report.rows {
            let (curve, panel) = (figure.curve(row), figure.panel(row));
            if !figure.curves.contains(&curve) {
                figure.curves.push(curve);
            }
            if !figure.panels.contains(&panel) {
                figure.panels.push(panel);
            }
            if let Some((mean, sd)) = measured(row) {
                figure.y = (figure.y.0.min(mean - sd), figure.y.1.max(mean + sd));
            }
        }
        let (low, high) = figure.y;
        let margin = ((high - low) * 0.08).max(1e-3);
        figure.y = (low - margin, high + margin);
        figure.y.0.is_finite().then_some(figure)
    }

    fn curve(&self, row: &Row) -> String {
        let value = self.report.compared.and_then(|at| row.values[at].as_ref());
        value.map_or_else(String::new, ToString::to_string)
    }

    /// The metric, and values of the columns that are neither axis nor curve.
    fn panel(&self, row: &Row) -> String {
        let mut words: Vec<String> = Vec::new();
        for (at, value) in row.values.iter().enumerate() {
            if at != self.x && Some(at) != self.report.compared {
                words.extend(value.as_ref().map(ToString::to_string));
            }
        }
        words.join(", ")
    }

    fn paint(&self, root: &Area<'a>, panels: (usize, usize)) -> Painted<'a> {
        root.fill(&WHITE)?;
        let areas = root.split_evenly(panels);
        for (panel, area) in self.panels.iter().zip(&areas) {
            self.paint_panel(panel, area)?;
        }
        root.present()
    }

    fn paint_panel(&self, panel: &str, area: &Area<'a>) -> Painted<'a> {
        let mut canvas = ChartBuilder::on(area)
            .margin(10)
            .caption(panel, ("sans-serif", 18))
            .x_label_area_size(36)
            .y_label_area_size(56)
            .build_cartesian_2d(Places::new(&self.numbers), self.y.0..self.y.1)?;
        let rows = || {
            self.report
                .rows
                .iter()
                .filter(|row| self.panel(row) == panel)
        };
        let metric = rows().find_map(|row| row.found.as_ref().map(|found| found.metric.as_str()));
        canvas
            .configure_mesh()
            .disable_x_mesh()
            .x_desc(self.report.columns[self.x].name.as_str())
            .y_desc(format!("{} on test", metric.unwrap_or("value")))
            .draw()?;
        for (n, curve) in self.curves.iter().enumerate() {
            let colour = COLOURS[n % COLOURS.len()];
            let points = self.points(n, rows().filter(|row| self.curve(row) == *curve));
            let line = points.iter().map(|&(x, mean, _)| (x, mean));
            let drawn = canvas.draw_series(LineSeries::new(line, colour.stroke_width(2)))?;
            if !curve.is_empty() {
                drawn.label(curve.as_str()).legend(move |(x, y)| {
                    PathElement::new(vec![(x, y), (x + 16, y)], colour.stroke_width(2))
                });
            }
            let bars = points.iter().map(|&(x, mean, sd)| {
                PathElement::new(vec![(x, mean - sd), (x, mean + sd)], colour)
            });
            canvas.draw_series(bars)?;
            let dots = points
                .iter()
                .map(|&(x, mean, _)| Circle::new((x, mean), 3, colour.filled()));
            canvas.draw_series(dots)?;
        }
        canvas
            .configure_series_labels()
            .position(SeriesLabelPosition::LowerRight)
            .background_style(WHITE.mix(0.8))
            .border_style(BLACK.mix(0.3))
            .draw()
    }

    /// Place, mean and standard deviation of a curve's points, from left to right.
    fn points<'r>(
        &self,
        curve: usize,
        rows: impl Iterator<Item = &'r Row>,
    ) -> Vec<(f64, f64, f64)> {
        let middle = (self.curves.len() as f64 - 1.0) / 2.0;
        let aside = SPREAD * (curve as f64 - middle) / self.curves.len() as f64;
        let point = |row: &Row| {
            let number = row.values[self.x].as_ref()?.number?;
            let at = self
                .numbers
                .iter()
                .position(|(other, _)| other.total_cmp(&number).is_eq())?;
            let (mean, sd) = measured(row)?;
            Some((at as f64 + aside, mean, sd))
        };
        let mut points: Vec<(f64, f64, f64)> = rows.filter_map(point).collect();
        points.sort_by(|left, right| left.0.total_cmp(&right.0));
        points
    }
}

/// An x axis of numbers that stand evenly spaced, half a space from its ends.
struct Places {
    numbers: Vec<String>,
    axis: RangedCoordf64,
}

impl Places {
    fn new(numbers: &[(f64, &str)]) -> Self {
        Self {
            numbers: numbers.iter().map(|(_, text)| (*text).to_owned()).collect(),
            axis: (-0.5..numbers.len() as f64 - 0.5).into(),
        }
    }
}

impl Ranged for Places {
    type FormatOption = NoDefaultFormatting;
    type ValueType = f64;

    fn map(&self, value: &f64, limit: (i32, i32)) -> i32 {
        self.axis.map(value, limit)
    }

    fn key_points<Hint: KeyPointHint>(&self, _hint: Hint) -> Vec<f64> {
        (0..self.numbers.len()).map(|at| at as f64).collect()
    }

    fn range(&self) -> std::ops::Range<f64> {
        self.axis.range()
    }
}

impl ValueFormatter<f64> for Places {
    fn format_ext(&self, value: &f64) -> String {
        let numbers = self.numbers.iter().enumerate();
        let near = numbers.map(|(at, text)| ((at as f64 - value).abs(), text));
        let near = near.min_by(|left, right| left.0.total_cmp(&right.0));
        near.map_or_else(String::new, |(_, text)| text.clone())
    }
}

/// The different numbers of a column, ascending; `None` where some value is none.
fn numbers(report: &Report, column: usize) -> Option<Vec<(f64, &str)>> {
    let number = |row: &'_ Row| -> Option<f64> { row.values[column].as_ref()?.number };
    if report.rows.iter().any(|row| number(row).is_none()) {
        return None;
    }
    let values = report
        .rows
        .iter()
        .filter_map(|row| row.values[column].as_ref());
    let mut numbers: Vec<(f64, &str)> = values
        .filter_map(|Value { text, number }| Some(((*number)?, text.as_str())))
        .collect();
    numbers.sort_by(|left, right| left.0.total_cmp(&right.0));
    numbers.dedup_by(|left, right| left.0.total_cmp(&right.0).is_eq());
    Some(numbers)
}

/// Mean and standard deviation on the test split, where both can be drawn.
fn measured(row: &Row) -> Option<(f64, f64)> {
    let test = row.found.as_ref()?.test;
    Some((test.mean, test.sd.unwrap_or(0.0)))
        .filter(|(mean, sd)| mean.is_finite() && sd.is_finite())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use std::collections::BTreeMap;
    use std::path::Path;

    use compacter_core::sweep::{Measured, Outcome, Standing, Sweep};

    use super::*;

    fn report(grid: &str, measured: bool) -> Report {
        let text =
            format!("name = 'demo'\nmodel.path = 'none'\ntask.name = 'known'\n[grid]\n{grid}");
        let sweep = Sweep::parse(Path::new("sweep.toml"), &text, &[]).unwrap();
        let standing = |at: usize| {
            let value = BTreeMap::from([("accuracy".to_owned(), 0.5 + 0.01 * at as f64)]);
            Standing::Done(Outcome::Measured(Measured {
                metric: "accuracy".to_owned(),
                validation: value.clone(),
                test: value,
                step: 1,
                trainable: 1,
                total: 10,
            }))
        };
        let standings = (0..sweep.runs.len()).map(|at| {
            if measured {
                standing(at)
            } else {
                Standing::Open
            }
        });
        Report::of(&sweep, &standings.collect::<Vec<_>>())
    }

    const GRID: &str = "method.kind = ['full', 'lora']\ntask.max_train_samples = [500, 100, 1000]\n\
                        model.pooling = ['mean', 'cls']\ntrain.seed = [1, 2]\n";

    #[test]
    fn there_is_a_panel_a_curve_and_a_bar_for_what_varies() {
        let text = svg(&report(GRID, true)).unwrap().unwrap();
        assert_eq!(text.matches("<circle").count(), 12);
        for word in [
            "mean",
            "cls",
            "full",
            "lora",
            "task.max_train_samples",
            "accuracy on test",
        ] {
            assert!(text.contains(word), "{word}");
        }
        // From left to right by size, whatever the order of the file.
        let at = |word: &str| text.find(&format!("\n{word}\n")).unwrap();
        assert!(at("100") < at("500") && at("500") < at("1000"));
    }

    #[test]
    fn without_two_numbers_or_values_there_is_no_picture() {
        assert_eq!(svg(&report(GRID, false)).unwrap(), None);
        let words = "method.kind = ['full', 'lora']\ntrain.seed = [1, 2]\n";
        assert_eq!(svg(&report(words, true)).unwrap(), None);
        let one = "method.kind = ['full', 'lora']\ntask.max_train_samples = [100]\n";
        assert_eq!(svg(&report(one, true)).unwrap(), None);
    }
}
