//! How an error is told: one message on standard error, and an exit code.

use compacter_core::Error;

/// Prints the error; the message names file, field and what to do.
pub(crate) fn report(error: &Error) {
    message(&error.to_string());
}

/// Prints what went wrong where no error of this process says it.
#[expect(clippy::print_stderr, reason = "this is where errors are told")]
pub(crate) fn message(text: &str) {
    eprintln!("error: {text}");
}

/// Tells whoever types at a terminal what is waited for.
#[expect(clippy::print_stderr, reason = "standard output is for answers")]
pub(crate) fn hint(text: &str) {
    eprintln!("{text}");
}

/// The exit code of a command that did not do what was asked.
///
/// | code | when                                                                            |
/// |------|---------------------------------------------------------------------------------|
/// | 0    | done                                                                            |
/// | 1    | failed on the way: disk, memory, a loss that stays infinite                     |
/// | 2    | refused: usage, configuration, data, model, device, or a run that does not allow |
/// |      | it or is damaged; the same command will be refused again                        |
/// | 75   | told to end by a signal; saved, and `--resume` goes on (`EX_TEMPFAIL`)          |
pub(crate) fn code(error: &Error) -> u8 {
    match error {
        Error::Cancelled => 75,
        Error::Config { .. }
        | Error::Data { .. }
        | Error::Tokenizer { .. }
        | Error::Model { .. }
        | Error::Method { .. }
        | Error::Device { .. }
        | Error::Run { .. }
        | Error::Checkpoint { .. } => 2,
        _ => 1,
    }
}
