//! What every cell sees: `use compacter::prelude::*;`.

pub use crate::candle_core::{D, DType, Device, IndexOp, Module, Tensor, Var};
pub use crate::candle_nn;
pub use crate::core::config::RunConfig;
pub use crate::error::{NotebookError, Result};
pub use crate::input::{input, password};
pub use crate::interrupt::{check, interrupted};
pub use crate::row;
pub use crate::run::{Comparison, Factors, Outcome, Parameters, Run, Trained, compare, sweep};
pub use crate::show::{
    Bundle, Cell, DisplayHandle, EvcxrDisplay, Rich, Table, chart, clear_output, display, heat,
};
pub use crate::tensors::{normal, singular_values};
