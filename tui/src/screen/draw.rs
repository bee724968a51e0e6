//! Draws the screen: what stands around the panels, and each panel's frame.

mod overlays;

use std::borrow::Cow;

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Clear};

use super::app::App;
use super::keys;
use super::layout::{Class, Parts};
use super::seen::{Stand, clock};
use super::theme::Theme;
use super::words::{self, Voice};

/// Seconds that a line of the log stands where no panel shows the log.
const NEWS: f64 = 4.0;

/// Draws everything.
pub(crate) fn draw(frame: &mut Frame<'_>, app: &mut App) {
    let area = frame.area();
    app.area = area;
    frame.render_widget(Clear, area);
    frame.buffer_mut().set_style(area, app.theme.text());
    if Class::of(area) == Class::Line {
        return small(frame, area, app);
    }
    let parts = Parts::of(area);
    frame.render_widget(title(app, area.width), parts.title);
    frame.render_widget(tabs(app), parts.tabs);
    panels(frame, parts.body, app);
    gauge(frame, parts.gauge, app);
    frame.render_widget(bottom(app, area.width), parts.keys);
    overlays::draw(frame, parts.body, app);
}

/// A screen too small for panels, or a card of a few lines in the scroll-back.
fn small(frame: &mut Frame<'_>, area: Rect, app: &App) {
    let seen = app.shown();
    let mut lines = vec![status(app, area.width)];
    if let Some(prompt) = overlays::in_a_line(app) {
        lines.insert(0, Line::styled(prompt, app.theme.warning()));
    } else if let Some(toast) = &app.toast {
        let style = if toast.bad {
            app.theme.bad()
        } else {
            app.theme.good()
        };
        lines.insert(
            usize::from(area.height > 1),
            Line::styled(toast.text.clone(), style),
        );
    }
    let rest = usize::from(area.height).saturating_sub(lines.len());
    let newest = words::log(&seen).rev().take(rest.saturating_sub(1));
    let newest: Vec<_> = newest.collect();
    let styled =
        |(voice, line): (Voice, Cow<'static, str>)| Line::styled(line, voice.style(&app.theme));
    lines.extend(newest.into_iter().rev().map(styled));
    if rest > 0 {
        lines.push(hints(app, area.width));
    }
    for (line, row) in lines.into_iter().zip(area.rows()) {
        frame.render_widget(line, row);
    }
}

/// Everything that matters in one line.
fn status(app: &App, width: u16) -> Line<'static> {
    let (seen, theme) = (app.shown(), &app.theme);
    let loss = seen
        .loss()
        .map_or(String::new(), |x| format!(" loss {x:.4}"));
    let rate = seen
        .learning_rate()
        .map_or(String::new(), |x| format!(" lr {x:.1e}"));
    let left = seen
        .left()
        .map_or(String::new(), |x| format!(" left {}", clock(x)));
    let word = match seen.stand() {
        Stand::Running => "step",
        stand => stand.word(),
    };
    let (step, total) = (seen.view.step, seen.view.total_steps);
    let text = format!("{word} {step}/{total}{loss}{rate}{left}");
    let room = usize::from(width).saturating_sub(text.chars().count());
    let advice = if room > app.advice.len() {
        app.advice
    } else {
        ""
    };
    Line::from(vec![
        Span::styled(text, stand_style(seen.stand(), theme)),
        Span::styled(advice, theme.faint()),
    ])
}

/// The style of how a run stands.
pub(crate) fn stand_style(stand: Stand, theme: &Theme) -> Style {
    match stand {
        Stand::Starting => theme.faint(),
        Stand::Running | Stand::Finished => theme.good(),
        Stand::Paused | Stand::Interrupted | Stand::Silent => theme.warning(),
        Stand::Failed | Stand::Lost => theme.bad(),
    }
}

fn title(app: &App, width: u16) -> Line<'static> {
    let (seen, theme) = (app.shown(), &app.theme);
    let dot = theme.glyph("●", "*");
    let kind = if app.is_live() { "" } else { "replay " };
    let mut spans = vec![
        Span::styled(
            format!(" compacter {} ", theme.glyph("▸", ">")),
            theme.faint(),
        ),
        Span::styled(seen.name.to_owned(), theme.strong()),
        Span::styled(
            format!("  {dot} {kind}{}", seen.stand().word()),
            stand_style(seen.stand(), theme),
        ),
        Span::raw(format!("  {}/{}", seen.view.step, seen.view.total_steps)),
        Span::raw(format!("  {}", clock(seen.elapsed()))),
    ];
    if let Some(left) = seen.left().filter(|_| seen.stand() == Stand::Running) {
        spans.push(Span::raw(format!("  left {}", clock(left))));
    }
    spans.push(Span::styled(
        format!("  cfg v{}", seen.view.config_version()),
        theme.faint(),
    ));
    if let Some(share) = app.progress() {
        let text = format!("  reading {:.0} %", share * 100.0);
        spans.push(Span::styled(text, theme.warning()));
    }
    if let Some(steps) = app.frozen_steps() {
        spans.push(Span::styled(
            format!("  FROZEN +{steps} steps"),
            theme.warning(),
        ));
    }
    if app.saving {
        spans.push(Span::styled("  saving…", theme.warning()));
    }
    // What does not fit is left out whole.
    let mut used = 0;
    let fits = |span: &Span<'_>| {
        used += span.width();
        used <= usize::from(width)
    };
    spans.into_iter().take_while(fits).collect()
}

