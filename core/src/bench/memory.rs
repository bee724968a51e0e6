//! Memory of this process, now and at its highest.

use crate::run::machine::resident_memory;

/// Bytes in RAM.
pub(super) fn resident() -> Option<u64> {
    resident_memory()
}

/// Most bytes in RAM at any time since the process started; `None` where the system does
/// not tell.
pub(super) fn peak() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    let kib: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kib * 1024)
}
