//! The last edit that was refused: what is wrong, and a caret under where.

use compacter_core::config::Effect;
use compacter_core::event::Refusal;
use ratatui::text::{Line, Span};

use crate::screen::theme::Theme;

/// Longest line that is shown of a file, in characters.
const LONGEST: usize = 400;

/// The lines of a refusal.
pub(super) fn lines(refusal: &Refusal, theme: &Theme) -> Vec<Line<'static>> {
    let reason = refusal.reason.as_ref().unwrap_or(&refusal.message);
    let field = refusal.field.as_ref().map(|field| format!("{field}: "));
    let error = format!("error: {}{reason}", field.unwrap_or_default());
    let mut lines: Vec<Line<'static>> = Vec::new();
    for line in error.lines().take(8) {
        lines.push(Line::styled(cut(line), theme.bad()));
    }
    let (Some(file), Some(line)) = (&refusal.file, refusal.line) else {
        return lines;
    };
    let column = refusal.column.unwrap_or(1);
    let number = line.to_string();
    let margin = " ".repeat(number.len());
    let (bar, corner) = (theme.glyph("│", "|"), theme.glyph("╭─", ",-"));
    let faint = theme.faint();
    let place = format!("{margin} {corner}[{}:{line}:{column}]", cut(file));
    lines.push(Line::styled(place, faint));
    let source = cut(refusal.source.as_deref().unwrap_or_default());
    let caret = column.saturating_sub(1).min(source.chars().count());
    lines.push(Line::from(vec![
        Span::styled(format!("{number} {bar} "), faint),
        Span::styled(source, theme.text()),
    ]));
    lines.push(Line::from(vec![
        Span::styled(format!("{margin} {} ", theme.glyph("·", ":")), faint),
        Span::styled(
            format!("{}^ {}", " ".repeat(caret), kind(refusal)),
            theme.bad(),
        ),
    ]));
    let end = theme.glyph("╰────", "`----");
    lines.push(Line::styled(format!("{margin} {end}"), faint));
    lines
}

/// When a change of the field would count.
fn kind(refusal: &Refusal) -> &'static str {
    match refusal.field.as_deref().map(Effect::of) {
        _ if !refusal.restart.is_empty() => "needs a restart",
        Some(Effect::Live) => "live field; the value in force stays",
        Some(Effect::NextEpoch) => "field of the next epoch; the value in force stays",
        _ => "the values in force stay",
    }
}

/// Text of a record without what a terminal would obey; a tab is one place wide.
fn cut(text: &str) -> String {
    let plain = |c: char| if c.is_control() { ' ' } else { c };
    text.chars().take(LONGEST).map(plain).collect()
}
