//! How an error is told: one message on standard error, and an exit code.

use compacter_core::Error;

/// Prints the error; the message names file, field and what to do.
#[expect(clippy::print_stderr, reason = "this is where errors are told")]
pub(crate) fn report(error: &Error) {
    eprintln!("error: {error}");
}

/// 2 for what was refused before any work (usage, configuration, data, model), else 1.
pub(crate) fn code(error: &Error) -> u8 {
    match error {
        Error::Config { .. }
        | Error::Data { .. }
        | Error::Tokenizer { .. }
        | Error::Model { .. }
        | Error::Method { .. }
        | Error::Device { .. }
        | Error::Run { .. } => 2,
        _ => 1,
    }
}
