//! Where things stand: decided anew at every draw from the size there is.
//!
//! | class   | below            | what is shown                            |
//! |---------|------------------|------------------------------------------|
//! | line    | 60 × 12          | one status line                          |
//! | compact | 100 × 32         | tabs, panels, keys; the last log line    |
//! | regular | 160 × 50         | more panels                              |
//! | wide    | –                | everything                               |

use ratatui::layout::{Constraint, Layout, Rect};

/// How much room there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Class {
    Line,
    Compact,
    Regular,
    Wide,
}

impl Class {
    /// The class of an area.
    pub(crate) fn of(area: Rect) -> Self {
        let fits = |width, height| area.width >= width && area.height >= height;
        if fits(160, 50) {
            Self::Wide
        } else if fits(100, 32) {
            Self::Regular
        } else if fits(60, 12) {
            Self::Compact
        } else {
            Self::Line
        }
    }
}

/// The parts of the screen around the panels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Parts {
    pub(crate) title: Rect,
    pub(crate) tabs: Rect,
    pub(crate) body: Rect,
    pub(crate) gauge: Rect,
    pub(crate) keys: Rect,
}

impl Parts {
    /// The parts of an area.
    pub(crate) fn of(area: Rect) -> Self {
        let one = Constraint::Length(1);
        let rows = [one, one, Constraint::Fill(1), one, one];
        let [title, tabs, body, gauge, keys] = Layout::vertical(rows).areas(area);
        Self {
            title,
            tabs,
            body,
            gauge,
            keys,
        }
    }
}

/// Rectangles for so many panels: above one another, the first the tallest; on a wide
/// screen the others side by side below it.
pub(crate) fn tiles(body: Rect, count: usize, class: Class) -> Vec<Rect> {
    let Some(others) = count.checked_sub(1).filter(|&others| others > 0) else {
        return vec![body; count];
    };
    let [first, below] = Layout::vertical([Constraint::Fill(2), Constraint::Fill(1)]).areas(body);
    let each = vec![Constraint::Fill(1); others];
    let below = if class == Class::Wide {
        Layout::horizontal(each).split(below)
    } else {
        Layout::vertical(each).split(below)
    };
    std::iter::once(first)
        .chain(below.iter().copied())
        .collect()
}

/// A rectangle of at most this size in the middle of another.
pub(crate) fn centred(area: Rect, width: u16, height: u16) -> Rect {
    area.centered(Constraint::Length(width), Constraint::Length(height))
        .intersection(area)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_smaller_side_decides_the_class() {
        let class = |width, height| Class::of(Rect::new(0, 0, width, height));
        assert_eq!(class(0, 0), Class::Line);
        assert_eq!(class(59, 60), Class::Line);
        assert_eq!(class(200, 11), Class::Line);
        assert_eq!(class(60, 12), Class::Compact);
        assert_eq!(class(80, 24), Class::Compact);
        assert_eq!(class(200, 31), Class::Compact);
        assert_eq!(class(120, 40), Class::Regular);
        assert_eq!(class(159, 60), Class::Regular);
        assert_eq!(class(200, 60), Class::Wide);
    }

    #[test]
    fn panels_cover_the_body_without_overlap() {
        for class in [Class::Compact, Class::Regular, Class::Wide] {
            for count in 0..6 {
                let body = Rect::new(0, 2, 120, 36);
                let tiles = tiles(body, count, class);
                assert_eq!(tiles.len(), count);
                let covered: u32 = tiles.iter().map(|tile| tile.area()).sum();
                assert_eq!(covered, if count == 0 { 0 } else { body.area() });
            }
        }
    }
}
