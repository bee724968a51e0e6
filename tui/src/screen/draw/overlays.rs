//! Draws what lies over the panels.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::Clear;

use super::block;
use crate::screen::app::App;
use crate::screen::keys::Place;
use crate::screen::keys::valid;
use crate::screen::layout::centred;
use crate::screen::overlay::{Confirm, Help, Overlay, Palette, Rate};
use crate::screen::theme::Theme;

/// Draws the overlay that is open, in the middle of an area.
pub(super) fn draw(frame: &mut Frame<'_>, area: Rect, app: &App) {
    let theme = &app.theme;
    match &app.overlay {
        None => {}
        Some(Overlay::Help(help)) => draw_help(frame, area, theme, help),
        Some(Overlay::Palette(palette)) => draw_palette(frame, area, theme, palette),
        Some(Overlay::Search(text)) => {
            window(
                frame,
                area,
                theme,
                "look for",
                vec![typed(theme, "/", text)],
            );
        }
        Some(Overlay::Quit) => window(frame, area, theme, "leave", quit(theme)),
        Some(Overlay::Confirm(confirm)) => {
            window(frame, area, theme, "sure?", confirmation(theme, confirm));
        }
        Some(Overlay::Rate(rate)) => {
            window(frame, area, theme, "learning rate", rating(theme, *rate));
        }
    }
}

/// What an overlay asks, where there is room for one line only.
pub(super) fn in_a_line(app: &App) -> Option<String> {
    Some(match app.overlay.as_ref()? {
        Overlay::Help(_) => "keys: q leave · : command · Esc back".to_owned(),
        Overlay::Palette(palette) => {
            let complaint = palette.complaint.as_ref().map(|text| format!("  {text}"));
            format!(":{}{}", palette.text, complaint.unwrap_or_default())
        }
        Overlay::Search(text) => format!("/{text}"),
        Overlay::Quit => "leave? Enter: detach · S: stop, save · K: kill · Esc".to_owned(),
        Overlay::Confirm(confirm) => format!("{}? Enter or {} · Esc", confirm.words, confirm.key),
        Overlay::Rate(rate) => format!("lr {:e} → {:e}  * / Enter · Esc", rate.old, rate.new),
    })
}

/// A box as large as its lines.
fn window(frame: &mut Frame<'_>, area: Rect, theme: &Theme, title: &str, lines: Vec<Line<'_>>) {
    let widest = lines.iter().map(Line::width).max().unwrap_or(0).max(30) + 4;
    let width = u16::try_from(widest).unwrap_or(u16::MAX);
    let height = u16::try_from(lines.len() + 2).unwrap_or(u16::MAX);
    let inside = open(frame, centred(area, width, height), theme, title);
    for (line, row) in lines.into_iter().zip(inside.rows()) {
        frame.render_widget(line, row);
    }
}

fn open(frame: &mut Frame<'_>, area: Rect, theme: &Theme, title: &str) -> Rect {
    frame.render_widget(Clear, area);
    frame.buffer_mut().set_style(area, theme.text());
    let block = block(theme, format!(" {title} "), true);
    let inside = block.inner(area);
    frame.render_widget(block, area);
    inside.inner(ratatui::layout::Margin::new(u16::from(inside.width > 2), 0))
}

fn typed(theme: &Theme, before: &'static str, text: &str) -> Line<'static> {
    Line::from(vec![
        Span::styled(before, theme.strong()),
        Span::raw(text.to_owned()),
        Span::styled(" ", theme.chosen()),
    ])
}

fn explained(theme: &Theme, key: &str, text: &str) -> Line<'static> {
    Line::from(vec![
        Span::styled(format!("{key:<14}"), theme.strong()),
        Span::raw(text.to_owned()),
    ])
}

fn quit(theme: &Theme) -> Vec<Line<'static>> {
    let mut lines = vec![explained(theme, "Enter d", "detach; training goes on")];
    let others = valid(&[Place::Quitting]);
    lines.extend(others.map(|action| explained(theme, &action.key_names(), action.help)));
    lines.push(explained(theme, "Esc", "stay"));
    lines
}

fn confirmation(theme: &Theme, confirm: &Confirm) -> Vec<Line<'static>> {
    vec![
        Line::styled(confirm.words.clone(), theme.warning()),
        Line::raw(confirm.help),
        explained(theme, &format!("Enter {}", confirm.key), "do it"),
        explained(theme, "Esc", "do not"),
    ]
}

fn rating(theme: &Theme, rate: Rate) -> Vec<Line<'static>> {
    let Rate { old, new } = rate;
    let arrow = theme.glyph("→", "->");
    let mut lines = vec![Line::styled(
        format!("{old:e} {arrow} {new:e}"),
        theme.warning(),
    )];
    let keys = valid(&[Place::Rating]);
    lines.extend(keys.map(|action| explained(theme, &action.key_names(), action.help)));
    lines.push(explained(theme, "Enter", "bring it into force"));
    lines.push(explained(theme, "Esc", "leave it as it is"));
    lines
}

fn draw_help(frame: &mut Frame<'_>, area: Rect, theme: &Theme, help: &Help) {
    let inside = open(
        frame,
        centred(area, 96, 60),
        theme,
        "help: type to search, Esc closes",
    );
    let mut lines = vec![typed(theme, "/", &help.sought)];
    lines.extend(help.rows().into_iter().skip(help.top).map(|action| {
        Line::from(vec![
            Span::styled(format!("{:<12}", action.key_names()), theme.strong()),
            Span::styled(format!("{:<16}", action.usage()), theme.faint()),
            Span::raw(action.help),
        ])
    }));
    for (line, row) in lines.into_iter().zip(inside.rows()) {
        frame.render_widget(line, row);
    }
}

fn draw_palette(frame: &mut Frame<'_>, area: Rect, theme: &Theme, palette: &Palette) {
    let inside = open(
        frame,
        centred(area, 76, 14),
        theme,
        "commands: Tab completes",
    );
    let mut lines = vec![typed(theme, ":", &palette.text)];
    if let Some(complaint) = &palette.complaint {
        lines.push(Line::styled(complaint.clone(), theme.bad()));
    }
    lines.extend(palette.matches().into_iter().map(|action| {
        Line::from(vec![
            Span::styled(format!("{:<18}", action.usage()), theme.strong()),
            Span::raw(action.help),
        ])
    }));
    for (line, row) in lines.into_iter().zip(inside.rows()) {
        frame.render_widget(line, row);
    }
}
