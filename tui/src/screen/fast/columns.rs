//! The columns of the table of projections: what each says, and which of them fit.

use compacter_core::event::factors::ProjectionFactors;
use ratatui::text::Span;

use super::quantity::{Quantity, short_or};
use crate::screen::theme::Theme;

/// Components whose shares have a bar at most.
const MOST_BARS: usize = 12;

/// A column beside the place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Column {
    /// A number.
    Number(Quantity),
    /// The shares of so many components.
    Shares(usize),
}

/// Columns as they stand, from the left.
const STANDING: [Quantity; 5] = [
    Quantity::Norm,
    Quantity::Drift,
    Quantity::Change,
    Quantity::Gradient,
    Quantity::Rank,
];

/// How the rows are sorted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Order {
    /// As the forward pass goes.
    #[default]
    Forward,
    /// The largest first; what is no number before all.
    Largest(Quantity),
}

impl Order {
    /// The next one.
    pub(crate) fn next(self) -> Self {
        match self {
            Self::Forward => Self::Largest(STANDING[0]),
            Self::Largest(quantity) => {
                let here = STANDING.iter().position(|other| *other == quantity);
                let next = here.and_then(|here| STANDING.get(here + 1));
                next.map_or(Self::Forward, |next| Self::Largest(*next))
            }
        }
    }

    /// In a word.
    pub(crate) fn name(self, theme: &Theme) -> String {
        match self {
            Self::Forward => "layer".to_owned(),
            Self::Largest(quantity) => {
                let down = theme.glyph("▾", "v");
                format!("{} {down}", head_of(quantity, theme))
            }
        }
    }

    /// Puts places in this order.
    pub(crate) fn sort(self, places: &mut [usize], projections: &[ProjectionFactors]) {
        let Self::Largest(quantity) = self else {
            return;
        };
        let key = |at: usize| {
            let value = projections.get(at).and_then(|p| quantity.of(p));
            // What was not measured comes last, what is no number first.
            value.map_or(f64::NEG_INFINITY, |x| {
                if x.is_nan() { f64::INFINITY } else { x }
            })
        };
        places.sort_by(|&a, &b| key(b).total_cmp(&key(a)).then(a.cmp(&b)));
    }
}

impl Column {
    /// The columns that fit beside the place, as they stand, with `components` shares.
    pub(crate) fn that_fit(room: usize, components: usize) -> Vec<Self> {
        let bars = components.min(MOST_BARS);
        let mut important = vec![
            Self::Number(Quantity::Drift),
            Self::Number(Quantity::Norm),
            Self::Number(Quantity::Rank),
        ];
        if bars > 0 {
            important.push(Self::Shares(bars));
        }
        important.push(Self::Number(Quantity::Change));
        important.push(Self::Number(Quantity::Gradient));
        let mut left = room;
        let fits = |column: &Self| {
            let rest = left.checked_sub(column.width() + 1);
            left = rest.unwrap_or(0);
            rest.is_some()
        };
        let kept: Vec<Self> = important.into_iter().take_while(fits).collect();
        let numbers = STANDING.iter().map(|quantity| Self::Number(*quantity));
        let standing = numbers.chain([Self::Shares(bars)]);
        standing.filter(|column| kept.contains(column)).collect()
    }

    /// How many cells it takes.
    pub(crate) fn width(self) -> usize {
        match self {
            Self::Number(Quantity::Rank) => 5,
            Self::Number(_) => 6,
            Self::Shares(count) => count.max(3),
        }
    }

    /// What stands over it.
    pub(crate) fn head(self, theme: &Theme) -> String {
        match self {
            Self::Number(quantity) => head_of(quantity, theme).to_owned(),
            Self::Shares(count) if count > 9 => theme.glyph("c₁…", "c1..").to_owned(),
            Self::Shares(_) => theme.glyph("c₁…", "c..").to_owned(),
        }
    }

    /// A number of a projection as it is shown.
    pub(crate) fn number(
        quantity: Quantity,
        projection: &ProjectionFactors,
        theme: &Theme,
    ) -> Span<'static> {
        let value = quantity.of(projection);
        let text = match (quantity, value) {
            (Quantity::Rank, Some(rank)) if rank.is_finite() && rank.abs() < 1000.0 => {
                format!("{rank:.1}")
            }
            _ => short_or(value),
        };
        let style = match value {
            Some(value) if !value.is_finite() => theme.bad(),
            None => theme.faint(),
            Some(_) => theme.text(),
        };
        Span::styled(text, style)
    }
}

/// A quantity over its column.
fn head_of(quantity: Quantity, theme: &Theme) -> &'static str {
    match quantity {
        Quantity::Norm => theme.glyph("‖W‖", "|W|"),
        Quantity::Drift => theme.glyph("‖ΔW‖", "|dW|"),
        Quantity::Change => "change",
        Quantity::Gradient => "|grad|",
        Quantity::Rank => "erank",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_important_columns_go_first() {
        let count = |room| Column::that_fit(room, 4).len();
        assert_eq!(
            [0, 6, 7, 14, 20, 25, 32, 39, 99].map(count),
            [0, 0, 1, 2, 3, 4, 5, 6, 6]
        );
        let two = Column::that_fit(14, 4);
        let shown = [Quantity::Norm, Quantity::Drift].map(Column::Number);
        assert_eq!(two, shown);
        assert!(!Column::that_fit(99, 0).contains(&Column::Shares(0)));
    }

    #[test]
    fn sorting_goes_through_the_columns_and_back() {
        let mut order = Order::default();
        for _ in 0..6 {
            order = order.next();
        }
        assert_eq!(order, Order::Forward);
    }
}
