//! The panel of the runs beside the watched one: to compare, to lay over, to fork.
//!
//! | file        | what                                                             |
//! |-------------|------------------------------------------------------------------|
//! | `entry.rs`  | what is known of a run from a cheap look                         |
//! | `others.rs` | the list and the runs overlaid, shared by all panels             |
//! | `filter.rs` | which runs are shown                                             |
//! | `order.rs`  | in which order                                                   |
//! | `table.rs`  | the columns                                                      |

mod entry;
mod filter;
mod order;
mod others;
mod table;
#[cfg(test)]
mod tests;

use std::path::PathBuf;

use compacter_tui::table as cells;
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::Line;

use self::table::Table;
use super::keys::{Id, Place};
use super::panel::{Answer, Context, Format, Hand, Panel};
use super::scroll;
use entry::Entry;
use filter::{FIELDS, Filter};
use order::Order;

pub(crate) use others::{Others, Overlaid};

/// Rows from which on the last one says what can be filtered by.
const ROOMY: u16 = 10;

/// A list of runs.
#[derive(Debug, Default)]
pub(crate) struct Runs {
    filter: Filter,
    order: Order,
    /// The chosen run; the watched one or the first where it is gone or none is.
    chosen: Option<PathBuf>,
}

impl Runs {
    /// The runs that are shown, in their order.
    fn shown<'a>(&self, others: &'a Others) -> Vec<&'a Entry> {
        let entries = others.entries.iter();
        let mut shown: Vec<&Entry> = entries.filter(|entry| self.filter.shows(entry)).collect();
        self.order.sort(&mut shown);
        shown
    }

    /// Place of the chosen run among those shown.
    fn at(&self, shown: &[&Entry], others: &Others) -> usize {
        let chosen = self.chosen.as_ref();
        let chosen = shown.iter().position(|entry| Some(&entry.path) == chosen);
        let watched = || {
            let watched = |entry: &&Entry| others.marker(&entry.path) == Some(0);
            shown.iter().position(watched)
        };
        chosen.or_else(watched).unwrap_or(0)
    }

    /// Chooses another row, if `to` leads to one from the chosen and the last.
    fn go(&mut self, to: impl FnOnce(usize, usize) -> Option<usize>, others: &Others) -> Answer {
        let shown = self.shown(others);
        let last = shown.len().saturating_sub(1);
        let Some(to) = to(self.at(&shown, others), last) else {
            return Answer::Ignored;
        };
        self.chosen = shown.get(to).map(|entry| entry.path.clone());
        Answer::Done
    }

    fn empty(&self, others: &Others) -> String {
        let folder = entry::plain(&others.folder().to_string_lossy());
        if !others.known {
            format!("reading the runs in {folder}")
        } else if self.filter.text.is_empty() {
            format!("no runs in {folder}")
        } else {
            format!("no run is like `{}`", self.filter.text)
        }
    }

    /// What a key does to the chosen run.
    fn act(&self, id: Id, others: &mut Others) -> Answer {
        let shown = self.shown(others);
        let Some(entry) = shown.get(self.at(&shown, others)) else {
            return Answer::Refused("there is no run to choose".to_owned());
        };
        let path = entry.path.clone();
        let done = match id {
            Id::Open => return Answer::Open(path),
            Id::Fork => return Answer::Fork(path, None),
            Id::Copy => return Answer::Copy(path.to_string_lossy().into_owned()),
            Id::Select => others.select(&path),
            _ => others.pin(&path),
        };
        done.map_or_else(Answer::Refused, |()| Answer::Done)
    }
}

/// The first row shown, so that the chosen one is among as many as fit.
fn first(at: usize, rows: usize) -> usize {
    (at + 1).saturating_sub(rows)
}

