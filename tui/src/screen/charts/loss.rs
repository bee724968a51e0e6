//! The panel of the loss: training as a line, evaluations as points.

use compacter_tui::chart::{csv, svg};
use ratatui::Frame;
use ratatui::layout::{Position, Rect};

use super::change::Keyed;
use super::scene::{Scene, style, under};
use crate::screen::keys::{Id, Place};
use crate::screen::panel::{Answer, Context, Format, Hand, Panel};

/// The loss over the run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Loss;

impl Panel for Loss {
    fn title(&self, _: &Context<'_>) -> String {
        "loss".to_owned()
    }

    fn places(&self) -> &'static [Place] {
        &[Place::Charting, Place::Scrolling]
    }

    fn has_own_frame(&self) -> bool {
        true
    }

    fn draw(&self, frame: &mut Frame<'_>, area: Rect, context: &Context<'_>) {
        let style = style(context.theme, context.focused);
        let scene = Scene::of(context);
        scene.loss(&style).draw(area, frame.buffer_mut());
    }

    fn on(&mut self, id: Id, hand: &mut Hand<'_>) -> Answer {
        let style = style(hand.theme, true);
        let scene = Scene::held(hand);
        let keyed = Keyed {
            chart: scene.loss(&style),
            view: scene.seen.view,
            charting: scene.charting,
            room: hand.room,
        };
        let Some((charting, answer)) = keyed.changed(id) else {
            return Answer::Ignored;
        };
        hand.shared.charting = charting;
        answer
    }

    fn click(&mut self, column: u16, row: u16, hand: &mut Hand<'_>) -> Answer {
        let style = style(hand.theme, true);
        let area = Rect::from((Position::ORIGIN, hand.room));
        let planned = Scene::held(hand).loss(&style).plan(area);
        let x = planned.and_then(|(plot, picture)| under((column, row), plot, &picture));
        if x.is_some() {
            hand.shared.charting.cursor = x;
        }
        Answer::Done
    }

    fn export(&self, format: Format, context: &Context<'_>) -> Option<String> {
        let style = style(context.theme, true);
        let chart = Scene::of(context).loss(&style);
        match format {
            Format::Csv => Some(csv(&chart)),
            Format::Svg => svg(&chart).ok(),
        }
    }
}
