//! What is measured of a projection; places and numbers in a few characters.

use compacter_core::event::factors::{Branch, Place, ProjectionFactors, Role, Stack};

use crate::screen::theme::Theme;

/// What is measured of a projection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Quantity {
    /// `‖W − W₀‖`: absolute, for `W₀` may be next to nothing.
    #[default]
    Drift,
    /// `‖W‖`
    Norm,
    /// Norm of the gradient.
    Gradient,
    /// Effective rank.
    Rank,
    /// `‖W − W'‖` since the snapshot before.
    Change,
}

impl Quantity {
    /// The next one.
    pub(crate) fn next(self) -> Self {
        match self {
            Self::Drift => Self::Norm,
            Self::Norm => Self::Gradient,
            Self::Gradient => Self::Rank,
            Self::Rank => Self::Change,
            Self::Change => Self::Drift,
        }
    }

    /// Its value, where it was measured.
    pub(crate) fn of(self, projection: &ProjectionFactors) -> Option<f64> {
        match self {
            Self::Drift => Some(projection.drift),
            Self::Norm => Some(projection.norm),
            Self::Gradient => projection.gradient_norm,
            Self::Rank => projection.effective_rank,
            Self::Change => projection.change,
        }
    }

    /// In a word, with its sign.
    pub(crate) fn name(self, theme: &Theme) -> &'static str {
        match self {
            Self::Drift => theme.glyph("drift ‖ΔW‖", "drift |dW|"),
            Self::Norm => theme.glyph("norm ‖W‖", "norm |W|"),
            Self::Gradient => "gradient |g|",
            Self::Rank => "effective rank",
            Self::Change => theme.glyph("change ‖W-W'‖", "change |W-W'|"),
        }
    }
}

/// A place such as `enc.1 attn ↓`.
pub(crate) fn place(place: Place, theme: &Theme) -> String {
    let block = place.block.saturating_add(1);
    format!("{}.{block} {}", stack(place.stack), row(place, theme))
}

/// The part of a place that does not count layers, such as `attn ↓`.
pub(crate) fn row(place: Place, theme: &Theme) -> String {
    let branch = match place.branch {
        Branch::SelfAttention => "attn",
        Branch::CrossAttention => "cross",
        Branch::FeedForward => "ffn",
        _ => "other",
    };
    format!("{branch} {}", role(place.role, theme))
}

/// A stack in three letters.
pub(crate) fn stack(stack: Stack) -> &'static str {
    match stack {
        Stack::Encoder => "enc",
        Stack::Decoder => "dec",
        _ => "???",
    }
}

/// A role in a letter.
pub(crate) fn role(role: Role, theme: &Theme) -> &'static str {
    match role {
        Role::Down => theme.glyph("↓", "down"),
        Role::Up => theme.glyph("↑", "up"),
        Role::Query => "q",
        Role::Key => "k",
        Role::Value => "v",
        Role::Output => "o",
        _ => "?",
    }
}

/// A number in at most six characters where that can be.
pub(crate) fn short(value: f64) -> String {
    let size = value.abs();
    if !value.is_finite() {
        let sign = if value < 0.0 { "-inf" } else { "inf" };
        return if value.is_nan() { "NaN" } else { sign }.to_owned();
    }
    if size == 0.0 {
        "0".to_owned()
    } else if !(1e-3..9999.5).contains(&size) {
        let text = format!("{value:.1e}");
        if text.len() > 6 {
            format!("{value:.0e}")
        } else {
            text
        }
    } else if size < 9.9995 {
        format!("{value:.3}")
    } else if size < 99.995 {
        format!("{value:.2}")
    } else if size < 999.95 {
        format!("{value:.1}")
    } else {
        format!("{value:.0}")
    }
}

/// A number that may not have been measured.
pub(crate) fn short_or(value: Option<f64>) -> String {
    value.map_or_else(|| "-".to_owned(), short)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short_at_every_size() {
        let values = [
            0.0, 0.3782, 8.146, 21.5, 999.96, 1917.4, 12_345.0, 2.3e-5, 4e-10, -2e-300,
        ];
        let shown = values.map(short);
        let expected = [
            "0", "0.378", "8.146", "21.50", "1000", "1917", "1.2e4", "2.3e-5", "4e-10", "-2e-300",
        ];
        assert_eq!(shown, expected);
        let odd = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY].map(short);
        assert_eq!(odd, ["NaN", "inf", "-inf"]);
    }
}
