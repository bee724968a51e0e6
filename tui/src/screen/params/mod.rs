//! The panels of what is trained: the sum being built up, and what other methods need.
//!
//! | file         | what                                                            |
//! |--------------|-----------------------------------------------------------------|
//! | `sum.rs`     | the run's groups, as a sum                                      |
//! | `methods.rs` | every method on the run's model                                 |

mod methods;
mod sum;
#[cfg(test)]
mod tests;

use std::cell::RefCell;

use compacter_tui::table;
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::Line;

use super::keys::{Id, Place};
use super::panel::{Answer, Context, Format, Hand, Panel};
use super::theme::Theme;
use crate::commands::params::grouped;
use methods::{Method, Methods};
use sum::{Sum, Term, formula, percent, size};

/// Said while the record has no first event.
const NOT_YET: &str = "the run has not said yet what it trains";

/// Width of a card with names in full.
const CARD: u16 = 38;

/// A line and its style.
type Said = (Style, String);

/// The sum, group by group, with formulas.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Params;

/// The sum as a card.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Card;

/// What every method would train on the run's model.
#[derive(Debug, Default)]
pub(crate) struct Compared {
    // Counting reads the model's configuration, which is not for every drawing.
    known: RefCell<Option<Known>>,
}

/// The methods counted last, and the configuration they were counted for.
#[derive(Debug)]
struct Known {
    config: String,
    methods: Result<Methods, String>,
}

fn sum(context: &Context<'_>) -> Option<Sum> {
    context.seen.view.started.as_ref().map(Sum::of)
}

fn draw(frame: &mut Frame<'_>, area: Rect, lines: Vec<Said>) {
    for ((style, line), row) in lines.into_iter().zip(area.rows()) {
        frame.render_widget(Line::styled(line, style), row);
    }
}

fn rule(theme: &Theme, width: usize) -> Said {
    (theme.faint(), theme.glyph("─", "-").repeat(width))
}

/// The sum of what is trained, as wide as there is room for.
struct Ledger<'a> {
    sum: &'a Sum,
    theme: &'a Theme,
    /// Width of the formulas; 0 leaves them out.
    formula: usize,
    /// Whether there is room for what a group takes on disk.
    sizes: bool,
}

impl<'a> Ledger<'a> {
    /// Width of a row without formula and size.
    const BARE: usize = 16 + 14 + 12 + 14;

    fn of(sum: &'a Sum, theme: &'a Theme, width: u16) -> Self {
        let room = usize::from(width).saturating_sub(Self::BARE);
        let formulas = sum.terms.iter().map(|term| term.formula.chars().count());
        let formula = formulas.max().unwrap_or(0).max(8) + 2;
        let formula = formula.min(room);
        Self {
            sum,
            theme,
            formula: if formula < 10 { 0 } else { formula },
            sizes: room >= formula + 13,
        }
    }

    fn row(
        &self,
        name: &str,
        formula: &str,
        [count, share, sum]: [String; 3],
        bytes: &str,
    ) -> String {
        let formula: String = formula
            .chars()
            .take(self.formula.saturating_sub(1))
            .collect();
        let name: String = name.chars().take(15).collect();
        let bytes = if self.sizes {
            format!("{bytes:>13}")
        } else {
            String::new()
        };
        format!(
            "{name:<16}{formula:<width$}{count:>14}{share:>12}{sum:>14}{bytes}",
            width = self.formula
        )
    }

    fn term(&self, term: &Term) -> Said {
        let sum = term.sum.map_or("apart".to_owned(), grouped);
        let numbers = [grouped(term.count), self.sum.percent(term.count), sum];
        let text = formula(&term.formula, self.theme);
        let style = match term.sum {
            Some(_) => self.theme.text(),
            None => self.theme.faint(),
        };
        (
            style,
            self.row(&term.name, &text, numbers, &size(term.count)),
        )
    }

    fn lines(&self) -> Vec<Said> {
        let (sum, theme) = (self.sum, self.theme);
        let titles = ["parameters", "% of model", "sum"].map(str::to_owned);
        let titles = self.row("group", "formula", titles, "on disk");
        let width = titles.chars().count();
        let mut lines = vec![(theme.faint(), titles)];
        lines.extend(sum.terms.iter().map(|term| self.term(term)));
        lines.push(rule(theme, width));
        let total = |name: &str, count: usize, bytes: &str| {
            let numbers = [grouped(count), sum.percent(count), String::new()];
            self.row(name, "", numbers, bytes)
        };
        let trained = total("trainable", sum.trainable, &size(sum.trainable));
        lines.push((theme.strong(), trained));
        lines.push((theme.text(), total("frozen", sum.frozen, "")));
        lines.push((theme.text(), total("plain model", sum.total, "")));
        lines
    }
}

impl Panel for Params {
    fn title(&self, _: &Context<'_>) -> String {
        "trained parameters".to_owned()
    }

    fn places(&self) -> &'static [Place] {
        &[]
    }

    fn draw(&self, frame: &mut Frame<'_>, area: Rect, context: &Context<'_>) {
        let lines = match sum(context) {
            Some(sum) => Ledger::of(&sum, context.theme, area.width).lines(),
            None => vec![(context.theme.faint(), NOT_YET.to_owned())],
        };
        draw(frame, area, lines);
    }

    fn on(&mut self, _: Id, _: &mut Hand<'_>) -> Answer {
        Answer::Ignored
    }

    fn export(&self, format: Format, context: &Context<'_>) -> Option<String> {
        let sum = sum(context).filter(|_| format == Format::Csv)?;
        let head = ["group", "formula", "parameters", "percent_of_model", "sum"];
        let rows = sum.terms.iter().map(|term| {
            let percent = 100.0 * term.count as f64 / sum.total.max(1) as f64;
            [
                table::name(&term.name),
                table::name(&term.formula),
                term.count.to_string(),
                percent.to_string(),
                term.sum.map_or_else(String::new, |sum| sum.to_string()),
            ]
        });
        Some(table::csv(head, rows))
    }
}

