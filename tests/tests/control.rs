//! A run steered from outside: `compacter ctl`, the mailbox, the socket, its two files.
#![cfg(unix)]

use std::fs;
use std::io::Write;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use compacter_core::config::RunConfig;
use compacter_core::event::{Ending, Event, Kind};
use compacter_core::run::{Envelope, Mailbox, Request, socket};
use compacter_tests::program::{self, Finished, LIMIT, Running};
use compacter_tests::runs::{Following, Lab, NAME};
use tempfile::TempDir;

/// Long enough to be met at work, and steady, so that a step shows its peak learning rate.
const LONG: &str = "threads = 1
epochs = 20000
learning_rate = 1e-3 # by trial
schedule = 'constant'
warmup = 0
checkpoint_every = 100000
[eval]
every = 100000";

/// A run that goes on, with a runtime folder of its own or without one.
struct Desk {
    lab: Lab,
    runtime: Option<TempDir>,
    following: Following,
    running: Running,
}

impl Desk {
    fn new(runtime: Option<TempDir>) -> Self {
        Self::start(Lab::new(LONG), runtime)
    }

    fn with_socket() -> Self {
        Self::new(Some(tempfile::tempdir().expect("a temporary folder")))
    }

    fn start(lab: Lab, runtime: Option<TempDir>) -> Self {
        let mut following = lab.follow();
        let mut command = Command::new(program::path());
        command.args(lab.train(&[]));
        within(&mut command, runtime.as_ref());
        let mut running = program::spawn(command);
        following.until_step(&mut running, 3);
        Self {
            lab,
            runtime,
            following,
            running,
        }
    }

    fn run(&self) -> PathBuf {
        self.lab.run_path(NAME)
    }

    fn address(&self) -> Option<PathBuf> {
        socket::address(self.runtime.as_ref()?.path(), &self.run())
    }

    fn ctl(&self, words: &[&str]) -> Finished {
        let mut command = Command::new(program::path());
        command.arg("ctl").arg(self.run()).args(words);
        // A loaded machine may take long for a step.
        command.args(["--timeout", "90"]);
        within(&mut command, self.runtime.as_ref());
        program::spawn(command).wait()
    }

    fn until(&mut self, such: impl Fn(&Event) -> bool) -> Event {
        self.following.until(&mut self.running, such)
    }

    /// The commands recorded so far, and whether they were accepted.
    fn commands(&mut self) -> Vec<(String, bool)> {
        let kinds = self.following.look().iter().map(|event| &event.kind);
        let commands = kinds.filter_map(|kind| match kind {
            Kind::Command {
                command, accepted, ..
            } => Some((command.clone(), *accepted)),
            _ => None,
        });
        commands.collect()
    }

    fn steps(&mut self) -> usize {
        let is_step = |event: &&Event| matches!(event.kind, Kind::Step(_));
        self.following.look().iter().filter(is_step).count()
    }

    fn started_text(&self) -> String {
        fs::read_to_string(self.lab.config_path()).expect("it is there")
    }

    /// Waits until both files have the learning rate given, and nothing else differs.
    #[track_caller]
    fn until_files_have(&self, rate: f64) {
        let start = Instant::now();
        let own = self.run().join("config.toml");
        let has = |path: &Path| {
            RunConfig::load(path, &[]).is_ok_and(|c| c.train.learning_rate == Some(rate))
        };
        while !(has(&own) && has(&self.lab.config_path())) {
            assert!(start.elapsed() < LIMIT, "{}", self.started_text());
            sleep(Duration::from_millis(20));
        }
    }

    #[track_caller]
    fn stop(mut self) {
        let _accepted = self.ctl(&["stop"]).expect_code(0);
        self.until(|event| matches!(event.kind, Kind::Finished { reason, .. } if reason == Ending::Stopped));
        let address = self.address();
        let _ended = self.running.wait().expect_code(0);
        assert!(address.is_none_or(|address| !address.exists()));
    }
}

