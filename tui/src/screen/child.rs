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
use std::ffi::OsString;
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

/// A trainer that is being started: a process in its own session, which has no run yet.
#[derive(Debug)]
pub(crate) struct Starting {
    place: Place,
    // Taken once the trainer is on its own.
    child: Option<Child>,
}

impl Starting {
    /// Starts this program with a command's arguments, in a session of its own.
    ///
    /// # Errors
    /// Fails if the process cannot be started.
    pub(crate) fn begin(arguments: impl IntoIterator<Item = OsString>) -> Result<Self> {
        let place = Place::make()?;
        let child = match place.spawn(arguments) {
            Ok(child) => child,
            Err(error) => {
                place.remove();
                return Err(error);
            }
        };
        Ok(Self {
            place,
            child: Some(child),
        })
    }

    /// How it began; `None` while it has not. Never waits.
    ///
    /// # Errors
    /// Fails if the system does not tell.
    pub(crate) fn look(&mut self) -> Result<Option<Begun>> {
        let Some(child) = &mut self.child else {
            return Ok(Some(Begun::Trains));
        };
        let ended = child.try_wait().map_err(Error::io("trainer", "wait for"))?;
        if !self.place.folder.exists() {
            let child = self.child.take();
            // Whoever does not wait for a child never sees it gone.
            thread::spawn(move || child.map(|mut child| child.wait()));
            return Ok(Some(Begun::Trains));
        }
        Ok(ended.map(Begun::Ended))
    }

    /// Why it was refused, once it has ended; the folder of its output goes.
    pub(crate) fn refusal(self) -> String {
        let said = fs::read(self.place.err()).unwrap_or_default();
        self.place.remove();
        String::from_utf8_lossy(&said).into_owned()
    }

    /// The trainer does not hear the terminal's Ctrl-C, so it is told.
    fn pass_on(&self, told_to_end: &AtomicBool) {
        if !told_to_end.swap(false, Ordering::SeqCst) {
            return;
        }
        let id = self.child.as_ref().map(Child::id);
        let pid = id.and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
        if let Some(pid) = pid {
            // It may have ended by itself, which is as good.
            let _ended = kill_process(pid, Signal::TERM);
        }
    }
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
    let mut given = env::args_os().skip(1);
    // Without any the program trains.
    let command = given.next().unwrap_or_else(|| "train".into());
    let name = name.map(|name| format!("--name={name}").into());
    let arguments = std::iter::once(command).chain(name).chain(given);
    let mut starting = Starting::begin(arguments)?;
    let mut output = [
        Relay::new(starting.place.out(), Box::new(io::stdout())),
        Relay::new(starting.place.err(), Box::new(io::stderr())),
    ];
    loop {
        let begun = starting.look()?;
        output.iter_mut().for_each(Relay::pass_on);
        if let Some(begun) = begun {
            starting.place.remove();
            return Ok(begun);
        }
        starting.pass_on(&told_to_end);
        thread::sleep(LOOK);
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

    /// Removes the folder, unless the trainer has.
    fn remove(&self) {
        let _gone = fs::remove_dir_all(&self.folder);
    }

    /// Starts the program; the first argument is its command.
    fn spawn(&self, arguments: impl IntoIterator<Item = OsString>) -> Result<Child> {
        let create = |path: PathBuf| File::create(&path).map_err(Error::io(&path, "create"));
        let program = env::current_exe().map_err(Error::io("program", "find"))?;
        let mut arguments = arguments.into_iter();
        Command::new(&program)
            .args(arguments.next())
            .arg("--own-session")
            .arg(&self.folder)
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
