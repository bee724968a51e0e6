//! Questions about the whole of a passage, which the decoder answers with one word.
//!
//! A question is a plane through the teacher's space of sentences, at random (Charikar,
//! STOC 2002, section 3), moved so that half of the passages lie on either side; its two
//! answers are words drawn at random. Span corruption alone leaves the decoder with no
//! reason to look at more than the neighbourhood of a sentinel, and then an adapter cannot
//! teach it to say what a text is like.
//!
//! ```text
//! source   ⟨question 17⟩ the cat sat on the old mat ⏎        target   harbour ⏎
//! ```

use compacter_core::data::{Example, Gold, Tokens};
use compacter_core::random::Key;
use rayon::prelude::*;

use crate::corrupt::{Corrupted, END, Passage};
use crate::teacher::WIDTH;
use crate::vocabulary::{SENTINELS, sentinel};

/// Number of questions. Their marks are the last sentinels, which no passage is long
/// enough to need.
const COUNT: usize = 64;
/// Answers are drawn from pieces of these ranks of frequency.
const RANKS: std::ops::Range<u64> = 200..2200;

/// The questions.
#[derive(Debug)]
pub(crate) struct Questions {
    planes: Vec<Vec<f32>>, // [COUNT, 384]
    thresholds: Vec<f32>,  // [COUNT]
    answers: Vec<[u32; 2]>,
}

impl Questions {
    /// Draws questions that split `passages`, the teacher's vectors of them, in halves.
    pub(crate) fn new(passages: &[Vec<f32>], key: Key) -> Self {
        let planes: Vec<Vec<f32>> = (0..COUNT as u64)
            .map(|question| {
                let key = key.named("plane").with(question);
                (0..WIDTH as u64).map(|at| narrow(key.normal(at))).collect()
            })
            .collect();
        let thresholds = planes.par_iter().map(|plane| {
            let mut sides: Vec<f32> = passages.iter().map(|passage| dot(plane, passage)).collect();
            let middle = sides.len() / 2;
            *sides.select_nth_unstable_by(middle, f32::total_cmp).1
        });
        let span = RANKS.end - RANKS.start;
        let drawn = |at: u64| {
            let rank = RANKS.start + key.named("answers").bits(at) % span;
            u32::try_from(rank).expect("ranks are small")
        };
        let answers =
            (0..COUNT as u64).map(|question| [drawn(2 * question), drawn(2 * question + 1)]);
        Self {
            thresholds: thresholds.collect(),
            answers: answers.collect(),
            planes,
        }
    }

    /// One question about a passage, which the key chooses, and its answer.
    pub(crate) fn ask(&self, passage: &Passage, vector: &[f32], key: Key) -> Corrupted {
        let question = usize::try_from(key.bits(0) % COUNT as u64).expect("there are few");
        let side = usize::from(dot(&self.planes[question], vector) > self.thresholds[question]);
        let mark = sentinel(SENTINELS - 1 - question);
        let ids: Vec<u32> = [mark]
            .into_iter()
            .chain(passage.ids.iter().copied())
            .chain([END])
            .collect();
        let inner = passage.words.iter().map(|&word| Some(word));
        let words = [None].into_iter().chain(inner).chain([None]).collect();
        Corrupted {
            example: Example {
                source: Tokens {
                    types: vec![0; ids.len()],
                    ids,
                },
                target: vec![self.answers[question][side], END],
                gold: Gold::Text(String::new()),
            },
            words,
        }
    }
}

fn dot(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "planes are single precision"
)]
fn narrow(value: f64) -> f32 {
    value as f32
}
