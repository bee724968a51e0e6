//! A run as its events tell it: what the words and numbers on the screen are taken from.

use std::collections::VecDeque;

use compacter_core::event::{Event, Kind, plain};
use compacter_tui::run_view::RunView;

/// Lines kept of what happened; the record has all.
const LINES: usize = 10_000;

/// Steps between two that have a line of their own.
const EVERY: u64 = 10;

/// How a run stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Stand {
    /// Nothing is recorded yet.
    #[default]
    Starting,
    /// Training.
    Running,
    /// Waiting for a command, or for room on the disk.
    Paused,
    /// Told to end before its end; saved.
    Interrupted,
    /// Complete.
    Finished,
    /// Ended with an error.
    Failed,
    /// Its process is gone and did not say why.
    Lost,
}

impl Stand {
    /// Whether something more may come.
    pub(crate) fn goes_on(self) -> bool {
        matches!(self, Self::Starting | Self::Running | Self::Paused)
    }
}

/// What was seen of a run so far.
#[derive(Debug, Clone, Default)]
pub(crate) struct Seen {
    /// The run's name.
    pub(crate) name: String,
    /// How it stands.
    pub(crate) stand: Stand,
    /// Steps done.
    pub(crate) step: u64,
    /// Steps planned; 0 while unknown.
    pub(crate) total: u64,
    /// Seconds since the process that trains it started.
    pub(crate) elapsed: f64,
    /// Step and elapsed seconds when that process came to it: what its speed is counted from.
    from: Option<(u64, f64)>,
    /// Loss of the last step.
    pub(crate) loss: Option<f64>,
    /// Learning rate of the last step.
    pub(crate) learning_rate: Option<f64>,
    /// The last evaluation, as a line.
    pub(crate) last: Option<String>,
    /// The best evaluation, as a line.
    pub(crate) best: Option<String>,
    /// Number of the configuration in force.
    pub(crate) version: u32,
    /// The configuration in force, as TOML.
    pub(crate) config: String,
    /// Why the last edit was refused; none once a good one came.
    pub(crate) refused: Option<String>,
    /// The curves.
    pub(crate) view: RunView,
    /// What happened, a line each.
    pub(crate) lines: VecDeque<String>,
}

impl Seen {
    /// Nothing yet, of the run named.
    pub(crate) fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            version: 1,
            ..Self::default()
        }
    }

    /// Takes the next event.
    pub(crate) fn apply(&mut self, event: &Event) {
        self.step = event.step;
        self.elapsed = event.elapsed;
        match &event.kind {
            Kind::Started(started) => {
                self.stand = Stand::Running;
                self.total = started.total_steps;
                self.config.clone_from(&started.config);
                self.from = Some((event.step, event.elapsed));
            }
            Kind::Step(step) => {
                // A run that is stopped by room on the disk says that it goes on.
                if self.stand != Stand::Paused {
                    self.stand = Stand::Running;
                }
                self.total = step.total_steps;
                self.loss = Some(step.loss);
                self.learning_rate = Some(step.learning_rate);
                self.from.get_or_insert((event.step, event.elapsed));
            }
            Kind::Eval(eval) => {
                self.last = plain::line(event);
                if eval.best {
                    self.best.clone_from(&self.last);
                }
            }
            Kind::ConfigApplied(edit) => {
                self.version = edit.version;
                self.config.clone_from(&edit.config);
                self.refused = None;
            }
            Kind::ConfigRefused { message } => self.refused = Some(message.clone()),
            Kind::Paused { .. } => self.stand = Stand::Paused,
            Kind::Continued => self.stand = Stand::Running,
            Kind::Resumed { from_step } => {
                self.stand = Stand::Running;
                self.step = *from_step;
                self.from = Some((*from_step, event.elapsed));
            }
            Kind::Interrupted { .. } => self.stand = Stand::Interrupted,
            Kind::Finished { .. } => self.stand = Stand::Finished,
            Kind::Failed { .. } => self.stand = Stand::Failed,
            _ => {}
        }
        self.view.push(event.clone());
        let shown = !matches!(event.kind, Kind::Step(_)) || event.step.is_multiple_of(EVERY);
        self.lines.extend(plain::line(event).filter(|_| shown));
        while self.lines.len() > LINES {
            self.lines.pop_front();
        }
    }

    /// Share of the steps that are done, from 0 to 1; `None` while their number is unknown.
    pub(crate) fn share(&self) -> Option<f64> {
        (self.total > 0).then(|| (self.step as f64 / self.total as f64).clamp(0.0, 1.0))
    }

    /// Seconds until the last step, at the speed so far.
    pub(crate) fn left(&self) -> Option<f64> {
        let (step, elapsed) = self.from?;
        let done = self.step.checked_sub(step).filter(|&done| done > 0)?;
        let per_step = (self.elapsed - elapsed) / done as f64;
        Some(per_step * self.total.saturating_sub(self.step) as f64)
    }

    /// How the run stands, in a word.
    pub(crate) fn word(&self) -> &'static str {
        match self.stand {
            Stand::Starting => "STARTS",
            Stand::Running => "RUN",
            Stand::Paused => "PAUSED",
            Stand::Interrupted => "SAVED",
            Stand::Finished => "DONE",
            Stand::Failed => "FAILED",
            Stand::Lost => "GONE",
        }
    }

    /// A few words for the title of the terminal's tab, such as `62% .231`.
    pub(crate) fn tab_title(&self) -> String {
        let loss = self.loss.map_or(String::new(), |loss| {
            let text = format!(" {loss:.3}");
            text.replacen(" 0.", " .", 1)
        });
        match (self.stand, self.share()) {
            (Stand::Running | Stand::Paused, Some(share)) => {
                format!("{:.0}%{loss} {}", (share * 100.0).floor(), self.name)
            }
            _ => format!("{} {}", self.word().to_lowercase(), self.name),
        }
    }
}

