//! What a view knows after some events, and what its series draw.

use super::*;
use crate::event::factors::Factors;

const NOW: f64 = 1_795_000_000.0;

/// A falling loss with one jump and one NaN, and a little noise.
fn long_run(steps: u64) -> RunView {
    let loss = |at: u64| match at {
        41_234 => 99.0,
        77_777 => f64::NAN,
        _ => 1.0 / (1.0 + at as f64 / 5000.0) + 0.01 * (at % 7) as f64,
    };
    view((1..=steps).map(|at| step(at, loss(at))))
}

#[test]
fn a_jump_of_one_step_and_a_nan_are_seen_on_a_long_run() {
    let view = long_run(100_000);
    for width in [80, 120, 200] {
        let columns = drawn(&view, 2 * width);
        assert!(columns.len() <= 2 * width, "at most two points a cell");
        let highest = columns.iter().map(|c| c.max).fold(0.0, f64::max);
        assert_eq!(highest.to_bits(), 99.0_f64.to_bits());
        assert!(
            columns
                .iter()
                .all(|c| c.min.is_finite() && c.max.is_finite())
        );
    }
    let bad = view.scalars.get("train/loss").unwrap().bad();
    assert_eq!(bad.steps().collect::<Vec<_>>(), [77_777]);
    assert_eq!(view.skipped.count(), 1);
    assert!(
        view.marks()
            .any(|mark| mark == (MarkKind::NotFinite, 77_777))
    );
}

#[test]
fn the_extremes_are_those_of_the_points_at_every_zoom() {
    let view = long_run(100_000);
    let series = view.scalars.get("train/loss").unwrap();
    // Windows of what each level reaches, on the boundaries of its buckets.
    for (from, to) in [(99_000, 100_000), (90_000, 100_000), (40_000, 50_000)] {
        let columns = series.columns(
            &view.axes,
            Axis::Step,
            (f64::from(from), f64::from(to)),
            150,
        );
        assert!(columns.len() <= 150 && columns.len() > 100);
        assert!(columns.windows(2).all(|two| two[0].at < two[1].at));
        let spike = columns.iter().any(|c| c.max > 98.0);
        assert_eq!(spike, from == 40_000, "{from} to {to}");
    }
}

#[test]
fn a_series_takes_a_fixed_amount_of_memory() {
    let mut series = Series::default();
    let size = |series: &Series| series.bytes() >> 10;
    (0..100_000).for_each(|at| series.push(at, at as f64));
    let before = size(&series);
    (100_000..500_000).for_each(|at| series.push(at, if at % 2 == 0 { f64::NAN } else { 1.0 }));
    assert!(before < 270, "{before} KiB");
    assert!(size(&series) < before + 200, "marks are bounded too");
    assert_eq!(series.bad().count(), 200_000);
}

#[test]
fn a_short_run_is_drawn_point_by_point() {
    let view = view((1..=50).map(|at| step(at, at as f64)));
    let columns = drawn(&view, 200);
    assert_eq!(columns.len(), 50);
    assert!(columns.iter().all(|c| c.min.to_bits() == c.max.to_bits()));
}

#[test]
fn a_value_that_is_not_finite_breaks_the_line() {
    let losses = [
        1.0,
        f64::NAN,
        3.0,
        4.0,
        f64::INFINITY,
        f64::NEG_INFINITY,
        2.0,
    ];
    let view = view((1..).zip(losses).map(|(at, loss)| step(at, loss)));
    let broken: Vec<(u64, bool)> = drawn(&view, 200)
        .iter()
        .map(|c| (c.step, c.broken))
        .collect();
    assert_eq!(broken, [(1, false), (3, true), (4, false), (7, true)]);
    assert_eq!(view.skipped.count(), 3);
}

#[test]
fn steps_have_places_on_every_axis() {
    let view = long_run(30_000);
    let at = |axis| view.axes.x(axis, 12_000);
    let near = |a: f64, b: f64| (a - b).abs() <= 1e-9 * b.abs();
    assert!(near(at(Axis::Step), 12_000.0));
    assert!(near(at(Axis::Epoch), 120.0), "{}", at(Axis::Epoch));
    assert!(near(at(Axis::Tokens), 3_600_000.0));
    assert!(near(at(Axis::RelativeTime), 12_000.0));
    assert!(near(at(Axis::WallTime), NOW + 12_000.0));
    let mut axis = Axis::Step;
    for _ in 0..5 {
        let back = view.axes.step(axis, at(axis));
        assert!((back - 12_000.0).abs() < 1e-3, "{axis:?}: {back}");
        axis = axis.next();
    }
    assert_eq!(axis, Axis::Step);
}

