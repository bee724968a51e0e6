//! What is drawn of a run: how it stands, its curves, its best.

use std::path::Path;

use compacter_core::config::RunConfig;
use compacter_core::view::{MarkKind, RunView, Scalars, Series, Status};

use super::place::now;
use crate::show::chart::{Chart, Line, Mark};
use crate::show::colour::{self, BAD, CHECKPOINT, CURVES, EDIT, EVALUATION, css};
use crate::show::html::{append, aside, bar, facts, notice, plain_facts, title};
use crate::show::number::{duration, grouped, short};
use crate::show::{Bundle, Table};

/// Metrics that say how good a model is, the most telling first.
const TELLING: [&str; 6] = [
    "accuracy",
    "f1",
    "matthews",
    "pearson",
    "spearman",
    "exact_match",
];

/// Split whose metrics are drawn.
const SPLIT: &str = "validation";

/// A run as it stands; `runs` says whether a process works on it.
pub(super) fn bundle(view: &RunView, runs: bool, path: &Path) -> Bundle {
    let (state, colour) = state(view, runs);
    let said = said(view);
    let share = view.step as f64 / view.total_steps.max(1) as f64;
    let mut plain = format!("{}: {state}  {}", path.display(), plain_facts(said.clone()));
    let mut html = title(&format!("{} · {state}", path.display()));
    html += &bar(share, &css(colour));
    html += &facts(said);
    if let Some(warning) = trouble(view, runs) {
        append(&mut plain, format_args!("\n{warning}"));
        html += &notice(&warning, None, &css(BAD));
    }
    html += &loss(view).html();
    if let Some(chart) = metric(view) {
        html += &chart.html();
    }
    if let Some(edits) = edits(view) {
        append(&mut plain, format_args!("\n{edits}"));
        html += &aside(&edits);
    }
    if let Status::Finished {
        best: Some(best), ..
    } = view.status(now())
    {
        let mut table = Table::new(["metric", "best"]);
        for (name, value) in &best {
            table.push([name.as_str().into(), crate::show::Cell::from(*value)]);
        }
        append(&mut plain, format_args!("\n{}", table.to_text()));
        html += &table.to_html();
    }
    Bundle::plain(plain).with_html(format!("<div style=\"max-width:660px\">{html}</div>"))
}

/// How it stands, in words and as a colour.
fn state(view: &RunView, runs: bool) -> (String, plotters::style::RGBColor) {
    match view.status(now()) {
        Status::Finished { reason, .. } => (format!("finished: {reason}"), CURVES[2]),
        Status::Failed { .. } => ("failed".to_owned(), BAD),
        Status::Interrupted { reason } => (format!("saved: {reason}"), EDIT),
        Status::Paused { reason } if runs => (format!("paused: {reason}"), EDIT),
        Status::Silent { seconds } if runs => (format!("silent for {}", duration(seconds)), EDIT),
        Status::Waiting if runs => ("loading".to_owned(), CURVES[0]),
        Status::Running if runs => ("training".to_owned(), CURVES[0]),
        _ => ("not running".to_owned(), BAD),
    }
}

fn said(view: &RunView) -> Vec<(&'static str, String)> {
    let mut said = vec![(
        "step",
        format!("{} of {}", grouped(view.step), grouped(view.total_steps)),
    )];
    if let Some(latest) = &view.latest {
        said.push(("epoch", format!("{:.2}", latest.values.epoch)));
        said.push(("loss", short(latest.values.loss)));
        said.push((
            "learning rate",
            format!("{:.2e}", latest.values.learning_rate),
        ));
    }
    if let Some((name, value, _)) = main_metric(view) {
        said.push(("best", format!("{} {name}", short(value))));
    }
    match view.eta(now()) {
        Some(seconds) if view.step < view.total_steps => said.push(("left", duration(seconds))),
        _ => said.push(("took", duration(view.elapsed(now())))),
    }
    said
}

/// What needs a look.
fn trouble(view: &RunView, runs: bool) -> Option<String> {
    match view.status(now()) {
        Status::Failed { message } => Some(message),
        Status::Finished { .. } | Status::Interrupted { .. } => None,
        _ if !runs && view.started.is_some() => {
            Some("no process works on this run; `.resume()` on its builder goes on".to_owned())
        }
        _ => view.refused.as_ref().map(|refusal| refusal.message.clone()),
    }
}