fn within(command: &mut Command, runtime: Option<&TempDir>) {
    match runtime {
        Some(folder) => command.env("XDG_RUNTIME_DIR", folder.path()),
        None => command.env_remove("XDG_RUNTIME_DIR"),
    };
}

#[track_caller]
fn steer(mut desk: Desk) {
    let said = desk.ctl(&["pause"]).expect_code(0);
    assert_eq!(said.stdout, "pause: accepted\n");
    desk.until(|event| matches!(event.kind, Kind::Paused { .. }));
    let steps = desk.steps();
    sleep(Duration::from_millis(700));
    assert_eq!(desk.steps(), steps, "a step while paused");

    let _accepted = desk.ctl(&["step", "2"]).expect_code(0);
    let is_stepped = |reason: &str| reason == "stepped";
    desk.until(|event| matches!(&event.kind, Kind::Paused { reason } if is_stepped(reason)));
    assert_eq!(desk.steps(), steps + 2);

    let _accepted = desk.ctl(&["eval"]).expect_code(0);
    desk.until(|event| matches!(event.kind, Kind::Eval(_)));
    let _accepted = desk.ctl(&["checkpoint"]).expect_code(0);
    desk.until(|event| matches!(event.kind, Kind::Checkpoint { .. }));

    let before = desk.started_text();
    let said = desk.ctl(&["lr", "3e-4"]).expect_code(0);
    assert!(said.stdout.contains("0.001 → 0.0003"), "{}", said.stdout);
    desk.until_files_have(3e-4);
    assert_eq!(desk.started_text(), before.replace("1e-3", "0.0003"));
    let _accepted = desk.ctl(&["resume"]).expect_code(0);
    let has_rate = |event: &Event, rate: f64| match &event.kind {
        Kind::Step(step) => step.learning_rate.to_bits() == rate.to_bits(),
        _ => false,
    };
    desk.until(|event| has_rate(event, 3e-4));
    let _accepted = desk.ctl(&["undo"]).expect_code(0);
    desk.until_files_have(1e-3);
    assert_eq!(desk.started_text(), before.replace("1e-3", "0.001"));

    let expected = [
        "pause",
        "step 2",
        "evaluate",
        "checkpoint",
        "learning_rate 3e-4",
        "resume",
        "undo",
    ];
    let expected: Vec<_> = expected.map(|word| (word.to_owned(), true)).into();
    assert_eq!(desk.commands(), expected);
    desk.stop();
}

#[test]
fn a_run_is_steered_through_its_mailbox_alone() {
    steer(Desk::new(None));
}

#[test]
fn a_run_is_steered_through_its_socket() {
    let desk = Desk::with_socket();
    assert!(desk.address().is_some_and(|address| address.exists()));
    steer(desk);
}

#[test]
fn a_run_with_a_path_of_two_hundred_characters_is_steered_either_way() {
    for runtime in [None, tempfile::tempdir().ok()] {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let deep = folder.path().join("d".repeat(100)).join("e".repeat(100));
        fs::create_dir_all(&deep).expect("a temporary folder");
        let desk = Desk::start(Lab::within(&deep, LONG), runtime);
        assert!(desk.run().as_os_str().len() > 200);
        assert_eq!(desk.address().is_some(), desk.runtime.is_some());
        desk.stop();
    }
}

#[test]
fn what_a_run_cannot_do_is_refused_with_the_reason() {
    let mut desk = Desk::new(None);
    let before = desk.started_text();
    let cases = [
        ("method.n=2", "cannot change while the run goes on"),
        ("train.learning_rate=-1", "train.learning_rate"),
        ("train.learning_rat=1", "did you mean `learning_rate`?"),
    ];
    for (setting, reason) in cases {
        let refused = desk.ctl(&["set", setting]).expect_code(2);
        assert!(refused.stderr.contains(reason), "{}", refused.stderr);
    }
    let refused = desk.ctl(&["undo", "--json"]).expect_code(2);
    let told: serde_json::Value = serde_json::from_str(&refused.stdout).expect("JSON");
    assert_eq!(told["accepted"], false);
    assert_eq!(told["command"], "undo");
    assert!(desk.commands().iter().all(|(_, accepted)| !accepted));
    assert_eq!(desk.started_text(), before);
    desk.stop();
}

