use compacter_core::event::{Change, ConfigApplied, Kind, Refusal, Started};
use compacter_core::view::RunView;
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::style::{Color, Modifier};

use super::*;
use crate::screen::seen::tests::{event, seen};
use crate::screen::shared::Shared;
use crate::screen::theme::Tone;
use crate::screen::theme::tests::with;

const CONFIG: &str = "\
name = \"demo\"
[method]
kind = \"compacter\"
n = 4
[train]
batch_size = 16
clip_norm = 1.0
learning_rate = 0.0003
";

fn view(refusal: Option<Refusal>) -> RunView {
    let mut view = RunView::default();
    view.push(event(0, Kind::Started(started())));
    let change = Change {
        field: "train.learning_rate".to_owned(),
        old: "0.001".to_owned(),
        new: "0.0003".to_owned(),
    };
    view.push(event(
        120,
        Kind::ConfigApplied(ConfigApplied {
            version: 2,
            config: CONFIG.to_owned(),
            changes: vec![change],
            repeated: false,
        }),
    ));
    if let Some(refusal) = refusal {
        view.push(event(124, Kind::ConfigRefused(refusal)));
    }
    view
}

fn started() -> Started {
    Started {
        config: CONFIG.replace("0.0003", "0.001"),
        version: "0.1.0".to_owned(),
        device: "cpu".to_owned(),
        features: Vec::new(),
        step_form: None,
        total_steps: 200,
        groups: Vec::new(),
        trainable: 1,
        total: 2,
    }
}

fn wrong() -> Refusal {
    Refusal {
        message: "run.toml:14:17: train.learning_rate: expected a number".to_owned(),
        file: Some("run.toml".to_owned()),
        line: Some(14),
        column: Some(17),
        field: Some("train.learning_rate".to_owned()),
        reason: Some("expected a number".to_owned()),
        source: Some("learning_rate = 'fast'".to_owned()),
        restart: Vec::new(),
    }
}

fn drawn(view: &RunView, theme: &Theme, size: (u16, u16)) -> Terminal<TestBackend> {
    let Ok(mut terminal) = Terminal::new(TestBackend::new(size.0, size.1));
    let context = Context {
        seen: seen(view),
        shared: &Shared::default(),
        theme,
        focused: true,
    };
    let Ok(_frame) = terminal.draw(|frame| Config::default().draw(frame, frame.area(), &context));
    terminal
}

fn mono() -> Theme {
    with(Tone::Mono, &[("LANG", "C.UTF-8")])
}

#[test]
fn a_refused_edit_has_a_caret_under_what_is_wrong() {
    let text = drawn(&view(Some(wrong())), &mono(), (78, 18))
        .backend()
        .to_string();
    let lines: Vec<&str> = text.lines().map(|line| line.trim_matches('"')).collect();
    let at = |what: &str| lines.iter().position(|line| line.contains(what));
    let source = at("14 │ learning_rate = 'fast'").unwrap_or_else(|| panic!("{text}"));
    let column = |line: &str, what: &str| {
        let byte = line.find(what).unwrap_or_else(|| panic!("{text}"));
        line[..byte].chars().count()
    };
    let (quote, caret) = (
        column(lines[source], "'fast'"),
        column(lines[source + 1], "^"),
    );
    assert_eq!(quote, caret, "{text}");
    assert!(
        at("error: train.learning_rate: expected a number").is_some(),
        "{text}"
    );
    assert!(at("0.001 → 0.0003  step 120").is_some(), "{text}");
    assert!(lines[0].contains("v2 in force since step 120"), "{text}");
    assert!(lines[0].contains("INVALID (kept v2)"), "{text}");
}

#[test]
fn what_is_wrong_is_red_and_what_was_edited_stands_out() {
    let theme = with(
        Tone::Auto,
        &[("LANG", "C.UTF-8"), ("TERM", "xterm-256color")],
    );
    let terminal = drawn(&view(Some(wrong())), &theme, (78, 18));
    let buffer = terminal.backend().buffer();
    let row_of = |what: &str| {
        let row = |y: u16| (0..78).map(|x| buffer[(x, y)].symbol()).collect::<String>();
        (0..18)
            .find(|&y| row(y).contains(what))
            .unwrap_or_else(|| panic!("no {what}"))
    };
    assert_eq!(buffer[(0, row_of("error:"))].fg, Color::Red);
    let edited = &buffer[(0, row_of("train.learning_rate  0.001"))];
    assert!(edited.modifier.contains(Modifier::BOLD));
    assert!(
        !buffer[(0, row_of("train.clip_norm"))]
            .modifier
            .contains(Modifier::BOLD)
    );
}

#[test]
fn what_needs_a_restart_is_shown_as_pending() {
    let change = Change {
        field: "method.n".to_owned(),
        old: "4".to_owned(),
        new: "2".to_owned(),
    };
    let refusal = Refusal {
        restart: vec![change],
        ..Refusal::new("method.n cannot change while the run goes on")
    };
    let text = drawn(&view(Some(refusal)), &mono(), (118, 30))
        .backend()
        .to_string();
    assert!(text.contains("↻ method.n 4 → 2"), "{text}");
}

#[test]
fn hostile_records_and_small_areas_are_drawn() {
    let odd = Refusal {
        line: Some(usize::MAX),
        column: Some(usize::MAX),
        source: Some("\u{1b}[2J\t\u{7}".repeat(1000)),
        file: Some("\u{1b}]0;x\n".to_owned()),
        ..wrong()
    };
    let odd = view(Some(odd));
    for size in [(1, 1), (2, 40), (78, 1), (200, 60)] {
        let text = drawn(&odd, &mono(), size).backend().to_string();
        assert!(!text.contains('\u{1b}'), "{text:?}");
        drawn(&RunView::default(), &mono(), size);
    }
}
