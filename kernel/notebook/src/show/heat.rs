//! Matrices as heat maps, beside each other and with cells of one size.
//!
//! A colour says the sign and its opacity the size, so the maps read on light and dark. What is
//! small enough has its numbers in it; of what is too large for the page, neighbours are put
//! together to the largest of them.

use candle_core::Tensor;

use super::colour::WIDTH;
use super::html::{append, aside, title};
use super::number::short;
use super::tensor::values;
use super::{Bundle, Rich};
use crate::error::{NotebookError, Result};
use map::{HEAD, Map};

mod map;

/// Pixels of a cell's side at most, and at least where that puts all maps on one line.
const LARGEST: f64 = 30.0;
const SMALL: f64 = 6.0;
/// Pixels of a map's height at most.
const TALLEST: f64 = 280.0;
/// Pixels between maps.
const GAP: f64 = 22.0;

/// Heat maps beside each other.
#[derive(Debug, Clone, PartialEq)]
pub struct Heat {
    title: String,
    maps: Vec<Map>,
    scale: Option<f64>,
}

/// Heat maps of tensors in a cell: a name, and the tensor, for each.
///
/// A vector is a row; of a stack of matrices `[n, rows, columns]` each is a map of its own,
/// counted from 1. Cells have one size in all maps; the colours of each go up to its own
/// largest entry, or with [`Heat::scale`] to one number in all.
///
/// # Errors
/// [`NotebookError::Argument`] for a tensor of more than three dimensions or without values.
///
/// # Examples
/// ```
/// use compacter_notebook::prelude::*;
///
/// # fn main() -> Result<()> {
/// let a = Tensor::new(&[[1f32, 2.0], [0.0, -1.0]], &Device::Cpu)?;
/// let heat = heat::of("a matrix and its square", [("A", &a), ("A A", &a.matmul(&a)?)])?;
/// display(&heat);
/// # Ok(())
/// # }
/// ```
pub fn of<S: Into<String>, T: AsRef<Tensor>>(
    title: impl Into<String>,
    maps: impl IntoIterator<Item = (S, T)>,
) -> Result<Heat> {
    let mut heat = Heat {
        title: title.into(),
        maps: Vec::new(),
        scale: None,
    };
    for (name, tensor) in maps {
        heat.maps.extend(split(&name.into(), tensor.as_ref())?);
    }
    Ok(heat)
}

/// The matrices of a tensor.
fn split(name: &str, tensor: &Tensor) -> Result<Vec<Map>> {
    let dims = tensor.dims();
    let (count, rows, columns) = match *dims {
        [] => (1, 1, 1),
        [columns] => (1, 1, columns),
        [rows, columns] => (1, rows, columns),
        [count, rows, columns] => (count, rows, columns),
        _ => {
            return Err(NotebookError::Argument {
                message: format!("`{name}` has the shape {dims:?}, which is no matrix"),
                hint: "draw a part of it, such as `tensor.get(0)?`".to_owned(),
            });
        }
    };
    let values = values(tensor)?;
    if values.is_empty() {
        return Err(NotebookError::Argument {
            message: format!("`{name}` has the shape {dims:?}: there is nothing to draw"),
            hint: "give a tensor with values".to_owned(),
        });
    }
    let parts = values.chunks(rows * columns).enumerate();
    let named = |at: usize| match dims.len() {
        3 => format!("{name}{}", subscript(at + 1)),
        _ => name.to_owned(),
    };
    let maps = parts.take(count).map(|(at, values)| Map {
        name: named(at),
        together: count - at,
        rows,
        columns,
        values: values.to_vec(),
    });
    Ok(maps.collect())
}

/// A number below the line: `₁₂`.
fn subscript(number: usize) -> String {
    let digits = number.to_string();
    let low = |digit: char| match digit.to_digit(10) {
        Some(value) => char::from_u32(0x2080 + value).unwrap_or(digit),
        None => digit,
    };
    digits.chars().map(low).collect()
}

impl Heat {
    /// The same with one scale for all maps: the colours are full at this size.
    #[must_use]
    pub fn scale(mut self, size: f64) -> Self {
        self.scale = Some(size);
        self
    }

    /// Side of a cell, in pixels: as large as lets all maps stand on one line, if they can.
    fn cell(&self) -> f64 {
        let most = |side: fn(&Map) -> usize| self.maps.iter().map(side).max().unwrap_or(1) as f64;
        let alone = (f64::from(WIDTH) / most(|map| map.columns))
            .min(TALLEST / most(|map| map.rows))
            .min(LARGEST);
        let columns: usize = self.maps.iter().map(|map| map.columns).sum();
        let gaps = GAP * self.maps.len().saturating_sub(1) as f64;
        let together = (f64::from(WIDTH) - gaps) / columns.max(1) as f64;
        let cell = if together < SMALL {
            alone
        } else {
            alone.min(together)
        };
        // Whole pixels, where that takes little away: then all cells are equally large.
        if cell < 4.0 { cell } else { cell.floor() }
    }

    /// The maps as an SVG picture, 640 pixels wide.
    #[must_use]
    pub fn svg(&self) -> String {
        let (cell, wide) = (self.cell(), f64::from(WIDTH));
        let (mut x, mut y, mut tall, mut body) = (0.0, 0.0, 0.0_f64, String::new());
        let mut before = 1;
        for map in &self.maps {
            let room = map.room(cell, self.scale);
            // The matrices of a tensor begin a line together, if not all have room on this one.
            let is_first = before == 1;
            let needed = if is_first {
                (room + GAP) * map.together as f64 - GAP
            } else {
                room
            };
            if x > 0.0 && x + needed > wide {
                (x, y, tall) = (0.0, y + tall + GAP / 2.0, 0.0);
            }
            append(
                &mut body,
                format_args!(
                    "<g transform=\"translate({x:.1} {y:.1})\">{}</g>",
                    map.svg(cell, self.scale)
                ),
            );
            x += room + GAP;
            tall = tall.max(map.size(cell).1 + HEAD);
            before = map.together;
        }
        let height = y + tall + 2.0;
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{height:.0}\" viewBox=\"-1 0 {} {height:.0}\" style=\"max-width:100%;display:block\" font-family=\"sans-serif\" font-size=\"12\">{body}</svg>",
            WIDTH + 2
        )
    }

    fn note(&self) -> String {
        match self.scale {
            Some(size) => format!("orange above 0, blue below; full at {}", short(size)),
            None => "orange above 0, blue below; full at each map's largest entry".to_owned(),
        }
    }
}

impl Rich for Heat {
    fn bundle(&self) -> Bundle {
        let html = title(&self.title) + &self.svg() + &aside(&self.note());
        let mut text = self.title.clone();
        for map in &self.maps {
            append(
                &mut text,
                format_args!("\n{}: {}", map.name, map.says(true)),
            );
        }
        Bundle::plain(text).with_html(html)
    }
}

#[cfg(test)]
mod tests;
