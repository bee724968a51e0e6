//! Where the panels of the tab stand.

use ratatui::layout::{Constraint, Layout, Rect};

use super::cosine::Cosine;
use super::curves::{Spectrum, Trend};
use super::maps::Maps;
use super::projections::Projections;
use super::slow::Slow;
use super::strips::Strips;
use crate::screen::app::Tab;
use crate::screen::layout::Class;

const FILL: Constraint = Constraint::Fill(1);

// Places of the panels in the tab.
const PROJECTIONS: usize = 0;
const MAPS: usize = 1;
const SLOW: usize = 2;
const STRIPS: usize = 3;
const COSINE: usize = 4;
const SPECTRUM: usize = 5;
const TREND: usize = 6;

/// The tab.
pub(crate) fn tab() -> Tab {
    Tab {
        number: 3,
        name: "Fast weights",
        panels: vec![
            Box::new(Projections::default()),
            Box::new(Maps::default()),
            Box::new(Slow),
            Box::new(Strips::default()),
            Box::new(Cosine::default()),
            Box::new(Spectrum),
            Box::new(Trend::default()),
        ],
        arrange,
    }
}

/// Columns of panels: each column's width, and the panels in it from above with their heights.
type Columns<'a> = &'a [(Constraint, &'a [(usize, Constraint)])];

fn arrange(body: Rect, class: Class) -> Vec<(usize, Rect)> {
    let lines = Constraint::Length;
    match class {
        Class::Line | Class::Compact => columns(
            body,
            &[
                (Constraint::Percentage(52), &[(PROJECTIONS, FILL)]),
                (FILL, &[(MAPS, FILL)]),
            ],
        ),
        Class::Regular => columns(
            body,
            &[
                (lines(46), &[(PROJECTIONS, FILL)]),
                (FILL, &[(MAPS, FILL), (SLOW, lines(10)), (TREND, lines(6))]),
            ],
        ),
        Class::Wide => columns(
            body,
            &[
                (lines(58), &[(PROJECTIONS, FILL), (STRIPS, lines(10))]),
                (FILL, &[(MAPS, FILL), (SLOW, lines(10))]),
                (
                    lines(50),
                    &[(COSINE, lines(29)), (SPECTRUM, FILL), (TREND, FILL)],
                ),
            ],
        ),
    }
}

fn columns(body: Rect, columns: Columns<'_>) -> Vec<(usize, Rect)> {
    let widths = columns.iter().map(|(width, _)| *width);
    let areas = Layout::horizontal(widths).split(body);
    let placed = columns.iter().zip(areas.iter());
    let placed = placed.flat_map(|((_, panels), area)| {
        let heights = panels.iter().map(|(_, height)| *height);
        let areas = Layout::vertical(heights).split(*area);
        let places = panels.iter().zip(areas.iter());
        places
            .map(|((panel, _), area)| (*panel, *area))
            .collect::<Vec<_>>()
    });
    placed.collect()
}