#[test]
fn a_run_that_is_not_running_is_not_asked() {
    let lab = Lab::new("threads = 1\nepochs = 1\nlearning_rate = 1e-2");
    let run = lab.run_path(NAME);
    let ctl = || program::run(["ctl".as_ref(), run.as_os_str(), "pause".as_ref()]);
    let nowhere = ctl().expect_code(2);
    assert!(nowhere.stderr.contains("no run here"), "{}", nowhere.stderr);
    let _ended = program::run(lab.train(&[])).expect_code(0);
    let ended = ctl().expect_code(1);
    assert!(ended.stderr.contains("is not running"), "{}", ended.stderr);
    assert_eq!(Mailbox::of(&run).look().expect("it can be listed"), []);
}

#[test]
fn a_run_that_is_taken_up_does_not_obey_what_was_sent_before() {
    let lab = Lab::new("threads = 1\nepochs = 12\nlearning_rate = 1e-2");
    let mut following = lab.follow();
    let mut running = program::start(lab.train(&[]));
    following.until_step(&mut running, 5);
    running.signal("TERM");
    let _interrupted = running.wait().expect_code(75);
    let mailbox = Mailbox::of(&lab.run_path(NAME));
    let stop = Envelope::new("test", "somebody", &Request::Stop);
    mailbox.send(&stop).expect("it can be written");
    fs::write(mailbox.folder().join("x"), "x").expect("it can be written");

    let ended = program::run(lab.train(&["--resume"])).expect_code(0);
    assert!(ended.stdout.contains("all steps done"), "{}", ended.stdout);
    let named = format!("mailbox/{}.json: not obeyed: `stop`", stop.id);
    assert!(ended.stdout.contains(&named), "{}", ended.stdout);
    assert!(ended.stdout.contains("mailbox/x: not obeyed"));
    assert_eq!(
        fs::read_dir(mailbox.folder()).map(Iterator::count).ok(),
        Some(0)
    );
}

#[test]
fn what_is_no_command_of_the_owner_is_told_and_taken_away() {
    let mut desk = Desk::new(None);
    let mailbox = Mailbox::of(&desk.run());
    let at = |name: &str| mailbox.folder().join(name);
    fs::write(at("a.json"), "{\"v\":").expect("it can be written");
    fs::write(at("b.json"), vec![b' '; 70_000]).expect("it can be written");
    std::os::unix::fs::symlink("/etc/passwd", at("c.json")).expect("it can be made");
    fs::create_dir(at("d.json")).expect("it can be made");
    for name in ["a.json", "b.json", "c.json", "d.json"] {
        let told = format!("mailbox/{name}: not obeyed");
        desk.until(|e| matches!(&e.kind, Kind::Warning { message } if message.contains(&told)));
    }
    // Put there whole, as somebody else's.
    let stop = Envelope::new("test", "somebody", &Request::Stop);
    let (name, beside) = (
        format!("{}.json", stop.id),
        desk.lab.path().join("stop.json"),
    );
    fs::write(&beside, serde_json::to_vec(&stop).expect("JSON")).expect("it can be written");
    if std::os::unix::fs::chown(&beside, Some(12_345), Some(12_345)).is_ok() {
        fs::rename(&beside, at(&name)).expect("it can be moved");
        let told = format!("mailbox/{name}: not obeyed: it belongs to user 12345");
        desk.until(|e| matches!(&e.kind, Kind::Warning { message } if message.contains(&told)));
    } else {
        let mut out = std::io::stderr().lock();
        let _told = writeln!(
            out,
            "not tested: only root can give a file to somebody else"
        );
    }
    // The file goes once the trainer has it, which tells of it at the same time.
    let start = Instant::now();
    while !mailbox.look().expect("it can be listed").is_empty() {
        assert!(start.elapsed() < LIMIT);
        sleep(Duration::from_millis(20));
    }
    assert_eq!(desk.commands(), []);
    desk.stop();
}

