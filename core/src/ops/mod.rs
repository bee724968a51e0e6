//! Differentiable operations: one file each, the composed form first.
