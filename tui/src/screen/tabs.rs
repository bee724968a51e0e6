//! The tabs: which panels there are, and which are drawn where.

use ratatui::layout::{Constraint, Rect};

use super::app::Tab;
use super::charts::{Grid, Loss};
use super::layout::{Class, one, rows};
use super::params::{Card, Compared, Params};
use super::runs::Runs;
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
                Box::new(Card),
                Box::<Runs>::default(),
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
            number: 4,
            name: "Params",
            panels: vec![Box::new(Params), Box::<Compared>::default()],
            arrange: params,
        },
        Tab {
            number: 5,
            name: "Runs",
            panels: vec![Box::<Runs>::default()],
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

/// The curve; what matters now, what is trained, other runs; what happened.
fn overview(body: Rect, class: Class) -> Vec<(usize, Rect)> {
    let cards = Constraint::Length(8);
    let card = Constraint::Length(42);
    if class < Class::Regular {
        return rows(body, &[(FILL, &[(0, FILL)]), (cards, &[(1, FILL)])]);
    }
    let below: &[(usize, Constraint)] = match class {
        Class::Wide => &[(1, card), (3, card), (4, FILL)],
        _ => &[(1, FILL), (3, card)],
    };
    let log = Constraint::Length(7);
    rows(
        body,
        &[
            (FILL, &[(0, FILL)]),
            (Constraint::Length(9), below),
            (log, &[(2, FILL)]),
        ],
    )
}

/// The sum, and beside or below it what other methods need.
fn params(body: Rect, class: Class) -> Vec<(usize, Rect)> {
    if class < Class::Wide {
        let methods = Constraint::Length(8);
        return rows(body, &[(FILL, &[(0, FILL)]), (methods, &[(1, FILL)])]);
    }
    rows(body, &[(FILL, &[(0, Constraint::Fill(2)), (1, FILL)])])
}
