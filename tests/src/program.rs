//! The `compacter` program as its users run it: a process with arguments, signals and an
//! exit code.

use std::ffi::OsStr;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, OnceLock};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// Longest that any command of these tests may take, on a loaded machine.
pub const LIMIT: Duration = Duration::from_mins(2);

/// How often a process is looked at.
const TICK: Duration = Duration::from_millis(2);

/// The built program, brought up to date once per test process.
///
/// `COMPACTER_BIN` names another one to test, such as an installed one.
///
/// # Panics
/// When the program cannot be built.
#[must_use]
pub fn path() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| match std::env::var_os("COMPACTER_BIN") {
        Some(path) => PathBuf::from(path),
        None => build(),
    })
}

/// Builds the program into the target folder, and with the profile, of the running test.
fn build() -> PathBuf {
    // <target>/<profile>/deps/<test>
    let test = std::env::current_exe().expect("a process has a program");
    let profile = test
        .ancestors()
        .nth(2)
        .expect("tests run from <profile>/deps");
    let target = profile
        .parent()
        .expect("a profile's folder is in the target folder");
    let release = profile.file_name() == Some(OsStr::new("release"));
    let status = Command::new(env!("CARGO"))
        .args(["build", "--quiet", "--bin", "compacter", "--target-dir"])
        .arg(target)
        .args(release.then_some("--release"))
        .current_dir(workspace())
        .status()
        .expect("cargo runs");
    assert!(status.success(), "cannot build the program: {status}");
    profile.join(format!("compacter{}", std::env::consts::EXE_SUFFIX))
}

/// The folder of the workspace.
///
/// # Panics
/// Never: this package's folder is in the workspace's.
#[must_use]
pub fn workspace() -> &'static Path {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    package.parent().expect("the package is in the workspace")
}

/// What a process left behind.
#[derive(Debug)]
pub struct Finished {
    /// How it ended.
    pub status: ExitStatus,
    /// What it wrote to standard output.
    pub stdout: String,
    /// What it wrote to standard error.
    pub stderr: String,
}

impl Finished {
    /// The exit code.
    ///
    /// # Panics
    /// When a signal ended the process.
    #[must_use]
    pub fn code(&self) -> i32 {
        let code = self.status.code();
        code.unwrap_or_else(|| panic!("ended by a signal: {self:?}"))
    }

    /// Checks the exit code.
    ///
    /// # Panics
    /// When it is another one.
    #[must_use]
    #[track_caller]
    pub fn expect_code(self, code: i32) -> Self {
        assert_eq!(self.code(), code, "{}\n{}", self.stdout, self.stderr);
        self
    }
}

/// A process of the program; one that is dropped while it runs is killed.
#[derive(Debug)]
pub struct Running {
    child: Child,
    stdout: Pipe,
    stderr: Pipe,
    started: Instant,
}

/// One of a process's outputs, read as it comes, so that a chatty process never waits for
/// its reader.
#[derive(Debug)]
struct Pipe {
    bytes: Arc<Mutex<Vec<u8>>>,
    reader: JoinHandle<()>,
}

impl Pipe {
    fn read(mut pipe: impl Read + Send + 'static) -> Self {
        let bytes = Arc::new(Mutex::new(Vec::new()));
        let all = Arc::clone(&bytes);
        let reader = thread::spawn(move || {
            let mut part = [0; 4096];
            while let Ok(length @ 1..) = pipe.read(&mut part) {
                all.lock()
                    .expect("nobody panics with it")
                    .extend(&part[..length]);
            }
        });
        Self { bytes, reader }
    }

    fn so_far(&self) -> String {
        let bytes = self.bytes.lock().expect("nobody panics with it");
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// All of it, once the process has ended.
    fn whole(&self) -> String {
        while !self.reader.is_finished() {
            thread::sleep(TICK);
        }
        self.so_far()
    }
}

/// Runs the program to its end.
///
/// # Panics
/// When it cannot be started or takes longer than [`LIMIT`].
#[track_caller]
pub fn run<A: AsRef<OsStr>>(arguments: impl IntoIterator<Item = A>) -> Finished {
    start(arguments).wait()
}

/// Starts the program.
///
/// # Panics
/// When it cannot be started.
#[track_caller]
pub fn start<A: AsRef<OsStr>>(arguments: impl IntoIterator<Item = A>) -> Running {
    let mut command = Command::new(path());
    command.args(arguments);
    spawn(command)
}

/// Starts a command that is, or becomes, the program.
///
/// # Panics
/// When it cannot be started.
#[must_use]
#[track_caller]
pub fn spawn(mut command: Command) -> Running {
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    Running {
        stdout: Pipe::read(child.stdout.take().expect("it is piped")),
        stderr: Pipe::read(child.stderr.take().expect("it is piped")),
        child,
        started: Instant::now(),
    }
}

impl Running {
    /// The process's number.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// What the process has written to standard output so far.
    ///
    /// # Panics
    /// Never: the lock's other holder does not panic.
    #[must_use]
    pub fn output(&self) -> String {
        self.stdout.so_far()
    }

    /// Waits until `seen`, or until the process ends; says which.
    ///
    /// # Panics
    /// When neither comes within [`LIMIT`].
    #[track_caller]
    pub fn until(&mut self, mut seen: impl FnMut() -> bool) -> Met {
        loop {
            if seen() {
                return Met::Seen;
            }
            if self.has_ended() {
                return Met::Ended;
            }
            thread::sleep(TICK);
        }
    }

    /// As [`Self::until`], looking at what the process has written to standard output.
    ///
    /// # Panics
    /// As [`Self::until`].
    #[track_caller]
    pub fn until_output(&mut self, mut seen: impl FnMut(&str) -> bool) -> Met {
        loop {
            if seen(&self.output()) {
                return Met::Seen;
            }
            if self.has_ended() {
                return Met::Ended;
            }
            thread::sleep(TICK);
        }
    }

    /// Sends a signal by its name, such as `TERM`.
    ///
    /// # Panics
    /// When it cannot be sent.
    #[track_caller]
    pub fn signal(&self, name: &str) {
        let script = format!("kill -{name} {}", self.id());
        let status = Command::new("sh").args(["-c", &script]).status();
        let status = status.expect("there is a shell");
        assert!(status.success(), "{script}: {status}");
    }

    /// Kills the process at once, as a power cut does.
    ///
    /// # Panics
    /// When the system refuses.
    #[must_use]
    #[track_caller]
    pub fn kill(mut self) -> Finished {
        self.child.kill().expect("a child may be killed");
        self.wait()
    }

    /// Waits for the end.
    ///
    /// # Panics
    /// When it does not come within [`LIMIT`].
    #[must_use]
    #[track_caller]
    pub fn wait(mut self) -> Finished {
        while !self.has_ended() {
            thread::sleep(TICK);
        }
        let status = self.child.wait().expect("a child can be waited for");
        Finished {
            status,
            stdout: self.stdout.whole(),
            stderr: self.stderr.whole(),
        }
    }

    #[track_caller]
    fn has_ended(&mut self) -> bool {
        let late = self.started.elapsed() > LIMIT;
        assert!(!late, "process {} takes longer than {LIMIT:?}", self.id());
        let status = self.child.try_wait();
        status.expect("a child can be waited for").is_some()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself, which is as good.
        let _ended = self.child.kill();
        let _ended = self.child.wait();
    }
}

/// What [`Running::until`] waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Met {
    /// What was looked for.
    Seen,
    /// The end of the process.
    Ended,
}
