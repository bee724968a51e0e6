//! A fast way to read the events that a record is mostly made of: its steps.
//!
//! [`Event`] is read by way of a map of fields, because kinds that are not known have to be
//! kept. A step has none of that: its line goes straight into the fields below, about five
//! times as fast. Whatever is not exactly a step of this version is left to the general
//! way, so the two cannot come to different results.

use std::borrow::Cow;

use serde::Deserialize;

use super::{Event, Kind, SCHEMA, Step, number};

/// A line of kind `step`, and nothing else.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct StepLine<'a> {
    v: u32,
    #[serde(borrow)]
    run: Cow<'a, str>,
    step: u64,
    #[serde(with = "number")]
    t: f64,
    #[serde(with = "number")]
    elapsed: f64,
    #[expect(dead_code, reason = "reading it is what checks the kind")]
    kind: Tag,
    #[serde(with = "number")]
    loss: f64,
    #[serde(with = "number")]
    learning_rate: f64,
    #[serde(with = "number")]
    gradient_norm: f64,
    #[serde(with = "number")]
    epoch: f64,
    total_steps: u64,
    tokens: usize,
    #[serde(with = "number")]
    seconds: f64,
    #[serde(default)]
    memory: Option<u64>,
    #[serde(default)]
    peak_memory: Option<u64>,
    skipped: bool,
}

/// The only kind that is read here.
#[derive(Deserialize)]
enum Tag {
    #[serde(rename = "step")]
    Step,
}

/// Reads a line that is a step of this version; `None` for every other line.
pub(super) fn step(line: &[u8]) -> Option<Event> {
    let line: StepLine<'_> = serde_json::from_slice(line).ok()?;
    (line.v == SCHEMA).then(|| Event {
        v: line.v,
        run: line.run.into_owned(),
        step: line.step,
        t: line.t,
        elapsed: line.elapsed,
        kind: Kind::Step(Step {
            loss: line.loss,
            learning_rate: line.learning_rate,
            gradient_norm: line.gradient_norm,
            epoch: line.epoch,
            total_steps: line.total_steps,
            tokens: line.tokens,
            seconds: line.seconds,
            memory: line.memory,
            peak_memory: line.peak_memory,
            skipped: line.skipped,
        }),
    })
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use crate::event::tests::{all_kinds, event, step as measured};

    /// What the general way makes of a line, as text: NaN is not equal to itself.
    fn general(line: &str) -> Result<String, String> {
        let event = serde_json::from_str::<Event>(line).map_err(|error| error.to_string())?;
        Ok(format!("{event:?}"))
    }

    fn agrees(line: &str) -> bool {
        match step(line.as_bytes()) {
            Some(lean) => general(line) == Ok(format!("{lean:?}")),
            None => true,
        }
    }

    #[test]
    fn a_step_reads_as_it_does_the_general_way() {
        for loss in [0.5, f64::NAN, f64::INFINITY, 0.1 + 0.2, 5e-324, -0.0, 1e300] {
            let line = event(12, measured(loss)).to_line();
            assert!(step(line.as_bytes()).is_some(), "{line} is a step");
            assert!(agrees(&line), "{line}");
        }
        let line = event(1, measured(0.5)).to_line();
        for (old, new) in [
            (r#""run":"demo""#, r#""run":"de\u006do\n""#),
            (r#""skipped":false"#, r#""memory":19,"skipped":true"#),
            (r#""skipped":false"#, r#""memory":null,"skipped":true"#),
            (r#""skipped":false"#, r#""peak_memory":20,"skipped":true"#),
            (r#""loss":0.5"#, r#""loss":18446744073709551617"#),
            (r#""loss":0.5"#, r#""loss":-3"#),
        ] {
            let line = line.replace(old, new);
            assert!(step(line.as_bytes()).is_some() && agrees(&line), "{line}");
        }
    }

    #[test]
    fn what_is_not_exactly_a_step_is_left_to_the_general_way() {
        let line = event(1, measured(0.5)).to_line();
        let mut others = vec![
            line.replace(r#""v":1"#, r#""v":2"#),
            line.replace(r#""skipped""#, r#""colour":"red","skipped""#),
            line.replace(r#""loss":0.5"#, r#""loss":0.5,"loss":0.6"#),
            line.replace(r#""loss":0.5"#, r#""loss":null"#),
            line.replace(r#""step":1"#, r#""step":-1"#),
            line.replace(r#""tokens""#, r#""chips""#),
            line[..line.len() / 2].to_owned(),
            String::new(),
        ];
        let kinds = all_kinds().into_iter();
        others.extend(
            kinds
                .filter(|kind| !matches!(kind, Kind::Step(_)))
                .map(|kind| event(1, kind).to_line()),
        );
        for line in others {
            assert!(step(line.as_bytes()).is_none(), "{line}");
        }
        let newer = line.replace(r#""skipped""#, r#""colour":"red","skipped""#);
        assert_eq!(
            Event::from_line(newer.as_bytes()).unwrap(),
            event(1, measured(0.5))
        );
    }
}
