//! Panels of words: the run at a glance, its configuration, and its log.

use std::borrow::Cow;

use compacter_core::event::Kind;
use compacter_core::event::factors::{Branch, Place as FactorPlace, Stack};
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::Line;

use super::keys::{Id, Place};
use super::layout::Class;
use super::panel::{Answer, Context, Panel};
use super::seen::{Seen, clock};

/// Lines of text that may be more than fit.
#[derive(Debug)]
pub(crate) struct Words {
    title: &'static str,
    text: fn(&Seen) -> Vec<Cow<'_, str>>,
    from: Class,
    /// First line shown, unless the end is.
    top: usize,
    /// Characters left out at the left.
    left: usize,
    /// Whether it stays at the end.
    at_end: bool,
    sought: String,
}

impl Words {
    fn new(title: &'static str, text: fn(&Seen) -> Vec<Cow<'_, str>>) -> Self {
        Self {
            title,
            text,
            from: Class::Compact,
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

    /// The configuration in force.
    pub(crate) fn config() -> Self {
        Self::new("configuration in force", |seen| {
            seen.config.lines().map(Cow::from).collect()
        })
    }

    /// The projections of the method, as the last snapshot has them.
    pub(crate) fn factors() -> Self {
        Self::new("fast weights", factors)
    }

    /// What happened, the newest at the end.
    pub(crate) fn log() -> Self {
        let log = Self::new("log", |seen| seen.lines.iter().map(Cow::from).collect());
        Self {
            at_end: true,
            ..log
        }
    }

    /// The same, shown beside others only from this class on.
    pub(crate) fn only_from(self, from: Class) -> Self {
        Self { from, ..self }
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
    fn go_to_match(&mut self, first: usize, direction: Id, seen: &Seen) -> Answer {
        if self.sought.is_empty() {
            return Answer::Told("nothing is looked for: press /".to_owned());
        }
        let text = (self.text)(seen);
        let found: Vec<usize> = (0..text.len())
            .filter(|&at| self.matches(&text[at]))
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

    fn from(&self) -> Class {
        self.from
    }

    fn draw(&self, frame: &mut Frame<'_>, area: Rect, context: &Context<'_>) {
        let text = (self.text)(context.seen);
        let first = self.first(text.len(), area.height);
        let shown = text.iter().skip(first).zip(area.rows());
        for (line, row) in shown {
            let rest: String = line.chars().skip(self.left).collect();
            let style = if self.matches(line) {
                context.theme.chosen()
            } else {
                context.theme.text()
            };
            frame.render_widget(Line::styled(rest, style), row);
        }
    }

    fn on(&mut self, id: Id, lines: u16, context: &Context<'_>) -> Answer {
        let count = (self.text)(context.seen).len();
        let first = self.first(count, lines);
        let page = usize::from(lines.max(2) - 1);
        let top = match id {
            Id::Up => first.saturating_sub(1),
            Id::Down => first + 1,
            Id::PageUp => first.saturating_sub(page),
            Id::PageDown => first + page,
            Id::First => 0,
            Id::Last => count,
            Id::Left => {
                self.left = self.left.saturating_sub(8);
                return Answer::Done;
            }
            Id::Right => {
                self.left = (self.left + 8).min(400);
                return Answer::Done;
            }
            Id::NextMatch | Id::PreviousMatch => return self.go_to_match(first, id, context.seen),
            _ => return Answer::Ignored,
        };
        let last = count.saturating_sub(usize::from(lines));
        self.top = top.min(last);
        // Who went to the end wants to see what comes; who moved off it does not.
        self.at_end = id == Id::Last || (self.at_end && top >= last);
        Answer::Done
    }

    fn search(&mut self, text: &str, context: &Context<'_>) {
        self.sought = text.to_lowercase();
        if !self.sought.is_empty() {
            self.go_to_match(0, Id::NextMatch, context.seen);
        }
    }
}

fn now(seen: &Seen) -> Vec<Cow<'_, str>> {
    let number = |value: Option<f64>| value.map_or("-".to_owned(), |x| format!("{x:.4}"));
    let rate = seen
        .learning_rate
        .map_or("-".to_owned(), |x| format!("{x:.1e}"));
    let left = seen.left().map_or("-".to_owned(), clock);
    let mut lines = vec![
        Cow::from(format!("loss   {}", number(seen.loss))),
        Cow::from(format!("lr     {rate}")),
        Cow::from(format!("last   {}", seen.last.as_deref().unwrap_or("-"))),
        Cow::from(format!("best   {}", seen.best.as_deref().unwrap_or("-"))),
        Cow::from(format!("time   {}  left {left}", clock(seen.elapsed))),
        Cow::from(format!("cfg    v{}", seen.version)),
    ];
    if let Some(refused) = &seen.refused {
        lines.push(Cow::from(format!("kept   {refused}")));
    }
    lines
}

/// A line for each projection `W`: its norm, its distance from the initial values and from
/// the snapshot before, the norm of its gradient, and how many directions it works in.
fn factors(seen: &Seen) -> Vec<Cow<'_, str>> {
    let newest = seen.view.factors.back();
    let Some((step, Kind::Factors(snapshot))) = newest.map(|event| (event.step, &event.kind))
    else {
        return vec![Cow::from(
            "no snapshot yet: watch.factors_every is 0, or the method has no projections",
        )];
    };
    let number = |value: Option<f64>| value.map_or("-".to_owned(), |x| format!("{x:.3e}"));
    let rank = |value: Option<f64>| value.map_or("-".to_owned(), |x| format!("{x:.2}"));
    let rows = snapshot.projections.iter().map(|projection| {
        format!(
            "{:<22} {:>10} {:>10} {:>10} {:>10} {:>6}",
            place(&projection.place),
            number(Some(projection.norm)),
            number(Some(projection.drift)),
            number(projection.change),
            number(projection.gradient_norm),
            rank(projection.effective_rank),
        )
    });
    let head = format!(
        "{:<22} {:>10} {:>10} {:>10} {:>10} {:>6}",
        format!("step {step}"),
        "norm",
        "drift",
        "change",
        "gradient",
        "erank"
    );
    std::iter::once(head).chain(rows).map(Cow::from).collect()
}

/// A projection's place in a few words, such as `enc.1 attention up`.
fn place(place: &FactorPlace) -> String {
    let stack = match place.stack {
        Stack::Encoder => "enc",
        Stack::Decoder => "dec",
        _ => "?",
    };
    let branch = match place.branch {
        Branch::SelfAttention => "attention",
        Branch::CrossAttention => "cross",
        Branch::FeedForward => "ffn",
        _ => "?",
    };
    let role = format!("{:?}", place.role).to_lowercase();
    format!("{stack}.{} {branch} {role}", place.block + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::screen::seen::tests::{event, step};
    use crate::screen::theme::Tone;
    use crate::screen::theme::tests::with;

    fn seen() -> Seen {
        let mut seen = Seen::new("demo");
        for at in 1..=1000 {
            seen.apply(&event(at, step(1.0 / at as f64)));
        }
        seen
    }

    #[test]
    fn a_log_stays_at_its_end_until_one_looks_back() {
        let (seen, theme) = (seen(), with(Tone::Mono, &[]));
        let context = Context {
            seen: &seen,
            theme: &theme,
            focused: true,
        };
        let mut log = Words::log();
        assert_eq!(log.first(100, 10), 90);
        log.on(Id::Up, 10, &context);
        assert_eq!((log.first(100, 10), log.first(200, 10)), (89, 89));
        log.on(Id::Last, 10, &context);
        assert_eq!(log.first(200, 10), 190);
    }

    #[test]
    fn matches_are_found_in_turn_and_round_the_end() {
        let (seen, theme) = (seen(), with(Tone::Mono, &[]));
        let context = Context {
            seen: &seen,
            theme: &theme,
            focused: true,
        };
        let mut log = Words::log();
        log.search("STEP 50", &context); // steps 50 and 500
        assert_eq!(log.top, 4);
        log.on(Id::NextMatch, 10, &context);
        assert_eq!(log.top, 49);
        log.on(Id::NextMatch, 10, &context);
        assert_eq!(log.top, 4);
        log.on(Id::PreviousMatch, 10, &context);
        assert_eq!(log.top, 49);
        log.search("nothing like it", &context);
        let told = log.on(Id::NextMatch, 10, &context);
        assert_eq!(told, Answer::Told("no `nothing like it` here".to_owned()));
    }
}
