//! Text that comes in pieces, cut anywhere.

/// Decodes UTF-8; what cannot be is replaced.
#[derive(Debug, Default)]
pub(crate) struct Decoder {
    /// The beginning of a character.
    rest: Vec<u8>,
}

impl Decoder {
    /// Adds a piece to the text, as far as its characters are whole.
    pub(crate) fn decode(&mut self, bytes: &[u8], text: &mut String) {
        self.rest.extend_from_slice(bytes);
        let all = std::mem::take(&mut self.rest);
        let mut rest = all.as_slice();
        loop {
            match std::str::from_utf8(rest) {
                Ok(whole) => return text.push_str(whole),
                Err(error) => {
                    let (whole, after) = rest.split_at(error.valid_up_to());
                    text.push_str(&String::from_utf8_lossy(whole));
                    let Some(length) = error.error_len() else {
                        self.rest = after.to_vec();
                        return;
                    };
                    text.push(char::REPLACEMENT_CHARACTER);
                    rest = &after[length..];
                }
            }
        }
    }

    /// Whether the beginning of a character waits for its end.
    pub(crate) fn has_rest(&self) -> bool {
        !self.rest.is_empty()
    }
}

/// A position in bytes as one in characters (code points), as the protocol counts.
pub(crate) fn to_characters(text: &str, bytes: usize) -> usize {
    text.char_indices()
        .take_while(|(at, _)| *at < bytes)
        .count()
}

/// A position in characters as one in bytes.
pub(crate) fn to_bytes(text: &str, characters: usize) -> usize {
    let mut at = text.char_indices().map(|(at, _)| at);
    at.nth(characters).unwrap_or(text.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_are_whole_wherever_they_are_cut() {
        let input = "aé∑😀\u{1b}[1m".as_bytes();
        for cut in 0..=input.len() {
            let (mut decoder, mut text) = (Decoder::default(), String::new());
            decoder.decode(&input[..cut], &mut text);
            decoder.decode(&input[cut..], &mut text);
            assert_eq!(text.as_bytes(), input);
            assert!(!decoder.has_rest());
        }
    }

    #[test]
    fn what_is_no_character_is_replaced() {
        let (mut decoder, mut text) = (Decoder::default(), String::new());
        decoder.decode(b"a\xffb\xe2\x88", &mut text);
        assert_eq!(text, "a\u{fffd}b");
        assert!(decoder.has_rest());
        decoder.decode(b"c", &mut text);
        assert_eq!(text, "a\u{fffd}b\u{fffd}c");
    }

    #[test]
    fn positions_count_characters() {
        let text = "é∑x";
        for (characters, bytes) in [(0, 0), (1, 2), (2, 5), (3, 6)] {
            assert_eq!(to_bytes(text, characters), bytes);
            assert_eq!(to_characters(text, bytes), characters);
        }
        assert_eq!(to_bytes(text, 9), 6);
    }
}
