//! What keys make of how curves are shown.

use compacter_core::view::{Axes, Axis, RunView, SMOOTHING};
use compacter_tui::chart::{Chart, Picture, value_in_full};
use ratatui::layout::{Rect, Size};

use super::scene::span;
use crate::screen::keys::Id;
use crate::screen::panel::Answer;
use crate::screen::shared::Charting;

/// How much more or less a key shows, and a notch of the wheel.
const KEY: f64 = 1.5;
const WHEEL: f64 = 1.2;
/// How much of the window a key moves by.
const PAN: f64 = 0.2;

/// A chart that a key is meant for.
#[derive(Debug)]
pub(super) struct Keyed<'a> {
    /// The chart.
    pub(super) chart: Chart<'a>,
    /// The run.
    pub(super) view: &'a RunView,
    /// How curves are shown.
    pub(super) charting: &'a Charting,
    /// How large it is drawn, with its frame.
    pub(super) room: Size,
}

/// How curves are shown from now on, and what is told.
type Changed = (Charting, Answer);

impl Keyed<'_> {
    /// What a key makes of it; `None` where it is not meant for charts.
    pub(super) fn changed(&self, id: Id) -> Option<Changed> {
        let mut new = self.charting.clone();
        match id {
            Id::LogScale => new.logarithmic = !new.logarithmic,
            Id::Clip => new.clipped = !new.clipped,
            Id::Smoother => new.smoothing = (new.smoothing + 1).min(SMOOTHING.len() - 1),
            Id::Rougher => new.smoothing = new.smoothing.saturating_sub(1),
            Id::Axis => self.change_axis(&mut new),
            Id::ZoomReset => new.window = compacter_tui::chart::Window::default(),
            Id::Follow => new.window.follow(),
            Id::ZoomIn => self.zoom(&mut new, 1.0 / KEY),
            Id::WheelUp => self.zoom(&mut new, 1.0 / WHEEL),
            Id::ZoomOut => self.zoom(&mut new, KEY),
            Id::WheelDown => self.zoom(&mut new, WHEEL),
            Id::Left | Id::Right if new.cursor.is_some() => self.step(&mut new, id),
            Id::Left => new.window.pan(-PAN, self.extent()),
            Id::Right => new.window.pan(PAN, self.extent()),
            Id::Back | Id::Inspect if new.cursor.is_some() => new.cursor = None,
            Id::Inspect => {
                new.cursor = self.newest();
                if new.cursor.is_none() {
                    return Some((new, Answer::Refused("there is no point to inspect".into())));
                }
            }
            Id::Baseline => return Some(self.measure_from(new)),
            Id::Copy => return Some((new, self.copied())),
            _ => return None,
        }
        Some((new, Answer::Done))
    }

    fn extent(&self) -> (f64, f64) {
        self.chart.extent().unwrap_or((0.0, 1.0))
    }

    /// What is drawn; where there is no room, in as many columns as a terminal has.
    fn picture(&self) -> Picture<'_> {
        let area = Rect::from((ratatui::layout::Position::ORIGIN, self.room));
        let planned = self.chart.plan(area);
        planned.map_or_else(|| Picture::new(&self.chart, 80), |(_, picture)| picture)
    }

    /// Where the newest point of the window is.
    fn newest(&self) -> Option<f64> {
        let picture = self.picture();
        picture.nearest_of_all(picture.range.1).map(|point| point.x)
    }

    fn zoom(&self, new: &mut Charting, factor: f64) {
        let (left, right) = new.window.range(self.extent());
        let about = new.cursor.map_or(0.5, |x| (x - left) / (right - left));
        new.window.zoom(factor, about, self.extent());
    }

    /// Moves the crosshair to the next point that is drawn, of the first curve that has any.
    fn step(&self, new: &mut Charting, id: Id) {
        let picture = self.picture();
        let trace = picture.traces.iter().find(|trace| !trace.raw.is_empty());
        let (Some(trace), Some(x)) = (trace, new.cursor) else {
            return;
        };
        let here = picture.nearest(x).first().map_or(x, |point| point.x);
        let mut places = trace.raw.iter().map(|column| column.x);
        let next = match id {
            Id::Left => places.rev().find(|&x| x < here),
            _ => places.find(|&x| x > here),
        };
        if next.is_some() {
            new.cursor = next;
            return;
        }
        // At the edge of the window it takes the window along.
        let share = if id == Id::Left { -PAN } else { PAN };
        new.window.pan(share, self.extent());
    }

    /// Goes to the next axis; window and crosshair stay at their steps.
    fn change_axis(&self, new: &mut Charting) {
        let (old, next) = (new.axis, new.axis.next());
        let carried = |x| carried(&self.view.axes, (old, next), x);
        let (left, right) = new.window.range(self.extent());
        // The last evaluation may be of a later step than the newest one that has a time.
        let end = span(self.view, next).map_or(0.0, |(_, last)| last);
        let last = end.max(carried(self.extent().1));
        new.window.carry_over((carried(left), carried(right)), last);
        new.cursor = new.cursor.map(carried);
        new.from = new.from.map(carried);
        new.axis = next;
    }

    /// Measures from the crosshair, or the newest point; no longer, where it was so.
    fn measure_from(&self, mut new: Charting) -> Changed {
        let picture = self.picture();
        let x = new.cursor.unwrap_or(picture.range.1);
        let Some(here) = picture.nearest_of_all(x) else {
            return (
                new,
                Answer::Refused("there is no point to measure from".into()),
            );
        };
        let again = new.from == Some(here.x) || (new.from.is_some() && new.cursor.is_none());
        if again {
            new.from = None;
            return (new, Answer::Told("no longer measured from a step".into()));
        }
        new.from = Some(here.x);
        let told = format!("inspect shows differences to step {}", here.step);
        (new, Answer::Told(told))
    }

    /// The value under the crosshair, else the newest one.
    fn copied(&self) -> Answer {
        let newest = self.chart.curves.first().and_then(|c| c.series.newest());
        let here = self
            .charting
            .cursor
            .and_then(|x| self.picture().nearest(x).first().map(|point| point.value));
        match here.or(newest.map(|(_, value)| value)) {
            Some(value) => Answer::Copy(value_in_full(value)),
            None => Answer::Refused("there is no value to copy".into()),
        }
    }
}

/// Where the step at `x` of an axis stands on another.
fn carried(axes: &Axes, (from, to): (Axis, Axis), x: f64) -> f64 {
    let step = axes.step(from, x);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a step is never negative, and far below 2^53"
    )]
    let before = step.floor() as u64;
    let share = step - step.floor();
    let (low, high) = (axes.x(to, before), axes.x(to, before.saturating_add(1)));
    low * (1.0 - share) + high * share
}