#[test]
fn clients_that_send_garbage_or_nothing_do_not_hold_the_run_up() {
    let mut desk = Desk::with_socket();
    let address = desk.address().expect("there is a socket");
    let connect = || UnixStream::connect(&address).expect("somebody listens");
    let silent: Vec<UnixStream> = (0..3).map(|_| connect()).collect();
    let long = vec![b'a'; 300_000];
    for garbage in [&b"\xff\n"[..], b"{\"v\":1", &long] {
        // The run may hang up first.
        let _sent = connect().write_all(garbage);
    }
    let steps = desk.following.look().last().map_or(0, |event| event.step);
    desk.until(|event| event.step >= steps + 3);
    let _accepted = desk.ctl(&["pause"]).expect_code(0);
    drop(silent);
    desk.stop();
}

/// Replaces one text in a file, as an editor that writes in place.
#[track_caller]
fn save(path: &Path, from: &str, to: &str) {
    let text = fs::read_to_string(path).expect("it is there");
    assert!(text.contains(from), "no `{from}` in {text}");
    fs::write(path, text.replace(from, to)).expect("it can be written");
}

#[test]
fn an_edit_of_either_file_reaches_the_other_and_comments_stay() {
    let mut desk = Desk::new(None);
    let own = desk.run().join("config.toml");
    save(
        &own,
        "learning_rate = 0.001",
        "# lower\nlearning_rate = 5e-4",
    );
    desk.until(|event| matches!(event.kind, Kind::ConfigApplied(_)));
    desk.until_files_have(5e-4);
    assert!(
        desk.started_text()
            .contains("learning_rate = 0.0005 # by trial")
    );
    save(&desk.lab.config_path(), "0.0005 # by", "0.002 # by");
    desk.until_files_have(2e-3);
    let text = fs::read_to_string(&own).expect("it is there");
    assert!(text.contains("# lower\nlearning_rate = 0.002"), "{text}");
    // The program's own writing is no edit.
    sleep(Duration::from_millis(1500));
    let is_edit = |event: &&Event| matches!(event.kind, Kind::ConfigApplied(_));
    assert_eq!(desk.following.look().iter().filter(is_edit).count(), 2);
    desk.stop();
}

#[test]
fn different_values_saved_at_the_same_moment_are_refused() {
    let mut desk = Desk::new(None);
    let _accepted = desk.ctl(&["pause"]).expect_code(0);
    let own = desk.run().join("config.toml");
    let mut refused = 0;
    // The machine may stall between the two saves: then one has come into force before.
    for attempt in 1..=5_u32 {
        let seen = desk.following.look().len();
        let both = [own.clone(), desk.lab.config_path()];
        let texts = both.clone().map(|path| {
            let text = fs::read_to_string(path).expect("it is there");
            let lines = text.lines().map(|line| match line.split_once(" = ") {
                Some(("learning_rate", _)) => "learning_rate = RATE",
                _ => line,
            });
            lines.collect::<Vec<_>>().join("\n") + "\n"
        });
        for (at, (path, text)) in both.iter().zip(&texts).enumerate() {
            let rate = format!("{attempt}.{at}e-4");
            fs::write(path, text.replace("RATE", &rate)).expect("it can be written");
        }
        let start = Instant::now();
        let mut heard = 0;
        while heard < 2 && refused == 0 && start.elapsed() < Duration::from_secs(20) {
            sleep(Duration::from_millis(50));
            let new = &desk.following.look()[seen..];
            let is_refused = |e: &&Event| matches!(&e.kind, Kind::ConfigRefused(refusal) if refusal.message.contains("at the same moment"));
            let is_applied = |e: &&Event| matches!(e.kind, Kind::ConfigApplied(_));
            refused = new.iter().filter(is_refused).count();
            heard = new.iter().filter(is_applied).count();
        }
        if refused > 0 {
            break;
        }
    }
    assert_eq!(refused, 1);
    desk.stop();
}
