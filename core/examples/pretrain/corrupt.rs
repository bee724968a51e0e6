//! Span corruption (Raffel et al., arXiv:1910.10683, section 3.1.4).
//!
//! ```text
//! source   the ⟨0⟩ sat on ⟨1⟩ mat ⏎        target   ⟨0⟩ cat ⟨1⟩ the old ⟨2⟩ ⏎
//! ```
//!
//! 15 % of the pieces are taken out in spans of 3 on average; where spans lie is a pure
//! function of a key.

use std::collections::HashMap;

use compacter_core::Result;
use compacter_core::data::{Example, Gold, Tokenizer, Tokens};
use compacter_core::random::Key;

use crate::vocabulary::sentinel;

/// Share of the pieces that are taken out.
const DENSITY: f64 = 0.15;
/// Mean length of what is taken out at a place, in pieces.
const SPAN: f64 = 3.0;
/// Longest passage, in pieces.
pub(crate) const LONGEST: usize = 96;
/// The id of the end marker.
pub(crate) const END: u32 = 1;

/// Pieces of each word; a word's pieces do not depend on its neighbours.
#[derive(Debug)]
pub(crate) struct Pieces<'a> {
    tokenizer: &'a Tokenizer,
    known: HashMap<String, Vec<u32>>,
}

/// A passage in pieces.
#[derive(Debug, Clone, Default)]
pub(crate) struct Passage {
    pub(crate) ids: Vec<u32>,
    /// The number of the word that each piece is part of.
    pub(crate) words: Vec<usize>,
}

/// A corrupted passage, and which word each piece of its source is part of; sentinels and
/// the end marker are part of none.
#[derive(Debug, Clone)]
pub(crate) struct Corrupted {
    pub(crate) example: Example,
    pub(crate) words: Vec<Option<usize>>,
}

impl<'a> Pieces<'a> {
    pub(crate) fn new(tokenizer: &'a Tokenizer) -> Self {
        Self {
            tokenizer,
            known: HashMap::new(),
        }
    }

    /// Cuts words into pieces, up to the longest passage.
    pub(crate) fn of<'w>(&mut self, words: impl Iterator<Item = &'w str>) -> Result<Passage> {
        let mut passage = Passage::default();
        for (number, word) in words.enumerate() {
            if !self.known.contains_key(word) {
                let mut ids = self.tokenizer.encode(word, None, LONGEST)?.ids;
                ids.pop(); // the end marker
                self.known.insert(word.to_owned(), ids);
            }
            let ids = &self.known[word];
            if passage.ids.len() + ids.len() > LONGEST {
                break;
            }
            passage.ids.extend(ids);
            passage.words.extend(ids.iter().map(|_| number));
        }
        Ok(passage)
    }
}

/// Corrupts a passage of at least two pieces.
pub(crate) fn corrupt(passage: &Passage, key: Key) -> Corrupted {
    let taken = spans(passage.ids.len(), key);
    let (mut ids, mut words, mut target) = (Vec::new(), Vec::new(), Vec::new());
    let mut spans = 0;
    for (at, &id) in passage.ids.iter().enumerate() {
        if !taken[at] {
            ids.push(id);
            words.push(Some(passage.words[at]));
            continue;
        }
        if at == 0 || !taken[at - 1] {
            ids.push(sentinel(spans));
            words.push(None);
            target.push(sentinel(spans));
            spans += 1;
        }
        target.push(id);
    }
    ids.push(END);
    words.push(None);
    target.extend([sentinel(spans), END]);
    let types = vec![0; ids.len()];
    Corrupted {
        example: Example {
            source: Tokens { ids, types },
            target,
            gold: Gold::Text(String::new()),
            group: None,
        },
        words,
    }
}

/// Which pieces are taken out: as many spans as it takes, of random lengths, with random
/// gaps between them, the first piece always kept.
pub(crate) fn spans(length: usize, key: Key) -> Vec<bool> {
    let noise = (length as f64 * DENSITY)
        .round()
        .clamp(1.0, length as f64 - 1.0);
    let count = (noise / SPAN).round().max(1.0);
    let (noise, count) = (whole(noise), whole(count));
    let lengths = partition(noise, count.min(noise), key.named("spans"));
    let gaps = partition(
        length - noise,
        lengths.len().min(length - noise),
        key.named("gaps"),
    );
    let mut taken = Vec::with_capacity(length);
    for (gap, span) in gaps.iter().zip(&lengths) {
        taken.extend(std::iter::repeat_n(false, *gap));
        taken.extend(std::iter::repeat_n(true, *span));
    }
    taken.resize(length, false);
    taken
}

/// Cuts `total` into `parts` positive numbers, each way of doing so equally likely.
fn partition(total: usize, parts: usize, key: Key) -> Vec<usize> {
    let mut places: Vec<usize> = (1..total).collect();
    places.sort_by_key(|&place| key.bits(place as u64));
    let mut cuts: Vec<usize> = places.into_iter().take(parts - 1).collect();
    cuts.sort_unstable();
    cuts.push(total);
    let mut before = 0;
    cuts.into_iter()
        .map(|cut| cut - std::mem::replace(&mut before, cut))
        .collect()
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a rounded share of a passage's length"
)]
fn whole(number: f64) -> usize {
    number as usize
}
