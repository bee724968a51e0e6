//! What every cell sees: `use compacter::prelude::*;`.

pub use crate::candle_core::{D, DType, Device, IndexOp, Module, Tensor, Var};
pub use crate::candle_nn;
pub use crate::core::config::RunConfig;
pub use crate::error::NotebookError;
pub use crate::interrupt::{check, interrupted};
pub use crate::run::{Comparison, Factors, Outcome, Parameters, Run, compare};
pub use crate::show::{
    Bundle, DisplayHandle, EvcxrDisplay, Rich, Table, chart, clear_output, display,
};
