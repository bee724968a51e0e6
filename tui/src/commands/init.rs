//! `compacter init`: a commented configuration file, or the schema of such files.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Write};
use std::path::Path;

use compacter_core::config::{schema, template};
use compacter_core::{Error, Result};

use crate::args::Init;
use crate::print;

pub(crate) fn run(args: &Init) -> Result<()> {
    if args.schema {
        return print::json(&schema::json_schema());
    }
    let text = template::template();
    if args.file == Path::new("-") {
        return print::text(&text);
    }
    // Never over a file that is there: it may be somebody's work.
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(&args.file)
        .map_err(|error| match error.kind() {
            ErrorKind::AlreadyExists => taken(&args.file),
            _ => Error::io(&args.file, "create")(error),
        })?;
    file.write_all(text.as_bytes())
        .map_err(Error::io(&args.file, "write"))?;
    let path = args.file.display();
    print::line(&format!(
        "wrote {path}: edit it, then `compacter train {path}`"
    ))
}

fn taken(path: &Path) -> Error {
    Error::Config {
        path: path.to_path_buf(),
        place: None,
        field: String::new(),
        message: "is already there and stays as it is: give another name, or `-` to print"
            .to_owned(),
    }
}
