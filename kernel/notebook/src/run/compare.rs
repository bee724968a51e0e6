//! Several runs over one axis.

use compacter_core::view::RunView;

use super::place::now;
use super::{Run, card};
use crate::error::Result;
use crate::show::chart::{Chart, Line};
use crate::show::colour::CURVES;
use crate::show::number::duration;
use crate::show::{Bundle, Cell, Rich, Table};

/// Runs beside each other, as they stood when they were compared.
#[derive(Debug, Clone)]
pub struct Comparison {
    runs: Vec<(String, RunView)>,
}

/// Lays runs over each other.
///
/// # Errors
/// When a record cannot be read.
pub fn compare(runs: &[&Run]) -> Result<Comparison> {
    let read = |run: &&Run| -> Result<(String, RunView)> {
        Ok((run.name(), run.source()?.view().clone()))
    };
    let runs = runs.iter().map(read).collect::<Result<_>>()?;
    Ok(Comparison { runs })
}

impl Comparison {
    /// A row for each run: what it trains, its best evaluation, and how long it took.
    #[must_use]
    pub fn table(&self) -> Table {
        let columns = [
            "run",
            "trained",
            "% of model",
            "metric",
            "best",
            "loss",
            "step",
            "time",
        ];
        let mut table = Table::new(columns);
        for (name, view) in &self.runs {
            let started = view.started.as_ref();
            let percent = started.map(|s| 100.0 * s.trainable as f64 / s.total.max(1) as f64);
            let metric = card::main_metric(view);
            let best = view.best_eval("validation");
            let loss = best.and_then(|best| best.metrics.get("loss").copied());
            table.push([
                Cell::from(name.as_str()),
                started.map(|started| started.trainable).into(),
                percent.map(|percent| format!("{percent:.4}")).into(),
                metric.as_ref().map(|(name, ..)| name.clone()).into(),
                metric.as_ref().map(|(_, value, _)| *value).into(),
                loss.into(),
                best.map(|best| best.step).into(),
                duration(view.elapsed(now())).into(),
            ]);
        }
        table
    }

    /// The smoothed losses of training, a curve for each run.
    #[must_use]
    pub fn chart(&self) -> Chart {
        let last = self.runs.iter().map(|(_, view)| view.step).max();
        let window = (0.0, last.unwrap_or(1).max(1) as f64);
        let mut chart = Chart {
            title: "loss, smoothed".to_owned(),
            x_name: "step".to_owned(),
            x: Some(window),
            ..Chart::default()
        };
        for (at, (name, view)) in self.runs.iter().enumerate() {
            let colour = CURVES[at % CURVES.len()];
            if let Some(series) = view.scalars.get("train/loss") {
                chart
                    .lines
                    .push(Line::raw(series, &view.axes, window, colour));
                let line = Line::smooth(name.as_str(), (series, &view.axes), window, colour);
                chart.lines.push(line);
                chart
                    .bad
                    .extend(series.bad().steps().map(|step| step as f64));
            }
        }
        chart.bad.sort_by(f64::total_cmp);
        chart
    }
}

impl Rich for Comparison {
    fn bundle(&self) -> Bundle {
        let (table, chart) = (self.table(), self.chart());
        let html = chart.html() + &table.to_html();
        Bundle::plain(format!("{}\n{}", table.to_text(), chart.text())).with_html(html)
    }
}
