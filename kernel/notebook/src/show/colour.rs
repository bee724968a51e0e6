//! Every colour and size of what is shown.

use plotters::style::RGBColor;

/// Ink: what is drawn in it takes the colour of the page's text.
///
/// plotters knows no such colour, so it draws in one that nothing else has, and
/// [`super::chart`] puts `currentColor` in its place.
pub(crate) const INK: RGBColor = RGBColor(1, 2, 3);

/// Colours of curves, told apart with the common kinds of colour blindness, on light and on
/// dark (Okabe and Ito).
pub(crate) const CURVES: [RGBColor; 6] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(230, 159, 0),
    RGBColor(86, 180, 233),
];

/// Evaluations.
pub(crate) const EVALUATION: RGBColor = CURVES[1];
/// Edits of the configuration.
pub(crate) const EDIT: RGBColor = CURVES[3];
/// Checkpoints.
pub(crate) const CHECKPOINT: RGBColor = CURVES[2];
/// What is not finite, and what failed.
pub(crate) const BAD: RGBColor = RGBColor(220, 50, 47);
/// Entries above and below 0 in a heat map.
pub(crate) const POSITIVE: RGBColor = CURVES[1];
/// See [`POSITIVE`].
pub(crate) const NEGATIVE: RGBColor = CURVES[0];

/// Width of charts, in pixels.
pub(crate) const WIDTH: u32 = 640;
/// Height of a chart, in pixels.
pub(crate) const HEIGHT: u32 = 220;

/// Opacity of what is said in passing.
pub(crate) const FAINT: f64 = 0.65;

/// A colour as HTML writes it; ink is that of the page's text.
pub(crate) fn css(colour: RGBColor) -> String {
    if colour == INK {
        "currentColor".to_owned()
    } else {
        hex(colour)
    }
}

/// A colour by its numbers, as plotters writes it.
pub(crate) fn hex(RGBColor(r, g, b): RGBColor) -> String {
    format!("#{r:02X}{g:02X}{b:02X}")
}
