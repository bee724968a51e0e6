//! The tabs: which panels there are, and which are drawn where.

use ratatui::layout::{Constraint, Layout, Rect};

use super::app::Tab;
use super::curve::Loss;
use super::fast;
use super::layout::{Class, one, rows};
use super::words::Words;

/// Every tab, in the order of their keys.
pub(crate) fn all() -> Vec<Tab> {
    vec![
        Tab {
            number: 1,
            name: "Overview",
            panels: vec![
                Box::new(Loss),
                Box::new(Words::now()),
                Box::new(Words::log()),
                Box::new(fast::Strips::default()),
                Box::new(fast::Maps::default()),
                Box::new(fast::Projections::default()),
                Box::new(fast::Cosine::default()),
            ],
            arrange: overview,
        },
        fast::tab(),
        Tab {
            number: 6,
            name: "Config",
            panels: vec![Box::new(Words::config())],
            arrange: one,
        },
        Tab {
            number: 7,
            name: "Log",
            panels: vec![Box::new(Words::log())],
            arrange: one,
        },
    ]
}

const FILL: Constraint = Constraint::Fill(1);

/// The curve; what matters now; what happened; and where there is room, the fast weights.
fn overview(body: Rect, class: Class) -> Vec<(usize, Rect)> {
    let lines = Constraint::Length;
    let cards = (lines(8), &[(1, FILL), (3, FILL)][..]);
    let log = (lines(7), &[(2, FILL)][..]);
    let loss = (FILL, &[(0, FILL)][..]);
    match class {
        Class::Line | Class::Compact => rows(body, &[loss, cards]),
        Class::Regular => rows(body, &[loss, cards, log]),
        Class::Wide => {
            let columns = Layout::horizontal([FILL, lines(66), lines(46)]);
            let [left, maps, right] = columns.areas(body);
            let mut panels = rows(left, &[loss, cards, log]);
            panels.push((4, maps));
            panels.extend(rows(
                right,
                &[(FILL, &[(5, FILL)]), (lines(28), &[(6, FILL)])],
            ));
            panels
        }
    }
}
