//! The program on a terminal: a pseudo-terminal with somebody who types and looks.

use std::io::{Read, Write};
use std::num::NonZero;
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use portable_pty::{
    Child, CommandBuilder, ExitStatus, MasterPty, PtySize, SlavePty, native_pty_system,
};
use vt100::Parser;

use crate::program::{self, LIMIT};

/// How often the screen is looked at.
const TICK: Duration = Duration::from_millis(20);

/// A terminal with a program on it; a program that runs when it is dropped is killed.
pub struct Terminal {
    master: Box<dyn MasterPty + Send>,
    // Kept open: a terminal that nobody has open forgets its modes.
    _slave: Box<dyn SlavePty + Send>,
    child: Box<dyn Child + Send + Sync>,
    keys: Box<dyn Write + Send>,
    seen: Arc<Mutex<Seen>>,
}

/// What came from the program.
struct Seen {
    screen: Parser,
    bytes: Vec<u8>,
}

impl Terminal {
    /// Starts the program with a terminal of 100 × 32.
    ///
    /// # Panics
    /// When there is no terminal to be had.
    #[track_caller]
    pub fn start<A: AsRef<std::ffi::OsStr>>(
        arguments: impl IntoIterator<Item = A>,
        environment: &[(&str, &str)],
        folder: &Path,
    ) -> Self {
        Self::run(program::path().as_os_str(), arguments, environment, folder)
    }

    /// Starts any command likewise.
    ///
    /// # Panics
    /// When there is no terminal to be had.
    #[track_caller]
    pub fn run<A: AsRef<std::ffi::OsStr>>(
        command: impl AsRef<std::ffi::OsStr>,
        arguments: impl IntoIterator<Item = A>,
        environment: &[(&str, &str)],
        folder: &Path,
    ) -> Self {
        let pair = native_pty_system()
            .openpty(size(100, 32))
            .expect("a terminal");
        let mut builder = CommandBuilder::new(command);
        builder.args(arguments);
        builder.cwd(folder);
        for name in [
            "SLURM_JOB_ID",
            "NO_COLOR",
            "LC_ALL",
            "LC_CTYPE",
            "VISUAL",
            "EDITOR",
        ] {
            builder.env_remove(name);
        }
        builder.env("TERM", "xterm-256color");
        builder.env("LANG", "C.UTF-8");
        for (name, value) in environment {
            builder.env(name, value);
        }
        let child = pair
            .slave
            .spawn_command(builder)
            .expect("the program starts");
        let screen = Parser::new(cells(32), cells(100), 0);
        let seen = Arc::new(Mutex::new(Seen {
            screen,
            bytes: Vec::new(),
        }));
        let mut output = pair
            .master
            .try_clone_reader()
            .expect("a terminal can be read");
        let all = Arc::clone(&seen);
        thread::spawn(move || {
            let mut part = [0; 4096];
            while let Ok(length @ 1..) = output.read(&mut part) {
                let mut seen = all.lock().expect("nobody panics with it");
                seen.screen.process(&part[..length]);
                seen.bytes.extend(&part[..length]);
            }
        });
        let keys = pair
            .master
            .take_writer()
            .expect("a terminal can be typed at");
        Self {
            master: pair.master,
            _slave: pair.slave,
            child,
            keys,
            seen,
        }
    }

    /// Types.
    ///
    /// # Panics
    /// When nobody listens any more.
    #[track_caller]
    pub fn press(&mut self, keys: &str) {
        let typed = self
            .keys
            .write_all(keys.as_bytes())
            .and_then(|()| self.keys.flush());
        typed.unwrap_or_else(|error| panic!("{keys:?}: {error}\n{}", self.text()));
    }

    /// Types where it may be that nobody listens any more.
    pub fn try_press(&mut self, keys: &[u8]) -> bool {
        self.keys
            .write_all(keys)
            .and_then(|()| self.keys.flush())
            .is_ok()
    }

    /// What the screen shows.
    ///
    /// # Panics
    /// Never: the lock's other holder does not panic.
    #[must_use]
    pub fn text(&self) -> String {
        let seen = self.seen.lock().expect("nobody panics with it");
        seen.screen.screen().contents()
    }

