//! The packed core as an operation of the tensor library: one that it can differentiate.

use std::sync::{Mutex, PoisonError};

use candle_core::{CpuStorage, CustomOp2, CustomOp3, DType, Layout, Result, Shape, Tensor, bail};

use super::geometry::{Geometry, Gradients};
use super::heads::Bias;
use crate::ops::cpu::{Real, View, contiguous};

/// Attention of queries `[q tokens, h·e]` to keys and values, side by side in rows
/// `[k tokens, 2·h·e]`, with or without a bias `[1, h or 1, q, k]` for the longest sequences.
pub(super) struct PackedAttention {
    pub(super) geometry: Geometry,
    /// The probabilities of the forward pass, until the backward pass takes them.
    pub(super) kept: Mutex<Option<CpuStorage>>,
    /// Whether there will be a backward pass.
    pub(super) keep: bool,
}

/// A bias tensor's elements, as the core takes them.
fn bias<'a, T>(data: &'a [T], shape: &Shape) -> Result<Bias<'a, T>> {
    let (_, heads, height, width) = shape.dims4()?;
    let shape = [heads, height, width];
    Ok(Bias { data, shape })
}

impl PackedAttention {
    fn probabilities<T: Real>(&self, q: &[T], kv: &[T], bias: Option<Bias<'_, T>>) -> Vec<T> {
        let mut all = vec![T::zero(); self.geometry.scores()];
        self.geometry.probabilities((q, kv), bias, &mut all);
        all
    }

    fn forward<T: Real>(&self, q: &[T], kv: &[T], bias: Option<Bias<'_, T>>) -> Vec<T> {
        let probabilities = self.probabilities(q, kv, bias);
        let mut output = vec![T::zero(); q.len()];
        self.geometry.mix(&probabilities, kv, &mut output);
        if self.keep {
            *self.lock() = Some(T::to_cpu_storage_owned(probabilities));
        }
        output
    }

    /// The gradients of queries, of keys and values, and of a bias that is trained.
    fn gradients<T: Real>(
        &self,
        (q, kv, added, dy): (&Tensor, &Tensor, Option<&Tensor>, &Tensor),
    ) -> Result<(Tensor, Tensor, Option<Tensor>)> {
        let dy = dy.contiguous()?;
        let (q_view, kv_view, dy_view) =
            (View::<T>::of(q)?, View::<T>::of(kv)?, View::<T>::of(&dy)?);
        let kept = self.lock().take().map(T::cpu_storage_data).transpose()?;
        let mut scores = match (kept, added) {
            (Some(kept), _) => kept,
            // A second backward pass over the same graph.
            (None, Some(added)) => {
                let view = View::<T>::of(added)?;
                self.probabilities(&q_view, &kv_view, Some(bias(&view, added.shape())?))
            }
            (None, None) => self.probabilities(&q_view, &kv_view, None),
        };
        let (mut dq, mut dkv) = (
            vec![T::zero(); q_view.len()],
            vec![T::zero(); kv_view.len()],
        );
        self.geometry.backward(
            (&q_view, &kv_view, &dy_view),
            &mut scores,
            Gradients::Apart(&mut dq, &mut dkv),
        );
        let device = q.device();
        let wanted = added.filter(|bias| bias.track_op());
        let dbias = wanted.map(|wanted| {
            let (_, heads, height, width) = wanted.dims4()?;
            let mut total = vec![T::zero(); wanted.elem_count()];
            let shape = [heads, height, width];
            self.geometry.add_bias_gradient(&scores, shape, &mut total);
            Tensor::from_vec(total, wanted.shape(), device)
        });
        Ok((
            Tensor::from_vec(dq, q.shape(), device)?,
            Tensor::from_vec(dkv, kv.shape(), device)?,
            dbias.transpose()?,
        ))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<CpuStorage>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl CustomOp2 for PackedAttention {
    fn name(&self) -> &'static str {
        "packed-attention"
    }

    fn cpu_fwd(
        &self,
        q: &CpuStorage,
        q_at: &Layout,
        kv: &CpuStorage,
        kv_at: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (rows, memory) = (contiguous(q_at)?, contiguous(kv_at)?);
        let y = match (q, kv) {
            (CpuStorage::F32(q), CpuStorage::F32(kv)) => {
                CpuStorage::F32(self.forward(&q[rows], &kv[memory], None))
            }
            (CpuStorage::F64(q), CpuStorage::F64(kv)) => {
                CpuStorage::F64(self.forward(&q[rows], &kv[memory], None))
            }
            _ => bail!("packed-attention: unsupported number format"),
        };
        Ok((y, q_at.shape().clone()))
    }

    fn bwd(
        &self,
        q: &Tensor,
        kv: &Tensor,
        _y: &Tensor,
        dy: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let (dq, dkv, _) = match q.dtype() {
            DType::F64 => self.gradients::<f64>((q, kv, None, dy))?,
            _ => self.gradients::<f32>((q, kv, None, dy))?,
        };
        Ok((Some(dq), Some(dkv)))
    }
}

impl CustomOp3 for PackedAttention {
    fn name(&self) -> &'static str {
        "packed-attention-with-bias"
    }

    fn cpu_fwd(
        &self,
        q: &CpuStorage,
        q_at: &Layout,
        kv: &CpuStorage,
        kv_at: &Layout,
        added: &CpuStorage,
        added_at: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (rows, memory) = (contiguous(q_at)?, contiguous(kv_at)?);
        let range = contiguous(added_at)?;
        let y = match (q, kv, added) {
            (CpuStorage::F32(q), CpuStorage::F32(kv), CpuStorage::F32(data)) => {
                let bias = bias(&data[range], added_at.shape())?;
                CpuStorage::F32(self.forward(&q[rows], &kv[memory], Some(bias)))
            }
            (CpuStorage::F64(q), CpuStorage::F64(kv), CpuStorage::F64(data)) => {
                let bias = bias(&data[range], added_at.shape())?;
                CpuStorage::F64(self.forward(&q[rows], &kv[memory], Some(bias)))
            }
            _ => bail!("packed-attention: unsupported number format"),
        };
        Ok((y, q_at.shape().clone()))
    }

    fn bwd(
        &self,
        q: &Tensor,
        kv: &Tensor,
        bias: &Tensor,
        _y: &Tensor,
        dy: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let (dq, dkv, dbias) = match q.dtype() {
            DType::F64 => self.gradients::<f64>((q, kv, Some(bias), dy))?,
            _ => self.gradients::<f32>((q, kv, Some(bias), dy))?,
        };
        Ok((Some(dq), Some(dkv), dbias))
    }
}
