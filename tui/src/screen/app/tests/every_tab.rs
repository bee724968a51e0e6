//! Every tab of the run that the program carries, at the usual sizes and in every theme.

use compacter_core::embedded;
use ratatui::buffer::Buffer;

use super::*;

/// The tabs that show this run only: that of the runs has pictures of its own.
const TABS: [(&str, &str); 6] = [
    ("1", "overview"),
    ("2", "charts"),
    ("3", "fast-weights"),
    ("4", "params"),
    ("6", "config"),
    ("7", "log"),
];

impl Bench {
    /// A screen of the run that the program carries, at its end.
    fn demo() -> Self {
        let mut bench = Self::new();
        let path = bench.app.folder.events_path();
        std::fs::remove_file(&path).unwrap();
        let record = embedded::DEMO.unwrap();
        std::fs::write(&path, record).unwrap();
        let source = Source::open(&path).unwrap();
        let last = record.split_inclusive(|&b| b == b'\n').next_back().unwrap();
        let last = Event::from_line(last);
        let steer = Box::new(Noting(Rc::clone(&bench.sent)));
        let folder = bench.app.folder.clone();
        bench.app.change_run(folder, source, steer);
        let now = last.unwrap().t;
        bench.app.read(now).unwrap();
        bench.app.shared.others.settle(now);
        bench
    }
}

#[test]
fn every_tab_looks_as_expected() {
    let mut bench = Bench::demo();
    for (key, name) in TABS {
        bench.press(key);
        for (width, height) in [(80, 24), (120, 40)] {
            let picture = bench.picture(width, height);
            assert_looks_like(&format!("demo-{name}-{width}x{height}"), &picture);
        }
    }
    for (key, name) in [("1", "overview"), ("3", "fast-weights")] {
        bench.press(key);
        for (width, height) in [(200, 60), (50, 10)] {
            let picture = bench.picture(width, height);
            assert_looks_like(&format!("demo-{name}-{width}x{height}"), &picture);
        }
    }
}

#[test]
fn no_two_themes_draw_a_tab_alike_and_none_draws_other_words() {
    let mut bench = Bench::demo();
    let utf8 = ("LANG", "C.UTF-8");
    let truecolor = ("COLORTERM", "truecolor");
    for (key, name) in TABS {
        bench.press(key);
        let tones = [Tone::Auto, Tone::Dark, Tone::Light, Tone::Mono];
        let drawn = tones.map(|tone| {
            bench.app.theme = with(tone, &[utf8, truecolor]);
            bench.buffer(120, 40)
        });
        for (at, one) in drawn.iter().enumerate() {
            for (other_at, other) in drawn.iter().enumerate().skip(at + 1) {
                let styles = |buffer: &Buffer| -> Vec<_> {
                    buffer
                        .content
                        .iter()
                        .map(ratatui::buffer::Cell::style)
                        .collect()
                };
                let tones = (tones[at], tones[other_at]);
                assert_ne!(styles(one), styles(other), "{name}: {tones:?}");
                let top = |buffer: &Buffer| -> String {
                    let cells = buffer.content[..240].iter();
                    cells.map(ratatui::buffer::Cell::symbol).collect()
                };
                assert_eq!(top(one), top(other), "{name}: {tones:?}");
            }
        }
        let coloured = drawn[3].content.iter().find(|cell| {
            let reset = |colour| matches!(colour, ratatui::style::Color::Reset);
            // What is no number is red everywhere.
            !(reset(cell.fg) && reset(cell.bg)) && cell.symbol() != "!"
        });
        assert_eq!(coloured, None, "{name}: mono has a colour");
    }
}

#[test]
fn what_matters_is_found_by_its_style() {
    let mut bench = Bench::demo();
    bench.app.theme = with(Tone::Auto, &[("LANG", "C.UTF-8")]);
    for (key, name) in TABS {
        bench.press(key);
        let buffer = bench.buffer(120, 40);
        let strong = bench.app.theme.strong();
        let row: String = (0..120).map(|x| buffer[(x, 1)].symbol()).collect();
        let open = row.chars().position(|c| c == '[').unwrap();
        let chosen = &buffer[(u16::try_from(open).unwrap() + 1, 1)];
        assert_eq!(Some(chosen.fg), strong.fg, "{name}");
        assert!(chosen.modifier.contains(strong.add_modifier), "{name}");
        // The focused panel's frame is the one that stands out; the charts have a line above.
        let corner = &buffer[(0, if name == "charts" { 3 } else { 2 })];
        assert_eq!(
            (corner.symbol(), Some(corner.fg)),
            ("┌", strong.fg),
            "{name}"
        );
    }
}
