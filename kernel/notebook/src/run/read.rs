//! What a run's record holds: evaluations, losses, configuration, parameters, factors.

use compacter_core::config::RunConfig;
use compacter_core::event::Kind;
use compacter_core::event::replay::History;
use compacter_core::view::Source;

use super::{Factors, Layer, Parameters, Run, factors};
use crate::error::Result;
use crate::show::{Cell, Table};

impl Run {
    /// Every evaluation: step, split, the metrics, and whether it was the best so far.
    ///
    /// # Errors
    /// When the record cannot be read.
    pub fn metrics(&self) -> Result<Table> {
        let source = self.source()?;
        let evals = &source.view().evals;
        let mut names: Vec<&str> = evals
            .iter()
            .flat_map(|e| e.metrics.keys())
            .map(String::as_str)
            .collect();
        names.sort_unstable();
        names.dedup();
        let head = ["step", "split"].into_iter().chain(names.iter().copied());
        let mut table = Table::new(head.chain(["best"]));
        for eval in evals {
            let metrics = names
                .iter()
                .map(|name| eval.metrics.get(*name).copied().into());
            let best = Cell::from(if eval.best { "best" } else { "" });
            let start = [Cell::from(eval.step), Cell::from(eval.split.as_str())];
            table.push(start.into_iter().chain(metrics).chain([best]));
        }
        Ok(table)
    }

    /// The loss of every step in force, with the steps; not finite where it was not.
    ///
    /// # Errors
    /// When the record cannot be read.
    pub fn losses(&self) -> Result<Vec<(u64, f64)>> {
        let history = History::read(&self.folder.events_path())?;
        let losses = history
            .events()
            .iter()
            .filter_map(|event| match &event.kind {
                Kind::Step(step) => Some((event.step, step.loss)),
                _ => None,
            });
        Ok(losses.collect())
    }

    /// The configuration in force.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn config(&self) -> Result<RunConfig> {
        let mut config = RunConfig::load(&self.folder.config_path(), &[])?;
        // The run may have been named by a path from elsewhere.
        if let Some(directory) = self.path().parent() {
            config.output.directory = directory.to_path_buf();
        }
        Ok(config)
    }

    /// What is trained, group by group.
    ///
    /// # Errors
    /// When the record cannot be read, or nothing is in it yet.
    pub fn parameters(&self) -> Result<Parameters> {
        Parameters::of(&self.source()?, self.path())
    }

    /// A projection of the newest snapshot, by its place or by a name such as
    /// `enc.1 attn down`.
    ///
    /// # Errors
    /// When the method has no factors, no snapshot was taken yet, or there is no such layer.
    pub fn factors(&self, layer: impl Into<Layer>) -> Result<Factors> {
        factors::of(self, &layer.into())
    }

    /// The record as it is now, read to its end.
    pub(super) fn source(&self) -> Result<Source> {
        let mut source = Source::open(&self.folder.events_path())?;
        source.settle()?;
        Ok(source)
    }
}