/// Seconds as `12:31` or `1:02:03`.
pub(crate) fn clock(seconds: f64) -> String {
    if !seconds.is_finite() || !(0.0..1e9).contains(&seconds) {
        return "-".to_owned();
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "between 0 and 1e9"
    )]
    let whole = seconds as u64;
    let (hours, minutes, seconds) = (whole / 3600, whole / 60 % 60, whole % 60);
    if hours > 0 {
        format!("{hours}:{minutes:02}:{seconds:02}")
    } else {
        format!("{minutes}:{seconds:02}")
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use compacter_core::event::{self, SCHEMA};

    use super::*;

    /// An event of a step, a second a step.
    pub(crate) fn event(step: u64, kind: Kind) -> Event {
        let elapsed = step as f64;
        Event {
            v: SCHEMA,
            run: "demo".to_owned(),
            step,
            t: elapsed,
            elapsed,
            kind,
        }
    }

    /// The kind of event a step of 200 makes.
    pub(crate) fn step(loss: f64) -> Kind {
        Kind::Step(event::Step {
            loss,
            learning_rate: 3e-3,
            gradient_norm: 0.5,
            epoch: 0.5,
            total_steps: 200,
            tokens: 100,
            seconds: 1.0,
            memory: None,
            skipped: false,
        })
    }

    #[test]
    fn progress_and_time_left_count_from_where_the_process_began() {
        let mut seen = Seen::new("demo");
        assert_eq!((seen.share(), seen.left()), (None, None));
        seen.apply(&event(100, Kind::Resumed { from_step: 100 }));
        for at in 101..=124 {
            seen.apply(&event(at, step(0.2314)));
        }
        assert_eq!(seen.share(), Some(0.62));
        assert_eq!(seen.left(), Some(76.0));
        assert_eq!(seen.tab_title(), "62% .231 demo");
    }

    #[test]
    fn a_stand_follows_what_the_run_says() {
        let mut seen = Seen::new("demo");
        let paused = Kind::Paused {
            reason: "asked to".to_owned(),
        };
        for (kind, word) in [
            (step(0.5), "RUN"),
            (paused, "PAUSED"),
            (Kind::Continued, "RUN"),
            (
                Kind::Interrupted {
                    reason: "SIGTERM".to_owned(),
                },
                "SAVED",
            ),
            (Kind::Resumed { from_step: 1 }, "RUN"),
            (
                Kind::Failed {
                    message: "no memory".to_owned(),
                },
                "FAILED",
            ),
        ] {
            seen.apply(&event(1, kind));
            assert_eq!(seen.word(), word);
        }
    }

    #[test]
    fn times_read_as_clocks_do() {
        let shown = [0.0, 61.9, 3_723.0, f64::NAN, f64::INFINITY].map(clock);
        assert_eq!(shown, ["0:00", "1:01", "1:02:03", "-", "-"]);
    }
}
