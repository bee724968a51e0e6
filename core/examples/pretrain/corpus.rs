//! Plain text, a paragraph a line, cut into passages of a few sentences.

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use compacter_core::random::Key;
use compacter_core::{Error, Result};

/// Passages are sentences gathered up to this many words.
const LONGEST: usize = 40;
/// Shorter ones (headings, page numbers) are left out.
const SHORTEST: usize = 8;
/// Lengths of sentences that are taken alone, in words.
const SENTENCE: std::ops::RangeInclusive<usize> = 4..=25;
/// Passages at the end that are never trained on.
pub(crate) const HELD_OUT: usize = 2000;

/// The passages of a text in a random order.
#[derive(Debug)]
pub(crate) struct Corpus {
    text: Arc<str>,
    passages: Vec<Range<usize>>,
}

impl Corpus {
    /// Reads a text file and shuffles its passages; the seed decides the order.
    pub(crate) fn read(path: &Path, seed: u64) -> Result<Self> {
        let text = std::fs::read_to_string(path).map_err(Error::io(path, "read"))?;
        let mut passages = Vec::new();
        let mut start = 0;
        for line in text.split_inclusive('\n') {
            gather(line, start, &mut passages);
            start += line.len();
        }
        let key = Key::new(seed).named("passages");
        let mut order: Vec<usize> = (0..passages.len()).collect();
        order.sort_by_key(|&at| key.bits(at as u64));
        let passages = order.into_iter().map(|at| passages[at].clone()).collect();
        Ok(Self {
            text: text.into(),
            passages,
        })
    }

    /// Single sentences of the passages that are trained on, `count` of them, half of them
    /// questions as long as there are any, in a random order.
    pub(crate) fn sentences(&self, count: usize, seed: u64) -> Self {
        let (mut questions, mut others) = (Vec::new(), Vec::new());
        for passage in &self.passages[..self.passages.len() - HELD_OUT] {
            let text = &self.text[passage.clone()];
            for sentence in sentences(text) {
                let own = text[sentence.clone()].trim_end();
                if !SENTENCE.contains(&own.split_whitespace().count()) {
                    continue;
                }
                let start = passage.start + sentence.start;
                let kind = if own.contains('?') {
                    &mut questions
                } else {
                    &mut others
                };
                kind.push(start..start + own.len());
            }
        }
        questions.truncate(count / 2);
        others.truncate(count - questions.len());
        questions.append(&mut others);
        let key = Key::new(seed).named("sentences");
        questions.sort_by_cached_key(|sentence| key.bits(sentence.start as u64));
        Self {
            text: Arc::clone(&self.text),
            passages: questions,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.passages.len()
    }

    /// The words of a passage, punctuation attached.
    pub(crate) fn words(&self, passage: usize) -> impl Iterator<Item = &str> {
        self.text[self.passages[passage].clone()].split_whitespace()
    }

    /// The text of a passage.
    pub(crate) fn passage(&self, passage: usize) -> &str {
        &self.text[self.passages[passage].clone()]
    }
}

/// Appends the passages of one paragraph, which starts at `offset` in the text.
fn gather(line: &str, offset: usize, passages: &mut Vec<Range<usize>>) {
    let mut start = 0;
    let mut words = 0;
    let mut end = 0;
    for sentence in sentences(line) {
        let more = line[sentence.clone()].split_whitespace().count();
        if words > 0 && words + more > LONGEST {
            push(words, offset + start..offset + end, passages);
            start = sentence.start;
            words = 0;
        }
        words += more;
        end = sentence.end;
    }
    push(words, offset + start..offset + end, passages);
}

/// Keeps a passage of usable length. A sentence of its own that is far too long is prose
/// without full stops, or a table.
fn push(words: usize, range: Range<usize>, passages: &mut Vec<Range<usize>>) {
    if (SHORTEST..=2 * LONGEST).contains(&words) {
        passages.push(range);
    }
}

/// The sentences of a paragraph: up to a full stop, question or exclamation mark (and the
/// quotation mark after it) before a space.
fn sentences(line: &str) -> impl Iterator<Item = Range<usize>> {
    let mut rest = 0;
    std::iter::from_fn(move || {
        if rest >= line.len() {
            return None;
        }
        let start = rest;
        let mut ended = false;
        let mut end = line.len();
        for (at, symbol) in line[start..].char_indices() {
            match symbol {
                '.' | '!' | '?' => ended = true,
                '"' | '\'' | ')' | '\u{201d}' | '\u{2019}' => {}
                ' ' if ended => {
                    end = start + at + 1;
                    break;
                }
                _ => ended = false,
            }
        }
        rest = end;
        Some(start..end)
    })
}
