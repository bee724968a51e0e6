//! Tests of charts, by what stands on the screen.
#![expect(clippy::unwrap_used, reason = "tests")]

mod pictures;
mod ways;

use std::collections::BTreeMap;

use compacter_core::event::{Eval, Event, Kind, SCHEMA, Step};
use ratatui::buffer::{Buffer, Cell};
use ratatui::layout::Rect;

use super::*;
use compacter_core::view::{Axis, RunView};

fn event(step: u64, kind: Kind) -> Event {
    Event {
        v: SCHEMA,
        run: "demo".to_owned(),
        step,
        t: 1_795_000_000.0 + step as f64,
        elapsed: step as f64,
        kind,
    }
}

fn step(at: u64, loss: f64) -> Event {
    event(
        at,
        Kind::Step(Step {
            loss,
            learning_rate: 1e-3,
            gradient_norm: 0.5,
            epoch: at as f64 / 100.0,
            total_steps: 1000,
            tokens: 300,
            seconds: 0.5,
            memory: None,
            peak_memory: None,
            skipped: !loss.is_finite(),
        }),
    )
}

fn eval(at: u64, loss: f64) -> Event {
    let metrics = BTreeMap::from([("loss".to_owned(), loss)]);
    let split = "validation".to_owned();
    event(
        at,
        Kind::Eval(Eval {
            split,
            metrics,
            best: false,
            seconds: 1.0,
        }),
    )
}

fn run(losses: impl IntoIterator<Item = f64>) -> RunView {
    let mut view = RunView::default();
    for (at, loss) in (1..).zip(losses) {
        view.push(step(at, loss));
    }
    view
}

/// A run as they are: a falling loss with noise, evaluations, a checkpoint, an edit, a pause.
fn usual(steps: u64) -> RunView {
    let mut view = RunView::default();
    let fall = |at: u64| 0.15 + 0.65 * (-(at as f64) / (steps as f64 / 5.0)).exp();
    let noise = |at: u64| (at as f64 * 12.9898).sin() * 0.04;
    for at in 1..=steps {
        let loss = match at {
            _ if at == steps / 3 => 0.9,
            _ if at == steps / 2 => f64::NAN,
            _ => fall(at) + noise(at),
        };
        view.push(step(at, loss));
        if at.is_multiple_of(steps / 6) {
            view.push(eval(at, fall(at) + 0.03));
        }
        let path = "checkpoints/x".to_owned();
        let reason = "asked".to_owned();
        match at {
            _ if at == steps / 5 => view.push(event(at, Kind::Checkpoint { path, best: true })),
            _ if at == steps / 4 => view.push(event(at, Kind::Paused { reason })),
            _ => {}
        }
    }
    view
}

fn loss<'a>(view: &'a RunView, style: &'a ChartStyle) -> Chart<'a> {
    Chart::new("loss", style).with(view, "train/loss", "train", CurveKind::Line)
}

fn both<'a>(view: &'a RunView, style: &'a ChartStyle) -> Chart<'a> {
    loss(view, style)
        .with(view, "eval/validation/loss", "eval", CurveKind::Points)
        .with_marks(view)
}

/// What a chart draws, as lines of text.
fn text(chart: &Chart<'_>, width: u16, height: u16) -> String {
    let mut buffer = Buffer::empty(Rect::new(0, 0, width, height));
    chart.draw(buffer.area, &mut buffer);
    let cells = buffer.content.chunks(usize::from(width).max(1));
    let lines = cells.map(|row| row.iter().map(Cell::symbol).collect::<String>());
    lines.collect::<Vec<_>>().join("\n")
}
