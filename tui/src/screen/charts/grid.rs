//! The panel of all charts: one for each scalar of the run, in a grid that fits.

use compacter_core::view::RunView;
use compacter_tui::chart::{csv, svg};
use ratatui::Frame;
use ratatui::layout::{Position, Rect, Size};
use ratatui::text::Line;

use super::change::Keyed;
use super::filter::Filter;
use super::scene::{Scene, style, under};
use crate::screen::keys::{Id, Place};
use crate::screen::panel::{Answer, Context, Format, Hand, Panel};

/// Rows of cells that a chart should have.
const ROWS: u16 = 9;

/// Every scalar of the run.
#[derive(Debug, Default)]
pub(crate) struct Grid {
    /// Name of the chosen chart; the first one where there is none of that name.
    chosen: String,
    /// The first row of charts shown, unless the chosen one is not among them then.
    top: usize,
    /// Whether the chosen chart is shown alone.
    alone: bool,
    filter: Option<Filter>,
}

/// Where the charts of a grid are.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Places {
    /// The row that tells what is shown.
    head: Rect,
    /// The first chart shown, counted from 0.
    first: usize,
    /// The charts shown, in their order.
    cells: Vec<Rect>,
    /// Charts in a row.
    across: usize,
}

/// Charts side by side in so many columns of cells.
fn across(width: u16) -> usize {
    match width {
        0..100 => 1,
        100..160 => 2,
        160..240 => 3,
        _ => 4,
    }
}

impl Grid {
    /// The names of the charts shown.
    fn names<'a>(&self, view: &'a RunView) -> Vec<&'a str> {
        let names = view.scalars.iter().map(|(name, _)| name);
        let shown = |name: &&str| self.filter.as_ref().is_none_or(|filter| filter.has(name));
        names.filter(shown).collect()
    }

    /// Which of the charts is chosen.
    fn chosen(&self, names: &[&str]) -> usize {
        let at = names.iter().position(|name| *name == self.chosen);
        at.unwrap_or(0)
    }

    /// Where the charts go.
    fn places(&self, area: Rect, names: &[&str]) -> Places {
        let (count, chosen) = (names.len(), self.chosen(names));
        let across = if self.alone { 1 } else { across(area.width) };
        let fit = usize::from((area.height / ROWS).max(1));
        let rows = count.div_ceil(across);
        let shown = if self.alone { 1 } else { fit.min(rows).max(1) };
        let heads = u16::from(area.height > ROWS && (self.filter.is_some() || shown < rows));
        let head = Rect {
            height: heads,
            ..area
        };
        let row = chosen / across;
        let least = (row + 1).saturating_sub(shown);
        let top = if self.alone {
            row
        } else {
            self.top.clamp(least, row)
        };
        let body = Rect {
            y: area.y + heads,
            height: area.height - heads,
            ..area
        };
        let first = top * across;
        let fill = |n: usize| vec![ratatui::layout::Constraint::Fill(1); n];
        let rows = ratatui::layout::Layout::vertical(fill(shown)).split(body);
        let cells = rows.iter().flat_map(|row| {
            let cells = ratatui::layout::Layout::horizontal(fill(across)).split(*row);
            cells.to_vec()
        });
        Places {
            head,
            first,
            cells: cells.take(count.saturating_sub(first)).collect(),
            across,
        }
    }

    /// What the row over the charts says.
    fn head(&self, places: &Places, count: usize) -> String {
        let last = places.first + places.cells.len();
        let filter = self.filter.as_ref();
        let filter = filter.map_or(String::new(), |filter| format!("  filter {}", filter.text));
        if count == 0 {
            return format!(" no charts{filter}");
        }
        format!(" charts {}-{last} of {count}{filter}", places.first + 1)
    }

    /// Chooses another chart; `None` where the key is not meant for that.
    fn choose(&mut self, id: Id, hand: &Hand<'_>) -> Option<Answer> {
        let names = self.names(hand.seen.view);
        let places = self.places(Rect::from((Position::ORIGIN, hand.room)), &names);
        let (at, last) = (self.chosen(&names), names.len().saturating_sub(1));
        let page = places.cells.len().max(1);
        let next = match id {
            Id::Up => at.saturating_sub(1),
            Id::Down => at + 1,
            Id::PageUp => at.saturating_sub(page),
            Id::PageDown => at + page,
            Id::Last => last,
            Id::NextMatch if at < last => at + 1,
            Id::First | Id::NextMatch => 0,
            Id::PreviousMatch => at.checked_sub(1).unwrap_or(last),
            _ => return None,
        };
        self.top = places.first / places.across;
        self.chosen = names
            .get(next.min(last))
            .map_or(String::new(), |name| (*name).to_owned());
        self.top = self
            .places(Rect::from((Position::ORIGIN, hand.room)), &names)
            .first
            / across(hand.room.width);
        Some(Answer::Done)
    }

    /// How the chosen chart is drawn: its size.
    fn size(&self, room: Size, names: &[&str]) -> Size {
        let places = self.places(Rect::from((Position::ORIGIN, room)), names);
        let at = self.chosen(names).saturating_sub(places.first);
        places
            .cells
            .get(at)
            .map_or(Size::ZERO, |cell| cell.as_size())
    }
}

