//! Clicks, and the wheel.

use ratatui::crossterm::event::{MouseButton, MouseEvent, MouseEventKind};
use ratatui::layout::Position;

use super::{Answer, App, Id, Wish};
use crate::screen::layout::Parts;

impl App {
    /// Takes a click, or a turn of the wheel.
    pub(crate) fn mouse(&mut self, event: MouseEvent) -> Wish {
        let at = Position::new(event.column, event.row);
        if self.overlay.is_some() {
            return Wish::None;
        }
        let scroll = match event.kind {
            MouseEventKind::Down(MouseButton::Left) => None,
            MouseEventKind::ScrollUp => Some(Id::WheelUp),
            MouseEventKind::ScrollDown => Some(Id::WheelDown),
            _ => return Wish::None,
        };
        let parts = Parts::of(self.area);
        if parts.tabs.contains(at) {
            if let Some(tab) = crate::screen::draw::tab_at(self, at.x).filter(|_| scroll.is_none())
            {
                self.go_to(tab);
            }
            return Wish::None;
        }
        let hit = self
            .panels(parts.body)
            .into_iter()
            .find(|(_, area)| area.contains(at));
        let Some((panel, area)) = hit else {
            return Wish::None;
        };
        self.focus = panel;
        let answer = if let Some(id) = scroll {
            self.with_panel(|panel, hand| panel.on(id, hand))
        } else {
            let frame = u16::from(!self.tabs[self.tab].panels[panel].has_own_frame());
            let x = at.x.saturating_sub(area.x + frame);
            let y = at.y.saturating_sub(area.y + frame);
            self.with_panel(|panel, hand| panel.click(x, y, hand))
        };
        if scroll.is_none() || answer != Answer::Ignored {
            return self.answered(answer);
        }
        Wish::None
    }
}
