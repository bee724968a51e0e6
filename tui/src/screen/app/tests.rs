//! The screen without a terminal: keys in, pictures out.

#![expect(clippy::unwrap_used, reason = "tests")]

mod charts;
mod every_tab;
mod runs;

use std::cell::RefCell;
use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;
use std::rc::Rc;

use compacter_core::Result;
use compacter_core::event::{self, Event, Kind};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::buffer::Buffer;
use ratatui::crossterm::event::{KeyCode, MouseButton, MouseEvent, MouseEventKind};
use tempfile::TempDir;

mod fast;

use super::*;
use crate::screen::draw::draw;
use crate::screen::seen::tests::{event, step};
use crate::screen::theme::Tone;
use crate::screen::theme::tests::with;

/// Notes what it is told to send.
struct Noting(Rc<RefCell<Vec<String>>>);

impl Steer for Noting {
    fn send(&self, words: &str) -> Result<String> {
        self.0.borrow_mut().push(words.to_owned());
        Ok(format!("sent {words}"))
    }
}

const CONFIG: &str = "\
name = 'demo'
[model]
path = 'm'
[task]
name = 't'
[train]
learning_rate = 3e-3
";

/// A step at its place in the data, of which 50 steps are one pass.
fn at_epoch(at: u64, kind: Kind) -> Kind {
    match kind {
        Kind::Step(values) => Kind::Step(event::Step {
            epoch: at as f64 / 50.0,
            ..values
        }),
        other => other,
    }
}

/// A screen, what it sent, and the folder it needs.
struct Bench {
    app: App,
    sent: Rc<RefCell<Vec<String>>>,
    runs: TempDir,
}

impl Bench {
    /// A screen of a run that is at step 124 of 200.
    fn new() -> Self {
        let runs = tempfile::tempdir().unwrap();
        let folder = RunFolder::create(runs.path(), "demo").unwrap();
        let sent = Rc::default();
        let theme = with(Tone::Mono, &[("LANG", "C.UTF-8")]);
        let source = Source::open(&folder.events_path()).unwrap();
        let steer = Box::new(Noting(Rc::clone(&sent)));
        let mut bench = Self {
            app: App::new(folder, source, theme, steer),
            sent,
            runs,
        };
        let started = event::Started {
            config: CONFIG.to_owned(),
            version: "0.1.0".to_owned(),
            device: "cpu".to_owned(),
            features: Vec::new(),
            step_form: None,
            total_steps: 200,
            groups: Vec::new(),
            trainable: 14_320,
            total: 22_713_216,
        };
        let started = event(0, Kind::Started(started));
        let steps = (1..=124).map(|at| event(at, at_epoch(at, step(28.7 / at as f64))));
        bench.happened(&std::iter::once(started).chain(steps).collect::<Vec<_>>());
        bench.app.shared.others.settle(124.0);
        bench
    }

    /// Has the run record events, and the screen read them.
    fn happened(&mut self, events: &[Event]) {
        let path = self.app.folder.events_path();
        let mut record = OpenOptions::new()
            .append(true)
            .create(true)
            .open(path)
            .unwrap();
        for event in events {
            let line = serde_json::to_string(event).unwrap() + "\n";
            record.write_all(line.as_bytes()).unwrap();
        }
        let now = events.last().unwrap().t;
        self.app.read(now).unwrap();
    }

    fn press(&mut self, keys: &str) -> Wish {
        let key = |c| match c {
            '\n' => Key::code(KeyCode::Enter),
            '\t' => Key::code(KeyCode::Tab),
            '\x1b' => Key::code(KeyCode::Esc),
            c => Key::char(c),
        };
        let wishes = keys.chars().map(|c| self.app.key(key(c)));
        wishes.last().unwrap_or(Wish::None)
    }

    fn buffer(&mut self, width: u16, height: u16) -> Buffer {
        let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
        terminal.draw(|frame| draw(frame, &mut self.app)).unwrap();
        terminal.backend().buffer().clone()
    }

    fn picture(&mut self, width: u16, height: u16) -> String {
        let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
        terminal.draw(|frame| draw(frame, &mut self.app)).unwrap();
        let text = terminal.backend().to_string();
        let lines = text.lines().map(|line| line.trim_matches('"').trim_end());
        lines.collect::<Vec<_>>().join("\n") + "\n"
    }

    fn sent(&self) -> Vec<String> {
        self.sent.borrow().clone()
    }
}

/// Compares with a picture in the repository; `UPDATE_PICTURES=1` writes it.
#[track_caller]
pub(crate) fn assert_looks_like(name: &str, picture: &str) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/screen/app/pictures");
    let path = folder.join(format!("{name}.txt"));
    if std::env::var_os("UPDATE_PICTURES").is_some() {
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(&path, picture).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(picture, expected, "{}", path.display());
}

#[test]
fn each_size_shows_what_fits() {
    for (name, width, height) in [
        ("line", 50, 3),
        ("compact", 80, 24),
        ("regular", 120, 40),
        ("wide", 200, 60),
    ] {
        assert_looks_like(name, &Bench::new().picture(width, height));
    }
}

#[test]
fn overlays_look_as_expected() {
    for (name, keys) in [
        ("help", "?"),
        ("help-searched", "?check"),
        ("quit", "q"),
        ("palette", ":ste"),
        ("confirm", "P"),
        ("rate", "L*"),
    ] {
        let mut bench = Bench::new();
        bench.press(keys);
        assert_looks_like(name, &bench.picture(80, 24));
    }
}

