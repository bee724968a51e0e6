//! What pretraining minimises: span corruption, and two losses that the encoder alone can
//! answer, each with a throw-away head.
//!
//! ```text
//! loss = CE(decoder, target)
//!      + α · CE(head₁ · encoder at a sentinel, first piece taken out)
//!      + β · mean (head₂ · encoder at a piece − teacher at its word)²
//!      + δ · mean (head₂ · mean of encoder − mean of teacher)² / variance of that
//! ```
//!
//! the last over the pieces of a text each.
//!
//! The second term spares the decoder the long plateau on which it hardly looks at the
//! encoder; the third gives words a meaning that so little text does not teach.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use candle_core::{Device, Tensor};
use compacter_core::data::Batch;
use compacter_core::model::network::scalar;
use compacter_core::model::{Model, Network, Pass};
use compacter_core::ops::cross_entropy::cross_entropy;
use compacter_core::ops::linear::linear;
use compacter_core::train::Objective;
use compacter_core::{Error, Result};

use crate::teacher::{Features, WIDTH};
use crate::vocabulary::{ENTRIES, SENTINELS};

/// What the pieces of an example are parts of, where the teacher has seen the passage.
#[derive(Debug, Clone)]
pub(crate) struct Taught {
    /// Which file of features it is in.
    pub(crate) part: usize,
    /// Number of the text's first word in that file.
    pub(crate) first: usize,
    /// Number of words of the passage.
    pub(crate) count: usize,
    /// The word in the passage of each piece of the source; `None` for sentinels.
    pub(crate) words: Vec<Option<usize>>,
}

/// Losses between two lines about the terms.
const LOGGED: u32 = 250;

/// Sum and count of each term: target, guesses, imitation of words and of texts.
type Sums = [(f64, u32); 4];

/// The throw-away heads, and what they are trained on.
#[derive(Debug)]
pub(crate) struct Pretraining {
    /// To the embedding of a missing piece. `[d_model, d_model]`
    pub(crate) guess: Tensor,
    /// To the teacher's features. `[768, d_model]`
    pub(crate) imitate: Tensor,
    /// Weights α, β and δ.
    pub(crate) weights: (f64, f64, f64),
    pub(crate) parts: Vec<Features>,
    /// Variance of the teacher's mean over a text, from text to text.
    pub(crate) variance: f64,
    pub(crate) sums: Mutex<Sums>,
    /// By the number of the example.
    pub(crate) taught: Vec<Option<Taught>>,
}

impl Objective for Pretraining {
    fn loss(&self, model: &Model, batch: &Batch, pass: &Pass) -> Result<Tensor> {
        let Network::T5(t5) = &model.network else {
            return Err(Error::method("span corruption needs an encoder-decoder"));
        };
        let encoded = t5.encode(&batch.source, pass)?;
        let logits = t5.decode(&encoded, &batch.target, pass)?;
        let answers = Tensor::new(&batch.target.ids[..], &model.device)?;
        let mut loss = cross_entropy(&logits, &answers)?;
        let mut terms = [scalar(&loss)?, f64::NAN, f64::NAN, f64::NAN];
        let (alpha, beta, delta) = self.weights;

        let (places, missing) = sentinels(batch);
        if !places.is_empty() {
            let rows = encoded
                .hidden
                .index_select(&Tensor::new(places, &model.device)?, 0)?;
            let logits = t5.logits(&linear(&rows, &self.guess)?, pass)?;
            let guessed = cross_entropy(&logits, &Tensor::new(missing, &model.device)?)?;
            terms[1] = scalar(&guessed)?;
            loss = (loss + (guessed * alpha)?)?;
        }

        let Lesson {
            places,
            wanted,
            lengths,
        } = self.lesson(batch)?;
        if places.is_empty() {
            self.log(terms);
            return Ok(loss);
        }
        let wanted = Tensor::from_vec(wanted, (places.len(), WIDTH), &model.device)?;
        let rows = encoded
            .hidden
            .index_select(&Tensor::new(places, &model.device)?, 0)?;
        let off = (linear(&rows, &self.imitate)? - wanted)?;
        let of_texts = means(&lengths, &model.device)?.matmul(&off)?;
        let of_texts = (of_texts.sqr()?.mean_all()? / self.variance)?;
        let of_words = off.sqr()?.mean_all()?;
        terms[2] = scalar(&of_words)?;
        terms[3] = scalar(&of_texts)?;
        self.log(terms);
        Ok(((loss + (of_words * beta)?)? + (of_texts * delta)?)?)
    }
}

