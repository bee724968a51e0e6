//! Cells of a heat map: values from -1 to 1 about a neutral 0.
//!
//! | terminal      | a cell of the screen shows | how                                            |
//! |---------------|----------------------------|------------------------------------------------|
//! | 24-bit colour | two values, one above the  | `▀`: the upper one's colour before the lower's |
//! | 256 colours   | other                      | the same, from a ramp of eleven                |
//! | without       | one value                  | ` ░▒▓█` above 0, ` ·⠒⠶⠿` below                 |
//! | ASCII         | one value                  | ` .+*#` above 0, ` -=%@` below                 |
//!
//! A value that is no number is a red `!` everywhere.

use ratatui::style::{Color, Style};

use super::theme::{Depth, Glyphs, Theme};

/// How a terminal shows values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Heat {
    /// Two values in a cell, in any colour.
    True,
    /// Two values in a cell, in eleven colours.
    Indexed,
    /// One value in a cell, in shades.
    Shades,
    /// One value in a cell, in ASCII.
    Ascii,
}

const POSITIVE: [&str; 5] = [" ", "░", "▒", "▓", "█"];
const NEGATIVE: [&str; 5] = [" ", "·", "⠒", "⠶", "⠿"];
const POSITIVE_ASCII: [&str; 5] = [" ", ".", "+", "*", "#"];
const NEGATIVE_ASCII: [&str; 5] = [" ", "-", "=", "%", "@"];

/// From blue through grey to red, in the 256 colours of xterm.
const RAMP: [u8; 11] = [21, 27, 33, 75, 111, 238, 217, 210, 203, 197, 196];

/// The ends and the middle of the ramp in 24-bit colour: they differ in lightness too, so
/// that who cannot tell red from blue still sees the size.
const COLD: [f64; 3] = [59.0, 130.0, 246.0];
const NEUTRAL: [f64; 3] = [40.0, 42.0, 48.0];
const WARM: [f64; 3] = [249.0, 100.0, 60.0];

impl Heat {
    /// The best that a theme allows. Sixteen colours are too few for a ramp.
    pub(crate) fn of(theme: &Theme) -> Self {
        match (theme.glyphs, theme.has_colour(), theme.depth) {
            (Glyphs::Ascii, ..) => Self::Ascii,
            (_, true, Depth::True) => Self::True,
            (_, true, Depth::Indexed) => Self::Indexed,
            _ => Self::Shades,
        }
    }

    /// Values that one cell of the screen shows, one above the other.
    pub(crate) fn values_in_a_cell(self) -> u16 {
        match self {
            Self::True | Self::Indexed => 2,
            Self::Shades | Self::Ascii => 1,
        }
    }

    /// A cell with the values given. Where one cell shows one value, that is the first.
    pub(crate) fn cell(self, upper: f64, lower: Option<f64>) -> (&'static str, Style) {
        let shown = if self.values_in_a_cell() == 2 {
            lower
        } else {
            None
        };
        if !upper.is_finite() || shown.is_some_and(|value| !value.is_finite()) {
            return ("!", Style::new().fg(Color::Red));
        }
        match self {
            Self::True | Self::Indexed => {
                let style = Style::new().fg(self.colour(upper));
                let style = shown.map_or(style, |value| style.bg(self.colour(value)));
                ("▀", style)
            }
            Self::Shades => (shade(upper, &POSITIVE, &NEGATIVE), Style::new()),
            Self::Ascii => (shade(upper, &POSITIVE_ASCII, &NEGATIVE_ASCII), Style::new()),
        }
    }

    fn colour(self, value: f64) -> Color {
        let value = value.clamp(-1.0, 1.0);
        if self == Self::Indexed {
            return Color::Indexed(RAMP[nearest(5.0 + 5.0 * value)]);
        }
        let end = if value < 0.0 { COLD } else { WARM };
        let [red, green, blue] = [0, 1, 2].map(|channel| {
            let mixed = NEUTRAL[channel] + value.abs() * (end[channel] - NEUTRAL[channel]);
            u8::try_from(nearest(mixed)).unwrap_or(u8::MAX)
        });
        Color::Rgb(red, green, blue)
    }
}

/// Small values are left blank; the rest is parted into four of the same width.
fn shade(value: f64, positive: &[&'static str; 5], negative: &[&'static str; 5]) -> &'static str {
    let size = value.abs().min(1.0);
    let level = if size < 0.05 {
        0
    } else {
        nearest(size * 4.0 + 0.5).clamp(1, 4)
    };
    if value < 0.0 {
        negative[level]
    } else {
        positive[level]
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "callers give small numbers from 0 on"
)]
fn nearest(value: f64) -> usize {
    value.round() as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::screen::theme::Tone;
    use crate::screen::theme::tests::with;

    const ALL: [Heat; 4] = [Heat::True, Heat::Indexed, Heat::Shades, Heat::Ascii];

    #[test]
    fn a_theme_gets_the_finest_cells_it_can_show() {
        let utf8 = ("LANG", "C.UTF-8");
        let of = |tone, variables: &[(&str, &str)]| Heat::of(&with(tone, variables));
        let truecolor = ("COLORTERM", "truecolor");
        assert_eq!(of(Tone::Auto, &[utf8, truecolor]), Heat::True);
        let indexed = ("TERM", "xterm-256color");
        assert_eq!(of(Tone::Auto, &[utf8, indexed]), Heat::Indexed);
        assert_eq!(of(Tone::Mono, &[utf8, truecolor]), Heat::Shades);
        assert_eq!(of(Tone::Auto, &[utf8]), Heat::Shades);
        assert_eq!(of(Tone::Auto, &[truecolor]), Heat::Ascii);
    }

    #[test]
    fn what_is_no_number_is_a_red_mark_in_every_mode() {
        for heat in ALL {
            for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
                let red = ("!", Style::new().fg(Color::Red));
                assert_eq!(heat.cell(value, Some(0.0)), red, "{heat:?}");
            }
        }
        assert_eq!(Heat::True.cell(0.0, Some(f64::NAN)).0, "!");
    }

    #[test]
    fn shades_tell_sign_and_size() {
        let row = |heat: Heat| -> String {
            let values = [-1.0, -0.7, -0.4, -0.1, 0.0, 0.1, 0.4, 0.7, 1.0];
            values.iter().map(|&v| heat.cell(v, None).0).collect()
        };
        assert_eq!(row(Heat::Shades), "⠿⠶⠒· ░▒▓█");
        assert_eq!(row(Heat::Ascii), "@%=- .+*#");
    }

    #[test]
    fn colours_go_from_cold_to_warm_and_never_past_the_ends() {
        let fg = |heat: Heat, value| heat.cell(value, None).1.fg;
        assert_eq!(fg(Heat::True, -1.0), Some(Color::Rgb(59, 130, 246)));
        assert_eq!(fg(Heat::True, 9.0), Some(Color::Rgb(249, 100, 60)));
        assert_eq!(fg(Heat::Indexed, -7.0), Some(Color::Indexed(21)));
        assert_eq!(fg(Heat::Indexed, 0.0), Some(Color::Indexed(238)));
        let (glyph, style) = Heat::Indexed.cell(1.0, Some(-1.0));
        assert_eq!(glyph, "▀");
        assert_eq!(
            (style.fg, style.bg),
            (Some(Color::Indexed(196)), Some(Color::Indexed(21)))
        );
    }
}
