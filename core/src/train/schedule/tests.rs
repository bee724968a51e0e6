//! Tests of the schedule: against Hugging Face's, and of what live edits promise.
#![expect(clippy::unwrap_used, reason = "tests")]

use proptest::prelude::*;
use serde::Deserialize;

use super::*;

fn shape(kind: ScheduleKind, peak: f64, warmup_steps: u64, total_steps: u64) -> Shape {
    Shape {
        kind,
        peak,
        warmup_steps,
        total_steps,
    }
}

#[track_caller]
fn close(found: f64, expected: f64) {
    let apart = (found - expected).abs();
    assert!(
        apart <= 1e-12 * (1.0 + expected.abs()),
        "{found}, expected {expected}"
    );
}

#[test]
fn warm_up_shares_are_rounded_up() {
    for (percent, total, expected) in [
        (10.0, 160, 16),
        (10.0, 161, 17),
        (0.0, 50, 0),
        (100.0, 7, 7),
    ] {
        assert_eq!(warmup_steps(Warmup::Percent(percent), total), expected);
    }
    assert_eq!(warmup_steps(Warmup::Steps(500), 100), 500);
}

/// A schedule of `schedules.json`, which `tests/python/make_torch_fixtures.py` makes.
#[derive(Deserialize)]
struct Case {
    kind: ScheduleKind,
    steps: u64,
    warmup: u64,
    factors: Vec<f64>,
}

#[test]
fn factors_agree_with_hugging_face() {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../tests/fixtures/torch/schedules.json"
    );
    let cases: Vec<Case> = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    assert!(cases.len() >= 10);
    for Case {
        kind,
        steps,
        warmup,
        factors,
    } in cases
    {
        let schedule = Schedule::new(shape(kind, 1.0, warmup, steps));
        for (step, expected) in (0..).zip(factors) {
            let apart = (schedule.learning_rate(step) - expected).abs();
            assert!(
                apart <= 1e-15,
                "{kind:?} {warmup}/{steps} at {step}: {apart:e} off"
            );
        }
    }
}

#[test]
fn steps_past_the_end_keep_the_last_rate() {
    for (kind, last) in [
        (ScheduleKind::Linear, 0.0),
        (ScheduleKind::Cosine, 0.0),
        (ScheduleKind::Constant, 2.0),
    ] {
        let schedule = Schedule::new(shape(kind, 2.0, 2, 10));
        for step in [10, 11, 18, u64::MAX] {
            close(schedule.learning_rate(step), last);
        }
    }
}

#[test]
fn a_new_peak_scales_every_rate() {
    let old = Schedule::new(shape(ScheduleKind::Cosine, 1e-3, 4, 20));
    let bent = old.edited(8, shape(ScheduleKind::Linear, 1e-3, 4, 30));
    for schedule in [old, bent] {
        let new = Shape {
            peak: 3e-3,
            ..*schedule.shape()
        };
        let scaled = schedule.edited(10, new);
        for step in 10..30 {
            close(
                scaled.learning_rate(step),
                3.0 * schedule.learning_rate(step),
            );
        }
    }
}

#[test]
fn an_edit_before_the_first_step_is_the_new_shape() {
    let new = shape(ScheduleKind::Constant, 1.0, 0, 10);
    let schedule = Schedule::new(shape(ScheduleKind::Linear, 1.0, 5, 10)).edited(0, new);
    assert_eq!(schedule, Schedule::new(new));
}

#[test]
fn a_longer_warm_up_ramps_on_from_where_it_was() {
    let old = Schedule::new(shape(ScheduleKind::Linear, 1.0, 10, 100));
    let new = old.edited(5, shape(ScheduleKind::Linear, 1.0, 25, 100));
    for (step, expected) in [(5, 0.5), (15, 0.75), (25, 1.0), (100, 0.0)] {
        close(new.learning_rate(step), expected);
    }
}

#[test]
fn a_shorter_warm_up_is_caught_up_with_at_its_own_pace() {
    let old = Schedule::new(shape(ScheduleKind::Constant, 1.0, 100, 1000));
    let new = old.edited(20, shape(ScheduleKind::Constant, 1.0, 10, 1000));
    for (step, expected) in [(20, 0.2), (21, 0.3), (27, 0.9), (28, 1.0), (29, 1.0)] {
        close(new.learning_rate(step), expected);
    }
    // A second edit on the way up is still one during a warm-up.
    let again = new.edited(24, shape(ScheduleKind::Constant, 1.0, 5, 1000));
    for (step, expected) in [(24, 0.6), (25, 0.8), (26, 1.0)] {
        close(again.learning_rate(step), expected);
    }
}

#[test]
fn a_decay_changes_its_kind_without_a_jump() {
    let old = Schedule::new(shape(ScheduleKind::Linear, 1.0, 0, 10));
    let constant = old.edited(4, shape(ScheduleKind::Constant, 1.0, 0, 10));
    close(constant.learning_rate(9), 0.6);
    let cosine = old.edited(4, shape(ScheduleKind::Cosine, 1.0, 0, 12));
    for (step, expected) in [(4, 0.6), (8, 0.3), (12, 0.0)] {
        close(cosine.learning_rate(step), expected);
    }
    let over = old.edited(4, shape(ScheduleKind::Linear, 1.0, 0, 3));
    close(over.learning_rate(5), 0.0);
}

#[test]
fn a_decay_that_came_to_its_end_starts_again_with_more_steps() {
    let old = Schedule::new(shape(ScheduleKind::Cosine, 1.0, 2, 10));
    let new = shape(ScheduleKind::Linear, 1.0, 2, 22);
    let longer = old.edited(10, new);
    assert_eq!(longer, Schedule::new(new));
    close(longer.learning_rate(12), 0.5);
}

fn any_shape() -> impl Strategy<Value = Shape> {
    let kind = prop_oneof![
        Just(ScheduleKind::Linear),
        Just(ScheduleKind::Cosine),
        Just(ScheduleKind::Constant)
    ];
    (kind, 1e-5_f64..1e-1, 0_u64..60, 1_u64..200)
        .prop_map(|(kind, peak, warmup, total)| shape(kind, peak, warmup, total))
}

proptest! {
    #[test]
    fn edits_jump_only_with_the_peak_and_stay_in_bounds(
        first in any_shape(),
        edits in prop::collection::vec((1_u64..40, any_shape()), 1..5),
    ) {
        let mut schedule = Schedule::new(first);
        let mut at = 0;
        let mut ceiling = first.peak;
        for (later, shape) in edits {
            at += later;
            let before = schedule.learning_rate(at);
            let scale = shape.peak / schedule.shape().peak;
            schedule = schedule.edited(at, shape);
            let after = schedule.learning_rate(at);
            let goes_on = before > 0.0 && at < shape.total_steps;
            let apart = (after - before * scale).abs();
            prop_assert!(apart <= 1e-12 || !goes_on, "{} became {}", before, after);
            ceiling = shape.peak;
        }
        // What a checkpoint keeps is enough to go on with.
        let resumed = Schedule::resumed(*schedule.shape(), schedule.anchor());
        for step in at..at + 300 {
            let rate = schedule.learning_rate(step);
            prop_assert!(rate >= 0.0 && rate <= ceiling * (1.0 + 1e-12), "{} at {}", rate, step);
            prop_assert_eq!(rate.to_bits(), resumed.learning_rate(step).to_bits());
        }
    }
}
