//! Differentiable operations: one file each, the composed form first.
//!
//! Composed forms are written in tensor operations that candle can differentiate; they
//! run on every device and are the reference for faster forms. Where candle's own
//! backward would waste work (gradients of frozen weights) or lose the graph (its fused
//! norms and softmax have no backward), the operation is ours. One-pass forms for the CPU stand
//! beside the composed ones; kernels for CUDA devices, which are off unless asked for, in
//! `cuda`.

pub mod activation;
pub mod attention;
pub(crate) mod cpu;
pub mod cross_entropy;
pub(crate) mod cuda;
pub mod dropout;
pub mod fastfood;
pub mod index;
pub mod linear;
pub mod norm;
pub mod phm;
pub mod segments;

pub use index::index;
pub use segments::Segments;
