//! Panels of lines: the run at a glance, and its log.

use std::borrow::Cow;
use std::fmt::Write;

#[cfg(not(test))]
use chrono::Local as Zone;
use chrono::TimeZone;
// Pictures in the repository do not depend on where they are drawn.
#[cfg(test)]
use chrono::Utc as Zone;
use compacter_core::view::{EvalPoint, Severity};
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::Line;

use super::keys::{Id, Place};
use super::panel::{Answer, Context, Hand, Panel};
use super::scroll;
use super::seen::{Seen, clock};
use super::theme::Theme;

/// A line, and how it is to be said.
type Said<'a> = (Voice, Cow<'a, str>);

/// How a line is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Voice {
    /// As text.
    Plain,
    /// As what matters less, or no longer.
    Faint,
    /// As what deserves attention.
    Warning,
    /// As what went wrong.
    Bad,
}

impl Voice {
    /// Its style in a theme.
    pub(crate) fn style(self, theme: &Theme) -> Style {
        match self {
            Self::Plain => theme.text(),
            Self::Faint => theme.faint(),
            Self::Warning => theme.warning(),
            Self::Bad => theme.bad(),
        }
    }
}

/// Lines of text that may be more than fit.
#[derive(Debug)]
pub(crate) struct Words {
    title: &'static str,
    text: fn(&Seen<'_>) -> Vec<Said<'static>>,
    /// First line shown, unless the end is.
    top: usize,
    /// Characters left out at the left.
    left: usize,
    /// Whether it stays at the end.
    at_end: bool,
    sought: String,
}

impl Words {
    fn new(title: &'static str, text: fn(&Seen<'_>) -> Vec<Said<'static>>) -> Self {
        Self {
            title,
            text,
            top: 0,
            left: 0,
            at_end: false,
            sought: String::new(),
        }
    }

    /// What matters now.
    pub(crate) fn now() -> Self {
        Self::new("now", now)
    }

    /// What happened, the newest at the end.
    pub(crate) fn log() -> Self {
        Self {
            at_end: true,
            ..Self::new("log", |seen| log(seen).collect())
        }
    }

    fn first(&self, count: usize, lines: u16) -> usize {
        let last = count.saturating_sub(usize::from(lines));
        if self.at_end {
            last
        } else {
            self.top.min(last)
        }
    }

    fn matches(&self, line: &str) -> bool {
        !self.sought.is_empty() && line.to_lowercase().contains(&self.sought)
    }

    /// Goes to the next match below the first line shown, or above it, and round the end.
    fn go_to_match(&mut self, first: usize, direction: Id, seen: &Seen<'_>) -> Answer {
        if self.sought.is_empty() {
            return Answer::Told("nothing is looked for: press /".to_owned());
        }
        let text = (self.text)(seen);
        let found: Vec<usize> = (0..text.len())
            .filter(|&at| self.matches(&text[at].1))
            .collect();
        let next = if direction == Id::PreviousMatch {
            found.iter().rev().find(|&&at| at < first).or(found.last())
        } else {
            found.iter().find(|&&at| at > first).or(found.first())
        };
        let Some(&next) = next else {
            return Answer::Told(format!("no `{}` here", self.sought));
        };
        (self.top, self.at_end) = (next, false);
        Answer::Done
    }
}

impl Panel for Words {
    fn title(&self, _: &Context<'_>) -> String {
        self.title.to_owned()
    }

    fn places(&self) -> &'static [Place] {
        &[Place::Scrolling, Place::Searching]
    }

    fn draw(&self, frame: &mut Frame<'_>, area: Rect, context: &Context<'_>) {
        let text = (self.text)(&context.seen);
        let first = self.first(text.len(), area.height);
        let shown = text.iter().skip(first).zip(area.rows());
        for ((voice, line), row) in shown {
            let rest: String = line.chars().skip(self.left).collect();
            let style = if self.matches(line) {
                context.theme.chosen()
            } else {
                voice.style(context.theme)
            };
            frame.render_widget(Line::styled(rest, style), row);
        }
    }

    fn on(&mut self, id: Id, hand: &mut Hand<'_>) -> Answer {
        let count = (self.text)(&hand.seen).len();
        let lines = hand.room.height;
        let first = self.first(count, lines);
        let last = count.saturating_sub(usize::from(lines));
        match id {
            Id::Left => {
                self.left = self.left.saturating_sub(8);
                return Answer::Done;
            }
            Id::Right => {
                self.left = (self.left + 8).min(400);
                return Answer::Done;
            }
            Id::NextMatch | Id::PreviousMatch => return self.go_to_match(first, id, &hand.seen),
            _ => {}
        }
        let Some(top) = scroll::moved(id, first, last, lines) else {
            return Answer::Ignored;
        };
        self.top = top;
        // Who went to the end wants to see what comes; who moved off it does not.
        self.at_end = id == Id::Last || (self.at_end && top == last);
        Answer::Done
    }

    fn search(&mut self, text: &str, hand: &mut Hand<'_>) -> Answer {
        self.sought = text.to_lowercase();
        if self.sought.is_empty() {
            return Answer::Done;
        }
        self.go_to_match(0, Id::NextMatch, &hand.seen)
    }
}

