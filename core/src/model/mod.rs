//! Backbones with sites where a method can attach.

mod nearest;
pub mod shape;
pub mod weights;

pub use shape::{Family, ModelShape};
pub use weights::Weights;
