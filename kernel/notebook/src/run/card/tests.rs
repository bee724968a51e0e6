use compacter_core::event::{Event, Step};

use super::*;

fn step(at: u64, loss: f64) -> Event {
    let values = Step {
        loss,
        learning_rate: 1e-3,
        gradient_norm: 1.0,
        epoch: at as f64 / 100.0,
        total_steps: 100_000,
        tokens: 64,
        seconds: 0.01,
        memory: None,
        peak_memory: None,
        skipped: !loss.is_finite(),
    };
    Event {
        v: 1,
        run: "<script>".to_owned(),
        step: at,
        t: now(),
        elapsed: at as f64 * 0.01,
        kind: compacter_core::event::Kind::Step(values),
    }
}

#[test]
fn the_picture_of_a_long_run_with_bad_steps_is_small_and_shows_them() {
    let mut view = RunView::default();
    for at in 1..=100_000_u64 {
        let loss = if at % 10_000 == 0 {
            f64::NAN
        } else {
            1.0 / (at as f64).sqrt()
        };
        view.push(step(at, loss));
    }
    let chart = loss(&view);
    assert_eq!(chart.bad.len(), 10);
    let svg = chart.svg();
    assert!(svg.len() < 60_000, "{} bytes", svg.len());
    assert!(svg.contains(&css(BAD)) && !svg.contains("NaN"));
    let html = bundle(&view, true, Path::new("runs/<script>"))
        .html()
        .to_owned();
    assert!(html.len() < 60_000, "{} bytes", html.len());
    assert!(!html.contains("<script>"));
}

#[test]
fn a_run_without_anything_yet_is_a_card_too() {
    let bundle = bundle(&RunView::default(), true, Path::new("runs/x"));
    assert!(bundle.text().contains("loading"), "{}", bundle.text());
}
