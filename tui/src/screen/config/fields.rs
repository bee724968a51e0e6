//! The fields in force, by when a change of them counts.

use std::collections::HashMap;

use compacter_core::config::Effect;
use compacter_core::view::RunView;
use ratatui::style::Style;
use ratatui::text::{Line, Span};

use crate::screen::seen::Seen;
use crate::screen::theme::Theme;

/// Lines that are read of a configuration; a record may hold anything.
const MOST: usize = 1000;
/// Characters of a value that are read.
const LONGEST: usize = 200;
/// Width from which on there are two columns.
const TWO_COLUMNS: u16 = 76;

/// A line of a column.
#[derive(Debug, Clone, PartialEq)]
struct Cell {
    text: String,
    style: Style,
}

/// The fields, in columns where there is room.
pub(super) fn lines(seen: &Seen<'_>, theme: &Theme, width: u16) -> Vec<Line<'static>> {
    let fields = fields(seen.view.config().unwrap_or_default());
    let edits = edits(seen.view, theme);
    let group = |title: &str, effect: Effect| {
        let own = fields
            .iter()
            .filter(|(field, _)| Effect::of(field) == effect);
        let title = Cell {
            text: title.to_owned(),
            style: theme.faint(),
        };
        let cells = own.map(|(field, value)| cell(field, value, &edits, theme));
        std::iter::once(title).chain(cells).collect::<Vec<_>>()
    };
    let mut left = group("live", Effect::Live);
    let later = group("next epoch", Effect::NextEpoch);
    if later.len() > 1 {
        left.extend(later);
    }
    let mut right = group("restart needed", Effect::Restart);
    right.splice(1..1, pending(seen.view, theme));
    if width < TWO_COLUMNS {
        let cells = left.into_iter().chain(right);
        return cells
            .map(|cell| Line::styled(cell.text, cell.style))
            .collect();
    }
    side_by_side(&left, &right, usize::from(width))
}

/// Changes that wait for a restart.
fn pending(view: &RunView, theme: &Theme) -> Vec<Cell> {
    let waiting = view.refused.iter().flat_map(|refusal| &refusal.restart);
    let cell = |change: &compacter_core::event::Change| Cell {
        text: cut(&format!(
            "{} {} {} {} {}",
            theme.glyph("↻", "@"),
            change.field,
            or_default(&change.old),
            theme.glyph("→", "->"),
            or_default(&change.new)
        )),
        style: theme.warning(),
    };
    waiting.take(MOST).map(cell).collect()
}

/// What the newest edit of each field was, in words.
fn edits(view: &RunView, theme: &Theme) -> HashMap<String, (String, u64)> {
    let arrow = theme.glyph("→", "->");
    let newest = view.edits.iter().rev().take(MOST).rev();
    newest
        .flat_map(|edit| edit.changes.iter().map(|change| (change, edit.step)))
        .map(|(change, step)| {
            let old = format!("{} {arrow} ", or_default(&change.old));
            (change.field.clone(), (old, step))
        })
        .collect()
}

fn cell(field: &str, value: &str, edits: &HashMap<String, (String, u64)>, theme: &Theme) -> Cell {
    let Some((old, step)) = edits.get(field) else {
        return Cell {
            text: format!("{field:<20} {value}"),
            style: theme.text(),
        };
    };
    Cell {
        text: cut(&format!("{field:<20} {old}{value}  step {step}")),
        style: theme.strong(),
    }
}

fn side_by_side(left: &[Cell], right: &[Cell], width: usize) -> Vec<Line<'static>> {
    // Edited values stand in the left one, old beside new.
    let column = width * 3 / 5;
    let rows = left.len().max(right.len());
    let row = |at: usize| {
        let left = left.get(at).map_or_else(
            || Span::raw(" ".repeat(column)),
            |cell| {
                let text: String = cell.text.chars().take(column.saturating_sub(1)).collect();
                Span::styled(format!("{text:<column$}"), cell.style)
            },
        );
        let right = right.get(at);
        let right = right.map(|cell| Span::styled(cell.text.clone(), cell.style));
        std::iter::once(left).chain(right).collect::<Line<'_>>()
    };
    (0..rows).map(row).collect()
}

/// The fields of a text as the run writes it: a table's name, then its keys.
fn fields(text: &str) -> Vec<(String, String)> {
    let mut table = String::new();
    let mut fields = Vec::new();
    for line in text.lines().take(MOST).map(cut) {
        if let Some(name) = line
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'))
        {
            table = format!("{name}.");
        } else if let Some((key, value)) = line.split_once(" = ") {
            fields.push((format!("{table}{key}"), value.to_owned()));
        }
    }
    fields
}

fn or_default(value: &str) -> &str {
    if value.is_empty() { "default" } else { value }
}

/// Text of a record without what a terminal would obey.
fn cut(text: &str) -> String {
    let plain = |c: char| if c.is_control() { ' ' } else { c };
    text.chars().take(LONGEST).map(plain).collect()
}
