//! `!command`: a line for the shell, in the notebook's folder. What it writes is shown as it comes.

use std::io::Read;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};

use super::Surroundings;
use super::failure::Failure;
use crate::outlet::Inlet;
use crate::relay::Heard;
use crate::view;

/// How often it is looked whether it has ended, or is to.
const LOOK: Duration = Duration::from_millis(10);

/// Runs a line until it ends, or the cell is interrupted.
pub(super) fn run(around: &Surroundings, line: &str) -> Result<(), Failure> {
    let failed = |why: &dyn std::fmt::Display| Failure::new("Shell", format!("`{line}`: {why}"));
    let mut command = Command::new("sh");
    command
        .args(["-c", line])
        .current_dir(&around.home)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        // Of a group of its own, so that all it starts can be ended.
        .process_group(0);
    let mut shell = view::leave(&mut command)
        .spawn()
        .map_err(|error| failed(&error))?;
    let readers = [
        shell
            .stdout
            .take()
            .map(|from| show(around, from, Heard::Stdout)),
        shell
            .stderr
            .take()
            .map(|from| show(around, from, Heard::Stderr)),
    ];
    let ended = wait(around, &mut shell).map_err(|error| failed(&error))?;
    let Some(status) = ended else {
        return Err(Failure::new("Interrupted", format!("`{line}` was ended")));
    };
    for reader in readers.into_iter().flatten() {
        // What it left in the background may write on; a reader does not panic.
        while !reader.is_finished() && !around.child.is_interrupted() {
            thread::sleep(LOOK);
        }
    }
    if status.success() {
        Ok(())
    } else {
        Err(failed(&status))
    }
}

/// How it ended; `None` where the cell was interrupted.
fn wait(around: &Surroundings, shell: &mut Child) -> std::io::Result<Option<ExitStatus>> {
    loop {
        if let Some(status) = shell.try_wait()? {
            return Ok(Some(status));
        }
        if around.child.is_interrupted() {
            let pid = i32::try_from(shell.id()).ok().and_then(Pid::from_raw);
            let _gone = pid.map(|pid| kill_process_group(pid, Signal::KILL));
            shell.wait()?;
            return Ok(None);
        }
        thread::sleep(LOOK);
    }
}

/// Passes on what it writes, on a thread.
fn show(
    around: &Surroundings,
    mut from: impl Read + Send + 'static,
    heard: fn(Vec<u8>) -> Heard,
) -> JoinHandle<()> {
    let outlet = around.outlet.clone();
    thread::spawn(move || {
        let mut part = vec![0; 1 << 16];
        while let Ok(length @ 1..) = from.read(&mut part) {
            let text = heard(part[..length].to_vec());
            if outlet.send(Inlet::Relay(text)).is_err() {
                return;
            }
        }
    })
}
