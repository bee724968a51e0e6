//! How much a snapshot is.
#![expect(clippy::unwrap_used, reason = "tests")]

use super::*;
use crate::event::factors::{Branch, Place, Role, Stack};
use crate::event::tests::event;
use crate::event::{Event, Kind};
use crate::peft::factors::FastPart;
use crate::random::Key;

/// The projections of a T5 with six blocks of width 192: `n = 4`, bottleneck 24.
fn nano() -> (Watch, Seen) {
    let key = Key::new(3);
    let block = |name: String, shape: [usize; 3], scale: f64| {
        let count = shape.iter().product::<usize>() as u64;
        let values = (0..count).map(|at| scale * key.named(&name).normal(at));
        Block::new(shape, values.collect()).unwrap()
    };
    let slow = block("slow".to_owned(), [4; 3], 1e-4);
    let (mut views, mut projections) = (Vec::new(), Vec::new());
    for at in 0..24 {
        let down = at % 2 == 0;
        let (end, role) = if down {
            ("down", Role::Down)
        } else {
            ("up", Role::Up)
        };
        let name = format!("encoder.block.{}.layer.1.adapter.{end}", at / 4);
        let (rows, columns) = if down { (48, 6) } else { (6, 48) };
        let fast = Fast::Factored {
            left: block(format!("left{at}"), [4, rows, 1], 0.3),
            right: block(format!("right{at}"), [4, 1, columns], 0.3),
        };
        projections.push(KroneckerSum::new(slow.clone(), fast).unwrap());
        views.push(View {
            place: Place {
                stack: Stack::Encoder,
                block: at / 4,
                branch: Branch::SelfAttention,
                role,
            },
            slow: SlowPart::Weights("slow".to_owned()),
            fast: FastPart::Factored {
                left: format!("{name}.left"),
                right: format!("{name}.right"),
            },
            name,
        });
    }
    let watch = Watch {
        views,
        slow: vec!["slow".to_owned()],
        initial: None,
    };
    let slow = vec![slow];
    (watch, Seen { slow, projections })
}

#[test]
fn a_snapshot_of_a_small_model_is_small_and_soon_taken() {
    let (watch, seen) = nano();
    let started = std::time::Instant::now();
    let look = Look {
        watch: &watch,
        now: &seen,
        initial: &seen,
        before: Some(&seen),
        gradient: None,
    };
    let factors = look.factors().unwrap();
    let taken = started.elapsed();
    let line = event(20, Kind::Factors(factors)).to_line();
    let text = format!("{} bytes in {taken:?}", line.len());
    assert!(line.len() <= 40_000, "{text}");
    // Tests are built with little optimisation, and machines are busy.
    assert!(taken.as_secs_f64() < 5.0, "{text}");
    let read = Event::from_line(line.as_bytes()).unwrap();
    assert_eq!(read.to_line(), line);
}
