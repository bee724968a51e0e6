//! The trainer as a process in a session of its own, which outlives the terminal.
//!
//! ```text
//! train (terminal) ──starts──▶ train --own-session DIR    DIR/out, DIR/err: its output so far
//!    │ repeats DIR/out and DIR/err                 │ setsid
//!    │ while DIR is there                          │ refused: ends, nothing left behind
//!    ▼ DIR is gone                                 ▼ the run's folder is its own
//! watches the run                             output goes to <run>/run.log; DIR is removed
//! ```

use std::env;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use compacter_core::{Error, Result};
use rustix::process::{Pid, Signal, kill_process, setsid};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;

/// Name of the file in the run's folder that the trainer's output goes to.
const LOG: &str = "run.log";

/// How often the trainer is looked at while it begins.
const LOOK: Duration = Duration::from_millis(20);

/// How a trainer began.
#[derive(Debug)]
pub(crate) enum Begun {
    /// It has the run's folder.
    Trains,
    /// It ended before that, and said why.
    Ended(ExitStatus),
}

/// Starts this command again as a process in its own session, and waits until it has the
/// run's folder; until then its output is ours. `name` is the run's, where the arguments do
/// not say it.
///
/// # Errors
/// Fails if the process cannot be started.
pub(crate) fn start(name: Option<&str>) -> Result<Begun> {
    let told_to_end = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        flag::register(signal, Arc::clone(&told_to_end)).map_err(Error::io("signals", "handle"))?;
    }
    let place = Place::make()?;
    let mut child = place.spawn(name)?;
    let mut output = [
        Relay::new(place.out(), Box::new(io::stdout())),
        Relay::new(place.err(), Box::new(io::stderr())),
    ];
    loop {
        let ended = child.try_wait().map_err(Error::io("trainer", "wait for"))?;
        output.iter_mut().for_each(Relay::pass_on);
        if !place.folder.exists() {
            // Whoever does not wait for a child never sees it gone.
            thread::spawn(move || child.wait());
            return Ok(Begun::Trains);
        }
        if let Some(status) = ended {
            let _left = fs::remove_dir_all(&place.folder);
            return Ok(Begun::Ended(status));
        }
        pass_on(&told_to_end, &child);
        thread::sleep(LOOK);
    }
}

/// The trainer does not hear the terminal's Ctrl-C, so it is told.
fn pass_on(told_to_end: &AtomicBool, child: &Child) {
    if !told_to_end.swap(false, Ordering::SeqCst) {
        return;
    }
    if let Some(pid) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
        // It may have ended by itself, which is as good.
        let _ended = kill_process(pid, Signal::TERM);
    }
}

/// Where the trainer's output goes until it has a folder.
#[derive(Debug)]
struct Place {
    folder: PathBuf,
}

impl Place {
    fn make() -> Result<Self> {
        let (base, pid) = (env::temp_dir(), std::process::id());
        let mut number = 0_u32;
        loop {
            let folder = base.join(format!("compacter-{pid}-{number}"));
            match DirBuilder::new().mode(0o700).create(&folder) {
                Ok(()) => return Ok(Self { folder }),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => number += 1,
                Err(error) => return Err(Error::io(&folder, "create")(error)),
            }
        }
    }

    fn out(&self) -> PathBuf {
        self.folder.join("out")
    }

    fn err(&self) -> PathBuf {
        self.folder.join("err")
    }

    fn spawn(&self, name: Option<&str>) -> Result<Child> {
        let create = |path: PathBuf| File::create(&path).map_err(Error::io(&path, "create"));
        let program = env::current_exe().map_err(Error::io("program", "find"))?;
        let mut arguments = env::args_os().skip(1);
        // Without any the program trains.
        let command = arguments.next().unwrap_or_else(|| "train".into());
        let name = name.map(|name| format!("--name={name}"));
        Command::new(&program)
            .arg(command)
            .arg("--own-session")
            .arg(&self.folder)
            .args(name)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(create(self.out())?)
            .stderr(create(self.err())?)
            .spawn()
            .map_err(Error::io(&program, "start"))
    }
}

/// Repeats what is written to a file.
struct Relay {
    path: PathBuf,
    // Opened early: the file is removed once the trainer has a folder.
    file: Option<File>,
    to: Box<dyn Write>,
}

impl Relay {
    fn new(path: PathBuf, to: Box<dyn Write>) -> Self {
        Self {
            path,
            file: None,
            to,
        }
    }

    fn pass_on(&mut self) {
        if self.file.is_none() {
            self.file = File::open(&self.path).ok();
        }
        let mut text = Vec::new();
        let Some(file) = &mut self.file else {
            return;
        };
        if file.read_to_end(&mut text).is_ok_and(|length| length > 0) {
            // A terminal that is gone is told nothing; the trainer goes on.
            let _gone = self.to.write_all(&text).and_then(|()| self.to.flush());
        }
    }
}

/// The trainer's end: the folder that its output goes to until the run has one.
#[derive(Debug)]
pub(crate) struct OwnSession {
    place: Place,
}

impl OwnSession {
    /// Leaves the terminal's session: its end and its Ctrl-C no longer reach this process.
    ///
    /// # Errors
    /// Fails if the process leads a group already, as one that a shell starts does.
    pub(crate) fn begin(folder: &Path) -> Result<Self> {
        setsid().map_err(|error| Error::io("session", "leave")(error.into()))?;
        Ok(Self {
            place: Place {
                folder: folder.to_path_buf(),
            },
        })
    }

    /// Sends the output to the run's folder, what was said so far too; whoever started the
    /// process takes that as the sign that the run is under way.
    ///
    /// # Errors
    /// Fails if the log cannot be written.
    pub(crate) fn settle(self, run: &Path) -> Result<()> {
        let path = run.join(LOG);
        let failed = |error| Error::io(&path, "write")(error);
        let mut log = OpenOptions::new()
            .create(true)
            .append(true)
            .open(&path)
            .map_err(failed)?;
        for said in [self.place.out(), self.place.err()] {
            log.write_all(&fs::read(said).unwrap_or_default())
                .map_err(failed)?;
        }
        rustix::stdio::dup2_stdout(&log).map_err(|error| failed(error.into()))?;
        rustix::stdio::dup2_stderr(&log).map_err(|error| failed(error.into()))?;
        fs::remove_dir_all(&self.place.folder).map_err(Error::io(&self.place.folder, "remove"))
    }
}