/// The window of all steps: as wide as the run will be while it goes on.
fn window(view: &RunView) -> (f64, f64) {
    let last = if view.status(now()).is_over() {
        view.step
    } else {
        view.total_steps.max(view.step)
    };
    (0.0, last.max(1) as f64)
}

/// The loss: training pale and smoothed, evaluations as dots.
fn loss(view: &RunView) -> Chart {
    let window = window(view);
    let mut chart = frame(view, "loss", window);
    if let Some(series) = view.scalars.get("train/loss") {
        chart
            .lines
            .push(Line::raw(series, &view.axes, window, CURVES[0]));
        let smooth = Line::smooth(
            "training, smoothed",
            (series, &view.axes),
            window,
            CURVES[0],
        );
        chart.lines.push(smooth);
        chart
            .bad
            .extend(series.bad().steps().map(|step| step as f64));
    }
    if let Some(series) = evaluated(view, "loss") {
        chart.lines.push(dotted(view, SPLIT, series, window));
    }
    chart
}

/// The metric that decides, over the run.
fn metric(view: &RunView) -> Option<Chart> {
    let (name, _, series) = main_metric(view)?;
    let window = window(view);
    let mut chart = frame(view, &name, window);
    chart.lines.push(dotted(view, SPLIT, series, window));
    chart
        .bad
        .extend(series.bad().steps().map(|step| step as f64));
    Some(chart)
}

fn dotted(view: &RunView, name: &str, series: &Series, window: (f64, f64)) -> Line {
    Line::dotted(name, (series, &view.axes), window, EVALUATION)
}

fn frame(view: &RunView, title: &str, window: (f64, f64)) -> Chart {
    let mark = |(kind, step): (MarkKind, u64)| {
        let (name, colour, height) = match kind {
            MarkKind::Checkpoint => ("checkpoint", CHECKPOINT, 0.05),
            MarkKind::ConfigChange => ("edit", EDIT, 1.0),
            MarkKind::Pause => ("pause", colour::INK, 0.1),
            MarkKind::NotFinite => return None,
        };
        let x = step as f64;
        Some(Mark {
            name,
            x,
            colour,
            height,
        })
    };
    Chart {
        title: title.to_owned(),
        x_name: "step".to_owned(),
        marks: view.marks().filter_map(mark).collect(),
        x: Some(window),
        ..Chart::default()
    }
}

fn evaluated<'a>(view: &'a RunView, metric: &str) -> Option<&'a Series> {
    view.scalars.get(&Scalars::eval_name(SPLIT, metric))
}

/// The metric that decides which checkpoint is best: its name, best value and curve.
pub(super) fn main_metric(view: &RunView) -> Option<(String, f64, &Series)> {
    let known = view.last_eval(SPLIT)?;
    let config = view
        .config()
        .map(|text| RunConfig::parse(Path::new("config"), text, &[]));
    let chosen = config
        .and_then(Result::ok)
        .and_then(|config| config.eval.metric);
    let telling = || {
        TELLING
            .iter()
            .find(|name| known.metrics.contains_key(**name))
    };
    let first = || known.metrics.keys().find(|name| *name != "loss");
    let name = chosen
        .or_else(|| telling().map(|name| (*name).to_owned()))
        .or_else(|| first().cloned())?;
    let best = view.best_eval(SPLIT).unwrap_or(known);
    let value = best.metrics.get(&name).copied()?;
    evaluated(view, &name).map(|series| (name, value, series))
}

/// The edits in force, the newest of them.
fn edits(view: &RunView) -> Option<String> {
    let edits = view.edits.iter().rev().take(5).map(|edit| {
        let changes = edit.changes.iter();
        let changes: Vec<String> = changes
            .map(|change| format!("{} {} → {}", change.field, change.old, change.new))
            .collect();
        format!("step {}: {}", edit.step, changes.join(", "))
    });
    let edits: Vec<String> = edits.collect();
    (!edits.is_empty()).then(|| format!("edited: {}", edits.join("; ")))
}

#[cfg(test)]
mod tests;
