//! For tests: a process whose files cannot grow beyond a few blocks, as on a full disk.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::path::{Path, PathBuf};
use std::process::Command;

const FOLDER: &str = "COMPACTER_TEST_LIMITED_FOLDER";

/// Runs one ignored test of this program in such a process.
pub(crate) fn run(test: &str, folder: &Path) {
    // The signal of the limit is ignored, so that a write returns an error instead.
    let script = r#"trap '' XFSZ; ulimit -f 4; exec "$0" --exact "$1" --ignored"#;
    let output = Command::new("sh")
        .args(["-c", script])
        .arg(std::env::current_exe().unwrap())
        .arg(test)
        .env(FOLDER, folder)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && text.contains("1 passed"),
        "{text}"
    );
}

/// The folder that the test in the limited process works in.
pub(crate) fn folder() -> PathBuf {
    std::env::var_os(FOLDER).unwrap().into()
}
