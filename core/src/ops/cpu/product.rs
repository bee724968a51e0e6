//! Products of matrices that lie inside slices: the one place that calls the GEMM library.
//!
//! `gemm` picks AVX-512, AVX2 or NEON code when the program runs. Another library, such as
//! Accelerate, would take its place in [`multiply`] and nowhere else.

use super::{Real, transpose};

/// A matrix inside a slice.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Matrix<'a, T> {
    pub(super) data: &'a [T],
    pub(super) rows: usize,
    pub(super) columns: usize,
    pub(super) row_stride: usize,
    pub(super) column_stride: usize,
}

/// Rows inside a slice that is written to.
#[derive(Debug)]
pub(crate) struct MatrixMut<'a, T> {
    pub(super) data: &'a mut [T],
    pub(super) rows: usize,
    pub(super) columns: usize,
    pub(super) row_stride: usize,
}

impl<'a, T> Matrix<'a, T> {
    /// `rows × columns` elements, the rows `stride` elements apart.
    ///
    /// # Panics
    /// If the slice is too short.
    pub(crate) fn new(data: &'a [T], (rows, columns): (usize, usize), stride: usize) -> Self {
        assert!(
            reach(rows, columns, stride) <= data.len(),
            "the matrix lies inside the slice"
        );
        Self {
            data,
            rows,
            columns,
            row_stride: stride,
            column_stride: 1,
        }
    }

    /// Its number of rows.
    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    /// Some of its columns, next to each other.
    ///
    /// # Panics
    /// If there are not so many.
    pub(crate) fn columns(self, first: usize, count: usize) -> Self {
        assert!(first + count <= self.columns, "there are such columns");
        let start = (first * self.column_stride).min(self.data.len());
        Self {
            data: &self.data[start..],
            columns: count,
            ..self
        }
    }

    /// The transposed matrix.
    pub(crate) fn t(self) -> Self {
        Self {
            rows: self.columns,
            columns: self.rows,
            row_stride: self.column_stride,
            column_stride: self.row_stride,
            ..self
        }
    }
}

impl<'a, T> MatrixMut<'a, T> {
    /// `rows × columns` elements, the rows `stride` elements apart.
    ///
    /// # Panics
    /// If the slice is too short, or rows overlap.
    pub(crate) fn new(data: &'a mut [T], (rows, columns): (usize, usize), stride: usize) -> Self {
        assert!(
            reach(rows, columns, stride) <= data.len(),
            "the matrix lies inside the slice"
        );
        assert!(rows <= 1 || columns <= stride, "rows do not overlap");
        Self {
            data,
            rows,
            columns,
            row_stride: stride,
        }
    }
}

impl<T> MatrixMut<'_, T> {
    /// Some of its columns, next to each other.
    ///
    /// # Panics
    /// If there are not so many.
    pub(crate) fn columns(&mut self, first: usize, count: usize) -> MatrixMut<'_, T> {
        assert!(first + count <= self.columns, "there are such columns");
        let start = first.min(self.data.len());
        MatrixMut {
            data: &mut self.data[start..],
            rows: self.rows,
            columns: count,
            row_stride: self.row_stride,
        }
    }
}

/// Elements from the first to the last.
fn reach(rows: usize, columns: usize, stride: usize) -> usize {
    if rows == 0 || columns == 0 {
        return 0;
    }
    (rows - 1) * stride + columns
}

/// What a product does with what stood in its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Write {
    /// It is overwritten, whatever it was.
    Replace,
    /// It is added to.
    Add,
}

/// `c ← α · a b`, on the calling thread.
///
/// # Panics
/// If the shapes do not fit together.
pub(crate) fn product<T: Real>(
    alpha: T,
    a: Matrix<'_, T>,
    b: Matrix<'_, T>,
    c: &mut MatrixMut<'_, T>,
) {
    multiply(alpha, a, b, c, Write::Replace, gemm::Parallelism::None);
}

/// `c ← c + α · a b`, on the calling thread.
///
/// # Panics
/// If the shapes do not fit together.
pub(crate) fn add_product<T: Real>(
    alpha: T,
    a: Matrix<'_, T>,
    b: Matrix<'_, T>,
    c: &mut MatrixMut<'_, T>,
) {
    multiply(alpha, a, b, c, Write::Add, gemm::Parallelism::None);
}

/// `c ← α · a b` or `c ← c + α · a b`, on all threads of the pool that it is called in. The
/// result does not depend on their number.
///
/// # Panics
/// If the shapes do not fit together.
pub(crate) fn wide_product<T: Real>(
    alpha: T,
    a: Matrix<'_, T>,
    b: Matrix<'_, T>,
    c: &mut MatrixMut<'_, T>,
    write: Write,
) {
    let threads = rayon::current_num_threads();
    let parallelism = if threads > 1 {
        gemm::Parallelism::Rayon(threads)
    } else {
        gemm::Parallelism::None
    };
    multiply(alpha, a, b, c, write, parallelism);
}

