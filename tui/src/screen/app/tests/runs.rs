//! The runs beside the watched one, and what is trained.

use ratatui::style::{Color, Modifier};

use super::*;

/// A screen of a T5-base with Compacter, beside three other runs.
fn among_runs() -> Bench {
    let mut bench = Bench::new();
    let group = |name: &str, formula: &str, count| event::Group {
        name: name.to_owned(),
        formula: formula.to_owned(),
        count,
    };
    let started = |config: &str| event::Started {
        config: config.replace("path = 'm'", "path = 't5-base'"),
        version: "0.1.0".to_owned(),
        device: "cpu".to_owned(),
        features: Vec::new(),
        step_form: None,
        total_steps: 200,
        groups: vec![
            group("fast weights", "48 · 2 · (768 + 24)", 76_032),
            group("slow weights", "4 · 4 · 4", 64),
            group("biases", "48 · (24 + 768)", 38_016),
            group("layer norms", "62 · 768", 47_616),
        ],
        trainable: 161_728,
        total: 222_903_552,
    };
    let lora = CONFIG.replace("[task]", "[method]\nkind = 'lora'\n[task]");
    let reason = event::Ending::Steps;
    let failed = |message: &str| Kind::Failed {
        message: message.to_owned(),
    };
    let runs = bench.runs.path().to_owned();
    bench.happened(&[
        event(0, Kind::Started(started(CONFIG))),
        event(124, step(0.23)),
        measured(124, 0.871),
    ]);
    for (name, config, at, accuracy, end) in [
        (
            "lora-r8",
            &*lora,
            200,
            0.9,
            Kind::Finished { reason, best: None },
        ),
        (
            "debug",
            CONFIG,
            60,
            f64::NAN,
            failed("the loss is not finite"),
        ),
        (
            "no-edit",
            CONFIG,
            200,
            0.85,
            Kind::Finished { reason, best: None },
        ),
    ] {
        let folder = RunFolder::create(&runs, name).unwrap();
        let first = event(1, Kind::Started(started(config)));
        let events = [
            first,
            event(at, step(0.2)),
            measured(at, accuracy),
            event(at, end),
        ];
        let lines: String = events.iter().map(Event::to_line).collect();
        std::fs::write(folder.events_path(), lines).unwrap();
    }
    bench.app.shared.others.settle(3600.0);
    bench
}

fn measured(at: u64, accuracy: f64) -> Event {
    let metrics = [("loss", 1.1 - accuracy), ("accuracy", accuracy)];
    event(
        at,
        Kind::Eval(event::Eval {
            split: "validation".to_owned(),
            metrics: metrics.map(|(name, value)| (name.to_owned(), value)).into(),
            best: true,
            seconds: 1.0,
        }),
    )
}

#[test]
fn runs_and_parameters_look_as_expected() {
    for (name, keys, width, height) in [
        ("runs-compact", "5", 80, 24),
        ("runs-regular", "5", 120, 40),
        ("runs-wide", "5j *", 200, 60),
        ("runs-filtered", "5/method:lora lr<=1e-2\n", 80, 24),
        ("params-compact", "4", 80, 24),
        ("params-regular", "4", 120, 40),
        ("overview-runs", "1", 200, 60),
    ] {
        let mut bench = among_runs();
        bench.picture(width, height);
        bench.press(keys);
        assert_looks_like(name, &bench.picture(width, height));
    }
}

#[test]
fn rows_of_runs_are_coloured_by_how_the_runs_stand() {
    let mut bench = among_runs();
    bench.app.theme = with(Tone::Auto, &[("LANG", "C.UTF-8")]);
    bench.press("5");
    let mut terminal = Terminal::new(TestBackend::new(120, 40)).unwrap();
    terminal.draw(|frame| draw(frame, &mut bench.app)).unwrap();
    let buffer = terminal.backend().buffer();
    let style_of = |word: &str| {
        let cells = (2..40).flat_map(|y| (0..100).map(move |x| (x, y)));
        let text = |(x, y)| -> String { (x..x + 6).map(|x| buffer[(x, y)].symbol()).collect() };
        let found = cells
            .into_iter()
            .find(|&at| text(at).starts_with(word))
            .unwrap();
        buffer[found].style()
    };
    assert_eq!(style_of("failed").fg, Some(Color::Red));
    assert_eq!(style_of("done").fg, Some(Color::Green));
    let chosen = style_of("run   ").add_modifier;
    assert!(!chosen.contains(Modifier::REVERSED));
    assert!(style_of("demo  ").add_modifier.contains(Modifier::REVERSED));
}

#[test]
fn the_chosen_run_is_watched_forked_or_laid_over() {
    let mut bench = among_runs();
    bench.picture(120, 40);
    let path = bench.runs.path().join("lora-r8");
    bench.press("5/lora\n");
    assert_eq!(bench.press("\n"), Wish::Open(path.clone()));
    assert_eq!(bench.press("BB"), Wish::Fork(path.clone(), None));
    assert_eq!(bench.press(":fork 40\n\n"), Wish::Fork(path, Some(40)));
    bench.press(" ");
    let names: Vec<&str> = bench
        .app
        .shared
        .overlaid()
        .into_iter()
        .map(|other| other.name)
        .collect();
    assert_eq!(names, ["lora-r8"]);
    bench.press("/colour:red\n");
    assert!(bench.picture(120, 40).contains("no such field `colour`"));
    bench.press("1:fork 40\n");
    let folder = bench.app.folder.path().to_owned();
    assert_eq!(bench.press("\n"), Wish::Fork(folder, Some(40)));
}
