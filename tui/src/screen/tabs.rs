//! The tabs: which panels there are, and which are drawn where.

use ratatui::layout::{Constraint, Layout, Rect};

use super::app::Tab;
use super::charts::{Grid, Loss};
use super::config::Config;
use super::fast;
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
                Box::new(fast::Strips::default()),
                Box::new(fast::Maps::default()),
                Box::new(fast::Projections::default()),
                Box::new(fast::Cosine::default()),
            ],
            arrange: overview,
        },
        Tab {
            number: 2,
            name: "Charts",
            panels: vec![Box::new(Grid::default())],
            arrange: one,
        },
        fast::tab(),
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
            panels: vec![Box::new(Config::default())],
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

/// Places of the overview's panels.
mod place {
    pub(super) const LOSS: usize = 0;
    pub(super) const NOW: usize = 1;
    pub(super) const LOG: usize = 2;
    pub(super) const PARAMS: usize = 3;
    pub(super) const RUNS: usize = 4;
    pub(super) const STRIPS: usize = 5;
    pub(super) const MAPS: usize = 6;
    pub(super) const PROJECTIONS: usize = 7;
    pub(super) const COSINE: usize = 8;
}

/// The curve; what matters now, what the adapters do, what is trained; what happened. Where
/// there is room, the fast weights and the other runs too.
fn overview(body: Rect, class: Class) -> Vec<(usize, Rect)> {
    let lines = Constraint::Length;
    let loss = (FILL, &[(place::LOSS, FILL)][..]);
    let log = (lines(7), &[(place::LOG, FILL)][..]);
    match class {
        Class::Line | Class::Compact => {
            let cards = [
                (place::NOW, lines(30)),
                (place::STRIPS, FILL),
                (place::PARAMS, lines(24)),
            ];
            rows(body, &[loss, (lines(8), &cards)])
        }
        Class::Regular => {
            let cards = [
                (place::NOW, lines(34)),
                (place::STRIPS, FILL),
                (place::PARAMS, lines(42)),
            ];
            rows(body, &[loss, (lines(9), &cards), log])
        }
        Class::Wide => {
            let columns = Layout::horizontal([FILL, lines(66), lines(46)]);
            let [left, maps, right] = columns.areas(body);
            let first = [(place::NOW, lines(42)), (place::STRIPS, FILL)];
            let second = [(place::PARAMS, lines(42)), (place::RUNS, FILL)];
            let cards = lines(9);
            let mut panels = rows(left, &[loss, (cards, &first), (cards, &second), log]);
            panels.push((place::MAPS, maps));
            let factors = [
                (FILL, &[(place::PROJECTIONS, FILL)][..]),
                (lines(28), &[(place::COSINE, FILL)]),
            ];
            panels.extend(rows(right, &factors));
            panels
        }
    }
}

/// The sum, and beside or below it what other methods need.
fn params(body: Rect, class: Class) -> Vec<(usize, Rect)> {
    if class < Class::Wide {
        // There are many methods, and few groups in a sum.
        let methods = Constraint::Length(if class == Class::Regular { 20 } else { 8 });
        return rows(body, &[(FILL, &[(0, FILL)]), (methods, &[(1, FILL)])]);
    }
    rows(body, &[(FILL, &[(0, Constraint::Fill(2)), (1, FILL)])])
}
