//! The newest snapshot and the projection chosen in it; or why there is none.

use std::path::Path;
use std::rc::Rc;

use compacter_core::config::RunConfig;
use compacter_core::event::factors::{Factors, ProjectionFactors, SlowFactors, SlowPart};
use compacter_core::event::{Event, Kind};
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::widgets::{Paragraph, Wrap};

use super::decoded::{Decoded, Parts};
use super::quantity::{self, Quantity};
use crate::screen::keys::Id;
use crate::screen::panel::{Answer, Context, Hand};
use crate::screen::seen::Seen;
use crate::screen::shared::Shared;
use crate::screen::theme::Theme;

/// The newest snapshot.
pub(crate) struct Snapshot<'a> {
    /// As it was recorded.
    pub(crate) factors: &'a Factors,
    /// Its numbers.
    pub(crate) decoded: Rc<Decoded>,
    /// Place of the projection chosen.
    pub(crate) chosen: usize,
}

impl<'a> Snapshot<'a> {
    /// The newest one that has projections.
    pub(crate) fn newest(seen: &Seen<'a>, shared: &Shared) -> Option<Self> {
        let event = seen.view.factors.back()?;
        let factors = factors(event)?;
        let last = factors.projections.len().checked_sub(1)?;
        Some(Self {
            factors,
            decoded: shared.snapshot.of(seen.name, event, factors),
            chosen: shared.projection.min(last),
        })
    }

    /// The projection chosen.
    pub(crate) fn projection(&self) -> &'a ProjectionFactors {
        &self.factors.projections[self.chosen]
    }

    /// Where it stands, in words.
    pub(crate) fn place(&self, theme: &Theme) -> String {
        quantity::place(self.projection().place, theme)
    }

    /// What it is made of.
    pub(crate) fn parts(&self) -> Option<Rc<Parts>> {
        self.decoded.parts(self.factors, self.chosen)
    }

    /// Its slow weights, with their place.
    pub(crate) fn slow(&self) -> Option<(usize, &'a SlowFactors)> {
        match self.projection().slow {
            SlowPart::Slow(at) => self.factors.slow.get(at).map(|slow| (at, slow)),
            SlowPart::Scale(_) => None,
        }
    }
}

/// What a panel of one quantity does: shows another, or copies that of the projection chosen.
pub(crate) fn chosen(quantity: &mut Quantity, id: Id, hand: &Hand<'_>) -> Answer {
    match id {
        Id::Quantity => {
            *quantity = quantity.next();
            Answer::Done
        }
        Id::Copy => {
            let snapshot = Snapshot::newest(&hand.seen, hand.shared);
            let value = snapshot.and_then(|s| quantity.of(s.projection()));
            value.map_or_else(
                || Answer::Told("it was not measured".to_owned()),
                |value| Answer::Copy(value.to_string()),
            )
        }
        _ => Answer::Ignored,
    }
}

/// The snapshot of an event.
pub(crate) fn factors(event: &Event) -> Option<&Factors> {
    match &event.kind {
        Kind::Factors(factors) => Some(factors),
        _ => None,
    }
}

/// Why there is no snapshot, and what to do.
pub(crate) fn why(seen: &Seen<'_>) -> String {
    if seen.view.factors.back().is_some() {
        return "The newest snapshot has no projections: it may be of another program.".to_owned();
    }
    let text = seen.view.config().unwrap_or_default();
    let config = RunConfig::parse(Path::new("run.toml"), text, &[]);
    let Ok(config) = config else {
        return "No snapshot of the factors was recorded yet; wait for the first step.".to_owned();
    };
    match config.method.kind {
        kind if !kind.has_projections() => {
            "This method has no factors to show: tab 4 tells what it trains.".to_owned()
        }
        _ if config.watch.factors_every == 0 => {
            "No snapshots are taken: `:set watch.factors_every=20` starts them.".to_owned()
        }
        _ if seen.stand().goes_on() => {
            "No snapshot yet: the first comes before the first step.".to_owned()
        }
        _ => "The run ended before its first snapshot: start it again.".to_owned(),
    }
}

/// Says something in place of a picture.
pub(crate) fn say(frame: &mut Frame<'_>, area: Rect, context: &Context<'_>, text: &str) {
    let words = Paragraph::new(text.to_owned()).wrap(Wrap { trim: true });
    frame.render_widget(words.style(context.theme.faint()), area);
}
