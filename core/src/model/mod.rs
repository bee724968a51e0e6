//! Backbones with sites where a method can attach.
