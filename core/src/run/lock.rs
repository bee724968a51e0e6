//! Keeps two writers out of one run folder.
//!
//! The operating system's lock on the file `lock` is what counts; it goes with the process,
//! however that ends. The file's content only says who holds it, and stays when it is free.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Read, Seek, Write};
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use super::machine;
use crate::{Error, Result};

/// Who writes to a run folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// The machine.
    pub host: String,
    /// The process.
    pub pid: u32,
    /// When it took the lock, seconds since 1970.
    pub since: u64,
}

/// How often, and how long apart, a lock is tried that somebody looks at by [`holder`].
const LOOKS: u32 = 5;
const LOOK: Duration = Duration::from_millis(10);

/// The right to write to a run folder, until it is dropped.
#[derive(Debug)]
pub struct Lock {
    // Only held: closing it frees the lock.
    _file: File,
}

impl Lock {
    /// Takes the lock of a run folder, without waiting for it.
    ///
    /// # Errors
    /// [`Error::Run`] naming the process that holds it; [`Error::Io`] when the file cannot
    /// be used.
    pub fn take(folder: &Path) -> Result<Self> {
        let path = folder.join("lock");
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(Error::io(&path, "open"))?;
        let mut outcome = file.try_lock();
        for _ in 1..LOOKS {
            if !matches!(outcome, Err(TryLockError::WouldBlock)) {
                break;
            }
            sleep(LOOK);
            outcome = file.try_lock();
        }
        match outcome {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(refused(folder, &mut file)),
            Err(TryLockError::Error(error)) => return Err(Error::io(&path, "lock")(error)),
        }
        sign(&mut file).map_err(Error::io(&path, "write"))?;
        Ok(Self { _file: file })
    }
}

/// Who runs the run in a folder, if anybody does.
///
/// To look takes a shared lock for a moment, which [`Lock::take`] waits out.
///
/// # Errors
/// [`Error::Io`] when the lock cannot be looked at.
pub fn holder(folder: &Path) -> Result<Option<Holder>> {
    let path = folder.join("lock");
    let mut file = match File::open(&path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        file => file.map_err(Error::io(&path, "open"))?,
    };
    match file.try_lock_shared() {
        Ok(()) => Ok(None),
        Err(TryLockError::WouldBlock) => Ok(Some(read(&mut file).unwrap_or(Holder {
            host: "unknown host".to_owned(),
            pid: 0,
            since: 0,
        }))),
        Err(TryLockError::Error(error)) => Err(Error::io(&path, "lock")(error)),
    }
}

/// Who signed; a holder that has not signed yet is caught between two system calls.
fn read(file: &mut File) -> Option<Holder> {
    let mut text = String::new();
    file.read_to_string(&mut text).ok()?;
    serde_json::from_str(&text).ok()
}

fn sign(file: &mut File) -> std::io::Result<()> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let holder = Holder {
        host: machine::host(),
        pid: std::process::id(),
        since: now.map_or(0, |duration| duration.as_secs()),
    };
    file.set_len(0)?;
    file.rewind()?;
    file.write_all(&serde_json::to_vec(&holder)?)
}

fn refused(folder: &Path, file: &mut File) -> Error {
    let holder = match read(file) {
        Some(Holder { host, pid, since }) => {
            format!("process {pid} on {host}, since {}", utc(since))
        }
        None => "another process that has just started".to_owned(),
    };
    Error::run(
        folder,
        format!("in use by {holder}: wait for it, stop it, or choose another --name"),
    )
}

/// Seconds since 1970 as `2026-11-23 16:41:05 UTC`.
fn utc(seconds: u64) -> String {
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    let (hour, minute, second) = (rest / 3600, rest / 60 % 60, rest % 60);
    let (year, month, day) = date(days);
    format!("{year}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02} UTC")
}

/// Year, month and day of a day counted from 1970-01-01.
///
/// Counts from 0000-03-01 in cycles of 400 years, so that the leap day comes last in a year.
fn date(days: u64) -> (u64, u64, u64) {
    const CYCLE: u64 = 146_097; // days in 400 years
    let days = days + 719_468; // from 0000-03-01 to 1970-01-01
    let (cycle, day) = (days / CYCLE, days % CYCLE);
    let year = (day - day / 1460 + day / 36_524 - day / (CYCLE - 1)) / 365;
    let day = day - (365 * year + year / 4 - year / 100); // of a year that starts in March
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let january_or_later = u64::from(month >= 10);
    let year = 400 * cycle + year + january_or_later;
    (year, month + 3 - 12 * january_or_later, day)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use std::io::{BufRead, BufReader};
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn a_second_writer_is_refused_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let lock = Lock::take(folder.path()).unwrap();
        let error = Lock::take(folder.path()).unwrap_err();
        let message = error.to_string();
        let holder = format!(
            "in use by process {} on {}, since 2",
            std::process::id(),
            machine::host()
        );
        assert!(message.contains(&holder), "{message}");
        let found = holder_of(folder.path()).unwrap().pid;
        assert_eq!(found, std::process::id());
        drop(lock);
        assert_eq!(holder_of(folder.path()), None);
        Lock::take(folder.path()).unwrap();
    }

    fn holder_of(folder: &Path) -> Option<Holder> {
        super::holder(folder).unwrap()
    }

    const HELD: &str = "COMPACTER_TEST_HELD_FOLDER";

    #[test]
    #[ignore = "started by another test, as the other process"]
    fn holds_a_lock_until_killed() {
        let folder = std::env::var_os(HELD).unwrap();
        let _lock = Lock::take(Path::new(&folder)).unwrap();
        std::io::stderr().write_all(b"held\n").unwrap();
        // Ends with its parent's end of the pipe at the latest.
        std::io::stdin().read_to_end(&mut Vec::new()).unwrap();
    }

    #[test]
    fn a_killed_process_leaves_no_lock() {
        let folder = tempfile::tempdir().unwrap();
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "run::lock::tests::holds_a_lock_until_killed",
                "--ignored",
                "--nocapture",
            ])
            .env(HELD, folder.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stderr.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        assert_eq!(line, "held\n");
        let message = Lock::take(folder.path()).unwrap_err().to_string();
        assert!(
            message.contains(&format!("process {}", child.id())),
            "{message}"
        );
        child.kill().unwrap();
        child.wait().unwrap();
        Lock::take(folder.path()).unwrap();
    }

    #[test]
    fn times_read_as_a_calendar_has_them() {
        let cases = [
            (0, "1970-01-01 00:00:00 UTC"),
            (951_782_400, "2000-02-29 00:00:00 UTC"),
            (1_709_251_199, "2024-02-29 23:59:59 UTC"),
            (1_709_251_200, "2024-03-01 00:00:00 UTC"),
            (1_795_452_065, "2026-11-23 16:41:05 UTC"),
            (4_107_542_399, "2100-02-28 23:59:59 UTC"),
            (4_107_542_400, "2100-03-01 00:00:00 UTC"),
        ];
        for (seconds, text) in cases {
            assert_eq!(utc(seconds), text);
        }
    }
}
