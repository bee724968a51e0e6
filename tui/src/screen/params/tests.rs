//! What the panels export.

#![expect(clippy::unwrap_used, reason = "tests")]

use compacter_core::event::{Group, Kind, Started};
use compacter_core::view::RunView;

use super::*;
use crate::screen::seen::tests::{event, seen};
use crate::screen::shared::Shared;
use crate::screen::theme::Tone;
use crate::screen::theme::tests::with;

fn exported(panel: &dyn Panel, view: &RunView) -> Option<String> {
    let theme = with(Tone::Mono, &[]);
    panel.export(
        Format::Csv,
        &Context {
            seen: seen(view),
            shared: &Shared::default(),
            theme: &theme,
            focused: true,
        },
    )
}

#[test]
fn as_many_methods_are_shown_as_there_is_room_for_and_the_runs_own_is_among_them() {
    let rows = |own: usize| -> Vec<Method> {
        let row = |at| Method {
            name: "some",
            own: at == own,
            trains: Ok(at),
        };
        (0..19).map(row).collect()
    };
    for own in 0..19 {
        let rows = rows(own);
        for lines in [1, 2, 5, 18] {
            let shown = window(&rows, lines);
            assert_eq!(shown.len(), lines);
            assert!(shown.iter().any(|method| method.own), "{own} {lines}");
        }
        assert_eq!(window(&rows, 30).len(), 19);
        assert!(window(&rows, 0).is_empty());
    }
}

#[test]
fn sum_and_methods_are_exported_as_tables() {
    let mut view = RunView::default();
    assert_eq!(exported(&Params, &view), None);
    let group = Group {
        name: "slow, shared".to_owned(),
        formula: "4 · 4 · 4".to_owned(),
        count: 64,
    };
    let started = Started {
        config: "name = 'a'\nmodel.path = 't5-base'\ntask.name = 't'\n".to_owned(),
        version: String::new(),
        device: String::new(),
        features: Vec::new(),
        step_form: None,
        total_steps: 1,
        groups: vec![group],
        trainable: 64,
        total: 6400,
    };
    view.push(event(0, Kind::Started(started)));
    let sum = exported(&Params, &view).unwrap();
    assert_eq!(
        sum.lines().nth(1),
        Some("\"slow, shared\",4 · 4 · 4,64,1,64")
    );
    let methods = exported(&Compared::default(), &view).unwrap();
    assert_eq!(methods.lines().nth(1), Some("full,222903552,222903552"));
}
