//! The tokenizer: a unigram model over pieces of lower-cased words.
//!
//! Punctuation marks are words of their own, so that `"good` and `good,` share a piece; what
//! is lost is whether there was a space beside them. Which pieces there are is decided by
//! merging (byte-pair encoding), how text is cut into them by their frequencies: the
//! library's own unigram trainer ended with words as short as `▁i` cut in two.

use std::path::Path;

use compacter_core::{Error, Result};
use rayon::prelude::*;
use tokenizers::models::bpe::{BPE, BpeTrainer};
use tokenizers::models::unigram::Unigram;
use tokenizers::normalizers::{Lowercase, NFKC, Sequence};
use tokenizers::pre_tokenizers::PreTokenizerWrapper;
use tokenizers::pre_tokenizers::metaspace::{Metaspace, PrependScheme};
use tokenizers::pre_tokenizers::punctuation::Punctuation;
use tokenizers::pre_tokenizers::sequence::Sequence as Steps;
use tokenizers::processors::template::TemplateProcessing;
use tokenizers::{
    AddedToken, DecoderWrapper, Model, NormalizerWrapper, SplitDelimiterBehavior, TokenizerBuilder,
    TokenizerImpl,
};

use crate::corpus::Corpus;

/// Entries of the embedding table: T5's three special tokens, pieces, and sentinels.
pub(crate) const ENTRIES: usize = 8192;
/// Number of sentinels, as in T5.
pub(crate) const SENTINELS: usize = 100;
/// Passages that pieces are learnt from.
const PASSAGES: usize = 200_000;
/// A character has to come this often to be known.
const ALPHABET: usize = 100;
const SPECIAL: [&str; 3] = ["<pad>", "</s>", "<unk>"];

type Cutter<M> =
    TokenizerImpl<M, NormalizerWrapper, PreTokenizerWrapper, TemplateProcessing, DecoderWrapper>;

/// The id of sentinel `<extra_id_n>`: T5 counts them down from the last entry.
pub(crate) fn sentinel(n: usize) -> u32 {
    u32::try_from(ENTRIES - 1 - n).expect("the vocabulary is small")
}

/// Makes the tokenizer and saves it as `tokenizer.json`, in T5's form.
pub(crate) fn train(corpus: &Corpus, out: &Path) -> Result<()> {
    make(corpus)
        .and_then(|tokenizer| tokenizer.save(out, true))
        .map_err(|source| Error::Tokenizer {
            path: out.to_path_buf(),
            message: source.to_string(),
        })
}

fn make(corpus: &Corpus) -> tokenizers::Result<Cutter<Unigram>> {
    let text = || (0..corpus.len().min(PASSAGES)).map(|at| corpus.passage(at).trim().to_owned());
    let mut merging = with_model(BPE::default())?;
    let mut trainer = BpeTrainer::builder()
        .vocab_size(ENTRIES - SENTINELS - SPECIAL.len())
        .limit_alphabet(ALPHABET)
        .show_progress(false)
        .build();
    merging.train(&mut trainer, text())?;
    let pieces = weighed(&merging, text().collect())?;

    let unknown = Some(2);
    let mut tokenizer = with_model(Unigram::from(pieces, unknown, false)?)?;
    let special = |text: &str| AddedToken::from(text.to_owned(), true);
    tokenizer.add_special_tokens(SPECIAL.map(special))?;
    let sentinels = (0..SENTINELS)
        .rev()
        .map(|n| special(&format!("<extra_id_{n}>")));
    tokenizer.add_special_tokens(sentinels.collect::<Vec<_>>())?;
    let end = TemplateProcessing::builder()
        .try_single("$A </s>")
        .and_then(|builder| builder.try_pair("$A </s> $B </s>"))?
        .special_tokens(vec![("</s>", 1u32)])
        .build()?;
    tokenizer.with_post_processor(Some(end));
    Ok(tokenizer)
}

fn with_model<M: Model>(model: M) -> tokenizers::Result<Cutter<M>> {
    let metaspace = || Metaspace::new('▁', PrependScheme::Always, true);
    TokenizerBuilder::new()
        .with_model(model)
        .with_normalizer(Some(NormalizerWrapper::Sequence(Sequence::new(vec![
            NFKC.into(),
            Lowercase.into(),
        ]))))
        .with_pre_tokenizer(Some(PreTokenizerWrapper::Sequence(Steps::new(vec![
            Punctuation::new(SplitDelimiterBehavior::Isolated).into(),
            metaspace().into(),
        ]))))
        .with_decoder(Some(DecoderWrapper::Metaspace(metaspace())))
        .build()
}

/// The special tokens, then the pieces with the logarithm of their share in the text. A
/// piece that only serves to make longer ones counts as seen once.
fn weighed(merging: &Cutter<BPE>, text: Vec<String>) -> tokenizers::Result<Vec<(String, f64)>> {
    let size = merging.get_vocab_size(false);
    let count = |counts: tokenizers::Result<Vec<u64>>, passage: String| {
        let mut counts = counts?;
        for &id in merging.encode(passage, false)?.get_ids() {
            counts[id as usize] += 1;
        }
        Ok(counts)
    };
    let add = |a: tokenizers::Result<Vec<u64>>, b: tokenizers::Result<Vec<u64>>| {
        Ok(a?.into_iter().zip(b?).map(|(a, b)| a + b).collect())
    };
    let none = || Ok(vec![0; size]);
    let counts = text.into_par_iter().fold(none, count).reduce(none, add)?;
    let total: u64 = counts.iter().map(|&count| count.max(1)).sum();
    let mut pieces: Vec<(String, u64)> = merging
        .get_vocab(false)
        .into_iter()
        .map(|(piece, id)| (piece, counts[id as usize].max(1)))
        .collect();
    pieces.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    let share = |count: u64| (count as f64 / total as f64).ln();
    let special = SPECIAL.map(|token| (token.to_owned(), 0.0));
    let pieces = pieces
        .into_iter()
        .map(|(piece, count)| (piece, share(count)));
    Ok(special.into_iter().chain(pieces).collect())
}
