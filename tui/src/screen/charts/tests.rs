//! Charts of several runs, files, and panels without a screen around them.
#![expect(clippy::unwrap_used, reason = "tests")]

use compacter_core::view::SMOOTHING;
use compacter_tui::chart::Chart;
use ratatui::Frame;
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::layout::Rect;
use ratatui::style::Modifier;

use compacter_core::view::RunView;

use super::scene::{Scene, style};
use super::*;
use crate::screen::app::tests::assert_looks_like;
use crate::screen::panel::{Context, Format, Panel};
use crate::screen::seen::tests::{event, seen, step};
use crate::screen::shared::{Charting, Shared};
use crate::screen::theme::tests::with;
use crate::screen::theme::{Theme, Tone};

fn view(last: u64, loss: impl Fn(u64) -> f64) -> RunView {
    let mut view = RunView::default();
    for at in 1..=last {
        view.push(event(at, step(loss(at))));
    }
    view
}

fn mono() -> Theme {
    with(Tone::Mono, &[("LANG", "C.UTF-8")])
}

/// Draws with a width and a height.
fn drawn(width: u16, height: u16, draw: impl FnOnce(&mut Frame<'_>)) -> TestBackend {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    terminal.draw(draw).unwrap();
    terminal.backend().clone()
}

fn text(backend: &TestBackend) -> String {
    let text = backend.to_string();
    let lines = text.lines().map(|line| line.trim_matches('"').trim_end());
    lines.collect::<Vec<_>>().join("\n") + "\n"
}

#[test]
fn runs_laid_over_one_another_have_a_legend_with_differences() {
    let this = view(150, |at| 0.3 + 20.0 / (20.0 + at as f64));
    let other = view(200, |at| 0.2 + 20.0 / (20.0 + at as f64));
    let third = view(90, |at| 0.4 + 10.0 / (20.0 + at as f64));
    let others = || {
        vec![
            Overlaid {
                name: "lora-r8",
                view: &other,
                baseline: true,
            },
            Overlaid {
                name: "bitfit",
                view: &third,
                baseline: false,
            },
        ]
    };
    let charting = Charting {
        smoothing: 0,
        ..Charting::default()
    };
    let (theme, seen) = (mono(), seen(&this));
    let style = style(&theme, true);
    let chart: Chart<'_> = Scene::new(seen, &charting, others()).loss(&style);
    assert!((chart.to_baseline(0).unwrap() - 0.1).abs() < 1e-9);
    assert_eq!(chart.to_baseline(1), None);
    let backend = drawn(80, 20, |frame| {
        chart.draw(frame.area(), frame.buffer_mut());
    });
    let picture = text(&backend);
    for row in ["demo ● Δ+0.1000", "lora-r8 ◆ baseline", "bitfit ■ Δ+"] {
        assert!(picture.contains(row), "{row}: {picture}");
    }
    assert_looks_like("overlay", &picture);
    let first = backend
        .buffer()
        .content
        .iter()
        .find(|cell| cell.symbol() == "●");
    assert!(first.unwrap().modifier.contains(Modifier::BOLD));
}

#[test]
fn smoothing_does_not_depend_on_the_window() {
    for steps in [1_500, 40_000] {
        let this = view(steps, |at| 1.0 + (at as f64 * 0.7).sin() + 1e3 / at as f64);
        let (theme, seen) = (mono(), seen(&this));
        let style = style(&theme, true);
        for smoothing in 1..SMOOTHING.len() {
            let charting = Charting {
                smoothing,
                ..Charting::default()
            };
            let mut near = charting.clone();
            let whole = Scene::new(seen, &charting, Vec::new()).loss(&style);
            let whole = compacter_tui::chart::Picture::new(&whole, 8192);
            near.window.zoom(0.1, 1.0, (1.0, steps as f64));
            near.window.pan(-2.0, (1.0, steps as f64));
            let part = Scene::new(seen, &near, Vec::new()).loss(&style);
            let part = compacter_tui::chart::Picture::new(&part, 8192);
            let (all, few) = (&whole.traces[0], &part.traces[0]);
            let mut same = 0;
            for (column, value) in few.raw.iter().zip(&few.smooth) {
                let at = all.raw.iter().position(|c| c.step == column.step);
                let Some(at) = at else { continue };
                same += 1;
                assert!(
                    (all.smooth[at] - value).abs() <= 1e-12 * value.abs(),
                    "{steps}"
                );
            }
            assert!(same > 50, "{same}");
        }
    }
}

#[test]
fn the_loss_and_the_chosen_chart_are_written_as_they_are_shown() {
    let this = view(100, |at| 1.0 / at as f64);
    let theme = mono();
    let mut shared = Shared::default();
    shared.charting.smoothing = 0;
    shared.charting.window.zoom(0.1, 1.0, (1.0, 100.0));
    let context = Context {
        seen: seen(&this),
        shared: &shared,
        theme: &theme,
        focused: true,
    };
    let table = Loss.export(Format::Csv, &context).unwrap();
    assert_eq!(
        table.lines().count(),
        12,
        "a heading and eleven steps: {table}"
    );
    assert!(
        table.contains("train,90,90,0.0111"),
        "not where it is drawn"
    );
    assert!(table.contains("train,100,100,0.01,"));
    let grid = Grid::default();
    let table = grid.export(Format::Csv, &context).unwrap();
    assert!(table.contains("loss,100,100,0.01,"));
    assert!(
        grid.export(Format::Svg, &context)
            .unwrap()
            .starts_with("<svg")
    );
}

#[test]
fn no_panel_is_too_small() {
    let this = view(100, |at| 1.0 / at as f64);
    let (theme, shared, nothing) = (mono(), Shared::default(), RunView::default());
    for view in [&this, &nothing] {
        for (width, height) in [
            (1, 1),
            (2, 2),
            (3, 40),
            (100, 1),
            (14, 5),
            (20, 9),
            (260, 80),
        ] {
            let context = Context {
                seen: seen(view),
                shared: &shared,
                theme: &theme,
                focused: true,
            };
            drawn(width, height, |frame| {
                for area in [frame.area(), Rect::ZERO] {
                    Loss.draw(frame, area, &context);
                    Grid::default().draw(frame, area, &context);
                }
            });
        }
    }
}