impl Panel for Card {
    fn title(&self, _: &Context<'_>) -> String {
        "parameters".to_owned()
    }

    fn places(&self) -> &'static [Place] {
        &[]
    }

    fn draw(&self, frame: &mut Frame<'_>, area: Rect, context: &Context<'_>) {
        let theme = context.theme;
        let Some(sum) = sum(context) else {
            return draw(frame, area, vec![(theme.faint(), NOT_YET.to_owned())]);
        };
        let wide = area.width >= CARD;
        let (names, counts) = if wide { (14, 12) } else { (10, 11) };
        let row = |name: &str, count: usize| {
            let name = if wide {
                name
            } else {
                name.trim_end_matches(" weights")
            };
            let name: String = name.chars().take(names).collect();
            format!(" {name:<names$}{:>counts$}", grouped(count))
        };
        let terms = sum.terms.iter().filter(|term| term.sum.is_some());
        let mut lines: Vec<Said> = terms
            .map(|term| (theme.text(), row(&term.name, term.count)))
            .collect();
        // What the groups come to matters more than the last of them.
        lines.truncate(usize::from(area.height).saturating_sub(3));
        lines.push(rule(theme, names + counts + 1));
        let share = sum.percent(sum.trainable);
        if wide {
            let trained = format!("{}  {share}", row("trainable", sum.trainable));
            lines.push((theme.strong(), trained));
            lines.push((theme.text(), row("frozen", sum.frozen)));
        } else {
            lines.push((theme.strong(), row("trainable", sum.trainable)));
            let millions = sum.total as f64 / 1e6;
            let text = format!(" {share} of {millions:.1} M");
            lines.push((theme.strong(), text));
        }
        draw(frame, area, lines);
    }

    fn on(&mut self, _: Id, _: &mut Hand<'_>) -> Answer {
        Answer::Ignored
    }

    fn export(&self, format: Format, context: &Context<'_>) -> Option<String> {
        Params.export(format, context)
    }
}

impl Compared {
    /// Has the methods counted for a configuration, once.
    fn with<T>(&self, config: &str, show: impl FnOnce(&Result<Methods, String>) -> T) -> T {
        let mut known = self.known.borrow_mut();
        let same = known.take().filter(|known| known.config == config);
        let now = same.unwrap_or_else(|| Known {
            config: config.to_owned(),
            methods: Methods::of(config),
        });
        show(&known.insert(now).methods)
    }

    fn row(method: &Method, total: usize, theme: &Theme) -> Said {
        let marker = if method.own {
            theme.glyph("▶", ">")
        } else {
            " "
        };
        let numbers = match &method.trains {
            Ok(count) => format!("{:>14}{:>12}", grouped(*count), percent(*count, total)),
            Err(refused) => format!("  {refused}"),
        };
        let style = if method.own {
            theme.strong()
        } else {
            theme.text()
        };
        (style, format!("{marker} {:<12}{numbers}", method.name))
    }
}

/// As many methods as there are lines for, the run's own among them.
fn window(rows: &[Method], lines: usize) -> &[Method] {
    let own = rows.iter().position(|method| method.own).unwrap_or(0);
    let last = rows.len().saturating_sub(lines);
    let first = own.saturating_sub(lines / 2).min(last);
    &rows[first..rows.len().min(first + lines)]
}

impl Panel for Compared {
    fn title(&self, _: &Context<'_>) -> String {
        "what other methods need on this model".to_owned()
    }

    fn places(&self) -> &'static [Place] {
        &[]
    }

    fn draw(&self, frame: &mut Frame<'_>, area: Rect, context: &Context<'_>) {
        let theme = context.theme;
        let Some(config) = context.seen.view.config() else {
            return draw(frame, area, vec![(theme.faint(), NOT_YET.to_owned())]);
        };
        let lines = self.with(config, |methods| match methods {
            Err(why) => vec![(theme.faint(), why.clone())],
            Ok(methods) => {
                let titles = format!("  {:<12}{:>14}{:>12}", "method", "trainable", "% of model");
                let shown = window(&methods.rows, usize::from(area.height).saturating_sub(1));
                let rows = shown.iter();
                let rows = rows.map(|method| Self::row(method, methods.total, theme));
                std::iter::once((theme.faint(), titles))
                    .chain(rows)
                    .collect()
            }
        });
        draw(frame, area, lines);
    }

    fn on(&mut self, _: Id, _: &mut Hand<'_>) -> Answer {
        Answer::Ignored
    }

    fn export(&self, format: Format, context: &Context<'_>) -> Option<String> {
        let config = context.seen.view.config()?;
        if format != Format::Csv {
            return None;
        }
        self.with(config, |methods| {
            let methods = methods.as_ref().ok()?;
            let rows = methods.rows.iter().map(|method| {
                let count = method.trains.as_ref();
                [
                    method.name.to_owned(),
                    count.map_or_else(|_| String::new(), usize::to_string),
                    methods.total.to_string(),
                ]
            });
            Some(table::csv(["method", "trainable", "model"], rows))
        })
    }
}
