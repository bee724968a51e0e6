//! Fine-tuning methods: what they add, where they attach, how many parameters they train.

pub mod count;
