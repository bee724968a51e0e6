//! What was recorded of every projection, over the steps.

use compacter_core::event::factors::ProjectionFactors;
use compacter_core::event::{Event, Factors as Snapshot, Kind};

use super::Run;
use super::factors::{label, none};
use crate::error::Result;
use crate::show::{Cell, Table};

/// A curve: its name, and `(step, value)` points.
type Curve = (String, Vec<(f64, f64)>);

impl Run {
    /// The projections in the newest snapshot, a row for each: how large `W` is, how far it
    /// has gone from where it started, and in how many directions it works.
    ///
    /// # Errors
    /// When the method has no factors, or no snapshot was taken yet.
    pub fn layers(&self) -> Result<Table> {
        let mut table = Table::new(["layer", "shape", "norm", "drift", "effective rank"]);
        let source = self.source()?;
        let newest = source.view().factors.iter().rev().find_map(snapshot);
        let (_, newest) = newest.ok_or_else(|| none(self))?;
        for projection in &newest.projections {
            let [rows, columns] = projection.shape;
            table.push([
                Cell::from(label(projection.place)),
                format!("{rows} × {columns}").into(),
                projection.norm.into(),
                projection.drift.into(),
                projection.effective_rank.into(),
            ]);
        }
        Ok(table)
    }

    /// A number of each projection at each snapshot, as curves for
    /// [`crate::show::chart::of`]: `run.history(|projection| projection.drift)?`.
    ///
    /// # Errors
    /// As [`Self::layers`].
    pub fn history(&self, number: impl Fn(&ProjectionFactors) -> f64) -> Result<Vec<Curve>> {
        self.curves(|snapshot| {
            let projections = snapshot.projections.iter();
            projections
                .map(|projection| (label(projection.place), number(projection)))
                .collect()
        })
    }

    /// How far the slow weights are from where they started, `‖A − A₀‖ / ‖A₀‖`, at each
    /// snapshot: one curve where all layers share them. Empty for a method without.
    ///
    /// # Errors
    /// As [`Self::layers`].
    pub fn slow_history(&self) -> Result<Vec<Curve>> {
        self.curves(|snapshot| {
            let changes = snapshot.slow.iter();
            changes
                .filter_map(|slow| Some((slow.name.clone(), slow.change?)))
                .collect()
        })
    }

    fn curves(&self, values: impl Fn(&Snapshot) -> Vec<(String, f64)>) -> Result<Vec<Curve>> {
        let source = self.source()?;
        let mut curves: Vec<Curve> = Vec::new();
        let mut is_empty = true;
        for (step, snapshot) in source.view().factors.iter().filter_map(snapshot) {
            is_empty = false;
            for (name, value) in values(snapshot) {
                let point = (step as f64, value);
                match curves.iter_mut().find(|(known, _)| *known == name) {
                    Some((_, points)) => points.push(point),
                    None => curves.push((name, vec![point])),
                }
            }
        }
        if is_empty {
            return Err(none(self));
        }
        Ok(curves)
    }
}

/// A snapshot and its step, where it has any projections.
pub(super) fn snapshot(event: &Event) -> Option<(u64, &Snapshot)> {
    match &event.kind {
        Kind::Factors(factors) if !factors.projections.is_empty() => Some((event.step, factors)),
        _ => None,
    }
}
