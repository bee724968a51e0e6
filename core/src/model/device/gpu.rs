//! What an NVIDIA GPU is set to once it is open, and what it can be asked.
//!
//! The trainer loads a model on one thread and trains on another. candle's ordinary device gives
//! each thread a stream of its own, with nothing to keep them in order; ours has one stream for
//! all threads, so nothing has to be tracked between streams. Memory that a step frees stays with
//! the process for the next step: by default the driver takes it back whenever the host waits.
#![expect(
    unsafe_code,
    reason = "the driver's memory pools have no safe interface, and the tracking of streams is switched off"
)]

use candle_core::cuda::WrapErr;
use candle_core::cuda::cudarc::driver::result::{device, mem_pool};
use candle_core::cuda::cudarc::driver::sys::{CUmemPool_attribute, CUmemoryPool};
use candle_core::{CudaDevice, Device, Result};

/// Opens the GPU with a number.
pub(super) fn open(ordinal: usize) -> Result<Device> {
    let opened = CudaDevice::new_with_stream(ordinal)?;
    // SAFETY: the device has this one stream, on which all its work is in order.
    unsafe { opened.disable_event_tracking() };
    if let Some(pool) = pool(&opened)? {
        let mut most = u64::MAX;
        let threshold = CUmemPool_attribute::CU_MEMPOOL_ATTR_RELEASE_THRESHOLD;
        // SAFETY: the pool is the device's own, and this attribute is a number of 64 bits.
        unsafe { mem_pool::set_attribute(pool, threshold, (&raw mut most).cast()) }.w()?;
    }
    Ok(Device::Cuda(opened))
}

/// Most memory in bytes that tensors took at any time; `None` where the driver keeps no pool.
pub(super) fn peak_memory(device: &CudaDevice) -> Result<Option<u64>> {
    let Some(pool) = pool(device)? else {
        return Ok(None);
    };
    let mut bytes = 0u64;
    let high = CUmemPool_attribute::CU_MEMPOOL_ATTR_USED_MEM_HIGH;
    // SAFETY: the pool is the device's own, and this attribute is a number of 64 bits.
    unsafe { mem_pool::get_attribute(pool, high, (&raw mut bytes).cast()) }.w()?;
    Ok(Some(bytes))
}

/// Lets [`peak_memory`] begin anew.
pub(super) fn forget_peak_memory(device: &CudaDevice) -> Result<()> {
    if let Some(pool) = pool(device)? {
        let mut bytes = 0u64;
        let high = CUmemPool_attribute::CU_MEMPOOL_ATTR_USED_MEM_HIGH;
        // SAFETY: the pool is the device's own, and 0 is what this attribute can be set to.
        unsafe { mem_pool::set_attribute(pool, high, (&raw mut bytes).cast()) }.w()?;
    }
    Ok(())
}

/// What its maker calls the GPU.
pub(super) fn name(device: &CudaDevice) -> Result<String> {
    device.cuda_stream().context().name().w()
}

/// The pool that the device's memory comes from, where its driver has pools.
fn pool(opened: &CudaDevice) -> Result<Option<CUmemoryPool>> {
    let stream = opened.cuda_stream();
    let context = stream.context();
    if !context.has_async_alloc() {
        return Ok(None);
    }
    // SAFETY: the context's device is one that the driver gave.
    let pool = unsafe { device::get_default_mem_pool(context.cu_device()) }.w()?;
    Ok(Some(pool))
}
