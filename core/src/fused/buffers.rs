//! Room for activations, used again from step to step.

use std::ops::{Deref, DerefMut};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::ops::cpu::Real;

/// Room that is not in use.
#[derive(Debug)]
pub(super) struct Buffers<T>(Mutex<Vec<Vec<T>>>);

impl<T> Default for Buffers<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

/// Room for some elements, which goes back when it is dropped.
#[derive(Debug)]
pub(super) struct Buffer<'b, T> {
    room: Vec<T>,
    len: usize,
    home: &'b Buffers<T>,
}

impl<T> Buffers<T> {
    fn free(&self) -> MutexGuard<'_, Vec<Vec<T>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T: Real> Buffers<T> {
    /// Room for `len` elements, whatever they were.
    ///
    /// The smallest room that is large enough is taken, unless more than half of it would
    /// lie idle; where there is none, one that is nearly large enough is given up for it.
    pub(super) fn take(&self, len: usize) -> Buffer<'_, T> {
        let mut free = self.free();
        let fits = |room: &&Vec<T>| room.len() >= len && room.len() / 2 <= len;
        let best = free.iter().filter(fits).map(Vec::len).min();
        let found = best.and_then(|best| free.iter().position(|room| room.len() == best));
        let room = if let Some(at) = found {
            free.swap_remove(at)
        } else {
            let near = |room: &Vec<T>| room.len() < len && room.len() >= len / 2;
            if let Some(at) = free.iter().position(near) {
                free.swap_remove(at);
            }
            vec![T::zero(); len]
        };
        Buffer {
            room,
            len,
            home: self,
        }
    }

    /// Room filled with zeros.
    pub(super) fn zeros(&self, len: usize) -> Buffer<'_, T> {
        let mut buffer = self.take(len);
        buffer.fill(T::zero());
        buffer
    }

    /// A copy of a slice.
    pub(super) fn copy(&self, of: &[T]) -> Buffer<'_, T> {
        let mut buffer = self.take(of.len());
        buffer.copy_from_slice(of);
        buffer
    }
}

impl<T> Deref for Buffer<'_, T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.room[..self.len]
    }
}

impl<T> DerefMut for Buffer<'_, T> {
    fn deref_mut(&mut self) -> &mut [T] {
        &mut self.room[..self.len]
    }
}

impl<T> Drop for Buffer<'_, T> {
    fn drop(&mut self) {
        let room = std::mem::take(&mut self.room);
        self.home.free().push(room);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn free(buffers: &Buffers<f32>) -> Vec<usize> {
        let mut sizes: Vec<usize> = buffers.free().iter().map(Vec::len).collect();
        sizes.sort_unstable();
        sizes
    }

    #[test]
    fn room_is_used_again_and_grows_with_what_is_asked() {
        let buffers = Buffers::<f32>::default();
        let (a, b) = (buffers.take(100), buffers.take(40));
        drop((a, b));
        assert_eq!(free(&buffers), [40, 100]);
        let c = buffers.take(60);
        assert_eq!((c.len(), free(&buffers)), (60, vec![40]));
        drop(c);
        // Too large for 100, which is near: that one is given up.
        drop(buffers.take(120));
        assert_eq!(free(&buffers), [40, 120]);
        // 40 elements are not put into room for 120.
        let (d, e) = (buffers.take(40), buffers.zeros(40));
        assert_eq!(free(&buffers), [120]);
        assert!(e.iter().all(|e| e.abs() < f32::EPSILON));
        drop((d, e));
        assert_eq!(free(&buffers), [40, 40, 120]);
    }
}
