//! Charts on the screen: keys, clicks, pictures, styles.

use ratatui::crossterm::event::KeyModifiers;
use ratatui::style::{Color, Modifier};

use super::*;

/// A screen of a run with evaluations, at a step of 200.
fn bench() -> Bench {
    let mut bench = Bench::new();
    let metrics = |at: u64| {
        [("loss", 1.0), ("accuracy", 0.5)].map(|(n, v)| (n.to_owned(), v * 40.0 / at as f64))
    };
    let evals = [40, 80, 120].map(|at| {
        let eval = event::Eval {
            split: "validation".to_owned(),
            metrics: metrics(at).into(),
            best: false,
            seconds: 1.0,
        };
        event(124 + at / 40, Kind::Eval(eval))
    });
    bench.happened(&evals);
    bench
}

#[test]
fn the_grid_fits_every_size() {
    for (width, height) in [(80, 24), (120, 40), (200, 60)] {
        let mut bench = bench();
        bench.press("2");
        assert_looks_like(
            &format!("charts-{width}x{height}"),
            &bench.picture(width, height),
        );
        let drawn = bench.buffer(width, height);
        let chosen = drawn
            .content
            .iter()
            .find(|cell| cell.symbol() == "▸" && cell.modifier.contains(Modifier::BOLD));
        assert!(chosen.is_some(), "the chosen chart is marked");
        let corners: Vec<_> = drawn
            .content
            .iter()
            .filter(|cell| cell.symbol() == "┌")
            .collect();
        assert!(
            corners[0].modifier.contains(Modifier::BOLD),
            "its frame is bold"
        );
        assert!(
            corners[1].modifier.contains(Modifier::DIM),
            "that of others is not"
        );
    }
}

#[test]
fn keys_choose_filter_and_open_charts() {
    let mut bench = bench();
    bench.press("2");
    bench.picture(80, 24);
    bench.press("jj");
    assert!(bench.picture(80, 24).contains("▸train/gradient_norm"));
    bench.press("\n");
    let alone = bench.picture(80, 24);
    assert_eq!(alone.matches('┌').count(), 1, "{alone}");
    bench.press("j");
    assert!(bench.picture(80, 24).contains("train/tokens_per_second"));
    bench.press("\x1b\x1b");
    bench.press("/accuracy\n");
    let filtered = bench.picture(80, 24);
    assert!(
        filtered.contains("charts 1-1 of 1  filter accuracy"),
        "{filtered}"
    );
    bench.press("/(/\n");
    bench.press("//(/\n");
    assert!(bench.app.toast.as_ref().unwrap().bad);
    bench.press("/nothing like it\n");
    assert!(
        bench
            .picture(80, 24)
            .contains("no charts  filter nothing like it")
    );
    assert_eq!(bench.press("Y"), Wish::None, "there is nothing to copy");
}

#[test]
fn inspecting_looks_as_expected() {
    let mut bench = bench();
    bench.picture(120, 40);
    bench.press("ihhhhb");
    assert!(bench.app.toast.is_some());
    bench.press("\x1blllyx");
    assert_looks_like("overview-inspect", &bench.picture(120, 40));
    let drawn = bench.buffer(120, 40);
    let cross = drawn
        .content
        .iter()
        .find(|cell| cell.symbol() == "┼")
        .unwrap();
    assert!(cross.modifier.contains(Modifier::REVERSED));
    assert!(matches!(bench.press("Y"), Wish::Copy(text) if text == "0.2333"));
    bench.press("\x1b");
    assert_eq!(bench.app.shared.charting.cursor, None);
}

#[test]
fn every_key_of_a_chart_changes_what_it_says() {
    let mut bench = bench();
    bench.picture(120, 40);
    bench.press("+");
    assert!(bench.picture(120, 40).contains("zoom"));
    bench.press("h");
    assert!(!bench.picture(120, 40).contains("follow ⏵"));
    bench.press("f");
    assert!(bench.picture(120, 40).contains("follow ⏵"));
    bench.press("0");
    assert!(!bench.picture(120, 40).contains("  zoom  "));
    bench.press("o");
    assert!(bench.picture(120, 40).contains(" outside"));
    bench.press("MM");
    assert!(!bench.picture(120, 40).contains("  smooth  "));
    for (axis, name) in ["epoch", "tokens", "time", "wall time", "step"]
        .iter()
        .zip(1..)
    {
        bench.press("x");
        assert!(
            bench.picture(120, 40).contains(&format!("x: {axis}")),
            "{name}"
        );
    }
}

#[test]
fn window_and_crosshair_keep_their_steps_on_every_axis() {
    let mut bench = bench();
    bench.picture(120, 40);
    bench.press("i+hhhhhh");
    let step = |bench: &Bench| {
        let charting = &bench.app.shared.charting;
        let axes = &bench.app.seen().view.axes;
        axes.step(charting.axis, charting.cursor.unwrap())
    };
    let before = (step(&bench), bench.app.shared.charting.clone());
    for _ in 0..2 {
        bench.press("x");
    }
    assert!((step(&bench) - before.0).abs() < 1e-6);
    bench.press("xxx");
    assert!((step(&bench) - before.0).abs() < 1e-6);
    let (old, new) = (before.1.window, bench.app.shared.charting.window);
    let extent = (1.0, 127.0);
    assert!((old.range(extent).0 - new.range(extent).0).abs() < 1e-6);
}

