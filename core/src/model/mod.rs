//! Backbones with sites where a method can attach.
//!
//! A backbone names no method and a method names no backbone: both speak of [`site`]s.
//! With nothing installed a backbone is the plain pretrained model.

pub mod answer;
pub mod attention;
pub mod bert;
pub mod device;
pub mod head;
pub mod layers;
pub mod loader;
mod nearest;
pub mod network;
pub mod outline;
pub mod pass;
pub mod shape;
pub mod site;
pub mod t5;
pub mod weight;
pub mod weights;

pub use answer::{Answer, Prediction};
pub use layers::{Linear, Norm};
pub use network::{Encoded, Model, Network, Placement};
pub use outline::Outline;
pub use pass::Pass;
pub use shape::{Family, ModelShape};
pub use weight::Weight;
pub use weights::Weights;
