//! One matrix of a heat map.
//!
//! All cells of one colour are one path: a map of thousands of cells is some tens of kilobytes.

use crate::show::colour::{FAINT, NEGATIVE, POSITIVE, css};
use crate::show::html::{append, escape};
use crate::show::number::short;

/// Strengths of a colour that are told apart.
const LEVELS: usize = 12;
/// Opacity of the largest entry: text on it can still be read.
const FULL: f64 = 0.85;
/// Cells of a side that are drawn at most.
const MOST: usize = 96;
/// Pixels of a cell's side that numbers fit into.
const READABLE: f64 = 24.0;
/// Pixels of a map's side at least.
const NARROWEST: f64 = 14.0;
/// Pixels above a map, for its name.
pub(super) const HEAD: f64 = 34.0;
/// Pixels of a letter of a name.
const LETTER: f64 = 6.4;

/// A matrix, row by row.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Map {
    pub(super) name: String,
    /// How many matrices of the same tensor begin with this one.
    pub(super) together: usize,
    pub(super) rows: usize,
    pub(super) columns: usize,
    pub(super) values: Vec<f64>,
}

impl Map {
    /// The largest size of an entry, or 1 where all are 0.
    fn largest(&self) -> f64 {
        let finite = self.values.iter().filter(|value| value.is_finite());
        let top = finite.fold(0.0, |top: f64, value| top.max(value.abs()));
        if top > 0.0 { top } else { 1.0 }
    }

    /// Its shape and, where that is not the same for all, what its colours go up to.
    pub(super) fn says(&self, with_size: bool) -> String {
        let shape = format!("{} × {}", self.rows, self.columns);
        if with_size {
            format!("{shape}, to {}", trimmed(self.largest()))
        } else {
            shape
        }
    }

    /// Width and height, in pixels.
    pub(super) fn size(&self, cell: f64) -> (f64, f64) {
        let side = |count: usize| (cell * count as f64).max(NARROWEST.max(cell));
        (side(self.columns), side(self.rows))
    }

    /// The width that it takes with what stands above it, in pixels.
    pub(super) fn room(&self, cell: f64, scale: Option<f64>) -> f64 {
        let says = self.says(scale.is_none());
        let letters = self.name.chars().count().max(says.chars().count());
        self.size(cell).0.max(letters as f64 * LETTER)
    }

    /// The map below its name and what is said of it.
    pub(super) fn svg(&self, cell: f64, scale: Option<f64>) -> String {
        let (name, says) = (escape(&self.name), escape(&self.says(scale.is_none())));
        let drawn = self.drawn(cell, scale.unwrap_or_else(|| self.largest()));
        format!(
            "<text y=\"12\" fill=\"currentColor\" font-weight=\"bold\">{name}</text><text y=\"27\" fill=\"currentColor\" fill-opacity=\"{FAINT}\" font-size=\"11\">{says}</text><g transform=\"translate(0 {HEAD})\">{drawn}</g>"
        )
    }

    /// The frame and the cells, full at the size `top`.
    fn drawn(&self, cell: f64, top: f64) -> String {
        let (width, height) = self.size(cell);
        let small = self.pooled();
        let (wide, high) = (width / small.columns as f64, height / small.rows as f64);
        let mut paths = vec![String::new(); 2 * LEVELS + 1];
        for (row, values) in small.values.chunks(small.columns).enumerate() {
            let mut from = 0;
            for run in values.chunk_by(|a, b| level(*a, top) == level(*b, top)) {
                let to = from + run.len();
                let (left, right) = (wide * from as f64, wide * to as f64);
                let (above, below) = (high * row as f64, high * (row + 1) as f64);
                rectangle(
                    &mut paths[level(run[0], top)],
                    (left, right),
                    (above, below),
                );
                from = to;
            }
        }
        let mut body = String::new();
        for (at, path) in paths.iter().enumerate() {
            let strength = at.abs_diff(LEVELS) as f64 / LEVELS as f64;
            if path.is_empty() || at == LEVELS {
                continue;
            }
            let colour = css(if at > LEVELS { POSITIVE } else { NEGATIVE });
            append(
                &mut body,
                format_args!(
                    "<path d=\"{path}\" fill=\"{colour}\" fill-opacity=\"{:.2}\"/>",
                    strength * FULL
                ),
            );
        }
        let frame = format!(
            "<rect width=\"{width:.1}\" height=\"{height:.1}\" fill=\"none\" stroke=\"currentColor\" stroke-opacity=\".3\"/>"
        );
        let body = format!("<g shape-rendering=\"crispEdges\">{body}</g>{frame}");
        if cell >= READABLE {
            body + &self.numbers(cell, top)
        } else {
            body
        }
    }

