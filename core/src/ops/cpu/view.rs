//! Slices of tensors that lie in the computer's memory without gaps.

use std::marker::PhantomData;
use std::ops::{Deref, Range};

use candle_core::{Layout, Storage, Tensor, WithDType, bail};

/// The elements of a tensor, in row-major order.
pub(crate) struct View<'a, T> {
    storage: Box<dyn Deref<Target = Storage> + 'a>,
    range: Range<usize>,
    format: PhantomData<T>,
}

impl<'a, T: WithDType> View<'a, T> {
    /// Borrows a contiguous CPU tensor of this number format.
    pub(crate) fn of(tensor: &'a Tensor) -> candle_core::Result<Self> {
        let (storage, layout) = tensor.storage_and_layout();
        let range = contiguous(layout)?;
        let Storage::Cpu(cpu) = &*storage else {
            bail!("expected a tensor on the CPU")
        };
        // Looked at here, so that `deref` cannot meet another format.
        T::cpu_storage_as_slice(cpu)?;
        Ok(Self {
            range,
            storage: Box::new(storage),
            format: PhantomData,
        })
    }
}

impl<T: WithDType> Deref for View<'_, T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        let Storage::Cpu(cpu) = &**self.storage else {
            unreachable!("checked by `of`")
        };
        let all = T::cpu_storage_as_slice(cpu).expect("checked by `of`");
        &all[self.range.clone()]
    }
}

/// Where a contiguous tensor lies in its storage.
pub(crate) fn contiguous(layout: &Layout) -> candle_core::Result<Range<usize>> {
    match layout.contiguous_offsets() {
        Some((start, end)) => Ok(start..end),
        None => bail!("expected a contiguous tensor"),
    }
}
