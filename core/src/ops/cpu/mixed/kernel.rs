//! The innermost loop: rows of bf16 times a panel, in vectors of 512 bits.
//!
//! ```text
//! for each pair of k:   the panel's vectors are loaded, 16 columns each;
//!   for each row:         its pair goes to all lanes;
//!     for each vector:      sum[row][vector] += pair · vector   (vdpbf16ps)
//! ```
//!
//! Each sum is over all k, in one order, whichever rows stand beside it.

use std::arch::x86_64::{
    __m512, __m512bh, __m512i, _mm512_cvtne2ps_pbh, _mm512_dpbf16_ps, _mm512_fmadd_ps,
    _mm512_loadu_si512, _mm512_mask_storeu_epi16, _mm512_mask_storeu_ps, _mm512_maskz_loadu_ps,
    _mm512_set1_epi32, _mm512_set1_ps, _mm512_setzero_ps, _mm512_setzero_si512,
};
use std::mem::transmute;

use super::super::{Matrix, Write};
use super::panels::{LANES, Panel};

/// Pairs between the ends of rows, so that rows do not meet in the same places of a cache.
const GAP: usize = LANES;

/// Rows rounded to bf16, in pairs along them.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rounded<'a> {
    pairs: &'a [u32],
    rows: usize,
    stride: usize,
}

/// Whether the processor has what the functions here are compiled for.
pub(super) fn is_available() -> bool {
    std::arch::is_x86_feature_detected!("avx512f")
        && std::arch::is_x86_feature_detected!("avx512bw")
        && std::arch::is_x86_feature_detected!("avx512bf16")
}

/// Rounds rows to bf16, into `scratch`.
pub(super) fn round<'a>(a: Matrix<'_, f32>, scratch: &'a mut Vec<u32>) -> Rounded<'a> {
    assert!(is_available(), "the processor has AVX512-BF16");
    let stride = a.columns.div_ceil(2).next_multiple_of(LANES) + GAP;
    if scratch.len() < a.rows * stride {
        scratch.resize(a.rows * stride, 0);
    }
    for (row, pairs) in scratch.chunks_mut(stride).take(a.rows).enumerate() {
        let start = row * a.row_stride;
        let row = &a.data[start..start + a.columns];
        #[expect(unsafe_code, reason = "it is compiled for a processor's extension")]
        // SAFETY: the extension was looked for above.
        unsafe {
            round_row(row, pairs);
        }
    }
    Rounded {
        pairs: scratch,
        rows: a.rows,
        stride,
    }
}

/// `c ← α · a panel` or `c ← c + α · a panel`, into the panel's columns of rows `stride` apart.
///
/// # Panics
/// If `c` is too short for them.
pub(super) fn multiply(
    alpha: f32,
    a: Rounded<'_>,
    panel: Panel<'_>,
    (c, stride, write): (&mut [f32], usize, Write),
) {
    let width = panel.vectors * LANES;
    let pairs = panel.pairs.len() / width;
    assert!(is_available(), "the processor has AVX512-BF16");
    assert!(
        panel.pairs.len() == pairs * width && panel.columns.div_ceil(LANES) == panel.vectors,
        "the panel is whole"
    );
    assert!(
        pairs <= a.stride && a.rows * a.stride <= a.pairs.len(),
        "the rows are as long as the panel is high"
    );
    assert!(
        a.rows == 0 || (a.rows - 1) * stride + panel.first + panel.columns <= c.len(),
        "the columns lie inside the slice"
    );
    let tail = panel.columns - (panel.vectors - 1) * LANES;
    let mut row = 0;
    while row < a.rows {
        let left = a.rows - row;
        let tile = Tile {
            a: &a.pairs[row * a.stride..],
            a_stride: a.stride,
            panel: panel.pairs,
            pairs,
            c: &mut c[row * stride + panel.first..],
            c_stride: stride,
            alpha,
            add: write == Write::Add,
            last: u16::MAX >> (LANES - tail),
        };
        #[expect(
            unsafe_code,
            reason = "the kernel is compiled for a processor's extension"
        )]
        // SAFETY: the extension was looked for and the sizes were checked above: `a` holds
        // `left` rows of `pairs`, the panel `pairs` rows of `vectors`, and `c` as many rows
        // of the panel's columns.
        unsafe {
            row += match (left, panel.vectors) {
                (8.., 3) => tile.multiply::<8, 3>(),
                (8.., 2) => tile.multiply::<8, 2>(),
                (8.., _) => tile.multiply::<8, 1>(),
                (4.., 3) => tile.multiply::<4, 3>(),
                (4.., 2) => tile.multiply::<4, 2>(),
                (4.., _) => tile.multiply::<4, 1>(),
                (_, 3) => tile.multiply::<1, 3>(),
                (_, 2) => tile.multiply::<1, 2>(),
                _ => tile.multiply::<1, 1>(),
            };
        }
    }
}

