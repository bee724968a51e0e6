//! Tokenizers of the `tokenizers` crate: whatever `tokenizer.json` describes, and BERT's
//! `WordPiece` built from `vocab.txt` as transformers builds it.
//!
//! A `tokenizer.json` may carry padding and truncation to some fixed length, which were
//! somebody's last settings and not the model's: both are switched off.

use std::path::{Path, PathBuf};

use tokenizers::models::wordpiece::WordPiece;
use tokenizers::normalizers::BertNormalizer;
use tokenizers::pre_tokenizers::bert::BertPreTokenizer;
use tokenizers::processors::bert::BertProcessing;
use tokenizers::utils::truncation::{TruncationParams, truncate_encodings};
use tokenizers::{AddedToken, PostProcessor};

use super::cache::Fingerprint;
use super::settings::{Role, Settings};
use super::{error, room};
use crate::data::Tokens;
use crate::hub::ModelFiles;
use crate::{Error, Result};

const JSON: &str = "tokenizer.json";

#[derive(Debug)]
pub(super) struct HuggingFace {
    pub(super) fingerprint: Fingerprint,
    path: PathBuf,
    tokenizer: tokenizers::Tokenizer,
    vocab_size: usize,
    pad: Option<u32>,
    eos: Option<u32>,
}

impl HuggingFace {
    /// Reads `tokenizer.json`.
    pub(super) fn from_json(folder: &Path) -> Result<Self> {
        let path = folder.join(JSON);
        let bytes = std::fs::read(&path).map_err(Error::io(&path, "read"))?;
        Self::from_bytes(path, &bytes, &Settings::read(folder)?)
    }

    /// Reads the `tokenizer.json` of a model inside the program, which names its special
    /// tokens as T5 does.
    pub(super) fn embedded(files: &ModelFiles) -> Result<Self> {
        let path = files.location().join(JSON);
        Self::from_bytes(path, &files.read(JSON)?, &Settings::default())
    }

    fn from_bytes(path: PathBuf, bytes: &[u8], settings: &Settings) -> Result<Self> {
        let mut tokenizer = tokenizers::Tokenizer::from_bytes(bytes)
            .map_err(|source| error(&path, format!("not a tokenizer: {source}")))?;
        tokenizer.with_padding(None);
        tokenizer
            .with_truncation(None)
            .map_err(|source| error(&path, source.to_string()))?;
        let fingerprint = Fingerprint::new(JSON, &[bytes]);
        Self::new(path, (tokenizer, fingerprint), settings)
    }

    /// Builds BERT's tokenizer from `vocab.txt`, which holds a token a line.
    pub(super) fn from_vocabulary(folder: &Path) -> Result<Self> {
        let path = folder.join("vocab.txt");
        let bytes = std::fs::read(&path).map_err(Error::io(&path, "read"))?;
        let settings = Settings::read(folder)?;
        let tokenizer = word_piece(&path, &bytes, &settings)?;
        let said = format!("{settings:?}");
        let fingerprint = Fingerprint::new("WordPiece", &[&bytes, said.as_bytes()]);
        Self::new(path, (tokenizer, fingerprint), &settings)
    }

