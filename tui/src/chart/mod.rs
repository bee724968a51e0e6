//! Draws series as curves: on the terminal, and to files.
//!
//! ```text
//! Chart (what is asked) ─▶ Picture (columns, bounds, counts) ─▶ { draw, nearest, CSV, SVG }
//! ```
//!
//! | file         | what                                                              |
//! |--------------|-------------------------------------------------------------------|
//! | `spec.rs`    | [`Chart`]: the curves and how they are to be shown                |
//! | `window.rs`  | [`Window`]: what part of the x axis; zoom, pan, follow            |
//! | `scale.rs`   | the y axis: linear or logarithmic, clipped or not                 |
//! | `picture.rs` | [`Picture`]: the curves cut to the window, in columns             |
//! | `dots.rs`    | dots in terminal cells, braille or plain                          |
//! | `draw.rs`    | the widget: frame, axes and what goes inside                      |
//! | `plot.rs`    | its inside: lines, points, marks                                  |
//! | `heading.rs` | its title                                                         |
//! | `legend.rs`  | names of the curves where there are several runs                  |
//! | `cursor.rs`  | the crosshair and what it says                                    |
//! | `label.rs`   | numbers on the axes                                               |
//! | `style.rs`   | [`ChartStyle`]: styles and glyphs, which a theme fills in         |
//! | `export.rs`  | CSV and SVG                                                       |
//!
//! Of a column only what is finite is drawn. What is not is marked under the axis with `!`
//! and counted in the title; so nothing that a run measures can push a curve off its scale.

mod cursor;
mod dots;
mod draw;
mod export;
mod heading;
mod label;
mod legend;
mod picture;
mod plot;
mod scale;
mod spec;
mod style;
mod window;

pub(crate) use export::COLOURS;
pub use export::{csv, svg};
pub use label::full as value_in_full;
pub use picture::{Nearest, Picture, Trace};
pub use scale::Scale;
pub use spec::{Chart, Curve, CurveKind, Outliers, YAxis};
pub use style::{ChartStyle, Glyphs, LINE_MARKERS};
pub use window::Window;

#[cfg(test)]
mod tests;
