//! An event as one readable line: no colour, no carriage return, nothing that moves.

use std::collections::BTreeMap;

use super::{ConfigApplied, Eval, Event, Kind, Started, Step};

/// Writes an event as a line without its newline; `None` for kinds that are not for people.
///
/// # Examples
/// ```
/// use compacter_core::event::{Event, Kind, SCHEMA, plain};
///
/// let kind = Kind::Paused { reason: "disk full".to_owned() };
/// let event = Event { v: SCHEMA, run: "demo".to_owned(), step: 7, t: 0.0, elapsed: 0.0, kind };
/// assert_eq!(plain::line(&event).as_deref(), Some("paused at step 7: disk full"));
/// ```
#[must_use]
pub fn line(event: &Event) -> Option<String> {
    let at = event.step;
    let text = match &event.kind {
        Kind::Started(started) => start(&event.run, started),
        Kind::Step(step) => measured(at, step),
        Kind::Eval(eval) => evaluated(at, eval),
        Kind::ConfigApplied(edit) => edited(at, edit),
        Kind::ConfigRefused(refusal) => format!("configuration refused: {}", refusal.message),
        Kind::ConfigAgreed => "configuration: the files mean what is in force again".to_owned(),
        Kind::Checkpoint { path, best } => format!("checkpoint {path}{}", mark_best(*best)),
        Kind::Command {
            command,
            from,
            accepted,
            message,
            ..
        } => {
            let outcome = if *accepted { "" } else { " refused" };
            let message = message.as_ref().map(|text| format!(": {text}"));
            let message = message.unwrap_or_default();
            format!("command at step {at}: {command} ({from}){outcome}{message}")
        }
        Kind::Warning { message } => format!("warning at step {at}: {message}"),
        Kind::Paused { reason } => format!("paused at step {at}: {reason}"),
        Kind::Continued => format!("continued at step {at}"),
        Kind::Resumed { from_step } => format!("resumed from step {from_step}"),
        Kind::Interrupted { reason } => format!("interrupted at step {at}: {reason}"),
        Kind::Finished { reason, best } => {
            let best = best
                .as_ref()
                .map(|best| format!("  best: {}", metrics(best)));
            format!(
                "finished at step {at}: {reason}{}",
                best.unwrap_or_default()
            )
        }
        Kind::Failed { message } => format!("failed at step {at}: {message}"),
        // Numbers by the thousand, for charts.
        Kind::Factors(_) | Kind::Other { .. } => return None,
    };
    Some(on_one_line(&text))
}

fn start(run: &str, started: &Started) -> String {
    let Started {
        device,
        total_steps,
        trainable,
        total,
        ..
    } = started;
    let percent = 100.0 * *trainable as f64 / *total as f64;
    let share = if percent.is_finite() {
        format!("  {percent:.4} % of {}", grouped(*total))
    } else {
        String::new()
    };
    let trained = grouped(*trainable);
    format!("run {run}  {device}  {total_steps} steps  {trained} trained{share}")
}

fn measured(at: u64, step: &Step) -> String {
    let mut parts = vec![
        format!("step {at}/{}", step.total_steps),
        format!("loss {}", figures(step.loss)),
        format!("lr {:.1e}", step.learning_rate),
        format!("|g| {}", figures(step.gradient_norm)),
    ];
    if step.seconds > 0.0 {
        parts.push(format!("{:.0} tok/s", step.tokens as f64 / step.seconds));
    }
    parts.push(format!("epoch {:.2}", step.epoch));
    if step.skipped {
        parts.push("(skipped: not finite)".to_owned());
    }
    parts.join("  ")
}

fn evaluated(at: u64, eval: &Eval) -> String {
    let (split, values) = (&eval.split, metrics(&eval.metrics));
    let best = mark_best(eval.best);
    format!(
        "eval {split}  step {at}  {values}  {:.1} s{best}",
        eval.seconds
    )
}

fn edited(at: u64, edit: &ConfigApplied) -> String {
    let mut parts = vec![format!("configuration {} from step {at}", edit.version)];
    let changes = edit.changes.iter();
    parts.extend(changes.map(|change| format!("{} {} → {}", change.field, change.old, change.new)));
    if edit.repeated {
        parts.push("(repeated)".to_owned());
    }
    parts.join("  ")
}

/// Metrics by name; the loss comes last.
fn metrics(values: &BTreeMap<String, f64>) -> String {
    let (loss, others): (Vec<_>, Vec<_>) = values.iter().partition(|(name, _)| *name == "loss");
    let shown = |(name, value): (&String, &f64)| format!("{name} {}", figures(*value));
    let parts: Vec<String> = others.into_iter().chain(loss).map(shown).collect();
    parts.join("  ")
}

fn mark_best(best: bool) -> &'static str {
    if best { "  (best)" } else { "" }
}

/// Four decimals; an exponent where they would hide a small value or swell a large one.
fn figures(x: f64) -> String {
    let size = x.abs();
    if size.is_finite() && size != 0.0 && !(1e-3..1e5).contains(&size) {
        format!("{x:.2e}")
    } else {
        format!("{x:.4}")
    }
}

/// `22713216` as `22,713,216`.
fn grouped(n: usize) -> String {
    let digits = n.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Messages may quote files: what would break the line or steer a terminal becomes a space.
fn on_one_line(text: &str) -> String {
    let printable = |c: char| if c.is_control() { ' ' } else { c };
    text.trim_end().chars().map(printable).collect()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use crate::event::tests::{all_kinds, event};

    #[test]
    fn each_kind_reads_as_expected() {
        let lines: Vec<String> = all_kinds()
            .into_iter()
            .filter_map(|k| line(&event(12, k)))
            .collect();
        let expected = "\
run demo  cpu  500 steps  14,320 trained  0.0630 % of 22,713,216
step 12/500  loss NaN  lr 2.1e-3  |g| inf  3100 tok/s  epoch 0.24  (skipped: not finite)
eval validation  step 12  accuracy 0.7940  f1 0.0000  loss inf  1.5 s  (best)
configuration 2 from step 12  train.learning_rate 0.001 → 0.002  (repeated)
configuration refused: config.toml:3:1: expected a number
configuration: the files mean what is in force again
checkpoint checkpoints/step-000012  (best)
command at step 12: step 10 (ctl alice@login1) refused: the run is ending
warning at step 12: skipped
paused at step 12: disk full
continued at step 12
resumed from step 10
interrupted at step 12: SIGTERM
finished at step 12: no improvement  best: accuracy 0.7940
failed at step 12: out of memory";
        assert_eq!(lines.join("\n"), expected);
    }

    #[test]
    fn a_message_cannot_break_the_line_or_steer_the_terminal() {
        let kind = Kind::Warning {
            message: "first\r\nsecond\x1b[2J".to_owned(),
        };
        let text = line(&event(1, kind)).unwrap();
        assert_eq!(text, "warning at step 1: first  second [2J");
    }

    #[test]
    fn figures_keep_small_and_large_values_apart_from_zero() {
        let shown: Vec<String> = [0.0, 0.4312, 3.2e-7, -2.5e6, 1.0].map(figures).into();
        assert_eq!(shown, ["0.0000", "0.4312", "3.20e-7", "-2.50e6", "1.0000"]);
    }
}