    fn new(
        path: PathBuf,
        (tokenizer, fingerprint): (tokenizers::Tokenizer, Fingerprint),
        settings: &Settings,
    ) -> Result<Self> {
        let largest = tokenizer.get_vocab(true).into_values().max();
        let largest = largest.ok_or_else(|| error(&path, "has no tokens"))?;
        let id = |role, usual: &[&str]| match settings.token(role) {
            Some(token) => tokenizer.token_to_id(token),
            None => usual.iter().find_map(|token| tokenizer.token_to_id(token)),
        };
        let pad = id(Role::Pad, &["<pad>", "[PAD]"]);
        let eos = id(Role::Eos, &["</s>"]).or_else(|| id(Role::Sep, &["[SEP]"]));
        Ok(Self {
            fingerprint,
            vocab_size: largest as usize + 1,
            path,
            tokenizer,
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
        let failed = |source: tokenizers::Error| error(&self.path, source.to_string());
        let processor = self.tokenizer.get_post_processor();
        let special = processor.map_or(0, |p| p.added_tokens(pair.is_some()));
        let limit = TruncationParams {
            max_length: room(&self.path, max_length, special)?,
            ..TruncationParams::default() // longest first, cut at the end
        };
        let plain = |text: &str| self.tokenizer.encode_fast(text, false).map_err(failed);
        let pair = pair.map(plain).transpose()?;
        let (first, second) = truncate_encodings(plain(text)?, pair, &limit).map_err(failed)?;
        let whole = self.tokenizer.post_process(first, second, true);
        let whole = whole.map_err(failed)?;
        Ok(Tokens {
            ids: whole.get_ids().to_vec(),
            types: whole.get_type_ids().to_vec(),
        })
    }

    pub(super) fn encode_target(&self, text: &str, max_length: usize) -> Result<Vec<u32>> {
        let eos = self.eos.ok_or_else(|| {
            let message = "names no `eos_token`, so no answer written with it would ever end";
            error(&self.path, message)
        })?;
        let ids = self.encode(text, None, max_length)?.ids;
        if ids.last() == Some(&eos) {
            return Ok(ids);
        }
        let mut ids = self
            .encode(text, None, room(&self.path, max_length, 1)?)?
            .ids;
        ids.push(eos);
        Ok(ids)
    }

    pub(super) fn decode(&self, ids: &[u32]) -> Result<String> {
        let text = self.tokenizer.decode(ids, true);
        text.map_err(|source| error(&self.path, source.to_string()))
    }

    pub(super) fn vocab_size(&self) -> usize {
        self.vocab_size
    }

    pub(super) fn pad_id(&self) -> Option<u32> {
        self.pad
    }

    pub(super) fn eos_id(&self) -> Option<u32> {
        self.eos
    }
}

fn word_piece(
    path: &Path,
    vocabulary: &[u8],
    settings: &Settings,
) -> Result<tokenizers::Tokenizer> {
    let failed = |source: tokenizers::Error| error(path, source.to_string());
    let unknown = settings.token(Role::Unk).unwrap_or("[UNK]");
    let model = WordPiece::builder()
        .vocab(WordPiece::read_bytes(vocabulary).map_err(failed)?)
        .unk_token(unknown.to_owned())
        .build()
        .map_err(failed)?;
    let mut tokenizer = tokenizers::Tokenizer::new(model);
    let special = |role, usual: &'static str| -> Result<(String, u32)> {
        let token = settings.token(role).unwrap_or(usual);
        let id = tokenizer.token_to_id(token);
        let id = id.ok_or_else(|| error(path, format!("lacks the special token `{token}`")))?;
        Ok((token.to_owned(), id))
    };
    let separator = special(Role::Sep, "[SEP]")?;
    let start = special(Role::Cls, "[CLS]")?;
    let others = [
        special(Role::Unk, "[UNK]")?,
        special(Role::Pad, "[PAD]")?,
        special(Role::Mask, "[MASK]")?,
    ];
    let all = others.iter().chain([&separator, &start]);
    let all: Vec<_> = all
        .map(|(token, _)| AddedToken::from(token.clone(), true))
        .collect();
    tokenizer.add_special_tokens(all).map_err(failed)?;
    let lowercase = settings.do_lower_case.unwrap_or(true);
    let chinese = settings.tokenize_chinese_chars.unwrap_or(true);
    let normalizer = BertNormalizer::new(true, chinese, settings.strip_accents, lowercase);
    tokenizer
        .with_normalizer(Some(normalizer))
        .map_err(failed)?;
    tokenizer.with_pre_tokenizer(Some(BertPreTokenizer));
    tokenizer.with_post_processor(Some(BertProcessing::new(separator, start)));
    tokenizer.with_decoder(Some(tokenizers::decoders::wordpiece::WordPiece::default()));
    Ok(tokenizer)
}
