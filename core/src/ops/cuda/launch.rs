//! How kernels are found and started, and how tensors are handed to them.
#![expect(
    unsafe_code,
    reason = "memory of the device is written by kernels, which the compiler knows nothing of"
)]

use std::sync::Arc;

use candle_core::cuda::cudarc::driver::{
    CudaFunction, CudaSlice, CudaStream, CudaView, DeviceRepr, LaunchArgs, LaunchConfig,
    PushKernelArg,
};
use candle_core::cuda::{CudaDType, WrapErr};
use candle_core::op::BackpropOp;
use candle_core::{
    CudaDevice, CudaStorage, Layout, Result, Shape, Storage, StorageRef, Tensor, WithDType, bail,
};

/// Threads of a block that works on one row, or strides over elements.
pub(super) const THREADS: u32 = 256;

/// Lanes of a warp.
pub(super) const WARP: u32 = 32;

/// Most blocks of a grid that strides over elements.
const MOST_BLOCKS: u32 = 8192;

/// Rows that a block sums in stage one of a sum over rows.
const ROWS_EACH: u32 = 128;

/// The largest grid, in blocks, that a kernel can be started for.
const LARGEST: u32 = 0x7FFF_FFFF;

/// A number format that kernels exist in.
pub(super) trait Number: CudaDType + DeviceRepr + WithDType {
    /// What kernels' names end in.
    const SUFFIX: &'static str;
}

impl Number for f32 {
    const SUFFIX: &'static str = "f32";
}

impl Number for half::bf16 {
    const SUFFIX: &'static str = "bf16";
}

/// The PTX of one of the sources.
#[derive(Debug, Clone, Copy)]
pub(super) struct Module {
    name: &'static str,
    ptx: &'static str,
}

macro_rules! module {
    ($constant:ident, $name:literal) => {
        pub(super) const $constant: Module = Module {
            name: concat!("compacter-", $name),
            ptx: include_str!(concat!(env!("OUT_DIR"), "/", $name, ".ptx")),
        };
    };
}

module!(ADAMW, "adamw");
module!(ADAPTER, "adapter");
module!(COLUMNS, "columns");
module!(CROSS_ENTROPY, "cross_entropy");
module!(DROPOUT, "dropout");
module!(NORM, "norm");
module!(SOFTMAX, "softmax");

/// A kernel, and the stream that it is to run on.
pub(super) struct Function {
    function: CudaFunction,
    stream: Arc<CudaStream>,
}

impl Function {
    /// A call, to be given the arguments in the order of the kernel's signature.
    pub(super) fn builder(&self) -> LaunchArgs<'_> {
        self.stream.launch_builder(&self.function)
    }
}

impl Module {
    /// A kernel by its whole name.
    pub(super) fn function(self, device: &CudaDevice, name: &str) -> Result<Function> {
        let found = device.get_or_load_custom_func(name, self.name, self.ptx)?;
        Ok(Function {
            function: found.into_cuda_function(),
            stream: device.cuda_stream(),
        })
    }

    /// The kernel of a number format.
    pub(super) fn of<T: Number>(self, device: &CudaDevice, name: &str) -> Result<Function> {
        self.function(device, &format!("{name}_{}", T::SUFFIX))
    }
}

/// Starts a kernel with the arguments it was given; a grid of no blocks has nothing to do.
pub(super) fn start(call: &mut LaunchArgs<'_>, config: LaunchConfig) -> Result<()> {
    if config.grid_dim.0 == 0 || config.grid_dim.1 == 0 {
        return Ok(());
    }
    // SAFETY: every caller in this folder gives the arguments that its kernel's signature names,
    // in that order, and slices as long as the shapes it gives beside them.
    unsafe { call.launch(config) }.w()?;
    Ok(())
}

/// Room for the results of a kernel, which writes all of it.
pub(super) fn room<T: DeviceRepr>(device: &CudaDevice, elements: usize) -> Result<CudaSlice<T>> {
    // SAFETY: nothing reads it before the kernel that it is made for has written it.
    unsafe { device.alloc(elements) }
}

/// One block for each row.
pub(super) fn each_row(rows: usize) -> Result<LaunchConfig> {
    Ok(grid((number(rows)?, 1), (THREADS, 1)))
}

/// Blocks that stride over elements.
pub(super) fn striding(elements: usize) -> LaunchConfig {
    let blocks = u32::try_from(elements.div_ceil(THREADS as usize));
    let blocks = blocks.map_or(MOST_BLOCKS, |blocks| blocks.min(MOST_BLOCKS));
    grid((blocks, 1), (THREADS, 1))
}