/// Some rows of some columns.
struct Tile<'a> {
    a: &'a [u32],
    a_stride: usize,
    panel: &'a [u32],
    pairs: usize,
    c: &'a mut [f32],
    c_stride: usize,
    alpha: f32,
    add: bool,
    /// Lanes of the last vector that are columns.
    last: u16,
}

impl Tile<'_> {
    /// Computes `ROWS` rows of `VECTORS` vectors; their number comes back.
    ///
    /// # Safety
    /// `a` holds `ROWS` rows of `pairs`, `panel` `pairs` rows of `VECTORS` vectors, and `c`
    /// `ROWS` rows of as many vectors, but for the lanes that `last` leaves out.
    #[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
    #[expect(unsafe_code, reason = "checks of bounds would be most of the loop")]
    unsafe fn multiply<const ROWS: usize, const VECTORS: usize>(self) -> usize {
        let mut sums = [[_mm512_setzero_ps(); VECTORS]; ROWS];
        let mut columns = [_mm512_setzero_si512(); VECTORS];
        let (a, panel) = (self.a.as_ptr(), self.panel.as_ptr());
        for pair in 0..self.pairs {
            for (vector, columns) in columns.iter_mut().enumerate() {
                let at = (pair * VECTORS + vector) * LANES;
                // SAFETY: the panel holds `pairs` rows of `VECTORS` vectors.
                *columns = unsafe { _mm512_loadu_si512(panel.add(at).cast()) };
            }
            for (row, sums) in sums.iter_mut().enumerate() {
                // SAFETY: `a` holds `ROWS` rows of `pairs`.
                let both = unsafe { *a.add(row * self.a_stride + pair) };
                let both = _mm512_set1_epi32(both.cast_signed());
                for (sum, &columns) in sums.iter_mut().zip(&columns) {
                    *sum = _mm512_dpbf16_ps(*sum, as_pairs(both), as_pairs(columns));
                }
            }
        }
        let alpha = _mm512_set1_ps(self.alpha);
        let c = self.c.as_mut_ptr();
        for (row, sums) in sums.iter().enumerate() {
            for (vector, &sum) in sums.iter().enumerate() {
                let lanes = if vector + 1 == VECTORS {
                    self.last
                } else {
                    u16::MAX
                };
                let at = row * self.c_stride + vector * LANES;
                // SAFETY: `c` holds `ROWS` rows of the lanes that are taken.
                unsafe {
                    let place = c.add(at);
                    let before: __m512 = if self.add {
                        _mm512_maskz_loadu_ps(lanes, place)
                    } else {
                        _mm512_setzero_ps()
                    };
                    _mm512_mask_storeu_ps(place, lanes, _mm512_fmadd_ps(alpha, sum, before));
                }
            }
        }
        ROWS
    }
}

/// Rounds a row to the nearest bf16, ties to even; pairs behind its end are zeros as far as a
/// vector reaches.
///
/// # Panics
/// If there is no room for the row in whole vectors.
#[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
#[expect(unsafe_code, reason = "loads and stores through masks take pointers")]
fn round_row(row: &[f32], pairs: &mut [u32]) {
    assert!(
        row.len().next_multiple_of(2 * LANES) <= 2 * pairs.len(),
        "there is room for the row"
    );
    for (from, to) in row.chunks(2 * LANES).zip(pairs.chunks_mut(LANES)) {
        let lanes = |count: usize| u16::try_from((1_u32 << count) - 1).unwrap_or(u16::MAX);
        let (low, high) = (
            lanes(from.len().min(LANES)),
            lanes(from.len().saturating_sub(LANES)),
        );
        let start = from.as_ptr();
        // SAFETY: the masks let through as many elements as `from` has, and `to` is a whole
        // vector, which the assertion above holds; lanes that a mask stops are not read.
        unsafe {
            let low = _mm512_maskz_loadu_ps(low, start);
            let high = _mm512_maskz_loadu_ps(high, start.wrapping_add(LANES));
            let both: __m512i = transmute(_mm512_cvtne2ps_pbh(high, low));
            _mm512_mask_storeu_epi16(to.as_mut_ptr().cast(), u32::MAX, both);
        }
    }
}

/// The same bits, read as pairs of bf16.
#[target_feature(enable = "avx512f")]
#[expect(
    unsafe_code,
    reason = "the vector types have no conversion of their own"
)]
fn as_pairs(bits: __m512i) -> __m512bh {
    // SAFETY: both are 512 bits, and every pattern of bits is a value of either.
    unsafe { transmute(bits) }
}