/// The labels of the tabs, with where each begins.
fn labels(app: &App) -> Vec<(u16, String)> {
    let mut at = 1_u16;
    let mut labels = Vec::new();
    for (index, tab) in app.tabs.iter().enumerate() {
        let label = format!("{} {}", tab.number, tab.name);
        let label = if index == app.tab {
            format!("[{label}]")
        } else {
            label
        };
        let width = u16::try_from(label.chars().count()).unwrap_or(u16::MAX);
        labels.push((at, label));
        at = at.saturating_add(width).saturating_add(3);
    }
    labels
}

/// The tab whose label is in a column.
pub(crate) fn tab_at(app: &App, column: u16) -> Option<usize> {
    labels(app).iter().rposition(|(at, _)| *at <= column)
}

fn tabs(app: &App) -> Line<'static> {
    let between = format!(" {} ", app.theme.glyph("│", "|"));
    let mut spans = vec![Span::raw(" ")];
    for (index, (_, label)) in labels(app).into_iter().enumerate() {
        if index > 0 {
            spans.push(Span::styled(between.clone(), app.theme.faint()));
        }
        let style = if index == app.tab {
            app.theme.strong()
        } else {
            app.theme.text()
        };
        spans.push(Span::styled(label, style));
    }
    Line::from(spans)
}

fn panels(frame: &mut Frame<'_>, body: Rect, app: &App) {
    for (at, area) in app.panels(body) {
        let context = app.context(at == app.focus);
        let panel = &app.tabs[app.tab].panels[at];
        if panel.has_own_frame() {
            panel.draw(frame, area, &context);
            continue;
        }
        let block = block(
            &app.theme,
            format!(" {} ", panel.title(&context)),
            at == app.focus,
        );
        let inside = block.inner(area);
        frame.render_widget(block, area);
        panel.draw(frame, inside, &context);
    }
}

/// A panel's frame.
pub(crate) fn block(theme: &Theme, title: String, focused: bool) -> Block<'static> {
    Block::bordered()
        .border_set(theme.border())
        .border_style(theme.frame(focused))
        .title(title)
}

/// How much is done; a refused edit takes its place until the next good one.
fn gauge(frame: &mut Frame<'_>, area: Rect, app: &App) {
    let seen = app.shown();
    if let Some(refusal) = &seen.view.refused {
        let version = seen.view.config_version();
        let text = format!(" configuration kept at v{version}: {}", refusal.message);
        return frame.render_widget(Line::styled(text, app.theme.bad()), area);
    }
    let Some(share) = seen.share() else {
        return;
    };
    let percent = format!(" {:.1} % ", share * 100.0);
    let room = f64::from(area.width.saturating_sub(9));
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "between 0 and the width"
    )]
    let eighths = (share * room * 8.0) as usize;
    let full = app.theme.glyph("█", "#").repeat(eighths / 8);
    let parts = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
    let part = app.theme.glyph(parts[eighths % 8], "");
    let bar = Span::styled(
        format!("{full}{part}"),
        stand_style(seen.stand(), &app.theme),
    );
    frame.render_widget(Line::from(vec![bar, Span::raw(percent)]), area);
}

/// The last row: what is being told, else what the keys do.
fn bottom(app: &App, width: u16) -> Line<'static> {
    match &app.toast {
        Some(toast) if toast.bad => Line::styled(format!(" {}", toast.text), app.theme.bad()),
        Some(toast) => Line::styled(format!(" {}", toast.text), app.theme.good()),
        None => news(app).unwrap_or_else(|| hints(app, width)),
    }
}

/// The log's last line, for a moment, where no panel shows the log.
fn news(app: &App) -> Option<Line<'static>> {
    if Class::of(app.area) >= Class::Regular || !app.is_live() {
        return None;
    }
    let seen = app.seen();
    let newest = seen.view.log.lines().next_back()?;
    let (voice, text) = words::log(&seen).next_back()?;
    let fresh = seen.now - newest.t < NEWS && !newest.void;
    fresh.then(|| Line::styled(format!(" {text}"), voice.style(&app.theme)))
}

fn hints(app: &App, width: u16) -> Line<'static> {
    let mut spans = vec![Span::raw(" ")];
    let mut used = 1;
    for action in keys::valid(&app.places()).filter(|action| !action.hint.is_empty()) {
        let Some(key) = action.keys.first() else {
            continue;
        };
        let (key, hint) = (key.to_string(), format!(":{}  ", action.hint));
        used += key.chars().count() + hint.chars().count();
        if used > usize::from(width) {
            break;
        }
        spans.push(Span::styled(key, app.theme.strong()));
        spans.push(Span::styled(hint, app.theme.faint()));
    }
    Line::from(spans)
}
