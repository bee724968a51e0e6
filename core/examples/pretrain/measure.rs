//! The held-out loss, beside what counting pieces gives on the same tokens.

use std::path::Path;

use candle_core::{DType, Device};
use compacter_core::Result;
use compacter_core::config::Pooling;
use compacter_core::data::{Batch, Tokenizer};
use compacter_core::model::network::scalar;
use compacter_core::model::{Answer, Model, Pass, Placement};
use compacter_core::random::Key;

use crate::corpus::Corpus;
use crate::corpus::HELD_OUT;
use crate::corrupt::{Passage, Pieces, spans};
use crate::run::held_out;
use crate::vocabulary::ENTRIES;

const BATCH: usize = 50;
/// Passages that pieces and pairs are counted in.
const COUNTED: usize = 400_000;
/// Passages before the held-out ones on which the weight of pairs is chosen.
const CHOOSING: usize = 1000;

/// Prints the mean loss of a model on the held-out passages, and those of two baselines.
pub(crate) fn measure(corpus: &Corpus, model: &Path, seed: u64) -> Result<()> {
    let tokenizer = Tokenizer::load(model)?;
    let key = Key::new(seed).named("corruption");
    let mut pieces = Pieces::new(&tokenizer);
    let examples = held_out(corpus, &mut pieces, key)?;
    let tokens: usize = examples.iter().map(|example| example.target.len()).sum();
    let placement = Placement {
        device: Device::Cpu,
        dtype: DType::F32,
        pooling: Pooling::Mean,
        frozen_dtype: None,
    };
    let loaded = Model::load(model, Answer::Text { longest: 1 }, placement)?;
    let mut sum = 0.0;
    for start in (0..examples.len()).step_by(BATCH) {
        let positions: Vec<usize> = (start..examples.len().min(start + BATCH)).collect();
        let batch = Batch::gather(&examples, &positions);
        sum += scalar(&loaded.loss(&batch, &Pass::EVALUATION)?)? * batch.target.tokens() as f64;
    }
    println!(
        "{} held-out passages, {tokens} target tokens",
        examples.len()
    );
    println!("model             {:.3}", sum / tokens as f64);

    let mut counts = Counts::default();
    let end = corpus.len() - HELD_OUT;
    for passage in 0..COUNTED.min(end - CHOOSING) {
        counts.add(&pieces.of(corpus.words(passage))?);
    }
    let cut =
        |range: std::ops::Range<usize>, pieces: &mut Pieces<'_>| -> Result<Vec<(Passage, Key)>> {
            range
                .map(|at| Ok((pieces.of(corpus.words(at))?, key.with(at as u64))))
                .collect()
        };
    let choosing = cut(end - CHOOSING..end, &mut pieces)?;
    let measured = cut(end..corpus.len(), &mut pieces)?;
    // Every pair's share of the vote grows with how often its first piece was counted.
    let strengths = (0..16).map(|power| 2f64.powi(power));
    let (_, strength) = strengths
        .map(|strength| (counts.loss(&choosing, Some(strength)), strength))
        .min_by(|a, b| a.0.total_cmp(&b.0))
        .unwrap_or((0.0, 1.0));
    println!(
        "pairs of pieces   {:.3}  (interpolated, sentinels free)",
        counts.loss(&measured, Some(strength))
    );
    println!(
        "single pieces     {:.3}  (sentinels free)",
        counts.loss(&measured, None)
    );
    Ok(())
}

/// How often each piece, and each pair of neighbours, was seen.
struct Counts {
    single: Vec<u32>, // [vocab]
    pairs: Vec<u32>,  // [vocab, vocab]
    total: u64,
}

impl Default for Counts {
    fn default() -> Self {
        Self {
            single: vec![0; ENTRIES],
            pairs: vec![0; ENTRIES * ENTRIES],
            total: 0,
        }
    }
}

impl Counts {
    fn add(&mut self, passage: &Passage) {
        for &id in &passage.ids {
            self.single[id as usize] += 1;
            self.total += 1;
        }
        for pair in passage.ids.windows(2) {
            self.pairs[pair[0] as usize * ENTRIES + pair[1] as usize] += 1;
        }
    }

    /// Mean loss over all target tokens, of which sentinels and end markers cost nothing.
    fn loss(&self, passages: &[(Passage, Key)], strength: Option<f64>) -> f64 {
        let (mut sum, mut tokens) = (0.0, 0);
        for (passage, key) in passages {
            let taken = spans(passage.ids.len(), *key);
            let mut open = false;
            tokens += 2; // the last sentinel and the end marker
            for (at, &taken) in taken.iter().enumerate() {
                if taken {
                    sum -= self
                        .probability(passage.ids[at - 1], passage.ids[at], strength)
                        .ln();
                    tokens += 1 + usize::from(!open);
                }
                open = taken;
            }
        }
        sum / f64::from(tokens.try_into().unwrap_or(u32::MAX))
    }

    /// The probability of a piece after another; of a piece alone without a strength.
    fn probability(&self, before: u32, piece: u32, strength: Option<f64>) -> f64 {
        let one_more = f64::from(self.single[piece as usize]) + 1.0;
        let single = one_more / (self.total as f64 + ENTRIES as f64);
        let Some(strength) = strength else {
            return single;
        };
        let pairs = f64::from(self.pairs[before as usize * ENTRIES + piece as usize]);
        (pairs + strength * single) / (f64::from(self.single[before as usize]) + strength)
    }
}
