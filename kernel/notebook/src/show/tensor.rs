//! Tensors: shape, kind of number, device, statistics, and the values of small ones.
//!
//! Statistics are of the finite values, in `f64`; `std` divides by their number.

use candle_core::{DType, Tensor, Var};

use super::html::{append, aside, escape, facts, plain_facts};
use super::number::{grouped, short};
use super::{Bundle, Cell, Rich, Table};

/// Rows and columns of values that are shown.
const SHOWN: usize = 8;

/// What is said of a tensor's values.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Statistics {
    min: f64,
    max: f64,
    mean: f64,
    std: f64,
    /// How many are not finite.
    bad: usize,
}

impl Statistics {
    /// `None` where no value is finite.
    fn of(values: &[f64]) -> Option<Self> {
        let finite = || values.iter().copied().filter(|value| value.is_finite());
        let count = finite().count();
        if count == 0 {
            return None;
        }
        let mean = finite().sum::<f64>() / count as f64;
        let variance = finite().map(|value| (value - mean).powi(2)).sum::<f64>() / count as f64;
        Some(Self {
            min: finite().fold(f64::INFINITY, f64::min),
            max: finite().fold(f64::NEG_INFINITY, f64::max),
            mean,
            std: variance.sqrt(),
            bad: values.len() - count,
        })
    }
}

impl Rich for Tensor {
    fn bundle(&self) -> Bundle {
        let head = format!(
            "Tensor {:?} {} on {}",
            self.dims(),
            self.dtype().as_str(),
            place(self)
        );
        let values = match values(self) {
            Ok(values) => values,
            Err(error) => {
                let text = format!("{head}: its values cannot be read: {error}");
                return Bundle::plain(text);
            }
        };
        let said = said(&values);
        let mut plain = format!("{head}\n{}", plain_facts(said.clone()));
        let mut html = format!(
            "<div style=\"font-family:monospace;font-weight:bold\">{}</div>{}",
            escape(&head),
            facts(said)
        );
        if let Some((table, note)) = corner(self.dims(), &values) {
            if let Some(note) = note {
                append(&mut plain, format_args!("\n{note}"));
                html += &aside(&note);
            }
            append(&mut plain, format_args!("\n{}", table.to_text()));
            html += &table.to_html();
        }
        Bundle::plain(plain).with_html(html)
    }
}

impl Rich for Var {
    fn bundle(&self) -> Bundle {
        self.as_tensor().bundle()
    }
}

fn place(tensor: &Tensor) -> String {
    match tensor.device().location() {
        candle_core::DeviceLocation::Cpu => "cpu".to_owned(),
        other => format!("{other:?}").to_lowercase(),
    }
}

/// The values, the last index fastest.
pub(super) fn values(tensor: &Tensor) -> candle_core::Result<Vec<f64>> {
    let flat = tensor.detach().flatten_all()?;
    flat.to_dtype(DType::F64)?.to_vec1()
}

fn said(values: &[f64]) -> Vec<(&'static str, String)> {
    let count = ("values", grouped(values.len() as u64));
    let Some(found) = Statistics::of(values) else {
        if values.is_empty() {
            return vec![count];
        }
        return vec![count, ("not finite", "all".to_owned())];
    };
    let mut said = vec![
        count,
        ("min", short(found.min)),
        ("mean", short(found.mean)),
        ("max", short(found.max)),
        ("std", short(found.std)),
    ];
    if found.bad > 0 {
        said.push(("not finite", grouped(found.bad as u64)));
    }
    said
}

/// The first matrix of a tensor, its middle left out where it is large; and which it is,
/// where there are more. `None` for a tensor without values.
fn corner(dims: &[usize], values: &[f64]) -> Option<(Table, Option<String>)> {
    if values.is_empty() {
        return None;
    }
    let (rows, columns) = match *dims {
        [] => (1, 1),
        [columns] => (1, columns),
        [.., rows, columns] => (rows, columns),
    };
    let note = (dims.len() > 2).then(|| {
        let first = "0, ".repeat(dims.len() - 2);
        format!("[{first}.., ..] of {dims:?}")
    });
    let (down, across) = (kept(rows), kept(columns));
    let name = |place: &Option<usize>| place.map_or("…".to_owned(), |at| at.to_string());
    let mut table = Table::new(std::iter::once(String::new()).chain(across.iter().map(name)));
    for row in &down {
        let cells = across.iter().map(|column| match (row, column) {
            (Some(row), Some(column)) => Cell::Number(values[row * columns + column]),
            _ => Cell::from("…"),
        });
        table.push(std::iter::once(Cell::Text(name(row))).chain(cells));
    }
    Some((table, note))
}

/// The places that are shown of so many; `None` stands for those left out.
fn kept(count: usize) -> Vec<Option<usize>> {
    if count <= SHOWN {
        return (0..count).map(Some).collect();
    }
    let half = SHOWN / 2;
    let first = (0..half).map(Some);
    let last = (count - half + 1..count).map(Some);
    first.chain([None]).chain(last).collect()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use candle_core::Device;

    use super::*;

    #[test]
    fn statistics_leave_out_what_is_not_finite_and_say_how_much_it_is() {
        let values = [1f32, f32::NAN, 3.0, f32::INFINITY];
        let bundle = Tensor::new(&values, &Device::Cpu).unwrap().bundle();
        let text = bundle.text();
        for fragment in [
            "[4] f32 on cpu",
            "min 1.0000",
            "mean 2.0000",
            "max 3.0000",
            "std 1.0000",
            "not finite 2",
            "NaN",
            "inf",
        ] {
            assert!(text.contains(fragment), "{fragment}: {text}");
        }
    }

    #[test]
    fn a_scalar_an_empty_tensor_and_whole_numbers_are_shown() {
        let text = |tensor: Tensor| tensor.bundle().text().to_owned();
        assert!(text(Tensor::new(7u32, &Device::Cpu).unwrap()).contains("7.0000"));
        let empty = Tensor::zeros((0, 3), DType::F32, &Device::Cpu).unwrap();
        assert_eq!(text(empty), "Tensor [0, 3] f32 on cpu\nvalues 0");
        let bad = Tensor::new(&[f64::NAN], &Device::Cpu).unwrap();
        assert!(text(bad).contains("not finite all"));
    }

    #[test]
    fn a_large_tensor_shows_the_corners_of_its_first_matrix() {
        let tensor = Tensor::arange(0f64, 2000.0, &Device::Cpu).unwrap();
        let bundle = tensor.reshape((2, 20, 50)).unwrap().bundle();
        let text = bundle.text();
        assert!(text.contains("[0, .., ..] of [2, 20, 50]"), "{text}");
        // The last row shown ends with the last value of the first matrix.
        assert!(text.ends_with("999.0000"), "{text}");
        assert_eq!(text.lines().count(), 3 + 1 + SHOWN);
        assert!(bundle.html().len() < 10_000);
    }
}
