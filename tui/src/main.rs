//! The `compacter` command.
fn main() {}