    /// Everything the program wrote.
    ///
    /// # Panics
    /// As [`Self::text`].
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        self.seen
            .lock()
            .expect("nobody panics with it")
            .bytes
            .clone()
    }

    /// Waits until the screen shows a text.
    ///
    /// # Panics
    /// When it does not within [`LIMIT`].
    #[track_caller]
    pub fn until(&self, text: &str) {
        self.until_so(&format!("`{text}`"), |terminal| {
            terminal.text().contains(text)
        });
    }

    /// Waits until something is so.
    ///
    /// # Panics
    /// When it is not within [`LIMIT`].
    #[track_caller]
    pub fn until_so(&self, what: &str, so: impl Fn(&Self) -> bool) {
        let start = Instant::now();
        while !so(self) {
            assert!(start.elapsed() < LIMIT, "no {what} on:\n{}", self.text());
            thread::sleep(TICK);
        }
    }

    /// Gives the terminal another size.
    ///
    /// # Panics
    /// When it refuses.
    pub fn resize(&self, width: u16, height: u16) {
        self.master
            .resize(size(width, height))
            .expect("a terminal has any size");
        let mut seen = self.seen.lock().expect("nobody panics with it");
        seen.screen
            .screen_mut()
            .set_size(cells(height), cells(width));
    }

    /// Sends the program a signal by its name.
    ///
    /// # Panics
    /// When it cannot be sent.
    #[track_caller]
    pub fn signal(&self, name: &str) {
        let id = self.child.process_id().expect("it runs");
        let script = format!("kill -{name} {id}");
        let status = Command::new("sh").args(["-c", &script]).status();
        assert!(status.is_ok_and(|status| status.success()), "{script}");
    }

    /// Whether the program has ended.
    ///
    /// # Panics
    /// When the system does not say.
    pub fn has_ended(&mut self) -> bool {
        self.child
            .try_wait()
            .expect("a child can be looked at")
            .is_some()
    }

    /// Waits for the program's end, and then for the last it wrote.
    ///
    /// # Panics
    /// When the end does not come within [`LIMIT`].
    #[track_caller]
    pub fn wait(&mut self) -> ExitStatus {
        let start = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().expect("a child can be waited for") {
                thread::sleep(TICK * 10);
                return status;
            }
            assert!(start.elapsed() < LIMIT, "no end:\n{}", self.text());
            thread::sleep(TICK);
        }
    }

    /// Checks that the terminal is as it was before the program: normal screen, a cursor,
    /// lines that the system edits and echoes, no reports.
    ///
    /// # Panics
    /// When it is not.
    #[track_caller]
    pub fn assert_whole(&self) {
        self.assert_screen_whole();
        #[cfg(unix)]
        {
            let name = self.master.tty_name().expect("a terminal has a name");
            let output = Command::new("stty").arg("-a").arg("-F").arg(name).output();
            let modes =
                String::from_utf8_lossy(&output.expect("there is stty").stdout).into_owned();
            for mode in ["icanon", "echo", "isig", "icrnl"] {
                let is_set = modes.split_whitespace().any(|word| word == mode);
                assert!(is_set, "no {mode} in {modes}");
            }
        }
    }

    /// The part of [`Self::assert_whole`] that can be seen.
    ///
    /// # Panics
    /// When it is not.
    #[track_caller]
    pub fn assert_screen_whole(&self) {
        // What was written last may not have been read yet.
        self.until_so("whole terminal", |terminal| {
            let seen = terminal.seen.lock().expect("nobody panics with it");
            let screen = seen.screen.screen();
            let no_mouse = screen.mouse_protocol_mode() == vt100::MouseProtocolMode::None;
            let taken =
                screen.alternate_screen() || screen.hide_cursor() || screen.bracketed_paste();
            no_mouse && !taken
        });
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // It may have ended by itself, which is as good.
        let _ended = self.child.kill();
        let _ended = self.child.wait();
    }
}

fn size(width: u16, height: u16) -> PtySize {
    PtySize {
        rows: height,
        cols: width,
        pixel_width: 0,
        pixel_height: 0,
    }
}

fn cells(count: u16) -> NonZero<u16> {
    NonZero::new(count).expect("a screen has cells")
}
