//! The table of projections; the row chosen in it is what the other panels show.

use std::cell::Cell;

use compacter_tui::table;
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::columns::{Column, Order};
use super::paint::bar;
use super::quantity::{Quantity, place};
use super::snapshot::{Snapshot, say, why};
use crate::screen::keys::{Id, Place};
use crate::screen::panel::{Answer, Context, Format, Hand, Panel};
use crate::screen::scroll;
use crate::screen::theme::Theme;

/// The table of projections.
#[derive(Debug, Default)]
pub(crate) struct Projections {
    order: Order,
    /// Only rows with this text are shown.
    sought: String,
    /// The first row shown when it was last drawn.
    top: Cell<usize>,
}

impl Projections {
    /// Places of the rows, in their order.
    fn rows(&self, snapshot: &Snapshot<'_>, theme: &Theme) -> Vec<usize> {
        let projections = &snapshot.factors.projections;
        let has = |at: &usize| {
            let projection = &projections[*at];
            self.sought.is_empty()
                || projection.name.to_lowercase().contains(&self.sought)
                || place(projection.place, theme).contains(&self.sought)
        };
        let mut places: Vec<usize> = (0..projections.len()).filter(has).collect();
        self.order.sort(&mut places, projections);
        places
    }

    /// Scrolls as little as shows the row chosen.
    fn first(&self, chosen: usize, count: usize, lines: usize) -> usize {
        let least = (chosen + 1).saturating_sub(lines);
        let top = self.top.get().clamp(least, chosen.max(least));
        let top = top.min(count.saturating_sub(lines));
        self.top.set(top);
        top
    }

    /// The value that the table is sorted by, of the row chosen.
    fn value(&self, snapshot: &Snapshot<'_>) -> String {
        let quantity = match self.order {
            Order::Forward => Quantity::Norm,
            Order::Largest(quantity) => quantity,
        };
        let value = quantity.of(snapshot.projection());
        value.map_or_else(|| "-".to_owned(), |value| value.to_string())
    }
}

impl Panel for Projections {
    fn title(&self, context: &Context<'_>) -> String {
        let Some(snapshot) = Snapshot::newest(&context.seen, context.shared) else {
            return "projections".to_owned();
        };
        let rows = self.rows(&snapshot, context.theme);
        let here = rows.iter().position(|at| *at == snapshot.chosen);
        let here = here.map_or_else(|| "-".to_owned(), |here| (here + 1).to_string());
        let sort = self.order.name(context.theme);
        let sought = match self.sought.as_str() {
            "" => String::new(),
            sought => format!(" /{sought}"),
        };
        format!("projections {here}/{} (sort: {sort}){sought}", rows.len())
    }

    fn places(&self) -> &'static [Place] {
        &[Place::Choosing, Place::Scrolling, Place::Searching]
    }

    fn draw(&self, frame: &mut Frame<'_>, area: Rect, context: &Context<'_>) {
        let Some(snapshot) = Snapshot::newest(&context.seen, context.shared) else {
            return say(frame, area, context, &why(&context.seen));
        };
        let rows = self.rows(&snapshot, context.theme);
        if rows.is_empty() {
            let text = format!(
                "No projection has `{}`: `/` looks for another.",
                self.sought
            );
            return say(frame, area, context, &text);
        }
        let lines = usize::from(area.height.saturating_sub(1));
        let here = rows.iter().position(|at| *at == snapshot.chosen);
        let first = self.first(here.unwrap_or(0), rows.len(), lines);
        let table = Table::new(&snapshot, &rows, area.width, context.theme);
        frame.render_widget(table.head(), area);
        let shown = rows.iter().skip(first).zip(area.rows().skip(1));
        for (at, row) in shown {
            frame.render_widget(table.row(*at), row);
        }
    }

    fn on(&mut self, id: Id, hand: &mut Hand<'_>) -> Answer {
        let Some(snapshot) = Snapshot::newest(&hand.seen, hand.shared) else {
            return Answer::Told(why(&hand.seen));
        };
        match id {
            Id::Sort => {
                self.order = self.order.next();
                return Answer::Done;
            }
            Id::Copy => return Answer::Copy(self.value(&snapshot)),
            _ => {}
        }
        let rows = self.rows(&snapshot, hand.theme);
        let here = rows.iter().position(|at| *at == snapshot.chosen);
        let (count, here) = (rows.len(), here.unwrap_or(0));
        let next = match id {
            Id::NextMatch => Some((here + 1) % count.max(1)),
            Id::PreviousMatch => Some((here + count.max(1) - 1) % count.max(1)),
            // The first line is the head.
            _ => scroll::moved(
                id,
                here,
                count.saturating_sub(1),
                hand.room.height.saturating_sub(1),
            ),
        };
        let Some(next) = next else {
            return Answer::Ignored;
        };
        if let Some(at) = rows.get(next) {
            hand.shared.projection = *at;
        }
        Answer::Done
    }

    fn search(&mut self, text: &str, hand: &mut Hand<'_>) -> Answer {
        self.sought = text.to_lowercase();
        let Some(snapshot) = Snapshot::newest(&hand.seen, hand.shared) else {
            return Answer::Done;
        };
        let rows = self.rows(&snapshot, hand.theme);
        match rows.first() {
            None => return Answer::Told(format!("no projection has `{text}`")),
            Some(first) if !rows.contains(&snapshot.chosen) => hand.shared.projection = *first,
            Some(_) => {}
        }
        Answer::Done
    }

    fn click(&mut self, _: u16, row: u16, hand: &mut Hand<'_>) -> Answer {
        let Some(snapshot) = Snapshot::newest(&hand.seen, hand.shared) else {
            return Answer::Ignored;
        };
        let rows = self.rows(&snapshot, hand.theme);
        let below_head = usize::from(row).checked_sub(1);
        let at = below_head.and_then(|row| rows.get(self.top.get() + row));
        let Some(at) = at else {
            return Answer::Ignored;
        };
        hand.shared.projection = *at;
        Answer::Done
    }

    fn export(&self, format: Format, context: &Context<'_>) -> Option<String> {
        let snapshot = Snapshot::newest(&context.seen, context.shared)?;
        (format == Format::Csv).then(|| csv(&snapshot, &self.rows(&snapshot, context.theme)))
    }
}

