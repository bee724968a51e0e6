//! What a `SentencePiece` file holds: pieces with scores, and how text is normalised.
//!
//! | message          | field | what                         | default |
//! |------------------|-------|------------------------------|---------|
//! | `ModelProto`     | 1     | a piece, repeated            |         |
//! |                  | 2     | `TrainerSpec`                |         |
//! |                  | 3     | `NormalizerSpec`             |         |
//! | piece            | 1     | its text                     |         |
//! |                  | 2     | score (float)                | 0       |
//! |                  | 3     | kind                         | 1       |
//! | `TrainerSpec`    | 3     | model type: 1 is unigram     | 1       |
//! |                  | 24    | white space ends a word      | false   |
//! |                  | 35    | unknown text becomes bytes   | false   |
//! | `NormalizerSpec` | 2     | the compiled character map   | empty   |
//! |                  | 3     | a space is put before a text | true    |
//! |                  | 4     | extra spaces are removed     | true    |
//! |                  | 5     | spaces are written as `▁`    | true    |

use super::protobuf::{Fields, Value};

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Model {
    pub(super) pieces: Vec<Piece>,
    pub(super) charsmap: Vec<u8>,
    pub(super) space_before: bool,
    pub(super) remove_extra_spaces: bool,
    pub(super) byte_fallback: bool,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Piece {
    pub(super) text: String,
    pub(super) score: f32,
    pub(super) kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Normal,
    Unknown,
    /// Has a meaning, but is never found in text.
    Control,
    /// Is always kept whole.
    UserDefined,
    /// Is never produced.
    Unused,
    /// Stands for one byte of text that no piece covers.
    Byte,
}

impl Model {
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, String> {
        let mut model = Self {
            pieces: Vec::new(),
            charsmap: Vec::new(),
            space_before: true,
            remove_extra_spaces: true,
            byte_fallback: false,
        };
        let mut fields = Fields::new(bytes);
        while let Some(field) = fields.next()? {
            match field {
                (1, Value::Bytes(piece)) => model.pieces.push(self::piece(piece)?),
                (2, Value::Bytes(spec)) => model.read_trainer(spec)?,
                (3, Value::Bytes(spec)) => model.read_normalizer(spec)?,
                _ => {} // the library's own checks, and whatever comes later
            }
        }
        if model.pieces.is_empty() {
            return Err("holds no pieces: it is not a SentencePiece model".to_owned());
        }
        Ok(model)
    }

    fn read_trainer(&mut self, spec: &[u8]) -> Result<(), String> {
        let mut fields = Fields::new(spec);
        while let Some(field) = fields.next()? {
            match field {
                (3, Value::Integer(kind)) if kind != 1 => {
                    return Err(
                        "is not a unigram model, the only kind that T5 uses: save the \
                                tokenizer as tokenizer.json"
                            .to_owned(),
                    );
                }
                (24, Value::Integer(truth)) if truth != 0 => {
                    return Err(
                        "puts white space at the end of words, which no T5 does: save \
                                the tokenizer as tokenizer.json"
                            .to_owned(),
                    );
                }
                (35, Value::Integer(truth)) => self.byte_fallback = truth != 0,
                _ => {}
            }
        }
        Ok(())
    }

    fn read_normalizer(&mut self, spec: &[u8]) -> Result<(), String> {
        let mut fields = Fields::new(spec);
        while let Some(field) = fields.next()? {
            match field {
                (2, Value::Bytes(map)) => self.charsmap = map.to_vec(),
                (3, Value::Integer(truth)) => self.space_before = truth != 0,
                (4, Value::Integer(truth)) => self.remove_extra_spaces = truth != 0,
                (5, Value::Integer(0)) => {
                    return Err("leaves spaces as they are, which no T5 does: save the \
                                tokenizer as tokenizer.json"
                        .to_owned());
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// The id of the piece with this text.
    pub(super) fn find(&self, text: &str) -> Option<u32> {
        let at = self.pieces.iter().position(|piece| piece.text == text);
        at.and_then(|at| u32::try_from(at).ok())
    }
}

fn piece(message: &[u8]) -> Result<Piece, String> {
    let mut piece = Piece {
        text: String::new(),
        score: 0.0,
        kind: Kind::Normal,
    };
    let mut fields = Fields::new(message);
    while let Some(field) = fields.next()? {
        match field {
            (1, Value::Bytes(text)) => {
                let text = std::str::from_utf8(text).map_err(|_| "holds a piece not in UTF-8")?;
                text.clone_into(&mut piece.text);
            }
            (2, Value::Four(score)) => piece.score = f32::from_le_bytes(score),
            (3, Value::Integer(kind)) => piece.kind = self::kind(kind)?,
            _ => {}
        }
    }
    if piece.text.is_empty() || !piece.score.is_finite() {
        let Piece { text, score, .. } = piece;
        return Err(format!("holds the piece `{text}` with score {score}"));
    }
    Ok(piece)
}

fn kind(number: u64) -> Result<Kind, String> {
    match number {
        1 => Ok(Kind::Normal),
        2 => Ok(Kind::Unknown),
        3 => Ok(Kind::Control),
        4 => Ok(Kind::UserDefined),
        5 => Ok(Kind::Unused),
        6 => Ok(Kind::Byte),
        _ => Err(format!("holds a piece of unknown kind {number}")),
    }
}
