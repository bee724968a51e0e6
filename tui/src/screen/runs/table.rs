//! The columns of a list of runs: which fit, and what stands in them.

use ratatui::style::Style;
use ratatui::text::{Line, Span};

use super::entry::Entry;
use super::others::Others;
use crate::screen::seen::Stand;
use crate::screen::theme::Theme;

/// Least width of the name.
const NAME: usize = 16;
/// Most of it.
const WIDEST: usize = 40;

/// A column behind the name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Column {
    State,
    Step,
    Loss,
    Metric,
    Difference,
    Best,
    Trained,
    Method,
    Rate,
    Edits,
    Age,
}
use Column::{Age, Best, Difference, Edits, Loss, Method, Metric, Rate, State, Step, Trained};

/// Every column in the order in which they stand, with title and width.
const COLUMNS: [(Column, &str, usize); 11] = [
    (State, "state", 6),
    (Step, "step", 13),
    (Loss, "loss", 8),
    (Metric, "metric", 8),
    (Difference, "delta", 8),
    (Best, "best", 8),
    (Trained, "trained", 9),
    (Method, "method", 11),
    (Rate, "lr", 7),
    (Edits, "edits", 9),
    (Age, "age", 5),
];

/// The same in the order in which they matter.
const BY_WEIGHT: [Column; 11] = [
    State, Metric, Difference, Loss, Best, Step, Age, Trained, Method, Rate, Edits,
];

/// What a list of runs looks like at a width.
#[derive(Debug)]
pub(crate) struct Table<'a> {
    name: usize,
    columns: Vec<(Column, &'static str, usize)>,
    others: &'a Others,
    theme: &'a Theme,
    now: f64,
}

impl<'a> Table<'a> {
    /// The columns that fit. `now` is the time that ages are measured at.
    pub(crate) fn of(width: u16, others: &'a Others, theme: &'a Theme, now: f64) -> Self {
        let mut left = usize::from(width).saturating_sub(2 + NAME);
        let mut fit = Vec::new();
        for column in BY_WEIGHT {
            let found = COLUMNS.iter().find(|(of, ..)| *of == column);
            let needed = found.map_or(0, |(_, _, width)| width + 1);
            let of_use = column != Difference || others.baseline().is_some();
            if of_use && needed <= left {
                left -= needed;
                fit.push(column);
            }
        }
        let columns = COLUMNS.into_iter().filter(|(of, ..)| fit.contains(of));
        Self {
            name: (NAME + left).min(WIDEST),
            columns: columns.collect(),
            others,
            theme,
            now,
        }
    }

    /// The titles.
    pub(crate) fn titles(&self) -> Line<'static> {
        let mut text = format!("  {:<1$}", "run", self.name);
        for (column, title, width) in &self.columns {
            let title = if *column == Difference {
                self.theme.glyph("Δ", title)
            } else {
                title
            };
            text += &aligned(*column, title, *width);
        }
        Line::styled(text, self.theme.faint())
    }

    /// A run's row.
    pub(crate) fn row(&self, entry: &Entry) -> Line<'static> {
        let (marker, style) = self.marker(entry);
        let name: String = entry.name.chars().take(self.name).collect();
        let mut spans = vec![
            Span::styled(format!("{marker} "), style),
            Span::raw(format!("{name:<0$}", self.name)),
        ];
        for (column, _, width) in &self.columns {
            let text = aligned(*column, &self.cell(entry, *column), *width);
            spans.push(Span::styled(text, self.style(entry, *column)));
        }
        Line::from(spans)
    }

    fn marker(&self, entry: &Entry) -> (&'static str, Style) {
        if let Some(at) = self.others.marker(&entry.path) {
            return (self.theme.glyphs.line_marker(at), self.theme.strong());
        }
        match entry.stand {
            Stand::Failed | Stand::Lost => (self.theme.glyph("✗", "x"), self.theme.bad()),
            _ => (" ", self.theme.text()),
        }
    }

    /// The text of a cell.
    pub(crate) fn cell(&self, entry: &Entry, column: Column) -> String {
        match column {
            State => entry.stand.word().to_lowercase(),
            Step if entry.total == 0 => entry.step.to_string(),
            Step => format!("{}/{}", entry.step, entry.total),
            Loss => number(entry.loss()),
            Metric => number(entry.newest()),
            Difference => self.difference(entry).unwrap_or_else(|| "-".to_owned()),
            Best => number(entry.best),
            Trained => entry
                .trained
                .map_or("-".to_owned(), |percent| format!("{percent:.4}%")),
            Method => entry.set.method.clone(),
            Rate => entry
                .set
                .rate
                .map_or("-".to_owned(), |x| format!("{x:.0e}")),
            Edits if entry.edits == 0 => String::new(),
            Edits => format!("edited {}{}", entry.edits, self.theme.glyph("×", "x")),
            Age => age(self.now - entry.began),
        }
    }

    /// The best metric's distance from the baseline's.
    fn difference(&self, entry: &Entry) -> Option<String> {
        let baseline = self.others.baseline()?;
        if baseline.path == entry.path {
            return Some("base".to_owned());
        }
        let difference = entry.best? - baseline.best?;
        (entry.metric == baseline.metric).then(|| format!("{difference:+.4}"))
    }

    fn style(&self, entry: &Entry, column: Column) -> Style {
        let theme = self.theme;
        match column {
            State => crate::screen::draw::stand_style(entry.stand, theme),
            Edits => theme.warning(),
            Loss | Metric | Best => {
                let value = match column {
                    Loss => entry.loss(),
                    Metric => entry.newest(),
                    _ => entry.best,
                };
                let odd = value.is_some_and(|value| !value.is_finite());
                if odd { theme.bad() } else { theme.text() }
            }
            Age | Rate => theme.faint(),
            _ => theme.text(),
        }
    }
}

/// Text at the left of its column, numbers at the right; what is too long is cut.
fn aligned(column: Column, text: &str, width: usize) -> String {
    let cut: String = text.chars().take(width).collect();
    match column {
        State | Method | Edits => format!(" {cut:<width$}"),
        _ => format!(" {cut:>width$}"),
    }
}

fn number(value: Option<f64>) -> String {
    match value {
        None => "-".to_owned(),
        Some(value) if value.abs() < 1e3 => format!("{value:.4}"),
        Some(value) => format!("{value:.1e}"),
    }
}

/// Seconds as `40s`, `12m`, `3h`, `5d`.
fn age(seconds: f64) -> String {
    let seconds = seconds.max(0.0);
    let (value, unit) = match seconds {
        s if s < 60.0 => (s, "s"),
        s if s < 3600.0 => (s / 60.0, "m"),
        s if s < 86_400.0 => (s / 3600.0, "h"),
        s if s < 86_400.0 * 9999.0 => (s / 86_400.0, "d"),
        _ => return "-".to_owned(),
    };
    format!("{:.0}{unit}", value.floor())
}
