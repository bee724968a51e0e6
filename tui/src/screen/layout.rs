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

/// A tab's arrangement: its panels' places in the tab, with where they are drawn.
pub(crate) type Arrange = fn(Rect, Class) -> Vec<(usize, Rect)>;

/// The first panel alone.
pub(crate) fn one(body: Rect, _: Class) -> Vec<(usize, Rect)> {
    vec![(0, body)]
}

/// Rows of panels, from above: each row's share of the height, and in it each panel's place
/// in the tab with its share of the width.
pub(crate) fn rows(
    body: Rect,
    rows: &[(Constraint, &[(usize, Constraint)])],
) -> Vec<(usize, Rect)> {
    let heights = rows.iter().map(|(height, _)| *height);
    let areas = Layout::vertical(heights).split(body);
    let placed = rows
        .iter()
        .zip(areas.iter())
        .flat_map(|((_, panels), area)| {
            let widths = panels.iter().map(|(_, width)| *width);
            let areas = Layout::horizontal(widths).split(*area);
            let places = panels.iter().zip(areas.iter());
            places
                .map(|((panel, _), area)| (*panel, *area))
                .collect::<Vec<_>>()
        });
    placed.collect()
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
    fn rows_of_panels_cover_the_body_without_overlap() {
        let body = Rect::new(0, 2, 121, 37);
        let share = Constraint::Fill;
        let placed = rows(
            body,
            &[
                (share(2), &[(0, share(1))]),
                (share(1), &[(2, share(1)), (1, share(2))]),
            ],
        );
        let panels: Vec<usize> = placed.iter().map(|(panel, _)| *panel).collect();
        assert_eq!(panels, [0, 2, 1]);
        let covered: u32 = placed.iter().map(|(_, area)| area.area()).sum();
        assert_eq!(covered, body.area());
    }
}
