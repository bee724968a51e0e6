//! The panel of the loss: training as a line, evaluations as points.

use compacter_tui::chart::{self, Chart, ChartStyle, CurveKind};
use compacter_tui::run_view::Scalars;
use ratatui::Frame;
use ratatui::layout::Rect;

use super::keys::{Id, Place};
use super::panel::{Answer, Context, Hand, Panel};
use super::theme::{Glyphs, Theme};

/// Share of the past in the smoothed line; the raw one stands behind it.
const SMOOTHING: f64 = 0.9;

/// The loss over the steps.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Loss;

impl Panel for Loss {
    fn title(&self, _: &Context<'_>) -> String {
        "loss".to_owned()
    }

    fn places(&self) -> &'static [Place] {
        &[]
    }

    fn has_own_frame(&self) -> bool {
        true
    }

    fn draw(&self, frame: &mut Frame<'_>, area: Rect, context: &Context<'_>) {
        let style = style(context.theme, context.focused);
        let view = context.seen.view;
        let validation = Scalars::eval_name("validation", "loss");
        let mut chart = Chart::new("loss", &style)
            .with(view, "train/loss", "train", CurveKind::Line)
            .with(view, &validation, "validation", CurveKind::Points)
            .with_marks(view);
        for other in context.shared.overlaid() {
            chart = chart.with(other.view, "train/loss", other.name, CurveKind::Line);
        }
        chart.smoothing = SMOOTHING;
        chart.draw(area, frame.buffer_mut());
    }

    fn on(&mut self, _: Id, _: &mut Hand<'_>) -> Answer {
        Answer::Ignored
    }
}

fn style(theme: &Theme, focused: bool) -> ChartStyle {
    let glyphs = match theme.glyphs {
        Glyphs::Unicode => chart::Glyphs::Braille,
        Glyphs::Ascii => chart::Glyphs::Ascii,
    };
    ChartStyle {
        frame: theme.frame(focused),
        title: theme.text(),
        axis: theme.faint(),
        raw: theme.faint(),
        curves: vec![theme.strong(), theme.warning()],
        bad: theme.bad(),
        mark: theme.warning(),
        cursor: theme.chosen(),
        glyphs,
    }
}
