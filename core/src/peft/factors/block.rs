//! A stack of matrices in `f64`, which factors are held in while they are looked at.

use crate::{Error, Result};

/// A three-dimensional array of `f64`, the last index fastest.
#[derive(Debug, Clone, PartialEq)]
pub struct Block {
    pub(super) shape: [usize; 3],
    pub(super) values: Vec<f64>,
}

impl Block {
    /// An array of the shape given.
    ///
    /// # Errors
    /// [`Error::Shape`] when there are not as many values as the shape has places, or none.
    pub fn new(shape: [usize; 3], values: Vec<f64>) -> Result<Self> {
        let places = shape.iter().try_fold(1usize, |all, &n| all.checked_mul(n));
        if places != Some(values.len()) || values.is_empty() {
            return Err(Error::Shape {
                what: "factor".to_owned(),
                expected: shape.to_vec(),
                found: vec![values.len()],
            });
        }
        Ok(Self { shape, values })
    }

    /// Its shape.
    #[must_use]
    pub fn shape(&self) -> [usize; 3] {
        self.shape
    }

    /// Its values, the last index fastest.
    #[must_use]
    pub fn values(&self) -> &[f64] {
        &self.values
    }

    /// Euclidean norm of all values.
    #[must_use]
    pub fn norm(&self) -> f64 {
        norm(&self.values)
    }

    /// `‖x − x₀‖ / ‖x₀‖`; `None` where `x₀` is 0 or of another shape.
    #[must_use]
    pub fn relative_change(&self, start: &Self) -> Option<f64> {
        let size = start.norm();
        (self.shape == start.shape && size != 0.0).then(|| self.minus(start).norm() / size)
    }

    /// The matrix number `i`, row by row.
    pub(super) fn matrix(&self, i: usize) -> &[f64] {
        let size = self.shape[1] * self.shape[2];
        &self.values[i * size..(i + 1) * size]
    }

    /// The rows of the matrix number `i`.
    pub(super) fn rows(&self, i: usize) -> impl Iterator<Item = &[f64]> {
        self.matrix(i).chunks_exact(self.shape[2].max(1))
    }

    /// The same values with the last two indices exchanged.
    pub(super) fn transposed(&self) -> Self {
        let [count, rows, columns] = self.shape;
        let mut values = Vec::with_capacity(self.values.len());
        for i in 0..count {
            let matrix = self.matrix(i);
            for column in 0..columns {
                values.extend((0..rows).map(|row| matrix[row * columns + column]));
            }
        }
        Self {
            shape: [count, columns, rows],
            values,
        }
    }

    pub(super) fn minus(&self, other: &Self) -> Self {
        let values = self.values.iter().zip(&other.values);
        Self {
            shape: self.shape,
            values: values.map(|(a, b)| a - b).collect(),
        }
    }

    /// The matrices of all `parts`, one after the other.
    pub(super) fn concat(parts: &[&Self]) -> Self {
        let [_, rows, columns] = parts[0].shape;
        let count = parts.iter().map(|part| part.shape[0]).sum();
        Self {
            shape: [count, rows, columns],
            values: parts
                .iter()
                .flat_map(|part| &part.values)
                .copied()
                .collect(),
        }
    }
}

pub(super) fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

pub(super) fn norm(values: &[f64]) -> f64 {
    dot(values, values).sqrt()
}