/// A grid and its blocks, in two directions each.
pub(super) fn grid(blocks: (u32, u32), threads: (u32, u32)) -> LaunchConfig {
    LaunchConfig {
        grid_dim: (blocks.0, blocks.1, 1),
        block_dim: (threads.0, threads.1, 1),
        shared_mem_bytes: 0,
    }
}

/// A size as kernels take it.
pub(super) fn number(size: usize) -> Result<u32> {
    match u32::try_from(size) {
        Ok(number) if number <= LARGEST => Ok(number),
        _ => bail!("a size of {size} is more than a kernel can be started for"),
    }
}

/// How rows `[rows, width]` are summed: blocks, and rows of each.
pub(super) fn column_blocks(rows: usize, width: usize) -> Result<(LaunchConfig, u32, u32)> {
    let blocks = number(rows)?.div_ceil(ROWS_EACH);
    let config = grid((number(width)?.div_ceil(WARP), blocks), (WARP, 8));
    Ok((config, blocks, ROWS_EACH))
}

/// Stage two of a sum over rows: folds `partial: [blocks, width]` to `[width]`.
pub(super) fn fold(
    device: &CudaDevice,
    partial: &CudaView<'_, f32>,
    (blocks, width): (u32, u32),
) -> Result<CudaSlice<f32>> {
    // Without rows there are no blocks, and the sum is 0.
    let mut total = device.alloc_zeros::<f32>(width as usize)?;
    if blocks > 0 {
        let function = COLUMNS.function(device, "fold")?;
        let mut call = function.builder();
        call.arg(partial).arg(&mut total).arg(&blocks).arg(&width);
        start(&mut call, grid((width.div_ceil(THREADS), 1), (THREADS, 1)))?;
    }
    Ok(total)
}

/// The sum over rows of `x: [rows, width]`, in `f32`: `[width]`.
pub(super) fn sum_rows<T: Number>(
    device: &CudaDevice,
    x: &CudaView<'_, T>,
    (rows, width): (usize, usize),
) -> Result<CudaSlice<f32>> {
    let (config, blocks, each) = column_blocks(rows, width)?;
    let mut partial = room::<f32>(device, blocks as usize * width)?;
    let function = COLUMNS.of::<T>(device, "sum_rows")?;
    let mut call = function.builder();
    let (rows, width) = (number(rows)?, number(width)?);
    call.arg(x)
        .arg(&mut partial)
        .arg(&rows)
        .arg(&width)
        .arg(&each);
    start(&mut call, config)?;
    fold(device, &partial.as_view(), (blocks, width))
}

/// The elements of contiguous storage.
pub(super) fn view<'a, T: Number>(
    storage: &'a CudaStorage,
    layout: &Layout,
) -> Result<CudaView<'a, T>> {
    match layout.contiguous_offsets() {
        Some((start, end)) => Ok(storage.as_cuda_slice::<T>()?.slice(start..end)),
        None => bail!("a kernel was given a tensor that is not contiguous"),
    }
}

/// A contiguous tensor of the device, held while a kernel is started on it.
pub(super) struct Held<'a> {
    storage: StorageRef<'a>,
    layout: &'a Layout,
}

impl<'a> Held<'a> {
    pub(super) fn of(tensor: &'a Tensor) -> Self {
        let (storage, layout) = tensor.storage_and_layout();
        Self { storage, layout }
    }

    pub(super) fn view<T: Number>(&self) -> Result<CudaView<'_, T>> {
        view(self.storage()?, self.layout)
    }

    /// The elements of a tensor of class numbers.
    pub(super) fn classes(&self) -> Result<CudaView<'_, u32>> {
        match self.layout.contiguous_offsets() {
            Some((start, end)) => Ok(self.storage()?.as_cuda_slice::<u32>()?.slice(start..end)),
            None => bail!("class numbers are not contiguous"),
        }
    }

    fn storage(&self) -> Result<&CudaStorage> {
        match &*self.storage {
            Storage::Cuda(storage) => Ok(storage),
            _ => bail!("a kernel was given a tensor that is not on its device"),
        }
    }
}

/// A tensor of results.
pub(super) fn tensor<T: Number>(
    results: CudaSlice<T>,
    shape: &Shape,
    device: &CudaDevice,
) -> Tensor {
    let storage = Storage::Cuda(CudaStorage::wrap_cuda_slice(results, device.clone()));
    Tensor::from_storage(storage, shape.clone(), BackpropOp::none(), false)
}
