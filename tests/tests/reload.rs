//! A run whose configuration files are saved in all the ways in which editors save.
//!
//! Every way meets every content: the run goes on, takes no half file, and records exactly
//! one event for each save. How long that took is printed: `-- --nocapture`.
#![cfg(unix)]

use std::fs;
use std::io::Write;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use compacter_core::event::{Event, Kind};
use compacter_tests::program::{self, Running};
use compacter_tests::runs::{Following, Lab, NAME};

/// The last key is the one that is edited: a file cut in its value can be read.
const LONG: &str = "threads = 1
learning_rate = 1e-3
schedule = 'constant'
warmup = 0
checkpoint_every = 100000
max_steps = 900000000";

/// Halves further apart than this are two saves: the machine stalled.
const STALLED: Duration = Duration::from_millis(900);

/// How a file is saved.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Way {
    /// Another one is written and renamed over it.
    RenameOver,
    /// It is moved away, written anew, and the old one is deleted.
    Backup,
    Truncate,
    /// In two parts, so many milliseconds apart, without closing it in between.
    Halves(u64),
    DeleteCreate,
    /// A link to another file is renamed over it.
    SwapLink,
    /// It is deleted, and a link to another file takes its place.
    DeleteLink,
    /// What the link points to is replaced.
    ReplaceTarget,
}

/// What it is saved with.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Content {
    Valid,
    Syntax,
    Type,
    Unknown,
    Empty,
}

const ALL: [Content; 5] = [
    Content::Valid,
    Content::Syntax,
    Content::Type,
    Content::Unknown,
    Content::Empty,
];

/// What was recorded of a save.
#[derive(Debug, PartialEq)]
enum Told {
    Applied(String),
    Refused(String),
    Agreed,
}

/// A run that goes on, and one of its files.
struct Desk {
    lab: Lab,
    running: Running,
    following: Following,
    path: PathBuf,
    text: String,
    saves: u32,
    told: usize,
}

impl Desk {
    fn new(own: bool, environment: &[(&str, &str)]) -> Self {
        let lab = Lab::new(LONG);
        let mut following = lab.follow();
        let mut command = Command::new(program::path());
        command
            .args(lab.train(&[]))
            .envs(environment.iter().copied());
        let mut running = program::spawn(command);
        following.until_step(&mut running, 2);
        let copy = lab.run_path(NAME).join("config.toml");
        let path = if own { copy } else { lab.config_path() };
        let text = fs::read_to_string(&path).expect("it is there");
        Self {
            lab,
            running,
            following,
            path,
            text,
            saves: 0,
            told: 0,
        }
    }

    /// A text with the content wanted, where it may be cut, and its value.
    fn text(&self, content: Content) -> (String, usize, String) {
        let value = format!("90000{:04}", self.saves);
        let line = self.text.lines().find(|line| line.starts_with("max_steps"));
        let line = line.expect("it is set");
        let new = match content {
            Content::Valid => format!("max_steps = {value}"),
            Content::Syntax => format!("max_steps = = {value}"),
            Content::Type => format!("max_steps = '{value}'"),
            Content::Unknown => format!("max_stepz = {value}"),
            Content::Empty => return (String::new(), 0, value),
        };
        let text = self.text.replace(line, &new);
        // In the number, after what is a smaller one.
        let cut = text.find(&value).expect("it is in it") + 7;
        (text, cut, value)
    }

    /// Saves the file, and checks what is recorded of it.
    #[track_caller]
    fn save(&mut self, way: Way, content: Content) {
        self.saves += 1;
        let step = self.following.look().last().map_or(0, |event| event.step);
        let (text, cut, value) = self.text(content);
        let gap = self.write(way, (&text, cut));
        let saved = Instant::now();
        let told = self.next();
        let took = saved.elapsed().as_millis();
        let mut out = std::io::stderr().lock();
        let _shown = writeln!(out, "{way:?} {content:?}: {took} ms, {told:?}");
        let is_expected = |told: &Told| match (content, told) {
            (Content::Valid, Told::Applied(new)) => *new == value,
            (Content::Valid, _) => false,
            (_, told) => matches!(told, Told::Refused(_)),
        };
        if gap > STALLED && !is_expected(&told) {
            let next = self.next();
            assert!(is_expected(&next), "{next:?} after a stall of {gap:?}");
        } else {
            assert!(is_expected(&told), "{way:?} {content:?}: {told:?}");
        }
        if content == Content::Valid {
            self.until_followed(&value, &text);
        }
        self.following.until_step(&mut self.running, step + 1);
    }

    /// Waits until the run has written the value into its own file and the other one: what is
    /// saved in the moment in which it does may be lost.
    #[track_caller]
    fn until_followed(&mut self, value: &str, saved: &str) {
        let own = self.lab.run_path(NAME).join("config.toml");
        let files = [own.clone(), self.lab.config_path()];
        let is_own = self.path == own;
        let wanted = format!("max_steps = {value}");
        self.running.until(|| {
            let texts = files
                .each_ref()
                .map(|path| fs::read_to_string(path).unwrap_or_default());
            let sealed = !is_own || texts[0] != saved;
            sealed && texts.iter().all(|text| text.contains(&wanted))
        });
    }

