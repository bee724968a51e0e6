//! The dashboard on a real terminal: it leaves the terminal whole and the run alone.
#![cfg(unix)]

use std::process::Command;
#[cfg(target_os = "linux")]
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use compacter_core::event::Kind;
use compacter_core::run::lock::Holder;
use compacter_tests::program::{self, LIMIT};
use compacter_tests::runs::{Lab, NAME};
use compacter_tests::terminal::Terminal;

/// Long enough to be looked at.
const LONG: &str = "threads = 1\nmax_steps = 200000\nlearning_rate = 1e-3\ncheckpoint_every = 1000";
const SHORT: &str = "threads = 1\nepochs = 3\nlearning_rate = 1e-2";

/// A run that is ended with the test.
struct Trained {
    lab: Lab,
}

impl Trained {
    fn new() -> Self {
        Self {
            lab: Lab::new(LONG),
        }
    }

    /// The dashboard of the run, which this starts.
    fn train(&self, more: &[&str], environment: &[(&str, &str)]) -> Terminal {
        Terminal::start(self.lab.train(more), environment, self.lab.path())
    }

    /// The dashboard of the run, which goes on already.
    fn watch(&self) -> Terminal {
        Terminal::start(["watch"], &[], self.lab.path())
    }

    fn pid(&self) -> u32 {
        let text = std::fs::read(self.lab.run_path(NAME).join("lock")).expect("it is locked");
        let holder: Holder = serde_json::from_slice(&text).expect("the lock is signed");
        holder.pid
    }

    fn last_step(&self) -> u64 {
        let history = self
            .lab
            .run(NAME)
            .history()
            .expect("the record can be read");
        history.events().last().map_or(0, |event| event.step)
    }

    /// Waits until the run has done more steps than it has now.
    #[track_caller]
    fn assert_goes_on(&self) {
        let (before, start) = (self.last_step(), Instant::now());
        while self.last_step() <= before + 5 {
            assert!(start.elapsed() < LIMIT, "the run stands at step {before}");
            thread::sleep(Duration::from_millis(50));
        }
    }

    /// Checks that nobody told the run anything.
    #[track_caller]
    fn assert_untouched(&self) {
        let history = self
            .lab
            .run(NAME)
            .history()
            .expect("the record can be read");
        for event in history.events() {
            let own = matches!(
                event.kind,
                Kind::Started(_)
                    | Kind::Step(_)
                    | Kind::Eval(_)
                    | Kind::Factors(_)
                    | Kind::Checkpoint { .. }
            );
            assert!(own, "{event:?}");
        }
    }
}

impl Drop for Trained {
    fn drop(&mut self) {
        let pid = self.pid().to_string();
        let _ended = Command::new("kill").args(["-KILL", &pid]).status();
    }
}

#[test]
fn a_detached_run_goes_on_and_can_be_watched_again() {
    let run = Trained::new();
    let mut terminal = run.train(&[], &[]);
    terminal.until("RUN");
    terminal.until("Overview");
    terminal.press("q");
    terminal.until("training goes on");
    terminal.press("\r");
    assert_eq!(terminal.wait().exit_code(), 0);
    terminal.assert_whole();
    terminal.until("compacter watch");
    run.assert_goes_on();

    let mut again = run.watch();
    again.until("RUN");
    again.press("qd");
    assert_eq!(again.wait().exit_code(), 0);
    again.assert_whole();
    run.assert_untouched();
    assert!(run.lab.run_path(NAME).join("run.log").exists());
}

#[test]
fn ctrl_c_asks_and_again_stops_and_saves() {
    let run = Trained::new();
    let mut terminal = run.train(&[], &[]);
    terminal.until("RUN");
    terminal.press("\x03");
    terminal.until("stop and save");
    terminal.press("\x03");
    assert_eq!(terminal.wait().exit_code(), 75);
    terminal.assert_whole();
    terminal.until("saved, to be gone on with");
    let history = run.lab.run(NAME).history().expect("the record can be read");
    let last = history.events().last().map(|event| &event.kind);
    assert!(matches!(last, Some(Kind::Interrupted { .. })), "{last:?}");
}

