//! Whether there is to be a screen at all.

use std::env;
use std::io::{self, IsTerminal};

/// Whether lines should make place for a screen: there is a terminal that can show one, and
/// somebody before it.
///
/// Under Slurm, and under `nohup`, nobody is.
pub(crate) fn is_wanted() -> bool {
    let variable = |name: &str| env::var_os(name).filter(|value| !value.is_empty());
    let able = variable("TERM").is_some_and(|term| term != "dumb");
    let attended = variable("SLURM_JOB_ID").is_none() && !hangups_are_ignored();
    able && attended && io::stdout().is_terminal() && io::stdin().is_terminal()
}

/// Whether whoever started the program made it deaf to SIGHUP, as `nohup` does.
///
/// Known on Linux only. Elsewhere `nohup` is noticed by its other work: it sends what would
/// go to the terminal to a file.
fn hangups_are_ignored() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    ignores_hangups(&status)
}

/// SIGHUP is the first bit of the mask in the line `SigIgn`.
fn ignores_hangups(status: &str) -> bool {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|digits| u64::from_str_radix(digits.trim(), 16).ok());
    mask.is_some_and(|mask| mask & 1 == 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nohup_is_seen_in_the_mask_of_ignored_signals() {
        let status =
            |mask: &str| format!("Name:\tcompacter\nSigBlk:\t0000000000000001\nSigIgn:\t{mask}\n");
        assert!(ignores_hangups(&status("0000000000000001")));
        assert!(ignores_hangups(&status("0000000000001001")));
        assert!(!ignores_hangups(&status("0000000000001000")));
        assert!(!ignores_hangups(""));
    }
}