    /// Waits for the next event about the configuration.
    #[track_caller]
    fn next(&mut self) -> Told {
        let mut found = None;
        let (following, told) = (&mut self.following, self.told);
        self.running.until(|| {
            found = following.look().iter().filter_map(of_config).nth(told);
            found.is_some()
        });
        self.told += 1;
        found.expect("the run goes on")
    }

    /// Writes the file; says how far apart its halves were.
    fn write(&self, way: Way, (text, cut): (&str, usize)) -> Duration {
        let path = &self.path;
        let beside = path.with_extension("new");
        match way {
            Way::RenameOver => rename_over(path, text),
            Way::Backup => {
                let backup = path.with_extension("toml~");
                fs::rename(path, &backup).expect("it can be moved");
                write(path, text);
                fs::remove_file(&backup).expect("it can be deleted");
            }
            Way::Truncate => write(path, text),
            Way::Halves(milliseconds) => {
                let mut file = fs::File::create(path).expect("it can be written");
                file.write_all(&text.as_bytes()[..cut])
                    .expect("it can be written");
                let half = Instant::now();
                sleep(Duration::from_millis(milliseconds));
                file.write_all(&text.as_bytes()[cut..])
                    .expect("it can be written");
                return half.elapsed();
            }
            Way::DeleteCreate => {
                fs::remove_file(path).expect("it can be deleted");
                sleep(Duration::from_millis(100));
                write(path, text);
            }
            Way::SwapLink => {
                symlink(self.target(text), &beside).expect("it can be made");
                fs::rename(&beside, path).expect("it can be moved");
            }
            Way::DeleteLink => {
                let target = self.target(text);
                fs::remove_file(path).expect("it can be deleted");
                symlink(target, path).expect("it can be made");
            }
            Way::ReplaceTarget => {
                let target = path.canonicalize().expect("it leads somewhere");
                rename_over(&target, text);
            }
        }
        Duration::ZERO
    }

    /// Another file, in a folder of its own.
    fn target(&self, text: &str) -> PathBuf {
        let folder = self.lab.path().join(format!("there-{}", self.saves));
        fs::create_dir(&folder).expect("it can be made");
        let target = folder.join("target.toml");
        write(&target, text);
        target
    }

    /// Brings the file back to what is in force after a wrong save, and ends.
    #[track_caller]
    fn finish(mut self) {
        self.save(Way::RenameOver, Content::Valid);
        let (good, _, _) = self.text(Content::Valid);
        self.save(Way::Truncate, Content::Syntax);
        self.write(Way::RenameOver, (&good, 0));
        assert_eq!(self.next(), Told::Agreed);
        // Nothing more than that came.
        let told = self.following.look().iter().filter_map(of_config).count();
        assert_eq!(told, self.told);
        self.running.signal("TERM");
        let _interrupted = self.running.wait().expect_code(75);
    }
}

fn of_config(event: &Event) -> Option<Told> {
    match &event.kind {
        Kind::ConfigApplied(applied) => {
            assert_eq!(applied.changes.len(), 1, "{applied:?}");
            Some(Told::Applied(applied.changes[0].new.clone()))
        }
        Kind::ConfigRefused(refusal) => {
            assert!(refusal.file.is_some(), "{refusal:?}");
            Some(Told::Refused(refusal.message.clone()))
        }
        Kind::ConfigAgreed => Some(Told::Agreed),
        _ => None,
    }
}

fn write(path: &Path, text: &str) {
    fs::write(path, text).expect("it can be written");
}

fn rename_over(path: &Path, text: &str) {
    let beside = path.with_extension("new");
    write(&beside, text);
    fs::rename(&beside, path).expect("it can be moved");
}

#[track_caller]
fn go_through(mut desk: Desk, ways: &[Way], contents: &[Content]) {
    for &way in ways {
        for &content in contents {
            desk.save(way, content);
        }
    }
    desk.finish();
}

#[test]
fn the_launched_file_is_saved_at_once_in_every_way() {
    let ways = [
        Way::RenameOver,
        Way::Backup,
        Way::Truncate,
        Way::DeleteCreate,
    ];
    go_through(Desk::new(false, &[]), &ways, &ALL);
}

#[test]
fn the_launched_file_is_saved_in_halves() {
    let ways = [100, 400, 800].map(Way::Halves);
    go_through(Desk::new(false, &[]), &ways, &ALL);
}

#[test]
fn the_launched_file_is_a_link() {
    let ways = [
        Way::SwapLink,
        Way::ReplaceTarget,
        Way::DeleteLink,
        Way::Halves(400),
    ];
    let few = [Content::Valid, Content::Syntax, Content::Empty];
    go_through(Desk::new(false, &[]), &ways, &few);
}

#[test]
fn the_runs_own_file_is_saved_in_every_way() {
    let ways = [
        Way::RenameOver,
        Way::Backup,
        Way::Truncate,
        Way::Halves(100),
        Way::Halves(800),
        Way::DeleteCreate,
    ];
    go_through(
        Desk::new(true, &[]),
        &ways,
        &[Content::Valid, Content::Type],
    );
}

#[test]
fn saves_are_found_where_the_system_tells_of_none() {
    let desk = Desk::new(false, &[("COMPACTER_WATCH", "poll")]);
    let ways = [Way::RenameOver, Way::Halves(400), Way::SwapLink];
    go_through(desk, &ways, &[Content::Valid, Content::Unknown]);
}
