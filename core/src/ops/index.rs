//! Numbers of rows and tokens as index tensors hold them.

/// A row's or token's number as `u32`.
#[must_use]
#[expect(
    clippy::cast_possible_truncation,
    reason = "a batch or vocabulary has fewer than 2³² entries: their ids alone would take 16 GiB"
)]
pub fn index(number: usize) -> u32 {
    number as u32
}
