//! A trainer in a process of its own, which a restart of the notebook's does not end.
//!
//! ```text
//! compacter train FILE --plain --own-session DIR      DIR/out, DIR/err: its output so far
//!    ends                 refused: DIR/err says why
//!    DIR is gone          it has the run's folder, and writes to run.log there
//! ```

use std::env;
use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;

use compacter_core::Error;
use compacter_core::atomic;
use compacter_core::config::RunConfig;
use compacter_core::run::Start;
use rustix::process::{Pid, Signal, kill_process};

use super::config::Given;
use crate::error::{NotebookError, Result};
use crate::interrupt::{self, LOOK};

/// The program that trains.
const PROGRAM: &str = "compacter";
/// Folder beside the runs that holds the configurations of cells.
const CELLS: &str = ".cells";

/// Starts a trainer, and waits until it has the run's folder.
///
/// # Errors
/// When the program is not found or cannot be started, refuses, or the cell is interrupted.
pub(super) fn start(
    given: &Given,
    overrides: &[String],
    config: &RunConfig,
    how: Start,
) -> Result<()> {
    let program = find()?;
    let folder = folder()?;
    let begun = arguments(given, overrides, config)
        .and_then(|arguments| spawn(&program, &folder, &arguments, how))
        .and_then(|child| follow(child, &folder));
    // The trainer removes it when it begins.
    let _gone = fs::remove_dir_all(&folder);
    begun
}

/// What the trainer trains: a file as it is, for its edits to count; anything else written
/// down beside the runs.
fn arguments(given: &Given, overrides: &[String], config: &RunConfig) -> Result<Vec<String>> {
    let text = |path: &Path| path.display().to_string();
    if let Given::File(path) = given {
        let sets = overrides.iter().map(|value| format!("--set={value}"));
        return Ok(std::iter::once(text(path)).chain(sets).collect());
    }
    let cells = config.output.directory.join(CELLS);
    fs::create_dir_all(&cells).map_err(Error::io(&cells, "create"))?;
    let path = cells.join(format!("{}.toml", config.name));
    atomic::write(&path, config.to_toml().as_bytes())?;
    Ok(vec![text(&path)])
}

fn spawn(program: &Path, folder: &Path, arguments: &[String], how: Start) -> Result<Child> {
    let create = |name: &str| {
        let path = folder.join(name);
        File::create(&path).map_err(Error::io(path, "create"))
    };
    let how: &[&str] = match how {
        Start::New => &[],
        Start::Fresh => &["--fresh"],
        Start::Resume => &["--resume"],
        Start::ResumeAuto => &["--resume=auto"],
    };
    let mut command = Command::new(program);
    command
        .args(["train", "--plain", "--own-session"])
        .arg(folder)
        .args(how)
        .args(arguments);
    let child = quiet(&mut command)
        .stdin(Stdio::null())
        .stdout(create("out")?)
        .stderr(create("err")?)
        .spawn()
        .map_err(Error::io(program, "start"))?;
    Ok(child)
}

/// The command without what makes this process a cell's.
pub(super) fn quiet(command: &mut Command) -> &mut Command {
    command
        .env_remove("COMPACTER_KERNEL_CHANNEL")
        .env_remove("COMPACTER_KERNEL_CELL")
        .env_remove("EVCXR_IS_RUNTIME")
}

/// Waits until the trainer has begun or ended.
fn follow(mut child: Child, folder: &Path) -> Result<()> {
    loop {
        // Looked at first: it may have begun and ended since.
        let ended = child.try_wait().map_err(Error::io("trainer", "wait for"))?;
        if !folder.exists() {
            // Whoever does not wait for a child never sees it gone.
            thread::spawn(move || child.wait());
            return Ok(());
        }
        if let Some(status) = ended {
            return refusal(status, folder);
        }
        if interrupt::check().is_err() {
            end(&mut child);
            return Err(NotebookError::Interrupted {
                message: "the run had not begun, and nothing was left behind".to_owned(),
            });
        }
        thread::sleep(LOOK);
    }
}

/// Tells a trainer to end, and waits for it elsewhere.
fn end(child: &mut Child) {
    if let Some(pid) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
        // It may have ended by itself, which is as good.
        let _ended = kill_process(pid, Signal::TERM);
    }
    let _reaped = child.try_wait();
}

/// Why a trainer ended before it had a run; one that is complete is none.
fn refusal(status: ExitStatus, folder: &Path) -> Result<()> {
    if status.success() {
        return Ok(());
    }
    let said = fs::read(folder.join("err")).unwrap_or_default();
    let said = String::from_utf8_lossy(&said);
    let said = said.trim().trim_start_matches("error: ");
    let message = if said.is_empty() {
        format!("the trainer ended without a word: {status}")
    } else {
        said.to_owned()
    };
    Err(NotebookError::Refused { message })
}

/// The program named by `COMPACTER_PROGRAM`, or beside this one, or on the `PATH`.
pub(super) fn find() -> Result<PathBuf> {
    let beside = env::current_exe().ok();
    let beside = beside.as_deref().and_then(Path::parent);
    let path = env::var_os("PATH").unwrap_or_default();
    let places = beside.map(Path::to_path_buf).into_iter();
    let named = env::var_os("COMPACTER_PROGRAM").map(PathBuf::from);
    find_in(named, places.chain(env::split_paths(&path)))
}

fn find_in(named: Option<PathBuf>, mut places: impl Iterator<Item = PathBuf>) -> Result<PathBuf> {
    let none = |looked| NotebookError::NoProgram { looked };
    if let Some(named) = named {
        if named.is_file() {
            return Ok(named);
        }
        let looked = format!(
            "COMPACTER_PROGRAM names {}, which is no file",
            named.display()
        );
        return Err(none(looked));
    }
    let found = places.find_map(|place| {
        let program = place.join(PROGRAM);
        program.is_file().then_some(program)
    });
    found.ok_or_else(|| none("it is neither beside the kernel nor on the PATH".to_owned()))
}

/// A new folder that only this user can read.
fn folder() -> Result<PathBuf> {
    let (base, pid) = (env::temp_dir(), std::process::id());
    for number in 0_u64.. {
        let folder = base.join(format!("compacter-cell-{pid}-{number}"));
        match DirBuilder::new().mode(0o700).create(&folder) {
            Ok(()) => return Ok(folder),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(Error::io(&folder, "create")(error).into()),
        }
    }
    Err(NotebookError::Refused {
        message: format!("{}: no name is free in it", base.display()),
    })
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn a_program_that_is_not_found_says_where_it_was_looked_for_and_what_to_do() {
        let folder = tempfile::tempdir().unwrap();
        let places = || std::iter::once(folder.path().to_path_buf());
        let text = find_in(None, places()).unwrap_err().to_string();
        assert!(
            text.contains("on the PATH") && text.contains("in_process()"),
            "{text}"
        );
        let named = folder.path().join("other");
        let text = find_in(Some(named), places()).unwrap_err().to_string();
        assert!(text.contains("which is no file"), "{text}");
        let program = folder.path().join(PROGRAM);
        fs::write(&program, "").unwrap();
        assert_eq!(find_in(None, places()).unwrap(), program);
    }
}