fn multiply<T: Real>(
    alpha: T,
    a: Matrix<'_, T>,
    b: Matrix<'_, T>,
    c: &mut MatrixMut<'_, T>,
    write: Write,
    parallelism: gemm::Parallelism,
) {
    assert!(a.columns == b.rows, "inner sizes agree");
    assert!(
        a.rows == c.rows && b.columns == c.columns,
        "outer sizes agree"
    );
    if transpose::pays(&b, a.rows) {
        let wide = !matches!(parallelism, gemm::Parallelism::None);
        transpose::by_columns(b, wide, |first, part| {
            let c = &mut c.columns(first, part.columns);
            call(alpha, a, part, c, write, parallelism);
        });
    } else {
        call(alpha, a, b, c, write, parallelism);
    }
}

/// Hands a product whose sizes agree to the library.
fn call<T: Real>(
    alpha: T,
    a: Matrix<'_, T>,
    b: Matrix<'_, T>,
    c: &mut MatrixMut<'_, T>,
    write: Write,
    parallelism: gemm::Parallelism,
) {
    #[expect(
        clippy::cast_possible_wrap,
        reason = "no slice is longer than isize::MAX"
    )]
    let stride = |stride: usize| stride as isize;
    let add = write == Write::Add;
    #[expect(unsafe_code, reason = "the GEMM library takes pointers")]
    // SAFETY: the constructors checked that every element that the sizes and strides reach
    // lies inside its slice; `c` is borrowed mutably, so it overlaps neither `a` nor `b`.
    unsafe {
        gemm::gemm(
            c.rows,
            c.columns,
            a.columns,
            c.data.as_mut_ptr(),
            1,
            stride(c.row_stride),
            add,
            a.data.as_ptr(),
            stride(a.column_stride),
            stride(a.row_stride),
            b.data.as_ptr(),
            stride(b.column_stride),
            stride(b.row_stride),
            if add { T::one() } else { T::zero() },
            alpha,
            false,
            false,
            false,
            parallelism,
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_of_parts_and_transposes_are_those_of_plain_loops() {
        let data: Vec<f64> = (0..60).map(|i| (f64::from(i) * 0.37).sin()).collect();
        let a = Matrix::new(&data[1..], (3, 4), 7); // rows 7 apart
        let b = Matrix::new(&data[5..], (5, 4), 6).t(); // [4, 5]
        let mut c = vec![9.0; 30];
        product(2.0, a, b, &mut MatrixMut::new(&mut c, (3, 5), 8));
        for row in 0..3 {
            for column in 0..5 {
                let term = |k: usize| data[1 + 7 * row + k] * data[5 + 6 * column + k];
                let expected = 2.0 * (0..4).map(term).sum::<f64>();
                assert!((c[8 * row + column] - expected).abs() < 1e-14);
            }
        }
        assert!(
            (c[5] - 9.0).abs() < f64::EPSILON,
            "between the rows nothing is written"
        );
    }

    #[test]
    fn a_product_made_of_columns_is_the_whole_product() {
        let data: Vec<f64> = (0..60).map(|i| (f64::from(i) * 0.37).sin()).collect();
        let (a, b) = (
            Matrix::new(&data, (4, 5), 5),
            Matrix::new(&data[7..], (5, 6), 8),
        );
        let mut whole = vec![0.0; 4 * 6];
        product(1.0, a, b, &mut MatrixMut::new(&mut whole, (4, 6), 6));
        let mut parts = vec![0.0; 4 * 6];
        let mut target = MatrixMut::new(&mut parts, (4, 6), 6);
        for (first, count) in [(0, 2), (2, 3), (5, 1)] {
            let part = &mut target.columns(first, count);
            wide_product(1.0, a, b.columns(first, count), part, Write::Replace);
        }
        assert_eq!(parts, whole);
        let mut sum = vec![0.0; 4 * 6];
        let mut target = MatrixMut::new(&mut sum, (4, 6), 6);
        for k in 0..5 {
            let row = Matrix::new(&data[7 + 8 * k..], (1, 6), 8);
            wide_product(1.0, a.columns(k, 1), row, &mut target, Write::Add);
        }
        for (sum, whole) in sum.iter().zip(&whole) {
            assert!((sum - whole).abs() < 1e-14);
        }
    }

    #[test]
    #[should_panic(expected = "inside the slice")]
    fn a_matrix_beyond_its_slice_is_refused() {
        let _matrix = Matrix::new(&[0f32; 10], (2, 4), 7);
    }
}
