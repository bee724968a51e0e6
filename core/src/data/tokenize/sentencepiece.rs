//! T5's tokenizer, from its `SentencePiece` file alone: ids equal those of `T5Tokenizer` of
//! transformers in its default (legacy) behaviour.
//!
//! ```text
//! text ─▶ split at special tokens ─▶ normalise ─▶ best segmentation ─▶ ids, then </s>
//!           (this file)               charsmap.rs   unigram.rs
//! ```
//!
//! The `tokenizers` crate has parts for this, but they give other ids: its `Precompiled`
//! normalises whole graphemes, so combining marks change or vanish, and its `Unigram` adds
//! scores in f64 where the library that trained the model compares sums in f32: equal scores
//! (`xxx` as `x xx` or `xx x`) then part differently, also in ordinary English.

mod charsmap;
mod model;
mod protobuf;
mod trie;
mod unigram;

use std::path::{Path, PathBuf};

use self::charsmap::Normalizer;
use self::model::Model;
use self::unigram::Unigram;
use super::cache::Fingerprint;
use super::settings::{Role, Settings};
use super::{error, room};
use crate::data::Tokens;
use crate::{Error, Result};

/// How many `<extra_id_…>` tokens T5 has unless its settings say otherwise.
const SENTINELS: u32 = 100;
/// How `SentencePiece` writes a space.
const SPACE: char = '\u{2581}';

/// T5's tokenizer.
#[derive(Debug)]
pub(super) struct T5 {
    pub(super) fingerprint: Fingerprint,
    path: PathBuf,
    normalizer: Normalizer,
    unigram: Unigram,
    special: Vec<SpecialToken>,
    pad: u32,
    eos: u32,
}

#[derive(Debug)]
struct SpecialToken {
    text: String,
    id: u32,
    space: SpaceAround,
}

/// What happens to white space beside a special token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum SpaceAround {
    Kept,
    Dropped,
}

