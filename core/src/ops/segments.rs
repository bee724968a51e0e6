//! Where each sequence of a packed batch lies, and the way to a padded tensor and back.
//!
//! Everything that works token by token runs on packed rows `[tokens, width]`. Only the
//! attention core needs `[b, l, width]`; batches gather inputs of similar length, so
//! little of that is padding.

mod choice;

use candle_core::{DType, Device, Tensor};

use self::choice::Choice;
use super::index;
use crate::Result;

/// The sequences of a packed batch.
#[derive(Debug, Clone)]
pub struct Segments {
    offsets: Vec<usize>, // [b + 1]
    longest: usize,
    padding: Option<Padding>, // None where all lengths are equal
}

#[derive(Debug, Clone)]
struct Padding {
    spread: Tensor, // [b·l] of u32: the packed row of each padded slot, 0 for padding
    gather: Tensor, // [tokens] of u32: the padded slot of each packed row
    tokens: Tensor, // [b·l, 1]: 1 for tokens, 0 for padding
    mask: Tensor,   // [b, 1, 1, l]: 0 for tokens, −∞ for padding
}

impl Segments {
    /// Lays out sequences that start at `offsets`, the last of which is the total length.
    ///
    /// # Errors
    /// Fails where the tensor library does.
    pub fn new(offsets: &[usize], dtype: DType, device: &Device) -> Result<Self> {
        let lengths: Vec<usize> = offsets.windows(2).map(|w| w[1] - w[0]).collect();
        let longest = lengths.iter().copied().max().unwrap_or(0);
        let padding = if lengths.iter().all(|&length| length == longest) {
            None
        } else {
            Some(Padding::new(offsets, longest, dtype, device)?)
        };
        Ok(Self {
            offsets: offsets.to_vec(),
            longest,
            padding,
        })
    }

    /// The length of each sequence.
    pub(crate) fn lengths(&self) -> impl Iterator<Item = usize> {
        self.offsets.windows(2).map(|pair| pair[1] - pair[0])
    }

    /// Sequences on the CPU whose rows stay packed: there is no way to a padded tensor.
    #[must_use]
    pub(crate) fn of(offsets: &[usize]) -> Self {
        let lengths = offsets.windows(2).map(|w| w[1] - w[0]);
        Self {
            offsets: offsets.to_vec(),
            longest: lengths.max().unwrap_or(0),
            padding: None,
        }
    }

    /// Sequences of one row each, which stay packed.
    #[must_use]
    pub(crate) fn single_rows(count: usize) -> Self {
        Self::of(&(0..=count).collect::<Vec<_>>())
    }

    /// Number of sequences.
    #[must_use]
    pub fn batch(&self) -> usize {
        self.offsets.len() - 1
    }

    /// Length of the longest sequence in tokens.
    #[must_use]
    pub fn longest(&self) -> usize {
        self.longest
    }

    /// Total number of tokens.
    #[must_use]
    pub fn tokens(&self) -> usize {
        self.offsets.last().copied().unwrap_or(0)
    }

    /// Where each sequence starts among the rows, and, last, how many rows there are.
    #[must_use]
    pub fn offsets(&self) -> &[usize] {
        &self.offsets
    }

    /// `[b, 1, 1, l]`: 0 for tokens and −∞ for padding; `None` where nothing is padded.
    #[must_use]
    pub fn mask(&self) -> Option<&Tensor> {
        self.padding.as_ref().map(|padding| &padding.mask)
    }

    /// Maps rows `[tokens, width]` to `[b, l, width]`; padded slots repeat the first row, and
    /// give it no gradient: nothing is to be read from them.
    ///
    /// # Errors
    /// Fails where the tensor library does.
    pub fn pad(&self, rows: &Tensor) -> Result<Tensor> {
        let width = rows.dim(1)?;
        let slots = match &self.padding {
            Some(padding) => rows.contiguous()?.apply_op1(Choice {
                to: padding.spread.clone(),
                back: padding.gather.clone(),
                kept: None,
            })?,
            None => rows.clone(),
        };
        Ok(slots.reshape((self.batch(), self.longest, width))?)
    }

    /// Maps `[b, l, width]` back to rows `[tokens, width]`; padded slots are dropped.
    ///
    /// # Errors
    /// Fails where the tensor library does.
    pub fn pack(&self, padded: &Tensor) -> Result<Tensor> {
        let width = padded.dim(2)?;
        let slots = padded.reshape((self.batch() * self.longest, width))?;
        Ok(match &self.padding {
            Some(padding) => slots.contiguous()?.apply_op1(Choice {
                to: padding.gather.clone(),
                back: padding.spread.clone(),
                kept: Some(padding.tokens.clone()),
            })?,
            None => slots,
        })
    }