// Elsewhere `script` takes other arguments.
#[cfg(target_os = "linux")]
#[test]
fn a_closed_terminal_leaves_the_run_to_finish() {
    let run = Trained::new();
    // A program with a terminal for another: killed, it takes the terminal with it.
    let arguments = run.lab.train(&[]);
    let words: Vec<String> = std::iter::once(program::path().as_os_str().to_owned())
        .chain(arguments)
        .map(|word| format!("'{}'", word.to_string_lossy()))
        .collect();
    // Under `nohup` there would be no dashboard, and nothing to leave.
    let mut script = Command::new("env")
        .args(["--default-signal=HUP", "script", "--quiet"])
        .args(["--command", &words.join(" "), "/dev/null"])
        .env("TERM", "xterm")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .expect("util-linux's script is installed");
    let mut following = run.lab.follow();
    let start = Instant::now();
    while following.look().len() < 10 {
        assert!(start.elapsed() < LIMIT, "the run does not start");
        thread::sleep(Duration::from_millis(50));
    }
    script.kill().expect("a child may be killed");
    script.wait().expect("a child can be waited for");
    run.assert_goes_on();
    run.assert_untouched();
}

#[test]
fn signals_end_the_dashboard_and_not_the_run() {
    let run = Trained::new();
    let mut first = run.train(&[], &[]);
    first.until("RUN");
    for (at, signal) in ["TERM", "HUP", "INT"].into_iter().enumerate() {
        let mut terminal = run.watch();
        terminal.until("RUN");
        terminal.signal(signal);
        assert!(!terminal.wait().success(), "{at}");
        terminal.assert_whole();
        run.assert_goes_on();
    }
    first.press("qd");
    assert_eq!(first.wait().exit_code(), 0);
    run.assert_untouched();
}

#[test]
fn ctrl_z_gives_the_terminal_back_and_fg_takes_it_again() {
    let run = Trained::new();
    let mut first = run.train(&[], &[]);
    first.until("RUN");
    first.press("qd");
    assert_eq!(first.wait().exit_code(), 0);
    let program = program::path().to_string_lossy().into_owned();
    let mut shell = Terminal::run("sh", ["-i"], &[("PS1", "ready> ")], run.lab.path());
    shell.until("ready>");
    shell.press(&format!("'{program}' watch\r"));
    shell.until("Overview");
    shell.press("\x1a");
    shell.until("Stopped");
    shell.assert_screen_whole();
    shell.press("fg\r");
    shell.until("Overview");
    shell.until("RUN");
    shell.press("qd");
    shell.until("training goes on");
    shell.assert_screen_whole();
    shell.press("exit\r");
    shell.wait();
    run.assert_untouched();
}

#[test]
fn a_panic_in_drawing_restores_the_terminal_and_leaves_the_run() {
    let run = Trained::new();
    let mut terminal = run.train(
        &[],
        &[("COMPACTER_TEST_PANIC", "1"), ("RUST_BACKTRACE", "0")],
    );
    assert!(!terminal.wait().success());
    terminal.assert_whole();
    terminal.until("a test asked for a panic");
    terminal.until("goes on");
    run.assert_goes_on();
    run.assert_untouched();
}

#[test]
fn nothing_is_drawn_where_nobody_looks() {
    for environment in [[("TERM", "dumb")], [("SLURM_JOB_ID", "7")]] {
        let lab = Lab::new(SHORT);
        let mut terminal = Terminal::start(lab.train(&[]), &environment, lab.path());
        assert_eq!(terminal.wait().exit_code(), 0);
        assert!(!terminal.bytes().contains(&0x1b), "{}", terminal.text());
        terminal.until("finished at step");
    }
    for flag in ["--plain", "--json", "--foreground"] {
        let lab = Lab::new(SHORT);
        let mut terminal = Terminal::start(lab.train(&[flag]), &[], lab.path());
        assert_eq!(terminal.wait().exit_code(), 0);
        assert!(!terminal.bytes().contains(&0x1b), "{}", terminal.text());
    }
    let lab = Lab::new(SHORT);
    let ended = program::run(lab.train(&[])).expect_code(0);
    assert!(!ended.stdout.contains('\x1b'), "{}", ended.stdout);
    let watched = program::run(["watch".as_ref(), lab.run_path(NAME).as_os_str()]);
    let watched = watched.expect_code(0);
    assert!(
        watched.stdout.contains("finished at step"),
        "{}",
        watched.stdout
    );
    assert!(!watched.stdout.contains('\x1b'), "{}", watched.stdout);
}

