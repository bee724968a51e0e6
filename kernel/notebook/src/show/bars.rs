//! Named numbers as bars below each other, in SVG.

use super::colour::{NEGATIVE, POSITIVE, WIDTH, css};
use super::html::{append, escape, title};
use super::number::short;
use super::{Bundle, Rich};

/// Pixels of a row, of the names to the left, and of the numbers to the right.
const ROW: f64 = 22.0;
const NAME: f64 = 140.0;
const NUMBER: f64 = 80.0;
/// Bars that are drawn at most.
const MOST: usize = 100;

/// Named numbers, drawn as bars from 0.
#[derive(Debug, Clone, PartialEq)]
pub struct Bars {
    title: String,
    rows: Vec<(String, f64)>,
}

/// Bars in a cell: a name and a number for each.
///
/// # Examples
/// ```
/// use compacter_notebook::show::{chart, display};
///
/// display(&chart::bars("parameters", [("adapter", 116_256.0), ("compacter", 10_912.0)]));
/// ```
pub fn bars<S: Into<String>>(
    title: impl Into<String>,
    rows: impl IntoIterator<Item = (S, f64)>,
) -> Bars {
    let rows = rows.into_iter().map(|(name, value)| (name.into(), value));
    Bars {
        title: title.into(),
        rows: rows.collect(),
    }
}

impl Bars {
    fn shown(&self) -> &[(String, f64)] {
        &self.rows[..self.rows.len().min(MOST)]
    }

    /// The picture, 640 pixels wide.
    #[must_use]
    pub fn svg(&self) -> String {
        let finite = || {
            self.shown()
                .iter()
                .map(|row| row.1)
                .filter(|x| x.is_finite())
        };
        let (low, high) = (finite().fold(0.0, f64::min), finite().fold(0.0, f64::max));
        let room = f64::from(WIDTH) - NAME - NUMBER;
        let scale = if high > low { room / (high - low) } else { 0.0 };
        let zero = NAME - low * scale;
        let height = ROW * self.shown().len() as f64;
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{height}\" viewBox=\"0 0 {WIDTH} {height}\" style=\"max-width:100%;display:block\" font-family=\"sans-serif\" font-size=\"12\" fill=\"currentColor\">"
        );
        for (at, (name, value)) in self.shown().iter().enumerate() {
            let top = ROW * at as f64;
            let (middle, name) = (top + ROW / 2.0 + 4.0, escape(name));
            let (colour, number) = (
                css(if *value < 0.0 { NEGATIVE } else { POSITIVE }),
                short(*value),
            );
            let (wide, thick) = (value.abs() * scale, ROW - 6.0);
            let left = if *value < 0.0 { zero - wide } else { zero };
            let end = NAME + (high - low) * scale + 6.0;
            append(
                &mut svg,
                format_args!(
                    "<text x=\"{:.1}\" y=\"{middle:.1}\" text-anchor=\"end\">{name}</text><text x=\"{end:.1}\" y=\"{middle:.1}\">{number}</text>",
                    NAME - 8.0
                ),
            );
            if value.is_finite() {
                append(
                    &mut svg,
                    format_args!(
                        "<rect x=\"{left:.1}\" y=\"{:.1}\" width=\"{wide:.1}\" height=\"{thick:.1}\" fill=\"{colour}\"/>",
                        top + 3.0
                    ),
                );
            }
        }
        append(
            &mut svg,
            format_args!(
                "<line x1=\"{zero:.1}\" x2=\"{zero:.1}\" y1=\"0\" y2=\"{height}\" stroke=\"currentColor\" stroke-opacity=\".4\"/></svg>"
            ),
        );
        svg
    }
}

impl Rich for Bars {
    fn bundle(&self) -> Bundle {
        let mut text = self.title.clone();
        for (name, value) in &self.rows {
            append(&mut text, format_args!("\n{name}: {}", short(*value)));
        }
        let left = self.rows.len() - self.shown().len();
        let note = match left {
            0 => String::new(),
            left => super::html::aside(&format!("… and {left} more")),
        };
        Bundle::plain(text).with_html(title(&self.title) + &self.svg() + &note)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_go_both_ways_from_0_and_what_is_not_finite_has_none() {
        let drawn = bars("<b>", [("up", 3.0), ("down", -1.0), ("broken", f64::NAN)]);
        let svg = drawn.svg();
        assert_eq!(svg.matches("<rect").count(), 2);
        // 420 pixels for four units: 105 to the left of 0.
        assert!(
            svg.contains("x=\"140.0\" y=\"25.0\" width=\"105.0\""),
            "{svg}"
        );
        assert!(
            svg.contains("x=\"245.0\" y=\"3.0\" width=\"315.0\""),
            "{svg}"
        );
        let bundle = drawn.bundle();
        assert!(bundle.text().ends_with("down: -1.0000\nbroken: NaN"));
        assert!(!bundle.html().contains("<b>"));
    }

    #[test]
    fn bars_of_nothing_are_drawn() {
        assert!(bars::<&str>("none", []).svg().contains("<svg"));
        assert!(!bars("zeros", [("a", 0.0)]).svg().contains("NaN"));
    }
}
