//! `pytorch_model.bin`.