impl Panel for Runs {
    fn title(&self, context: &Context<'_>) -> String {
        let others = &context.shared.others;
        let (shown, all) = (self.shown(others).len(), others.entries.len());
        let count = if shown == all {
            format!("{all}")
        } else {
            format!("{shown} of {all}")
        };
        let filter = match self.filter.text.as_str() {
            "" => String::new(),
            text => format!("  filter: {text}"),
        };
        format!("runs  {count}  sort: {}{filter}", self.order.word())
    }

    fn places(&self) -> &'static [Place] {
        &[
            Place::Comparing,
            Place::Choosing,
            Place::Scrolling,
            Place::Searching,
        ]
    }

    fn draw(&self, frame: &mut Frame<'_>, area: Rect, context: &Context<'_>) {
        let (others, theme) = (&context.shared.others, context.theme);
        let shown = self.shown(others);
        let mut rows: Vec<Rect> = area.rows().collect();
        if area.height >= ROOMY
            && let Some(last) = rows.pop()
        {
            frame.render_widget(Line::styled(FIELDS, theme.faint()), last);
        }
        if shown.is_empty() {
            let lines = [self.empty(others), FIELDS.to_owned()];
            let lines = lines
                .into_iter()
                .take(if area.height >= ROOMY { 1 } else { 2 });
            for (line, row) in lines.zip(rows) {
                frame.render_widget(Line::styled(line, theme.faint()), row);
            }
            return;
        }
        let table = Table::of(area.width, others, theme, others.now);
        let mut rows = rows.into_iter();
        if let Some(row) = rows.next() {
            frame.render_widget(table.titles(), row);
        }
        let at = self.at(&shown, others);
        let first = first(at, rows.len());
        for ((place, entry), row) in shown.iter().enumerate().skip(first).zip(rows) {
            frame.render_widget(table.row(entry), row);
            if place == at && context.focused {
                frame.buffer_mut().set_style(row, theme.chosen());
            }
        }
    }

    fn on(&mut self, id: Id, hand: &mut Hand<'_>) -> Answer {
        let others = &mut hand.shared.others;
        // The first line is the head.
        let page = hand.room.height.saturating_sub(1);
        match id {
            Id::Sort => {
                self.order = self.order.next();
                Answer::Told(format!("sorted by {}", self.order.word()))
            }
            Id::Open | Id::Fork | Id::Copy | Id::Select | Id::Pin => self.act(id, others),
            _ => self.go(|at, last| scroll::moved(id, at, last, page), others),
        }
    }

    fn search(&mut self, text: &str, _: &mut Hand<'_>) -> Answer {
        match Filter::parse(text) {
            Ok(filter) => {
                self.filter = filter;
                Answer::Done
            }
            Err(refused) => Answer::Refused(refused),
        }
    }

    fn click(&mut self, _: u16, row: u16, hand: &mut Hand<'_>) -> Answer {
        let others = &hand.shared.others;
        let footer = usize::from(hand.room.height >= ROOMY);
        let rows = usize::from(hand.room.height).saturating_sub(1 + footer);
        let Some(row) = usize::from(row).checked_sub(1).filter(|row| *row < rows) else {
            return Answer::Done;
        };
        self.go(|at, last| Some((first(at, rows) + row).min(last)), others)
    }

    fn export(&self, format: Format, context: &Context<'_>) -> Option<String> {
        if format != Format::Csv {
            return None;
        }
        let head = [
            "run",
            "state",
            "step",
            "total",
            "loss",
            "metric",
            "value",
            "best",
            "trained_percent",
            "method",
            "learning_rate",
            "edits",
        ];
        let shown = self.shown(&context.shared.others);
        let rows = shown.into_iter().map(|entry| {
            [
                cells::name(&entry.name),
                entry.stand.word().to_lowercase(),
                entry.step.to_string(),
                entry.total.to_string(),
                cells::number(entry.loss()),
                cells::name(&entry.metric),
                cells::number(entry.newest()),
                cells::number(entry.best),
                cells::number(entry.trained),
                entry.set.method.clone(),
                cells::number(entry.set.rate),
                entry.edits.to_string(),
            ]
        });
        Some(cells::csv(head, rows))
    }
}
