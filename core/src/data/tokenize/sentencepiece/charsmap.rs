//! Normalises text as `SentencePiece` does: a compiled character map, then spaces.
//!
//! The map's rules sit in a double-array trie (darts-clone). At each position the longest
//! rule applies; text that no rule covers stays. The file has the trie's size in bytes, the
//! trie as little-endian words, and the replacements, each ended by a zero byte. A word is
//!
//! ```text
//! bits 0–7 label · 8 has a leaf · 9 offset is shifted by 8 · 10–30 offset · 31 is a leaf
//! ```
//!
//! and a leaf's other 31 bits are the replacement's place.

use super::SPACE;
use super::model::{Kind, Model};

#[derive(Debug)]
pub(super) struct Normalizer {
    trie: Vec<u32>,
    replacements: Vec<u8>,
    user_defined: Vec<String>,
    space_before: bool,
    remove_extra_spaces: bool,
}

impl Normalizer {
    pub(super) fn new(model: &Model) -> Result<Self, String> {
        let (trie, replacements) = split(&model.charsmap)?;
        let whole = model
            .pieces
            .iter()
            .filter(|piece| piece.kind == Kind::UserDefined);
        Ok(Self {
            trie,
            replacements,
            user_defined: whole.map(|piece| piece.text.clone()).collect(),
            space_before: model.space_before,
            remove_extra_spaces: model.remove_extra_spaces,
        })
    }

    /// The text that pieces are looked for in.
    pub(super) fn normalize(&self, text: &str) -> String {
        let mut rest = text;
        while self.remove_extra_spaces && !rest.is_empty() {
            let (" ", after) = self.step(rest) else { break };
            rest = after;
        }
        let mut out = String::with_capacity(text.len() + 8);
        if rest.is_empty() {
            return out;
        }
        if self.space_before {
            out.push(SPACE);
        }
        let mut after_space = self.remove_extra_spaces;
        while !rest.is_empty() {
            let (mut replacement, after) = self.step(rest);
            if after_space {
                replacement = replacement.trim_start_matches(' ');
            }
            if !replacement.is_empty() {
                out.extend(
                    replacement
                        .chars()
                        .map(|c| if c == ' ' { SPACE } else { c }),
                );
                after_space = self.remove_extra_spaces && replacement.ends_with(' ');
            }
            rest = after;
        }
        if self.remove_extra_spaces {
            out.truncate(out.trim_end_matches(SPACE).len());
        }
        out
    }

    /// What the start of a text (not empty) becomes, and the text after it.
    fn step<'a>(&'a self, text: &'a str) -> (&'a str, &'a str) {
        let whole = self
            .user_defined
            .iter()
            .filter(|piece| text.starts_with(*piece));
        if let Some(length) = whole.map(String::len).max() {
            return text.split_at(length);
        }
        if let Some(found) = self.longest_rule(text) {
            return found;
        }
        let length = text.chars().next().map_or(0, char::len_utf8);
        text.split_at(length)
    }

    /// The replacement that the longest rule gives, and the text after what it replaces.
    fn longest_rule<'a>(&'a self, text: &'a str) -> Option<(&'a str, &'a str)> {
        let mut found = None;
        let mut node = offset(*self.trie.first()?);
        for (length, byte) in (1..).zip(text.bytes()) {
            node ^= usize::from(byte);
            let Some(&word) = self.trie.get(node) else {
                break;
            };
            if word & 0x8000_00ff != u32::from(byte) {
                break;
            }
            node ^= offset(word);
            if word >> 8 & 1 == 1 {
                found = self.trie.get(node).map(|leaf| (leaf & 0x7fff_ffff, length));
            }
        }
        let (place, length) = found?;
        Some((self.replacement(place)?, text.get(length..)?))
    }

    /// A replacement, from its place to the next zero byte.
    fn replacement(&self, place: u32) -> Option<&str> {
        let bytes = self.replacements.get(place as usize..)?;
        let end = bytes.iter().position(|&byte| byte == 0)?;
        std::str::from_utf8(&bytes[..end]).ok()
    }
}

fn offset(word: u32) -> usize {
    ((word >> 10) << ((word & 1 << 9) >> 6)) as usize
}

/// The trie and the replacements of a map; both are empty where there is none.
fn split(charsmap: &[u8]) -> Result<(Vec<u32>, Vec<u8>), String> {
    if charsmap.is_empty() {
        return Ok((Vec::new(), Vec::new()));
    }
    let torn = || "holds a damaged character map".to_owned();
    let (size, rest) = charsmap.split_first_chunk::<4>().ok_or_else(torn)?;
    let size = u32::from_le_bytes(*size) as usize;
    let (trie, replacements) = rest.split_at_checked(size).ok_or_else(torn)?;
    let (words, odd) = trie.as_chunks::<4>();
    if !odd.is_empty() || std::str::from_utf8(replacements).is_err() {
        return Err(torn());
    }
    let words = words.iter().map(|&word| u32::from_le_bytes(word));
    Ok((words.collect(), replacements.to_vec()))
}
