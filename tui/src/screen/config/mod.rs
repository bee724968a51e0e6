//! The configuration: what is in force since when, what changed, and what was refused.
//!
//! | file         | what                                                   |
//! |--------------|--------------------------------------------------------|
//! | `fields.rs`  | the fields in force, by when a change of them counts   |
//! | `refused.rs` | the last edit that was refused, with a caret under it  |
//!
//! The file that `E` opens is the run's own, which is live as the one that the run was
//! started from is, and is where the run is: the other may be on another machine.

mod fields;
mod refused;
#[cfg(test)]
mod tests;

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::keys::{Id, Place};
use super::panel::{Answer, Context, Hand, Panel};
use super::scroll;
use super::seen::Seen;
use super::theme::Theme;
use super::words::time_of_day;

/// The configuration's panel.
#[derive(Debug, Default)]
pub(crate) struct Config {
    /// First line shown.
    top: usize,
    sought: String,
}

impl Config {
    /// Goes to the next line with what is looked for, or to the one before, round the end.
    fn go_to_match(&mut self, first: usize, forward: bool, lines: &[Line<'_>]) -> Answer {
        if self.sought.is_empty() {
            return Answer::Told("nothing is looked for: press /".to_owned());
        }
        let found = (0..lines.len()).filter(|&at| self.matches(&lines[at]));
        let found: Vec<usize> = found.collect();
        let next = if forward {
            found.iter().find(|&&at| at > first).or(found.first())
        } else {
            found.iter().rev().find(|&&at| at < first).or(found.last())
        };
        match next {
            Some(&next) => {
                self.top = next;
                Answer::Done
            }
            None => Answer::Told(format!("no `{}` here", self.sought)),
        }
    }

    fn matches(&self, line: &Line<'_>) -> bool {
        let has = || line.to_string().to_lowercase().contains(&self.sought);
        !self.sought.is_empty() && has()
    }
}

impl Panel for Config {
    fn title(&self, _: &Context<'_>) -> String {
        "configuration  E:edit  U:undo".to_owned()
    }

    fn places(&self) -> &'static [Place] {
        &[Place::Scrolling, Place::Searching]
    }

    fn draw(&self, frame: &mut Frame<'_>, area: Rect, context: &Context<'_>) {
        let lines = lines(&context.seen, context.theme, area.width);
        let first = self.top.min(last(lines.len(), area.height));
        for (line, row) in lines.into_iter().skip(first).zip(area.rows()) {
            let line = if self.matches(&line) {
                line.patch_style(context.theme.chosen())
            } else {
                line
            };
            frame.render_widget(line, row);
        }
    }

    fn on(&mut self, id: Id, hand: &mut Hand<'_>) -> Answer {
        let lines = lines(&hand.seen, hand.theme, hand.room.width);
        let last = last(lines.len(), hand.room.height);
        let first = self.top.min(last);
        match id {
            Id::NextMatch => return self.go_to_match(first, true, &lines),
            Id::PreviousMatch => return self.go_to_match(first, false, &lines),
            _ => {}
        }
        let Some(top) = scroll::moved(id, first, last, hand.room.height) else {
            return Answer::Ignored;
        };
        self.top = top;
        Answer::Done
    }

    fn search(&mut self, text: &str, hand: &mut Hand<'_>) -> Answer {
        self.sought = text.to_lowercase();
        if self.sought.is_empty() {
            return Answer::Done;
        }
        let lines = lines(&hand.seen, hand.theme, hand.room.width);
        // From the line before the first: that one counts too.
        self.go_to_match(lines.len(), true, &lines)
    }
}

fn last(count: usize, height: u16) -> usize {
    count.saturating_sub(usize::from(height))
}

/// Everything there is to show.
fn lines(seen: &Seen<'_>, theme: &Theme, width: u16) -> Vec<Line<'static>> {
    let mut lines = vec![in_force(seen, theme)];
    if let Some(refusal) = &seen.view.refused {
        lines.push(Line::default());
        lines.extend(refused::lines(refusal, theme));
    }
    lines.push(Line::default());
    lines.extend(fields::lines(seen, theme, width));
    lines
}

/// Which version is in force, and since when.
fn in_force(seen: &Seen<'_>, theme: &Theme) -> Line<'static> {
    let version = seen.view.config_version();
    let since = seen.view.edits.last().map_or_else(
        || "since the start".to_owned(),
        |edit| format!("since step {}, {}", edit.step, time_of_day(edit.t)),
    );
    let mut spans = vec![Span::styled(
        format!("v{version} in force {since}"),
        theme.text(),
    )];
    if seen.view.refused.is_some() {
        let text = format!("  [!] INVALID (kept v{version})");
        spans.push(Span::styled(text, theme.bad()));
    }
    Line::from(spans)
}
