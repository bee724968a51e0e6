//! Tells the program's own writing of `config.toml` from somebody's edit.
//!
//! The file is live: whoever saves it edits the run. The run writes it too, each time that
//! an edit comes into force, and must not take that for another edit: by the time that the
//! watch has seen the text, a newer one may be in force. So the first line, a comment, holds
//! a checksum of the rest; where it fits, nobody has touched the file since.

use crate::hash::fnv1a;

const PREFIX: &str = "# The configuration in force; edits are live. ";

/// The text with its seal.
pub(super) fn sealed(text: &str) -> String {
    format!("{}\n{text}", seal(text))
}

/// Whether the text is as [`sealed`] gave it.
pub(super) fn is_sealed(text: &str) -> bool {
    text.split_once('\n')
        .is_some_and(|(first, rest)| first == seal(rest))
}

/// The text without its seal, whether that fits or not.
pub(super) fn unsealed(text: &str) -> &str {
    match text.split_once('\n') {
        Some((first, rest)) if first.starts_with(PREFIX) => rest,
        _ => text,
    }
}

fn seal(text: &str) -> String {
    format!("{PREFIX}[{:016x}]", fnv1a(text.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_untouched_text_is_known_and_an_edited_one_is_not() {
        let text = sealed("name = 'demo'\n[train]\nlearning_rate = 1e-3\n");
        assert!(is_sealed(&text));
        assert_eq!(sealed(unsealed(&text)), text);
        for edited in [
            text.replace("1e-3", "1e-4"),
            text.clone() + "\n",
            text.split_once('\n')
                .map_or(String::new(), |(_, rest)| rest.to_owned()),
            String::new(),
        ] {
            assert!(!is_sealed(&edited), "{edited}");
        }
    }
}
