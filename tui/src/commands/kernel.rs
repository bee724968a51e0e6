//! `compacter kernel`: hands over to the kernel's own program, which is large and not always
//! there.

use std::ffi::OsString;
use std::io::ErrorKind;
use std::process::Command;

use compacter_core::{Error, Result};

use crate::Exit;

/// The kernel's program.
const PROGRAM: &str = "compacter-kernel";

/// Runs the program beside this one, or the one on the path; ends as it did.
pub(crate) fn run(words: &[OsString]) -> Result<Exit> {
    let beside = std::env::current_exe().map(|this| this.with_file_name(PROGRAM));
    let program = beside.ok().filter(|program| program.exists());
    let program = program.unwrap_or_else(|| PROGRAM.into());
    match Command::new(&program).args(words).status() {
        Ok(status) => Ok(Exit::As(
            status
                .code()
                .and_then(|code| u8::try_from(code).ok())
                .unwrap_or(1),
        )),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let advice = "it is neither beside this program nor on the path; build it with \
                          `cargo build --release --package compacter-kernel`";
            Err(Error::io(PROGRAM, "run")(std::io::Error::new(
                ErrorKind::NotFound,
                advice,
            )))
        }
        Err(error) => Err(Error::io(&program, "run")(error)),
    }
}