impl Pretraining {
    /// Prints the mean of each term now and then.
    fn log(&self, terms: [f64; 4]) {
        let mut sums = self.sums.lock().unwrap_or_else(PoisonError::into_inner);
        for (sum, term) in sums
            .iter_mut()
            .zip(terms)
            .filter(|(_, term)| !term.is_nan())
        {
            sum.0 += term;
            sum.1 += 1;
        }
        if sums[0].1 == LOGGED {
            let means = sums.map(|(sum, count)| sum / f64::from(count.max(1)));
            let [target, guesses, words, texts] = means;
            println!(
                "  target {target:.3}  guesses {guesses:.3}  words {words:.3}  texts {texts:.3}"
            );
            *sums = Sums::default();
        }
    }

    /// What the teacher has to say of a batch.
    fn lesson(&self, batch: &Batch) -> Result<Lesson> {
        let mut lesson = Lesson::default();
        for (&example, &start) in batch.examples.iter().zip(&batch.source.offsets) {
            let Some(taught) = &self.taught[example] else {
                continue;
            };
            let mut features = Vec::with_capacity(taught.count * WIDTH);
            self.parts[taught.part].read(taught.first, taught.count, &mut features)?;
            let before = lesson.places.len();
            for (at, word) in taught.words.iter().enumerate() {
                let Some(word) = word else { continue };
                lesson.places.push(compacter_core::ops::index(start + at));
                let feature = &features[word * WIDTH..(word + 1) * WIDTH];
                lesson.wanted.extend(feature);
            }
            lesson.lengths.push(lesson.places.len() - before);
        }
        Ok(lesson)
    }
}

/// The rows whose words the teacher has seen.
#[derive(Debug, Default)]
struct Lesson {
    places: Vec<u32>,
    /// The teacher's features of their words. `[places, 768]`
    wanted: Vec<f32>,
    /// How many of them are each text's.
    lengths: Vec<usize>,
}

/// The matrix that maps rows to their means over texts. `[texts, rows]`
fn means(lengths: &[usize], device: &Device) -> Result<Tensor> {
    let rows = lengths.iter().sum::<usize>();
    let mut matrix = vec![0f32; lengths.len() * rows];
    let mut first = 0;
    for (text, &length) in lengths.iter().enumerate() {
        let own = text * rows + first..text * rows + first + length;
        matrix[own].fill(1.0 / length.max(1) as f32);
        first += length;
    }
    Ok(Tensor::from_vec(matrix, (lengths.len(), rows), device)?)
}

/// The rows that hold sentinels, and the first piece that each stands for.
fn sentinels(batch: &Batch) -> (Vec<u32>, Vec<u32>) {
    let first = compacter_core::ops::index(ENTRIES - SENTINELS);
    let (mut places, mut missing) = (Vec::new(), Vec::new());
    let windows = batch
        .source
        .offsets
        .windows(2)
        .zip(batch.target.offsets.windows(2));
    for (source, target) in windows {
        let target = &batch.target.ids[target[0]..target[1]];
        let follows: HashMap<u32, u32> = target.windows(2).map(|pair| (pair[0], pair[1])).collect();
        for at in source[0]..source[1] {
            let id = batch.source.ids[at];
            if let Some(&piece) = follows.get(&id).filter(|_| id >= first) {
                places.push(compacter_core::ops::index(at));
                missing.push(piece);
            }
        }
    }
    (places, missing)
}
