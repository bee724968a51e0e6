//! Diagnostics: what the library notices beside a run's own events, on standard error.

use std::io;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

/// Environment variable with a filter such as `debug` or `compacter_core=debug`.
const VARIABLE: &str = "COMPACTER_LOG";

/// Prints warnings and errors, or what `COMPACTER_LOG` asks for.
pub(crate) fn install() {
    let filter = EnvFilter::builder()
        .with_default_directive(LevelFilter::WARN.into())
        .with_env_var(VARIABLE)
        .from_env_lossy();
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .without_time()
        .with_target(false)
        .init();
}