    /// The segments after `count` rows were put before each sequence, and the order that
    /// turns `[prefix rows; packed rows]` into them.
    ///
    /// # Errors
    /// Fails where the tensor library does.
    pub fn prepend(&self, count: usize, dtype: DType, device: &Device) -> Result<(Self, Tensor)> {
        let mut order = Vec::with_capacity(self.tokens() + count * self.batch());
        let mut offsets = vec![0];
        for window in self.offsets.windows(2) {
            order.extend((0..count).map(index));
            order.extend((window[0]..window[1]).map(|row| index(row + count)));
            offsets.push(order.len());
        }
        Ok((
            Self::new(&offsets, dtype, device)?,
            Tensor::new(order, device)?,
        ))
    }
}

impl Padding {
    fn new(offsets: &[usize], longest: usize, dtype: DType, device: &Device) -> Result<Self> {
        let batch = offsets.len() - 1;
        let mut spread = vec![0u32; batch * longest];
        let mut gather = Vec::new();
        let mut tokens = vec![0f32; batch * longest];
        let mut mask = vec![f32::NEG_INFINITY; batch * longest];
        for (sequence, window) in offsets.windows(2).enumerate() {
            for (at, row) in (window[0]..window[1]).enumerate() {
                let slot = sequence * longest + at;
                spread[slot] = index(row);
                tokens[slot] = 1.0;
                mask[slot] = 0.0;
                gather.push(index(slot));
            }
        }
        Ok(Self {
            spread: Tensor::new(spread, device)?,
            gather: Tensor::new(gather, device)?,
            tokens: Tensor::from_vec(tokens, (batch * longest, 1), device)?.to_dtype(dtype)?,
            mask: Tensor::from_vec(mask, (batch, 1, 1, longest), device)?.to_dtype(dtype)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use candle_core::Var;

    use super::*;

    #[test]
    fn packing_undoes_padding() -> Result<()> {
        for offsets in [vec![0, 3, 4, 8], vec![0, 2, 4], vec![0, 5]] {
            let tokens = offsets[offsets.len() - 1];
            let segments = Segments::new(&offsets, DType::F32, &Device::Cpu)?;
            let rows = Tensor::randn(0f32, 1.0, (tokens, 4), &Device::Cpu)?;
            let padded = segments.pad(&rows)?;
            assert_eq!(padded.dims(), [segments.batch(), segments.longest(), 4]);
            assert_eq!(
                segments.pack(&padded)?.to_vec2::<f32>()?,
                rows.to_vec2::<f32>()?
            );
        }
        Ok(())
    }

    #[test]
    fn gradients_pass_through_padding_to_where_they_belong() -> Result<()> {
        for offsets in [vec![0, 3, 4, 8], vec![0, 0, 2, 3], vec![0, 5]] {
            let tokens = offsets[offsets.len() - 1];
            let segments = Segments::new(&offsets, DType::F64, &Device::Cpu)?;
            let slots = (segments.batch(), segments.longest(), 3);
            let rows = Var::from_tensor(&Tensor::randn(0f64, 1.0, (tokens, 3), &Device::Cpu)?)?;
            let weights = Tensor::randn(0f64, 1.0, (tokens, 3), &Device::Cpu)?;

            let there_and_back = segments.pack(&segments.pad(&rows)?)?;
            let store = (there_and_back * &weights)?.sum_all()?.backward()?;
            let found = store.get(&rows).map(Tensor::to_vec2::<f64>).transpose()?;
            assert_eq!(found, Some(weights.to_vec2()?));

            let padded = Var::from_tensor(&Tensor::randn(0f64, 1.0, slots, &Device::Cpu)?)?;
            let store = (segments.pack(&padded)? * &weights)?
                .sum_all()?
                .backward()?;
            let found = store.get(&padded).map(Tensor::to_vec3::<f64>).transpose()?;
            let mut expected = segments.pad(&weights)?.to_vec3::<f64>()?;
            for (slots, window) in expected.iter_mut().zip(offsets.windows(2)) {
                for slot in slots.iter_mut().skip(window[1] - window[0]) {
                    slot.fill(0.0);
                }
            }
            assert_eq!(found, Some(expected));
        }
        Ok(())
    }

    #[test]
    fn prepended_rows_come_before_each_sequence() -> Result<()> {
        let segments = Segments::new(&[0, 1, 3], DType::F32, &Device::Cpu)?;
        let (longer, order) = segments.prepend(2, DType::F32, &Device::Cpu)?;
        assert_eq!(longer.offsets(), [0, 3, 7]);
        assert_eq!(order.to_vec1::<u32>()?, [0, 1, 2, 0, 1, 3, 4]);
        Ok(())
    }
}
