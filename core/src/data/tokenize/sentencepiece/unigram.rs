//! The best segmentation of a text into pieces (Kudo 2018, arXiv:1804.10959): the one with
//! the highest sum of scores, found from left to right.
//!
//! Sums are rounded to f32 at each position and compared before rounding, and the earlier of
//! two equal ones stays, as in the `SentencePiece` library: many words have segmentations of
//! equal score, and which one wins is part of what a model was trained on.

use super::SPACE;
use super::model::{Kind, Model};
use super::trie::Trie;

/// How much worse than the worst piece a character is that no piece covers.
const UNKNOWN_PENALTY: f32 = 10.0;

#[derive(Debug)]
pub(super) struct Unigram {
    pieces: Vec<Piece>, // by id
    found: Trie,        // of the pieces that text may hold
    unknown: u32,
    unknown_score: f32,
    best_score: f32,
    /// Ids of the 256 byte pieces, where text that no piece covers is written in bytes.
    bytes: Option<Vec<u32>>,
}

#[derive(Debug)]
struct Piece {
    text: Box<str>,
    score: f32,
    kind: Kind,
}

/// The best way to reach a position of the text.
#[derive(Debug, Clone, Copy, Default)]
struct Reached {
    score: f32,
    id: u32,
    /// Where the last piece of the way starts; `None` while no way is known.
    start: Option<usize>,
}

impl Reached {
    /// Takes a new way where it is the first or better.
    fn offer(&mut self, score: f64, id: u32, start: usize) {
        if self.start.is_none() || score > f64::from(self.score) {
            #[expect(clippy::cast_possible_truncation, reason = "sums are kept in f32")]
            let score = score as f32;
            *self = Self {
                score,
                id,
                start: Some(start),
            };
        }
    }
}

impl Unigram {
    pub(super) fn new(model: Model) -> Result<Self, String> {
        let bytes = model
            .byte_fallback
            .then(|| byte_pieces(&model))
            .transpose()?;
        let pieces: Vec<Piece> = model
            .pieces
            .into_iter()
            .map(|piece| Piece {
                text: piece.text.into_boxed_str(),
                score: piece.score,
                kind: piece.kind,
            })
            .collect();
        let with = |kind| {
            (0u32..)
                .zip(&pieces)
                .filter(move |(_, piece)| piece.kind == kind)
        };
        let unknown = with(Kind::Unknown).map(|(id, _)| id).next();
        let scores = || with(Kind::Normal).map(|(_, piece)| piece.score);
        let found = with(Kind::Normal).chain(with(Kind::UserDefined));
        let found = Trie::new(found.map(|(id, piece)| (&*piece.text, id)));
        Ok(Self {
            unknown: unknown.ok_or("holds no piece for unknown text")?,
            unknown_score: scores().fold(f32::MAX, f32::min) - UNKNOWN_PENALTY,
            best_score: scores().fold(f32::MIN_POSITIVE, f32::max),
            pieces,
            found,
            bytes,
        })
    }

    /// Number of pieces.
    pub(super) fn len(&self) -> usize {
        self.pieces.len()
    }

    /// Appends the ids of the best segmentation of a normalised text.
    pub(super) fn encode(&self, text: &str, ids: &mut Vec<u32>) {
        let reached = self.best_ways(text);
        let mut way = Vec::new();
        let mut end = text.len();
        while let Reached {
            id,
            start: Some(start),
            ..
        } = reached[end]
        {
            way.push((id, start..end));
            end = start;
        }
        let mut after_unknown = false;
        for (id, range) in way.into_iter().rev() {
            match &self.bytes {
                Some(bytes) if id == self.unknown => {
                    ids.extend(text[range].bytes().map(|byte| bytes[usize::from(byte)]));
                }
                // A run of unknown characters is one token.
                None if id == self.unknown && after_unknown => {}
                _ => ids.push(id),
            }
            after_unknown = id == self.unknown;
        }
    }

    /// For each position of the text the best way to it.
    fn best_ways(&self, text: &str) -> Vec<Reached> {
        let mut reached = vec![Reached::default(); text.len() + 1];
        for (start, first) in text.char_indices() {
            let before = reached[start].score;
            let mut covered = false;
            for (length, id) in self.found.prefixes(&text.as_bytes()[start..]) {
                let score = self.score(id, length) + f64::from(before);
                reached[start + length].offer(score, id, start);
                covered |= length == first.len_utf8();
            }
            if !covered {
                let score = f64::from(self.unknown_score + before);
                reached[start + first.len_utf8()].offer(score, self.unknown, start);
            }
        }
        reached
    }

    fn score(&self, id: u32, length: usize) -> f64 {
        let piece = &self.pieces[id as usize];
        match piece.kind {
            // Better than any way through other pieces.
            Kind::UserDefined => f64::from(length as f32 * self.best_score) - 0.1,
            _ => f64::from(piece.score),
        }
    }

    /// The text of ids; those that have none are left out.
    pub(super) fn decode(&self, ids: impl Iterator<Item = u32>) -> String {
        let mut bytes = Vec::new();
        for id in ids {
            let Some(piece) = self.pieces.get(id as usize) else {
                continue;
            };
            match piece.kind {
                Kind::Unknown | Kind::Control => {}
                Kind::Byte => bytes.extend(byte_of(&piece.text)),
                _ => bytes.extend_from_slice(piece.text.replace(SPACE, " ").as_bytes()),
            }
        }
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

/// The byte that a piece such as `<0x0A>` stands for.
fn byte_of(text: &str) -> Option<u8> {
    let digits = text.strip_prefix("<0x")?.strip_suffix('>')?;
    u8::from_str_radix(digits, 16).ok()
}

/// The ids of the pieces of all bytes, in order.
fn byte_pieces(model: &Model) -> Result<Vec<u32>, String> {
    let id = |byte| {
        let text = format!("<0x{byte:02X}>");
        let id = model.find(&text);
        id.ok_or_else(|| format!("writes unknown text in bytes, but lacks the piece `{text}`"))
    };
    (0..=u8::MAX).map(id).collect()
}
