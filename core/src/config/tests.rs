//! Tests of reading, checking and writing configurations.
#![expect(clippy::unwrap_used, reason = "tests")]

mod broken;
mod load;
mod round_trip;

use std::path::Path;

use super::RunConfig;
use crate::error::{Error, Result};

/// The shortest configuration that is one.
const SMALLEST: &str = "name = \"a\"\n[model]\npath = \"m\"\n[task]\nname = \"t\"\n";

fn parse(text: &str, sets: &[&str]) -> Result<RunConfig> {
    let sets: Vec<String> = sets.iter().map(|&set| set.to_owned()).collect();
    RunConfig::parse(Path::new("run.toml"), text, &sets)
}

/// What a refusal says, and the field and place that it names.
fn refusal(result: Result<RunConfig>) -> (String, String, Option<(usize, usize)>) {
    let error = result.unwrap_err();
    let text = error.to_string();
    match error {
        Error::Config { place, field, .. } => (text, field, place.map(|p| (p.line, p.column))),
        other => panic!("not a refusal of a configuration: {other:?}"),
    }
}
