//! What the words and numbers around the panels are taken from: a run at a moment.

use std::fmt::Write;

use compacter_core::view::{EvalPoint, RunView, Status};

/// A run as it is drawn.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Seen<'a> {
    /// The run's name.
    pub(crate) name: &'a str,
    /// What is known of it.
    pub(crate) view: &'a RunView,
    /// The run's time, in seconds since 1970.
    pub(crate) now: f64,
    /// Whether its process is gone without a word.
    pub(crate) gone: bool,
}

/// How a run stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stand {
    /// Nothing is recorded yet.
    Starting,
    /// Training.
    Running,
    /// It should be training, and nothing was heard of it for long.
    Silent,
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
        matches!(
            self,
            Self::Starting | Self::Running | Self::Silent | Self::Paused
        )
    }

    /// In a word.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Starting => "STARTS",
            Self::Running => "RUN",
            Self::Silent => "SILENT",
            Self::Paused => "PAUSED",
            Self::Interrupted => "SAVED",
            Self::Finished => "DONE",
            Self::Failed => "FAILED",
            Self::Lost => "GONE",
        }
    }
}

impl<'a> Seen<'a> {
    /// How the run stands.
    pub(crate) fn stand(&self) -> Stand {
        match self.view.status(self.now) {
            Status::Interrupted { .. } => Stand::Interrupted,
            Status::Finished { .. } => Stand::Finished,
            Status::Failed { .. } => Stand::Failed,
            _ if self.gone => Stand::Lost,
            Status::Waiting => Stand::Starting,
            Status::Running => Stand::Running,
            Status::Silent { .. } => Stand::Silent,
            Status::Paused { .. } => Stand::Paused,
        }
    }

    /// Share of the steps that are done, from 0 to 1; `None` while their number is unknown.
    pub(crate) fn share(&self) -> Option<f64> {
        let (step, total) = (self.view.step as f64, self.view.total_steps);
        (total > 0).then(|| (step / total as f64).clamp(0.0, 1.0))
    }

    /// Seconds until the last step, at the pace of the last ones.
    pub(crate) fn left(&self) -> Option<f64> {
        self.view.eta(self.now).filter(|_| self.stand().goes_on())
    }

    /// Seconds that the run's processes have taken.
    pub(crate) fn elapsed(&self) -> f64 {
        self.view.elapsed(self.now)
    }

    /// Loss of the last step.
    pub(crate) fn loss(&self) -> Option<f64> {
        self.view.latest.as_ref().map(|step| step.values.loss)
    }

    /// Learning rate of the last step.
    pub(crate) fn learning_rate(&self) -> Option<f64> {
        let latest = self.view.latest.as_ref();
        latest.map(|step| step.values.learning_rate)
    }

    /// The last evaluation of the split that models are chosen by.
    pub(crate) fn last(&self) -> Option<&'a EvalPoint> {
        self.view.last_eval("validation")
    }

    /// The best one.
    pub(crate) fn best(&self) -> Option<&'a EvalPoint> {
        self.view.best_eval("validation")
    }

    /// A few words for the title of the terminal's tab, such as `62% .231 demo`.
    pub(crate) fn tab_title(&self) -> String {
        let loss = self.loss().map_or(String::new(), |loss| {
            let text = format!(" {loss:.3}");
            text.replacen(" 0.", " .", 1)
        });
        match (self.stand(), self.share()) {
            (Stand::Running | Stand::Paused | Stand::Silent, Some(share)) => {
                format!("{:.0}%{loss} {}", (share * 100.0).floor(), self.name)
            }
            (stand, _) => format!("{} {}", stand.word().to_lowercase(), self.name),
        }
    }
}

/// An evaluation in words, such as `step 120  accuracy 0.871  loss 0.2651`.
pub(crate) fn measured(eval: &EvalPoint) -> String {
    let mut text = format!("step {}", eval.step);
    for (name, value) in &eval.metrics {
        // Writing to a string cannot fail.
        let _ok = write!(text, "  {name} {value:.4}");
    }
    text
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
    use compacter_core::event::{self, Event, Kind, SCHEMA};

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
            peak_memory: None,
            skipped: false,
        })
    }

    /// A run at the moment of its last event.
    pub(crate) fn seen(view: &RunView) -> Seen<'_> {
        Seen {
            name: "demo",
            view,
            now: view.step as f64,
            gone: false,
        }
    }

    #[test]
    fn progress_and_time_left_are_those_of_the_present_pace() {
        let mut view = RunView::default();
        assert_eq!((seen(&view).share(), seen(&view).left()), (None, None));
        view.push(event(100, Kind::Resumed { from_step: 100 }));
        for at in 101..=124 {
            view.push(event(at, step(0.2314)));
        }
        let seen = seen(&view);
        assert_eq!((seen.share(), seen.left()), (Some(0.62), Some(76.0)));
        assert_eq!(seen.tab_title(), "62% .231 demo");
    }

    #[test]
    fn a_stand_follows_what_the_run_says() {
        let mut view = RunView::default();
        let reason = || "asked to".to_owned();
        for (kind, word) in [
            (step(0.5), "RUN"),
            (Kind::Paused { reason: reason() }, "PAUSED"),
            (Kind::Continued, "RUN"),
            (Kind::Interrupted { reason: reason() }, "SAVED"),
            (Kind::Resumed { from_step: 1 }, "RUN"),
            (Kind::Failed { message: reason() }, "FAILED"),
        ] {
            view.push(event(1, kind));
            assert_eq!(seen(&view).stand().word(), word);
        }
    }

    #[test]
    fn a_process_that_is_gone_is_gone_unless_the_run_was_over() {
        fn gone(view: &RunView) -> Stand {
            let seen = seen(view);
            Seen { gone: true, ..seen }.stand()
        }
        let mut view = RunView::default();
        view.push(event(1, step(0.5)));
        assert_eq!(gone(&view), Stand::Lost);
        let reason = event::Ending::Steps;
        view.push(event(2, Kind::Finished { reason, best: None }));
        assert_eq!(gone(&view), Stand::Finished);
    }

    #[test]
    fn times_read_as_clocks_do() {
        let shown = [0.0, 61.9, 3_723.0, f64::NAN, f64::INFINITY].map(clock);
        assert_eq!(shown, ["0:00", "1:01", "1:02:03", "-", "-"]);
    }
}
