//! Numbers for people.

use std::fmt::Debug;

/// A number in about four digits.
pub(crate) fn short(value: f64) -> String {
    let size = value.abs();
    if value.is_nan() {
        "NaN".to_owned()
    } else if value.is_infinite() {
        if value > 0.0 { "inf" } else { "-inf" }.to_owned()
    } else if size == 0.0 {
        "0".to_owned()
    } else if !(1e-3..1e6).contains(&size) {
        format!("{value:.3e}")
    } else if size >= 1000.0 {
        format!("{value:.1}")
    } else {
        format!("{value:.4}")
    }
}

/// A whole number with commas between thousands.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A duration of so many seconds, such as `1 h 02 min`.
pub(crate) fn duration(seconds: f64) -> String {
    if !seconds.is_finite() || seconds < 0.0 {
        return "unknown".to_owned();
    }
    if seconds < 10.0 {
        return format!("{seconds:.1} s");
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "not negative; what is too long is the longest"
    )]
    let whole = seconds.round() as u64;
    match whole {
        0..60 => format!("{whole} s"),
        60..3600 => format!("{} min {:02} s", whole / 60, whole % 60),
        _ => format!("{} h {:02} min", whole / 3600, whole % 3600 / 60),
    }
}

/// Longest text of a value that stays on one line.
const LINE: usize = 100;
/// Characters of a value's text that are shown.
const SHOWN: usize = 20_000;

/// A value's `Debug` text: on one line if that is short.
pub(crate) fn debug<T: Debug + ?Sized>(value: &T) -> String {
    let line = format!("{value:?}");
    let text = if line.chars().count() <= LINE || line.contains('\n') {
        line
    } else {
        format!("{value:#?}")
    };
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}… ({} bytes in all)", &text[..end], text.len()),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short_and_say_when_they_are_none() {
        let texts = [0.0, 0.5, 12.0, 1234.5, 1e-7, f64::NAN, f64::NEG_INFINITY].map(short);
        let expected = [
            "0", "0.5000", "12.0000", "1234.5", "1.000e-7", "NaN", "-inf",
        ];
        assert_eq!(texts, expected);
        assert_eq!(
            [7, 1234, 1_234_567].map(grouped),
            ["7", "1,234", "1,234,567"]
        );
        let durations = [1.25, 59.0, 61.0, 3720.0].map(duration);
        assert_eq!(durations, ["1.2 s", "59 s", "1 min 01 s", "1 h 02 min"]);
    }
}
