//! The tabs: which panels there are, and which are drawn where.

use ratatui::layout::{Constraint, Rect};

use super::app::Tab;
use super::charts::{Grid, Loss};
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
            ],
            arrange: overview,
        },
        Tab {
            number: 2,
            name: "Charts",
            panels: vec![Box::new(Grid::default())],
            arrange: one,
        },
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

/// The curve; what matters now; what happened.
fn overview(body: Rect, class: Class) -> Vec<(usize, Rect)> {
    let cards = Constraint::Length(8);
    if class < Class::Regular {
        return rows(body, &[(FILL, &[(0, FILL)]), (cards, &[(1, FILL)])]);
    }
    rows(
        body,
        &[
            (FILL, &[(0, FILL)]),
            (cards, &[(1, FILL)]),
            (Constraint::Length(7), &[(2, FILL)]),
        ],
    )
}