/// A stretch of text, or a special token that was written in it.
#[derive(Debug)]
enum Segment<'a> {
    Text(&'a str),
    Special(&'a SpecialToken),
}

impl T5 {
    /// Reads `spiece.model`, and the settings beside it.
    pub(super) fn load(folder: &Path) -> Result<Self> {
        let path = folder.join("spiece.model");
        let settings = Settings::read(folder)?;
        let bytes = std::fs::read(&path).map_err(Error::io(&path, "read"))?;
        let said = format!("{settings:?}");
        let fingerprint = Fingerprint::new("SentencePiece", &[&bytes, said.as_bytes()]);
        let model = Model::parse(&bytes).map_err(|message| error(&path, message))?;
        let special = special_tokens(&model, &settings).map_err(|message| error(&path, message))?;
        let parts = Normalizer::new(&model).and_then(|normalizer| {
            let unigram = Unigram::new(model)?;
            Ok((normalizer, unigram))
        });
        let (normalizer, unigram) = parts.map_err(|message| error(&path, message))?;
        let [pad, eos] = [special[0].id, special[1].id];
        Ok(Self {
            fingerprint,
            path,
            normalizer,
            unigram,
            special,
            pad,
            eos,
        })
    }

    pub(super) fn encode(
        &self,
        text: &str,
        pair: Option<&str>,
        max_length: usize,
    ) -> Result<Tokens> {
        let special = 1 + usize::from(pair.is_some());
        let room = room(&self.path, max_length, special)?;
        let mut ids = self.plain(text);
        let mut second = pair.map(|text| self.plain(text));
        let (keep, keep_second) =
            longest_first(ids.len(), second.as_ref().map_or(0, Vec::len), room);
        ids.truncate(keep);
        self.end(&mut ids);
        if let Some(second) = &mut second {
            second.truncate(keep_second);
            self.end(second);
            ids.append(second);
        }
        let types = vec![0; ids.len()];
        Ok(Tokens { ids, types })
    }

    /// Appends the end marker, unless the text itself ended with it.
    fn end(&self, ids: &mut Vec<u32>) {
        if ids.last() != Some(&self.eos) {
            ids.push(self.eos);
        }
    }

    /// The ids of a text, without the end marker.
    fn plain(&self, text: &str) -> Vec<u32> {
        let mut ids = Vec::new();
        for segment in self.segments(text) {
            match segment {
                Segment::Special(token) => ids.push(token.id),
                Segment::Text(text) => {
                    self.unigram
                        .encode(&self.normalizer.normalize(text), &mut ids);
                }
            }
        }
        ids
    }

    fn segments<'a>(&'a self, text: &'a str) -> Vec<Segment<'a>> {
        let mut segments = Vec::new();
        let mut rest = text;
        let mut left = SpaceAround::Kept; // what the token before the rest wants
        loop {
            let found = self.next_special(rest);
            let (before, right) = match found {
                Some((at, token)) => (&rest[..at], token.space),
                None => (rest, SpaceAround::Kept),
            };
            segments.push(Segment::Text(trimmed(before, left, right)));
            let Some((at, token)) = found else {
                return segments;
            };
            segments.push(Segment::Special(token));
            left = token.space;
            rest = &rest[at + token.text.len()..];
        }
    }

    /// The first special token in a text, and where it is; the longest of those there.
    fn next_special(&self, text: &str) -> Option<(usize, &SpecialToken)> {
        // All of them start so: `T5::load` checks it.
        text.match_indices('<').find_map(|(at, _)| {
            let here = self
                .special
                .iter()
                .filter(|token| text[at..].starts_with(&token.text));
            here.max_by_key(|token| token.text.len())
                .map(|token| (at, token))
        })
    }

    /// Joins the pieces of ids; special tokens and unknown ids have no text.
    pub(super) fn decode(&self, ids: &[u32]) -> String {
        let plain = ids
            .iter()
            .filter(|&&id| self.special.iter().all(|token| token.id != id));
        python_trim(&self.unigram.decode(plain.copied())).to_owned()
    }

    pub(super) fn vocab_size(&self) -> usize {
        let largest = self.special.iter().map(|token| token.id as usize).max();
        self.unigram.len().max(largest.map_or(0, |id| id + 1))
    }

    pub(super) fn pad_id(&self) -> u32 {
        self.pad
    }

    pub(super) fn eos_id(&self) -> u32 {
        self.eos
    }
}

/// `<pad>`, `</s>`, `<unk>` and the sentinels, the last of which comes right after the pieces.
fn special_tokens(model: &Model, settings: &Settings) -> Result<Vec<SpecialToken>, String> {
    if settings.legacy == Some(false) {
        return Err(
            "tokenizer_config.json asks for `legacy: false`, which this reader has not: \
                    save the tokenizer as tokenizer.json"
                .to_owned(),
        );
    }
    let mut special = Vec::new();
    for (role, usual) in [
        (Role::Pad, "<pad>"),
        (Role::Eos, "</s>"),
        (Role::Unk, "<unk>"),
    ] {
        let text = settings.token(role).unwrap_or(usual);
        let id = model.find(text).filter(|_| text.starts_with('<'));
        special.push(SpecialToken {
            id: id.ok_or_else(|| format!("lacks the special token `{text}`"))?,
            text: text.to_owned(),
            space: SpaceAround::Kept,
        });
    }
    let count = settings.extra_ids.unwrap_or(SENTINELS);
    let pieces = u32::try_from(model.pieces.len()).map_err(|_| "has too many pieces")?;
    special.extend((0..count).map(|number| SpecialToken {
        text: format!("<extra_id_{number}>"),
        id: pieces + count - 1 - number,
        space: SpaceAround::Dropped,
    }));
    for (&id, added) in &settings.added_tokens_decoder {
        let known = |token: &SpecialToken| token.id == id && token.text == added.content;
        if !special.iter().any(known) {
            let token = &added.content;
            return Err(format!(
                "tokenizer_config.json adds the token `{token}` ({id}), which T5 has not: \
                 save the tokenizer as tokenizer.json"
            ));
        }
    }
    Ok(special)
}

/// How much of two texts is kept: tokens go one at a time from the longer text, and from the
/// second where both are equally long.
fn longest_first(first: usize, second: usize, room: usize) -> (usize, usize) {
    let half = room / 2;
    if first + second <= room {
        (first, second)
    } else if second <= half {
        (room - second, second)
    } else if first <= room - half {
        (first, room - first)
    } else {
        (room - half, half)
    }
}

fn trimmed(text: &str, left: SpaceAround, right: SpaceAround) -> &str {
    let text = match left {
        SpaceAround::Dropped => text.trim_start_matches(python_space),
        SpaceAround::Kept => text,
    };
    match right {
        SpaceAround::Dropped => text.trim_end_matches(python_space),
        SpaceAround::Kept => text,
    }
}

fn python_trim(text: &str) -> &str {
    text.trim_matches(python_space)
}

/// What Python's `str.strip` takes away: Unicode's white space and four separators.
fn python_space(c: char) -> bool {
    c.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&c)
}
