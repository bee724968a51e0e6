//! Numbers on the axes: short, and no two alike that are not.

use compacter_core::view::Axis;

use super::scale::Scale;
use super::spec::YAxis;

/// The label of a place on the y axis.
pub(super) fn y(scale: &Scale, place: f64) -> String {
    let value = scale.value(place);
    let (low, high) = scale.ends();
    match scale.kind() {
        YAxis::Log => short(value, value.abs() / 10.0),
        YAxis::Linear => short(value, (high - low) / 20.0),
    }
}

/// The label of a place on the x axis of a window.
pub(super) fn x(axis: Axis, x: f64, (left, right): (f64, f64)) -> String {
    match axis {
        Axis::Step => grouped(x),
        Axis::Epoch => short(x, (right - left) / 50.0),
        Axis::Tokens => short(x.round(), (right - left) / 50.0),
        Axis::RelativeTime => clock(x),
        Axis::WallTime => format!("{} UTC", clock(x.rem_euclid(86_400.0))),
    }
}

/// A value, good enough to tell it from one that differs by `apart`.
pub(super) fn short(value: f64, apart: f64) -> String {
    let size = value.abs();
    let (unit, sign) = match size {
        1e9..1e12 => (1e9, "G"),
        1e6..1e9 => (1e6, "M"),
        1e4..1e6 => (1e3, "k"),
        _ => (1.0, ""),
    };
    let apart = apart.abs() / unit;
    if !size.is_finite() || size >= 1e12 || (size < 1e-3 && size > 0.0 && apart < 1e-3) {
        return format!("{value:.1e}");
    }
    let decimals = if apart > 0.0 {
        (-apart.log10()).ceil().clamp(0.0, 5.0)
    } else {
        2.0
    };
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "from 0 to 5"
    )]
    let decimals = decimals as usize;
    let text = format!("{:.decimals$}{sign}", value / unit);
    // Rounding may leave a zero with a sign.
    match text.strip_prefix('-') {
        Some(rest) if rest.chars().all(|c| matches!(c, '0' | '.')) => rest.to_owned(),
        _ => text,
    }
}

/// A name from a record as it can be shown: without what would steer a terminal.
pub(super) fn plain(name: &str) -> String {
    let steers = |c: char| {
        c.is_control()
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    let shown = name.chars().take(64);
    shown.map(|c| if steers(c) { '?' } else { c }).collect()
}

/// A measured value in full: four decimals, an exponent where they would hide it.
#[must_use]
pub fn full(value: f64) -> String {
    let size = value.abs();
    if size != 0.0 && !(1e-3..1e5).contains(&size) {
        format!("{value:.3e}")
    } else {
        format!("{value:.4}")
    }
}

/// `12345.4` as `12 345`.
fn grouped(x: f64) -> String {
    let digits = format!("{x:.0}");
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) && digit.is_ascii_digit() {
            text.push(' ');
        }
        text.push(digit);
    }
    text
}

/// Seconds as `1:02:03`, minutes and seconds below an hour.
fn clock(seconds: f64) -> String {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "not negative, and far below 2^53"
    )]
    let whole = seconds.max(0.0).round() as u64;
    let (hours, minutes, seconds) = (whole / 3600, whole / 60 % 60, whole % 60);
    if hours > 0 {
        format!("{hours}:{minutes:02}:{seconds:02}")
    } else {
        format!("{minutes}:{seconds:02}")
    }
}