impl Panel for Grid {
    fn title(&self, _: &Context<'_>) -> String {
        "charts".to_owned()
    }

    fn places(&self) -> &'static [Place] {
        &[Place::Charting, Place::Scrolling, Place::Searching]
    }

    fn has_own_frame(&self) -> bool {
        true
    }

    fn draw(&self, frame: &mut Frame<'_>, area: Rect, context: &Context<'_>) {
        let area = area.intersection(frame.area());
        let names = self.names(context.seen.view);
        let places = self.places(area, &names);
        let head = Line::styled(self.head(&places, names.len()), context.theme.faint());
        if names.is_empty() {
            return frame.render_widget(head, area);
        }
        frame.render_widget(head, places.head);
        let chosen = self.chosen(&names);
        let scene = Scene::of(context);
        let shown = names.iter().enumerate().skip(places.first);
        for ((at, name), cell) in shown.zip(&places.cells) {
            let style = style(context.theme, context.focused && at == chosen);
            scene.scalar(name, &style).draw(*cell, frame.buffer_mut());
            if at == chosen && cell.width > 2 && cell.height > 0 {
                let mark = context.theme.glyph("▸", ">");
                let buffer = frame.buffer_mut();
                buffer.set_string(cell.x + 1, cell.y, mark, context.theme.strong());
            }
        }
    }

    fn on(&mut self, id: Id, hand: &mut Hand<'_>) -> Answer {
        if id == Id::Maximise {
            self.alone = !self.alone;
            return Answer::Done;
        }
        if let Some(answer) = self.choose(id, hand) {
            return answer;
        }
        let names = self.names(hand.seen.view);
        let style = style(hand.theme, true);
        let scene = Scene::held(hand);
        let name = names.get(self.chosen(&names)).copied();
        let keyed = Keyed {
            chart: scene.scalar(name.unwrap_or_default(), &style),
            view: scene.seen.view,
            charting: scene.charting,
            room: self.size(hand.room, &names),
        };
        if let Some((charting, answer)) = keyed.changed(id) {
            hand.shared.charting = charting;
            return answer;
        }
        let open = self.alone || self.filter.is_some();
        if id != Id::Back || !open {
            return Answer::Ignored;
        }
        // First out of the chart, then out of the filter.
        if !std::mem::take(&mut self.alone) {
            self.filter = None;
        }
        Answer::Done
    }

    fn search(&mut self, text: &str, hand: &mut Hand<'_>) -> Answer {
        if text.is_empty() {
            self.filter = None;
            return Answer::Done;
        }
        let filter = match Filter::parse(text) {
            Ok(filter) => filter,
            Err(why) => return Answer::Refused(why),
        };
        self.filter = Some(filter);
        let count = self.names(hand.seen.view).len();
        Answer::Told(format!("{count} charts have `{text}` in their names"))
    }

    fn click(&mut self, column: u16, row: u16, hand: &mut Hand<'_>) -> Answer {
        let names = self.names(hand.seen.view);
        let places = self.places(Rect::from((Position::ORIGIN, hand.room)), &names);
        let hit = |cell: &Rect| cell.contains((column, row).into());
        let Some(at) = places.cells.iter().position(hit) else {
            return Answer::Done;
        };
        let Some(name) = names.get(places.first + at) else {
            return Answer::Done;
        };
        self.top = places.first / places.across;
        (*name).clone_into(&mut self.chosen);
        let style = style(hand.theme, true);
        let planned = Scene::held(hand)
            .scalar(name, &style)
            .plan(places.cells[at]);
        let x = planned.and_then(|(plot, picture)| under((column, row), plot, &picture));
        if x.is_some() {
            hand.shared.charting.cursor = x;
        }
        Answer::Done
    }

    fn export(&self, format: Format, context: &Context<'_>) -> Option<String> {
        let names = self.names(context.seen.view);
        let name = names.get(self.chosen(&names))?;
        let style = style(context.theme, true);
        let chart = Scene::of(context).scalar(name, &style);
        match format {
            Format::Csv => Some(csv(&chart)),
            Format::Svg => svg(&chart).ok(),
        }
    }
}