/// The table as it is drawn.
struct Table<'a> {
    snapshot: &'a Snapshot<'a>,
    columns: Vec<Column>,
    /// Cells that a place takes.
    name: usize,
    theme: &'a Theme,
}

impl<'a> Table<'a> {
    fn new(snapshot: &'a Snapshot<'a>, rows: &[usize], width: u16, theme: &'a Theme) -> Self {
        let projections = &snapshot.factors.projections;
        let lengths = rows.iter().map(|at| place(projections[*at].place, theme));
        let name = lengths.map(|text| text.chars().count()).max().unwrap_or(0);
        let components = snapshot.decoded.shares(snapshot.factors, snapshot.chosen);
        // One cell is the mark's.
        let room = usize::from(width).saturating_sub(name + 1);
        Self {
            snapshot,
            columns: Column::that_fit(room, components.len()),
            name,
            theme,
        }
    }

    fn head(&self) -> Line<'static> {
        let name = format!(" {:name$}", "layer", name = self.name);
        let heads = self.columns.iter().map(|column| {
            let (head, width) = (column.head(self.theme), column.width());
            format!(" {head:>width$}")
        });
        let text: String = std::iter::once(name).chain(heads).collect();
        Line::styled(text, self.theme.faint())
    }

    fn row(&self, at: usize) -> Line<'static> {
        let projection = &self.snapshot.factors.projections[at];
        let chosen = at == self.snapshot.chosen;
        let mark = if chosen {
            self.theme.glyph("▶", ">")
        } else {
            " "
        };
        let name = place(projection.place, self.theme);
        let text = format!("{mark}{name:width$}", width = self.name);
        let mut spans = vec![Span::styled(text, self.theme.text())];
        for column in &self.columns {
            match column {
                Column::Number(quantity) => {
                    let number = Column::number(*quantity, projection, self.theme);
                    let room = (column.width() + 1).saturating_sub(number.width());
                    spans.push(Span::raw(" ".repeat(room)));
                    spans.push(number);
                }
                Column::Shares(count) => self.shares(at, *count, &mut spans),
            }
        }
        if chosen {
            let style = self.theme.chosen();
            spans = spans
                .into_iter()
                .map(|span| span.patch_style(style))
                .collect();
        }
        Line::from(spans)
    }

    fn shares(&self, at: usize, count: usize, spans: &mut Vec<Span<'static>>) {
        let shares = self.snapshot.decoded.shares(self.snapshot.factors, at);
        spans.push(Span::raw(" "));
        let top = shares.iter().copied().fold(0.0, f64::max);
        let share = |x: &f64| if top > 0.0 { x / top } else { *x };
        spans.extend(shares.iter().take(count).map(|x| bar(share(x), self.theme)));
    }
}

fn csv(snapshot: &Snapshot<'_>, rows: &[usize]) -> String {
    let rows = rows.iter().map(|at| {
        let projection = &snapshot.factors.projections[*at];
        [
            table::name(&projection.name),
            projection.norm.to_string(),
            projection.drift.to_string(),
            table::number(projection.change),
            table::number(projection.gradient_norm),
            table::number(projection.effective_rank),
        ]
    });
    let head = [
        "name",
        "norm",
        "drift",
        "change",
        "gradient_norm",
        "effective_rank",
    ];
    table::csv(head, rows)
}