#[test]
fn a_click_puts_the_crosshair_there_and_the_wheel_zooms() {
    let mut bench = bench();
    bench.picture(120, 40);
    let at = |kind| MouseEvent {
        kind,
        column: 60,
        row: 10,
        modifiers: KeyModifiers::NONE,
    };
    bench.app.mouse(at(MouseEventKind::Down(MouseButton::Left)));
    let x = bench.app.shared.charting.cursor.unwrap();
    assert!((x - 62.0).abs() < 3.0, "{x}");
    bench.app.mouse(at(MouseEventKind::ScrollUp));
    assert!(!bench.app.shared.charting.window.is_whole());
    bench.press("2");
    bench.picture(120, 40);
    bench.app.mouse(at(MouseEventKind::Down(MouseButton::Left)));
    assert!(bench.picture(120, 40).contains("▸train/learning_rate"));
}

#[test]
fn themes_draw_the_loss_in_styles_of_their_own() {
    let styles = [Tone::Auto, Tone::Dark, Tone::Light, Tone::Mono].map(|tone| {
        let mut bench = bench();
        bench.app.theme = with(tone, &[("LANG", "C.UTF-8"), ("TERM", "xterm-256color")]);
        let drawn = bench.buffer(80, 24);
        let curve = drawn.content.iter().find(|cell| {
            ('\u{2801}'..='\u{28ff}').contains(&cell.symbol().chars().next().unwrap())
        });
        let curve = curve.unwrap().style();
        assert_eq!(
            curve.bg,
            drawn[(40, 5)].style().bg,
            "curves keep the ground"
        );
        curve
    });
    for (at, style) in styles.iter().enumerate() {
        assert!(!styles[at + 1..].contains(style), "{style:?}");
    }
    assert_eq!(styles[3].fg, Some(Color::Reset), "mono has no colour");
}

#[test]
fn a_jump_and_a_nan_in_a_long_run_are_on_the_screen_at_every_zoom() {
    let mut bench = Bench::new();
    let losses = (125..100_000_u64).map(|at| {
        let loss = match at {
            30_000 => 99.0,
            70_000 => f64::NAN,
            _ => 1.0 + (at as f64).sin() * 0.1,
        };
        event(at, step(loss))
    });
    bench.happened(&losses.collect::<Vec<_>>());
    while bench.app.seen().view.step < 99_999 {
        bench.app.read(1e5).unwrap();
    }
    for (width, height) in [(80, 24), (200, 60)] {
        let drawn = bench.picture(width, height);
        let lines: Vec<Vec<char>> = drawn.lines().map(|line| line.chars().collect()).collect();
        let is_dot = |c: &&char| ('\u{2801}'..='\u{28ff}').contains(*c);
        assert_eq!(lines[3].iter().filter(is_dot).count(), 1, "{drawn}");
        let axis = lines
            .iter()
            .find(|line| line[0] == '│' && line[..8].contains(&'└'))
            .unwrap();
        assert_eq!(axis.iter().filter(|c| **c == '!').count(), 1, "{drawn}");
        assert!(
            lines[2].iter().collect::<String>().contains("! 1"),
            "{drawn}"
        );
    }
    bench.app.shared.charting.cursor = Some(70_000.0);
    bench
        .app
        .shared
        .charting
        .window
        .zoom(0.5, 1.0, (1.0, 100_000.0));
    bench.app.shared.charting.window.pan(-0.1, (1.0, 100_000.0));
    for _ in 0..20 {
        bench.press("+");
        assert!(bench.picture(80, 24).contains("! 1"));
    }
}

#[test]
fn no_chart_minds_its_size_or_what_a_record_says() {
    let mut bench = bench();
    let name = "\x1b[2Jloss\u{202e}/x".to_owned();
    let odd = event::Eval {
        split: name.clone(),
        metrics: [(name, f64::INFINITY), (String::new(), 1e308)].into(),
        best: true,
        seconds: f64::NAN,
    };
    let far = |at, t| Event {
        t,
        elapsed: t,
        ..event(at, step(1e308))
    };
    let events = [
        event(128, Kind::Eval(odd)),
        far(129, -1e308),
        far(130, 1e308),
        event(131, step(f64::NAN)),
    ];
    bench.happened(&events);
    for keys in [
        "1",
        "2",
        "i",
        "\n",
        "/x\n",
        "xy",
        "xo",
        "bx",
        "+x",
        "m\x1b\x1b",
    ] {
        bench.press(keys);
        for (width, height) in [(60, 12), (61, 13), (200, 12), (80, 24), (120, 40)] {
            let drawn = bench.picture(width, height);
            assert!(!drawn.contains('\x1b'), "{keys}");
            // The log has rules of its own.
            let framed = |line: &&str| keys != "1" && line.starts_with(['│', '┌']);
            let odd = drawn
                .lines()
                .filter(framed)
                .find(|line| line.contains('\u{202e}'));
            assert_eq!(odd, None, "{keys}");
        }
    }
}
