//! Diagnostics: what the library notices beside a run's own events, on standard error.

use std::io;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

/// Environment variable with a filter such as `debug` or `compacter_core=debug`.
const VARIABLE: &str = "COMPACTER_LOG";

/// What is shown where the variable asks for nothing: warnings, errors, and how far
/// downloads are.
const DEFAULT: &str = "warn,compacter_core::hub=info";

/// Prints warnings, errors and the progress of downloads, or what `COMPACTER_LOG` asks for.
pub(crate) fn install() {
    let asked = std::env::var(VARIABLE).unwrap_or_else(|_| DEFAULT.to_owned());
    let filter = EnvFilter::builder()
        .with_default_directive(LevelFilter::WARN.into())
        .parse_lossy(asked);
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .without_time()
        .with_target(false)
        .init();
}