#[test]
fn ascii_is_ascii() {
    let mut bench = Bench::new();
    bench.app.theme = with(Tone::Mono, &[]);
    for keys in ["", "?", "\x1bq", "\x1bL*", "\x1b:", "\x1b4", "5"] {
        bench.press(keys);
        let picture = bench.picture(120, 40);
        let odd: String = picture.chars().filter(|c| !c.is_ascii()).collect();
        assert_eq!(odd, "", "{keys:?}");
    }
}

#[test]
fn no_area_is_too_small_to_draw_in() {
    let mut bench = Bench::new();
    for keys in ["", "?", "\x1bq", "\x1b:", "\x1bL", "\x1b4", "5"] {
        bench.press(keys);
        for (width, height) in [(1, 1), (2, 60), (200, 1), (60, 12), (61, 13)] {
            bench.picture(width, height);
        }
    }
}

#[test]
fn steering_asks_first_and_sends_what_ctl_would() {
    let mut bench = Bench::new();
    bench.press("P\x1bPxR\nSSOO");
    assert_eq!(bench.sent(), ["resume", "stop", "step 1"]);
    bench.press(":step 10\n:set train.clip_norm=2\n:lr 1e-4\nL/\n");
    assert_eq!(
        bench.sent()[3..],
        ["step 10", "set train.clip_norm=2", "lr 1e-4", "lr 1.5e-3"]
    );
}

#[test]
fn leaving_a_run_that_goes_on_asks_and_one_that_ended_does_not() {
    let mut bench = Bench::new();
    assert_eq!(bench.press("q"), Wish::None);
    assert_eq!(bench.press("\n"), Wish::Leave);
    assert_eq!(bench.press("qS"), Wish::Save);
    assert_eq!(bench.press("qK"), Wish::Kill);
    let ctrl_c = Key::ctrl('c');
    assert_eq!(
        (bench.app.key(ctrl_c), bench.app.key(ctrl_c)),
        (Wish::None, Wish::Save)
    );
    let reason = event::Ending::Steps;
    bench.happened(&[event(200, Kind::Finished { reason, best: None })]);
    assert_eq!(bench.press("q"), Wish::Leave);
}

#[test]
fn ctrl_c_comes_before_whatever_is_open() {
    let mut bench = Bench::new();
    for open in [":ste", "?", "/x", "P", "L"] {
        bench.press(open);
        assert_eq!(bench.app.key(Key::ctrl('c')), Wish::None);
        assert_eq!(bench.app.overlay, Some(Overlay::Quit), "{open}");
        bench.press("\x1b");
    }
    assert_eq!(bench.sent(), [""; 0]);
}

#[test]
fn small_letters_never_reach_the_run() {
    let mut bench = Bench::new();
    let keys: Vec<char> = ('a'..='z')
        .chain('0'..='9')
        .chain("[]+-?.,;\n\t\x1b".chars())
        .collect();
    for first in &keys {
        for second in &keys {
            let wishes = [*first, *second, '\n'].map(|c| bench.press(&c.to_string()));
            let harmless = |wish: &Wish| {
                matches!(
                    wish,
                    Wish::None | Wish::Leave | Wish::Export(_) | Wish::Open(_)
                )
            };
            assert!(wishes.iter().all(harmless), "{first:?} {second:?}");
        }
        bench.press("\x1b\x1b");
    }
    assert_eq!(bench.sent(), [""; 0]);
}

#[test]
fn a_frozen_picture_stays_and_says_how_far_the_run_is() {
    let mut bench = Bench::new();
    bench.press("F");
    bench.happened(&[event(130, step(0.1))]);
    let picture = bench.picture(120, 40);
    assert!(
        picture.contains("FROZEN +6 steps") && picture.contains("124/200"),
        "{picture}"
    );
    bench.press("F");
    assert!(bench.picture(120, 40).contains("130/200"));
}

#[test]
fn a_refused_edit_is_seen_in_every_tab_until_a_good_one() {
    let mut bench = Bench::new();
    let refusal = event::Refusal::new("run.toml:3:1: expected a number");
    bench.happened(&[event(124, Kind::ConfigRefused(refusal))]);
    for tab in ["1", "6", "7"] {
        bench.press(tab);
        let picture = bench.picture(80, 24);
        assert!(picture.contains("kept at v1: run.toml:3:1"), "{picture}");
    }
}

#[test]
fn the_mouse_chooses_tabs_and_panels_and_scrolls() {
    let mut bench = Bench::new();
    let picture = bench.picture(120, 40);
    let label = picture.lines().nth(1).and_then(|tabs| tabs.find("Config"));
    let before = &picture.lines().nth(1).unwrap()[..label.unwrap()];
    let tab = u16::try_from(before.chars().count()).unwrap();
    let at = |kind, column, row| MouseEvent {
        kind,
        column,
        row,
        modifiers: ratatui::crossterm::event::KeyModifiers::NONE,
    };
    let click = MouseEventKind::Down(MouseButton::Left);
    bench.app.mouse(at(click, 30, 35));
    assert_eq!(bench.app.focus, 2);
    bench.app.mouse(at(MouseEventKind::ScrollUp, 30, 35));
    bench.app.mouse(at(click, tab, 1));
    assert_eq!(bench.app.tabs[bench.app.tab].name, "Config");
}