fn now(seen: &Seen<'_>) -> Vec<Said<'static>> {
    let number = |value: Option<f64>| value.map_or("-".to_owned(), |x| format!("{x:.4}"));
    let rate = seen
        .learning_rate()
        .map_or("-".to_owned(), |x| format!("{x:.1e}"));
    let gradient = seen.view.latest.as_ref();
    let gradient = gradient.map_or("-".to_owned(), |step| {
        format!("{:.2}", step.values.gradient_norm)
    });
    let eval = |eval: Option<&EvalPoint>| eval.map_or("-".to_owned(), short);
    let pace = seen.view.pace.seconds_per_step();
    let pace = pace.filter(|&seconds| seconds > 0.0);
    let pace = pace.map_or("-".to_owned(), |seconds| format!("{:.2}", 1.0 / seconds));
    let tokens = seen.view.pace.tokens_per_second();
    let tokens = tokens.map_or("-".to_owned(), |tokens| format!("{tokens:.0}"));
    let memory = seen
        .view
        .latest
        .as_ref()
        .and_then(|step| step.values.memory);
    let memory = memory.map_or(String::new(), |bytes| {
        format!("   rss {:.2} GiB", bytes as f64 / f64::from(1 << 30))
    });
    let plain = |text: String| (Voice::Plain, Cow::from(text));
    let mut lines = vec![
        plain(format!("loss   {}   lr {rate}", number(seen.loss()))),
        plain(format!("best   {}", eval(seen.best()))),
        plain(format!("eval   {}", eval(seen.last()))),
        plain(format!(
            "|g|    {gradient}   skipped {}",
            seen.view.skipped.count()
        )),
        plain(format!("pace   {pace} it/s   {tokens} tok/s")),
        plain(format!("time   {}{memory}", clock(seen.elapsed()))),
    ];
    if seen.view.warnings > 0 {
        let text = format!("{} warnings: tab 7 has them", seen.view.warnings);
        lines.push((Voice::Warning, Cow::from(text)));
    }
    lines
}

/// An evaluation where there is little room: its loss, and what else was measured.
fn short(eval: &EvalPoint) -> String {
    let loss = eval.metrics.get("loss").copied().unwrap_or(f64::NAN);
    let others = eval.metrics.iter().filter(|(name, _)| *name != "loss");
    let mut text = format!("{loss:.4}");
    for (name, value) in others {
        // Writing to a string cannot fail.
        let _ok = write!(text, "  {name} {value:.3}");
    }
    text
}

/// The log's lines, the oldest first.
pub(crate) fn log(seen: &Seen<'_>) -> impl DoubleEndedIterator<Item = Said<'static>> {
    seen.view.log.lines().map(|line| {
        let voice = match line.severity {
            _ if line.void => Voice::Faint,
            Severity::Info => Voice::Plain,
            Severity::Warning => Voice::Warning,
            Severity::Error => Voice::Bad,
        };
        let void = if line.void { "(void) " } else { "" };
        (
            voice,
            Cow::from(format!("{} {void}{}", time_of_day(line.t), line.text)),
        )
    })
}

/// A wall time as `12:31:02`, where the viewer is.
pub(crate) fn time_of_day(seconds: f64) -> String {
    #[expect(clippy::cast_possible_truncation, reason = "cut to whole seconds")]
    let time = Zone.timestamp_opt(seconds as i64, 0);
    let time = time.single();
    time.map_or_else(String::new, |time| time.format("%H:%M:%S").to_string())
}

#[cfg(test)]
mod tests {
    use compacter_core::event::Kind;
    use compacter_core::view::RunView;
    use ratatui::layout::Size;

    use super::*;
    use crate::screen::seen::tests::{event, seen};
    use crate::screen::shared::Shared;
    use crate::screen::theme::Tone;
    use crate::screen::theme::tests::with;

    fn view() -> RunView {
        let mut view = RunView::default();
        for at in 1..=1000 {
            let message = format!("step {at} was odd");
            view.push(event(at, Kind::Warning { message }));
        }
        view
    }

    fn with_hand<T>(act: impl FnOnce(&mut Hand<'_>) -> T) -> T {
        let (view, theme) = (view(), with(Tone::Mono, &[]));
        act(&mut Hand {
            seen: seen(&view),
            shared: &mut Shared::default(),
            theme: &theme,
            room: Size::new(40, 10),
        })
    }

    #[test]
    fn a_log_stays_at_its_end_until_one_looks_back() {
        with_hand(|hand| {
            let mut log = Words::log();
            assert_eq!(log.first(100, 10), 90);
            log.on(Id::Up, hand);
            assert_eq!((log.first(1000, 10), log.first(2000, 10)), (989, 989));
            log.on(Id::Last, hand);
            assert_eq!(log.first(2000, 10), 1990);
        });
    }

    #[test]
    fn matches_are_found_in_turn_and_round_the_end() {
        with_hand(|hand| {
            let mut log = Words::log();
            log.search("STEP 50 ", hand);
            assert_eq!(log.top, 49);
            log.search("STEP 50", hand); // 50, and 500 to 509
            log.on(Id::NextMatch, hand);
            assert_eq!(log.top, 499);
            log.on(Id::PreviousMatch, hand);
            assert_eq!(log.top, 49);
            log.on(Id::PreviousMatch, hand);
            assert_eq!(log.top, 508);
            let told = log.search("nothing like it", hand);
            assert_eq!(told, Answer::Told("no `nothing like it` here".to_owned()));
        });
    }
}