#[test]
fn a_view_tells_what_the_events_said() {
    let mut events = vec![event(0, started(1000))];
    events.extend((1..=10).map(|at| step(at, 1.0)));
    events.extend([eval(10, 0.5, true), edit(10, 2), eval(20, 0.6, false)]);
    events.push(event(
        20,
        Kind::Checkpoint {
            path: "checkpoints/step-000020".to_owned(),
            best: false,
        },
    ));
    events.push(event(
        20,
        Kind::Warning {
            message: "careful".to_owned(),
        },
    ));
    let view = view(events);
    assert_eq!(
        (view.name.as_str(), view.step, view.total_steps),
        ("demo", 20, 1000)
    );
    assert_eq!(view.latest.as_ref().unwrap().step, 10);
    assert_eq!(view.best_eval("validation").unwrap().step, 10);
    assert_eq!(view.last_eval("validation").unwrap().step, 20);
    assert_eq!((view.config_version(), view.config()), (2, Some("# 2")));
    assert_eq!(view.warnings, 1);
    assert_eq!(view.pace.tokens_per_second().map(f64::round), Some(600.0));
    let marks: Vec<_> = view.marks().collect();
    assert_eq!(
        marks,
        [(MarkKind::Checkpoint, 20), (MarkKind::ConfigChange, 10)]
    );
    let names: Vec<&str> = view.scalars.iter().map(|(name, _)| name).collect();
    assert_eq!(names[..6], TRAIN);
    assert_eq!(names[6..], ["eval/validation/loss"]);
    let last = view.log.lines().last().unwrap();
    assert_eq!(
        (last.text.as_str(), last.severity),
        ("warning at step 20: careful", Severity::Warning)
    );
    assert_eq!(view.log.lines().len(), 6, "steps make no lines");
}

#[test]
fn a_run_runs_pauses_falls_silent_and_ends() {
    let mut view = RunView::default();
    assert_eq!(view.status(NOW), Status::Waiting);
    view.push(event(0, started(1000)));
    view.push(step(1, 1.0));
    view.push(step(2, 1.0));
    assert_eq!(view.status(NOW + 10.0), Status::Running);
    assert_eq!(view.eta(NOW + 2.0).map(f64::round), Some(998.0));
    assert!((view.elapsed(NOW + 5.0) - 5.0).abs() < 1e-6);
    assert_eq!(view.status(NOW + 102.0), Status::Silent { seconds: 100.0 });
    assert_eq!(view.eta(NOW + 102.0), None);
    view.push(event(
        2,
        Kind::Paused {
            reason: "asked".to_owned(),
        },
    ));
    assert!(
        matches!(view.status(NOW + 500.0), Status::Paused { .. }),
        "a pause may last"
    );
    view.push(event(2, Kind::Continued));
    assert_eq!(view.status(NOW + 3.0), Status::Running);
    view.push(event(
        2,
        Kind::Failed {
            message: "out of memory".to_owned(),
        },
    ));
    assert!(view.status(NOW + 500.0).is_over());
}

#[test]
fn snapshots_are_kept_and_unknown_kinds_passed_over() {
    let snapshot = Kind::Factors(Factors {
        slow: Vec::new(),
        projections: Vec::new(),
    });
    let unknown = Kind::Other {
        kind: "weather".to_owned(),
        fields: serde_json::Map::new(),
    };
    let view = view([event(1, snapshot), event(1, unknown)]);
    assert_eq!(view.factors.len(), 1);
}

#[test]
fn a_resumed_run_goes_on_from_its_checkpoint() {
    let mut events: Vec<Event> = (1..=30)
        .map(|at| step(at, if at > 20 { 50.0 } else { 1.0 }))
        .collect();
    events.extend([eval(30, 0.1, true), edit(25, 2), edit(15, 2), resumed(20)]);
    events.extend((21..=25).map(|at| step(at, 2.0)));
    let view = view(events);
    assert!(view.rough, "it says that the record should be read again");
    let columns = drawn(&view, 200);
    assert_eq!(columns.len(), 25);
    assert!(columns.iter().all(|c| c.max < 3.0));
    assert!(view.evals.is_empty());
    assert_eq!(view.edits.iter().map(|e| e.step).collect::<Vec<_>>(), [15]);
    assert!((view.axes.x(Axis::Tokens, 25) - 7500.0).abs() < 1e-6);
    let void = view.log.lines().filter(|line| line.void).count();
    assert_eq!(void, 2, "the log keeps what happened, and marks it");
}

#[test]
fn averages_start_where_the_curve_is() {
    for factor in SMOOTHING {
        let mut ema = Ema::new(factor);
        assert_eq!(ema.value(), None);
        assert!((ema.push(4.0).unwrap() - 4.0).abs() < 1e-12);
        assert!((ema.push(f64::NAN).unwrap() - 4.0).abs() < 1e-12);
        assert!((ema.push(4.0).unwrap() - 4.0).abs() < 1e-12);
    }
}
