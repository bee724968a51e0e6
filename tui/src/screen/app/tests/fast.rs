//! The tab of the fast weights, drawn from a recorded run's snapshots.

use compacter_core::embedded::DEMO;
use compacter_core::event::Factors;
use compacter_core::event::factors::Entries;
use ratatui::buffer::{Buffer, Cell};
use ratatui::style::Modifier;

use super::*;

/// Snapshots of a recorded run.
fn snapshots() -> Vec<Event> {
    let text = std::str::from_utf8(DEMO.unwrap()).unwrap();
    let lines = text.lines().filter(|line| line.contains("\"factors\""));
    let events = lines.map(|line| serde_json::from_str(line).unwrap());
    let factors = events.filter(|event: &Event| matches!(event.kind, Kind::Factors(_)));
    // Their steps are those of the bench.
    let placed = factors
        .enumerate()
        .map(|(at, found)| event(at as u64, found.kind));
    placed.collect()
}

fn with_snapshots() -> Bench {
    let mut bench = Bench::new();
    bench.happened(&snapshots());
    bench.happened(&[event(124, step(0.23))]);
    bench.press("3");
    bench
}

/// A run whose newest snapshot was spoilt.
fn spoilt(spoil: impl FnOnce(&mut Factors)) -> Bench {
    let mut bench = with_snapshots();
    let mut newest = snapshots().pop().unwrap();
    let Kind::Factors(factors) = &mut newest.kind else {
        panic!("only snapshots were kept");
    };
    spoil(factors);
    bench.happened(&[event(125, newest.kind)]);
    bench
}

#[test]
fn each_size_shows_the_factors_that_fit() {
    for (name, width, height) in [
        ("fast-line", 50, 10),
        ("fast-compact", 80, 24),
        ("fast-regular", 120, 40),
        ("fast-wide", 200, 60),
    ] {
        assert_looks_like(name, &with_snapshots().picture(width, height));
    }
}

#[test]
fn the_overview_has_cards_of_the_factors() {
    let mut bench = with_snapshots();
    bench.press("1");
    assert_looks_like("overview-compact", &bench.picture(80, 24));
    assert_looks_like("overview-wide", &bench.picture(200, 60));
}

#[test]
fn no_two_themes_draw_factors_alike() {
    let themes = [Tone::Auto, Tone::Dark, Tone::Light, Tone::Mono];
    let colours = [("LANG", "C.UTF-8"), ("COLORTERM", "truecolor")];
    let drawn = themes.map(|tone| {
        let mut bench = with_snapshots();
        bench.app.theme = with(tone, &colours);
        bench.buffer(120, 40)
    });
    for (at, one) in drawn.iter().enumerate() {
        for other in &drawn[at + 1..] {
            assert!(one != other);
        }
    }
    let coloured = |buffer: &Buffer| buffer.content.iter().any(|c| c.symbol() == "▀");
    assert_eq!(drawn.each_ref().map(coloured), [true, true, true, false]);
}

#[test]
fn the_row_chosen_is_reversed_and_moves() {
    let mut bench = with_snapshots();
    let row = |buffer: &Buffer| {
        let here = |y: &u16| buffer[(3, *y)].modifier.contains(Modifier::REVERSED);
        (0..40).find(here)
    };
    let first = row(&bench.buffer(120, 40));
    bench.press("jj");
    let third = row(&bench.buffer(120, 40));
    assert_eq!(
        (first, third, bench.app.shared.projection),
        (Some(4), Some(6), 2)
    );
    bench.press("G");
    assert_eq!(bench.app.shared.projection, 23);
    bench.press("/dec.2\n");
    assert!(bench.picture(120, 40).contains("/dec.2"));
    bench.press("n");
    assert_eq!(bench.app.shared.projection, 20);
    assert!(matches!(bench.press("Y"), Wish::Copy(value) if value.parse::<f64>().is_ok()));
}

#[test]
fn sorting_says_by_what_and_puts_the_largest_first() {
    let mut bench = with_snapshots();
    bench.press("ss");
    let picture = bench.picture(120, 40);
    assert!(picture.contains("(sort: ‖ΔW‖ ▾)"), "{picture}");
}

#[test]
fn a_record_that_anybody_wrote_harms_nothing() {
    let sizes = [
        (0, 0),
        (1, 1),
        (60, 12),
        (61, 33),
        (80, 24),
        (120, 40),
        (200, 60),
    ];
    let mut benches = vec![
        spoilt(|factors| factors.projections.clear()),
        spoilt(|factors| factors.slow.clear()),
        spoilt(|factors| {
            factors.slow[0].entries = Entries::encode(&[1, 1, 1], &[f64::NAN]).unwrap();
        }),
        spoilt(|factors| {
            for projection in &mut factors.projections {
                projection.place.block = usize::MAX;
                projection.shape = [usize::MAX, 0];
                projection.spectrum = vec![f64::NAN, f64::INFINITY];
                (projection.norm, projection.drift) = (f64::NAN, f64::NEG_INFINITY);
                projection.effective_rank = Some(f64::NAN);
                projection.name = "\u{1b}[2J".to_owned();
            }
        }),
        spoilt(|factors| {
            for projection in &mut factors.projections {
                (projection.left, projection.right) = (None, None);
            }
        }),
        spoilt(|factors| factors.projections[0].left.as_mut().unwrap().shape = vec![usize::MAX; 3]),
    ];
    for bench in &mut benches {
        for keys in ["", "\tv", "\tjv", "\t\tv", "\tv", "z", "z1"] {
            bench.press(keys);
            for (width, height) in sizes {
                let drawn = bench.buffer(width, height);
                let mut symbols = drawn.content.iter().map(Cell::symbol);
                assert!(!symbols.any(|symbol| symbol.contains(char::is_control)));
            }
        }
    }
}

#[test]
fn a_factor_that_is_no_number_is_marked() {
    let mut bench = spoilt(|factors| {
        let left = factors.projections[0].left.as_mut().unwrap();
        let mut values = left.decode().unwrap();
        values[0] = f64::NAN;
        *left = Entries::encode(&left.shape.clone(), &values).unwrap();
    });
    assert!(bench.picture(120, 40).contains('!'));
}

#[test]
fn factors_in_ascii_are_ascii() {
    let mut bench = with_snapshots();
    bench.app.theme = with(Tone::Mono, &[]);
    for (width, height) in [(80, 24), (120, 40), (200, 60)] {
        let picture = bench.picture(width, height);
        let odd: String = picture.chars().filter(|c| !c.is_ascii()).collect();
        assert_eq!(odd, "");
    }
}

#[test]
fn a_run_without_snapshots_says_why_there_are_none() {
    let mut bench = Bench::new();
    bench.press("3");
    assert!(bench.picture(120, 40).contains("No snapshot"));
}