    /// The entries in their cells; one that has no colour beside `top` is 0 here.
    fn numbers(&self, cell: f64, top: f64) -> String {
        let mut body = String::from(
            "<g font-size=\"10\" text-anchor=\"middle\" fill=\"currentColor\" style=\"font-variant-numeric:tabular-nums\">",
        );
        for (at, &value) in self.values.iter().enumerate() {
            let (row, column) = (at / self.columns, at % self.columns);
            let (x, y) = (
                cell * (column as f64 + 0.5),
                cell * (row as f64 + 0.5) + 3.5,
            );
            let value = trimmed(if value.abs() < 0.005 * top {
                0.0
            } else {
                value
            });
            append(
                &mut body,
                format_args!("<text x=\"{x:.1}\" y=\"{y:.1}\">{value}</text>"),
            );
        }
        body + "</g>"
    }

    /// The same with no more than so many cells a side: each the largest of those it stands for.
    pub(super) fn pooled(&self) -> Self {
        let (down, across) = (self.rows.div_ceil(MOST), self.columns.div_ceil(MOST));
        if down == 1 && across == 1 {
            return self.clone();
        }
        let (rows, columns) = (self.rows.div_ceil(down), self.columns.div_ceil(across));
        let mut values: Vec<f64> = vec![0.0; rows * columns];
        for (at, &value) in self.values.iter().enumerate() {
            let place = at / self.columns / down * columns + at % self.columns / across;
            if value.abs() > values[place].abs() {
                values[place] = value;
            }
        }
        Self {
            rows,
            columns,
            values,
            ..self.clone()
        }
    }
}

/// Which path a value's cell is in: those below 0, the one of 0, those above.
fn level(value: f64, top: f64) -> usize {
    let share = (value / top).clamp(-1.0, 1.0);
    if share.is_nan() {
        return LEVELS;
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "from 0 to twice the levels"
    )]
    let level = (share * LEVELS as f64 + LEVELS as f64).round() as usize;
    level
}

/// From edge to edge: neighbours meet, to the tenth of a pixel that is written.
fn rectangle(path: &mut String, across: (f64, f64), down: (f64, f64)) {
    let tenth = |value: f64| (value * 10.0).round() / 10.0;
    let ((left, right), (above, below)) = (
        (tenth(across.0), tenth(across.1)),
        (tenth(down.0), tenth(down.1)),
    );
    let (width, height) = (right - left, below - above);
    append(
        path,
        format_args!("M{left} {above}h{width:.1}v{height:.1}h-{width:.1}z"),
    );
}

/// A number in few letters: `1`, `-0.5`, `0.12`.
pub(super) fn trimmed(value: f64) -> String {
    let size = value.abs();
    let text = match size {
        0.0 => return "0".to_owned(),
        0.005..9.995 => format!("{value:.2}"),
        9.995..99.95 => format!("{value:.1}"),
        99.95..999.5 => format!("{value:.0}"),
        _ if value.is_finite() => format!("{value:.0e}"),
        _ => short(value),
    };
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        text
    }
}