#[test]
fn refusals_read_on_a_terminal_as_they_do_without() {
    let lab = Lab::new(SHORT);
    lab.edit(&[("labels = [\"negative\"", "labels = [\"other\"")]);
    let plain = program::run(lab.train(&[])).expect_code(2);
    let mut terminal = Terminal::start(lab.train(&[]), &[], lab.path());
    assert_eq!(terminal.wait().exit_code(), 2);
    let written = String::from_utf8_lossy(&terminal.bytes()).replace("\r\n", "\n");
    assert_eq!(written, plain.stderr);
    assert!(!lab.run_path(NAME).exists());
}

#[test]
fn a_storm_of_sizes_is_weathered() {
    let run = Trained::new();
    let mut terminal = run.train(&[], &[]);
    terminal.until("RUN");
    for at in 0..60_u16 {
        terminal.resize(1 + at * 37 % 220, 1 + at * 23 % 70);
        thread::sleep(Duration::from_millis(15));
    }
    terminal.resize(100, 32);
    terminal.until("Overview");
    terminal.press("qd");
    assert_eq!(terminal.wait().exit_code(), 0);
    terminal.assert_whole();
    run.assert_untouched();
}

#[test]
fn an_inline_card_stays_in_the_scroll_back() {
    let run = Trained::new();
    let mut terminal = run.train(&["--inline", "6"], &[]);
    // A terminal answers where its cursor is.
    terminal.until_so("question for the cursor", |terminal| {
        terminal.bytes().windows(4).any(|bytes| bytes == b"\x1b[6n")
    });
    terminal.press("\x1b[1;1R");
    terminal.until("step ");
    terminal.press("q");
    terminal.until("detach");
    terminal.press("d");
    assert_eq!(terminal.wait().exit_code(), 0);
    terminal.assert_whole();
    terminal.until("training goes on");
    run.assert_goes_on();
}

/// Keys of which none may change a run: no capitals, no Ctrl-C.
const KEYS: &[&str] = &[
    "a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l", "m", "n", "o", "p", "r", "s", "t",
    "u", "v", "w", "x", "y", "z", "0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "[", "]", "+",
    "-", "/", ":", "?", " ", "\r", "\t", "\x1b[A", "\x1b[B", "\x1b[C", "\x1b[D", "\x1b[5~",
    "\x1b[6~", "\x1b[H", "\x1b[F", "\x7f", "\x1b[Z", "\x0c", "q",
];

/// Presses a hundred random keys a second; where they leave, somebody watches again.
fn random_keys(seconds: u64) {
    let run = Trained::new();
    let mut terminal = run.train(&[], &[]);
    terminal.until("RUN");
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    for _ in 0..seconds * 100 {
        // xorshift64
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        let at = state % KEYS.len() as u64;
        let pressed = usize::try_from(at).is_ok_and(|at| terminal.try_press(KEYS[at].as_bytes()));
        if !pressed || terminal.has_ended() {
            assert_eq!(terminal.wait().exit_code(), 0, "{}", terminal.text());
            terminal.assert_whole();
            terminal = run.watch();
            terminal.until("RUN");
        }
        thread::sleep(Duration::from_millis(10));
    }
    terminal.signal("TERM");
    terminal.wait();
    terminal.assert_whole();
    run.assert_goes_on();
    run.assert_untouched();
}

#[test]
fn random_keys_change_nothing() {
    random_keys(5);
}

#[test]
#[ignore = "takes a minute"]
fn a_minute_of_random_keys_changes_nothing() {
    random_keys(60);
}
