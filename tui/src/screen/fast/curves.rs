//! Of the projection chosen: a quantity over the snapshots, and the singular values.

use compacter_tui::table;
use ratatui::Frame;
use ratatui::layout::Rect;

use super::paint::{bars, write};
use super::quantity::{Quantity, short, short_or};
use super::slow::rank;
use super::snapshot::{self, Snapshot, factors, say, why};
use crate::screen::keys::{Id, Place};
use crate::screen::panel::{Answer, Context, Format, Hand, Panel};
use crate::screen::seen::Seen;

/// A quantity over the snapshots kept.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Trend {
    quantity: Quantity,
}

/// The singular values.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Spectrum;

impl Trend {
    /// The quantity, snapshot by snapshot, with its step.
    fn values(self, seen: &Seen<'_>, snapshot: &Snapshot<'_>) -> Vec<(u64, Option<f64>)> {
        let name = &snapshot.projection().name;
        let value = |event| {
            let projection = factors(event)?.projections.get(snapshot.chosen)?;
            self.quantity
                .of(projection)
                .filter(|_| projection.name == *name)
        };
        let events = seen.view.factors.iter();
        events.map(|event| (event.step, value(event))).collect()
    }
}

impl Panel for Trend {
    fn title(&self, context: &Context<'_>) -> String {
        let name = self.quantity.name(context.theme);
        let snapshot = Snapshot::newest(&context.seen, context.shared);
        let of = snapshot.map(|snapshot| snapshot.place(context.theme));
        of.map_or_else(
            || name.to_owned(),
            |of| format!("{name} of {of} over steps"),
        )
    }

    fn places(&self) -> &'static [Place] {
        &[Place::Choosing]
    }

    fn draw(&self, frame: &mut Frame<'_>, area: Rect, context: &Context<'_>) {
        let Some(snapshot) = Snapshot::newest(&context.seen, context.shared) else {
            return say(frame, area, context, &why(&context.seen));
        };
        let values = self.values(&context.seen, &snapshot);
        let shown: Vec<Option<f64>> = values.iter().map(|(_, value)| *value).collect();
        let foot = area.height.saturating_sub(1);
        let above = Rect {
            height: foot,
            ..area
        };
        bars(frame.buffer_mut(), above, &shown, context.theme);
        let end = |at: Option<&(u64, Option<f64>)>| {
            at.map_or_else(String::new, |(step, value)| {
                format!("step {step}: {}", short_or(*value))
            })
        };
        let text = format!("{}   {}", end(values.first()), end(values.last()));
        write(
            frame.buffer_mut(),
            area,
            foot,
            (&text, context.theme.faint()),
        );
    }

    fn on(&mut self, id: Id, hand: &mut Hand<'_>) -> Answer {
        snapshot::chosen(&mut self.quantity, id, hand)
    }

    fn export(&self, format: Format, context: &Context<'_>) -> Option<String> {
        let snapshot = Snapshot::newest(&context.seen, context.shared)?;
        let rows = self.values(&context.seen, &snapshot).into_iter();
        let rows = rows.map(|(step, value)| [step.to_string(), table::number(value)]);
        (format == Format::Csv).then(|| table::csv(["step", "value"], rows))
    }
}

impl Panel for Spectrum {
    fn title(&self, context: &Context<'_>) -> String {
        let snapshot = Snapshot::newest(&context.seen, context.shared);
        let rank = snapshot.map(|snapshot| rank(snapshot.projection(), context.theme));
        rank.map_or_else(|| "spectrum".to_owned(), |rank| format!("spectrum  {rank}"))
    }

    fn places(&self) -> &'static [Place] {
        &[]
    }

    fn draw(&self, frame: &mut Frame<'_>, area: Rect, context: &Context<'_>) {
        let Some(snapshot) = Snapshot::newest(&context.seen, context.shared) else {
            return say(frame, area, context, &why(&context.seen));
        };
        let spectrum = &snapshot.projection().spectrum;
        let Some((first, last)) = spectrum.first().zip(spectrum.last()) else {
            let text = "This projection is too wide for its singular values to be measured.";
            return say(frame, area, context, text);
        };
        let shown: Vec<Option<f64>> = spectrum.iter().copied().map(Some).collect();
        let foot = area.height.saturating_sub(1);
        let above = Rect {
            height: foot,
            ..area
        };
        bars(frame.buffer_mut(), above, &shown, context.theme);
        let sigma = context.theme.glyph("σ", "sigma ");
        let text = format!(
            "{sigma}1 {}   {sigma}{} {}",
            short(*first),
            spectrum.len(),
            short(*last)
        );
        write(
            frame.buffer_mut(),
            area,
            foot,
            (&text, context.theme.faint()),
        );
    }

    fn on(&mut self, _: Id, _: &mut Hand<'_>) -> Answer {
        Answer::Ignored
    }
}
