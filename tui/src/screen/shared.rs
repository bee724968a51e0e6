//! What panels have in common: what is chosen in one is shown by the others.

use compacter_core::view::Axis;
use compacter_tui::chart::Window;

use super::runs::{Others, Overlaid};

/// What panels have in common.
#[derive(Debug, Default)]
pub(crate) struct Shared {
    /// The projection chosen, by its place in the snapshots.
    pub(crate) projection: usize,
    /// The numbers of the newest snapshot.
    pub(crate) snapshot: super::fast::Cache,
    /// How curves are shown, all of them in step.
    pub(crate) charting: Charting,
    /// The runs beside the watched one.
    pub(crate) others: Others,
}

impl Shared {
    /// The runs whose curves lie over those of the watched one, in the order of their markers.
    pub(crate) fn overlaid(&self) -> Vec<Overlaid<'_>> {
        self.others.overlaid()
    }
}

/// How curves are shown.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Charting {
    /// What is on the x axis.
    pub(crate) axis: Axis,
    /// What part of it.
    pub(crate) window: Window,
    /// Place of the smoothing in [`compacter_core::view::SMOOTHING`].
    pub(crate) smoothing: usize,
    /// Whether the y axis is logarithmic.
    pub(crate) logarithmic: bool,
    /// Whether outliers are left out of the scale.
    pub(crate) clipped: bool,
    /// Where the crosshair stands on the x axis.
    pub(crate) cursor: Option<f64>,
    /// The place on the x axis that differences are measured from.
    pub(crate) from: Option<f64>,
}

impl Charting {
    /// Keeps how curves are shown, not which part of them: for another run.
    pub(crate) fn stay(&mut self) {
        (self.window, self.cursor, self.from) = (Window::default(), None, None);
    }
}

impl Default for Charting {
    fn default() -> Self {
        Self {
            axis: Axis::Step,
            window: Window::default(),
            smoothing: 2,
            logarithmic: false,
            clipped: false,
            cursor: None,
            from: None,
        }
    }
}
