//! What a sentence encoder (all-MiniLM-L6-v2) makes of each word of the first passages.
//!
//! A word's feature is the mean of the hidden states of its pieces, in its passage, after
//! the middle layer, which knows most of grammar, and after the last, which knows most of
//! meaning; each scaled to a mean square of one. They are computed once and kept as `f16`,
//! word after word: 1,536 bytes each.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufWriter, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use candle_core::{DType, Device, Tensor};
use compacter_core::config::Pooling;
use compacter_core::data::{Packed, Tokenizer};
use compacter_core::model::site::{Backbone, NormModule, SiteSlot};
use compacter_core::model::{Answer, Model, Network, Pass, Placement};
use compacter_core::{Error, Result};
use half::f16;

use crate::corpus::Corpus;

/// Width of the teacher's states.
const STATES: usize = 384;
/// The norm at the end of its middle layer.
const MIDDLE: &str = "encoder.layer.2.output.LayerNorm";
/// Width of a feature: states after two layers.
pub(crate) const WIDTH: usize = 2 * STATES;
const BATCH: usize = 32;
const LONGEST: usize = 250; // pieces; the teacher has 512 positions

/// Computes the features of the first `passages` passages into a file.
pub(crate) fn teach(corpus: &Corpus, passages: usize, teacher: &Path, out: &Path) -> Result<()> {
    let tokenizer = Tokenizer::load(teacher)?;
    let placement = Placement {
        device: Device::Cpu,
        dtype: DType::F32,
        pooling: Pooling::Mean,
        frozen_dtype: None,
    };
    let mut model = Model::load(teacher, Answer::Value, placement)?;
    let middle = Tap::install(&mut model, MIDDLE)?;
    let Network::Bert(bert) = &model.network else {
        return Err(Error::model(teacher, "the teacher must be an encoder"));
    };
    let partial = out.with_extension("partial");
    let mut file = BufWriter::new(File::create(&partial).map_err(Error::io(&partial, "create"))?);
    let mut pieces = Pieces::new(&tokenizer);
    let started = Instant::now();
    let mut words = 0u32;
    for first in (0..passages).step_by(BATCH) {
        let batch = first..passages.min(first + BATCH);
        let inputs = batch
            .clone()
            .map(|passage| pieces.of(corpus.words(passage)));
        let inputs = inputs.collect::<Result<Vec<_>>>()?;
        let zeros = vec![0; 2 * LONGEST];
        let packed = Packed::new(
            inputs
                .iter()
                .map(|input| (&input.ids[..], &zeros[..input.ids.len()])),
        );
        let (hidden, _) = bert.encode(&packed, &Pass::EVALUATION)?;
        let hidden = Tensor::cat(&[middle.taken()?, hidden], 1)?.to_vec2::<f32>()?;
        let mut rows = hidden.iter();
        for input in &inputs {
            rows.next(); // [CLS]
            for &count in &input.pieces {
                for value in feature(rows.by_ref().take(count)) {
                    file.write_all(&f16::from_f32(value).to_le_bytes())
                        .map_err(Error::io(&partial, "write"))?;
                }
                words += 1;
            }
            rows.next(); // [SEP]
        }
        if (first / BATCH).is_multiple_of(100) {
            let rate = f64::from(words) / started.elapsed().as_secs_f64();
            println!("{first} passages, {words} words, {rate:.0} words/s");
        }
    }
    file.flush().map_err(Error::io(&partial, "write"))?;
    std::fs::rename(&partial, out).map_err(Error::io(out, "write"))
}

/// The mean of some states, each layer's part scaled to a mean square of one; zero where
/// there are none.
fn feature<'s>(states: impl Iterator<Item = &'s Vec<f32>>) -> Vec<f32> {
    let mut sum = vec![0f32; WIDTH];
    for state in states {
        sum.iter_mut()
            .zip(state)
            .for_each(|(sum, value)| *sum += value);
    }
    for layer in sum.chunks_exact_mut(STATES) {
        let square = layer.iter().map(|x| x * x).sum::<f32>() / STATES as f32;
        let scale = square.max(f32::MIN_POSITIVE).sqrt().recip();
        for value in layer {
            *value *= scale;
        }
    }
    sum
}

/// Keeps what a norm puts out, and leaves it as it is.
#[derive(Debug, Clone, Default)]
struct Tap(Arc<Mutex<Option<Tensor>>>);

impl Tap {
    fn install(model: &mut Model, path: &str) -> Result<Self> {
        let tap = Self::default();
        let mut found = false;
        model.visit_sites(&mut |site, slot| match slot {
            SiteSlot::Norm(norm) if site.path == path => {
                found = true;
                norm.module.install(Box::new(tap.clone()), site)
            }
            _ => Ok(()),
        })?;
        if found {
            Ok(tap)
        } else {
            Err(Error::method(format!("the teacher has no {path}")))
        }
    }

    fn taken(&self) -> Result<Tensor> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.take()
            .ok_or_else(|| Error::method("the teacher's norm was not used"))
    }
}

impl NormModule for Tap {
    fn forward(&self, normed: &Tensor) -> Result<Tensor> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *kept = Some(normed.clone());
        Ok(normed.clone())
    }
}

/// A passage as the teacher reads it.
struct Input {
    ids: Vec<u32>,
    pieces: Vec<usize>, // of each word; 0 behind the longest input
}

/// Pieces of each word; a word's pieces do not depend on its neighbours.
struct Pieces<'a> {
    tokenizer: &'a Tokenizer,
    known: HashMap<String, Vec<u32>>,
}

impl<'a> Pieces<'a> {
    fn new(tokenizer: &'a Tokenizer) -> Self {
        Self {
            tokenizer,
            known: HashMap::new(),
        }
    }

    fn of<'w>(&mut self, words: impl Iterator<Item = &'w str>) -> Result<Input> {
        let mut input = Input {
            ids: Vec::new(),
            pieces: Vec::new(),
        };
        for word in words {
            if !self.known.contains_key(word) {
                let ids = self.tokenizer.encode(word, None, LONGEST)?.ids;
                self.known.insert(word.to_owned(), ids);
            }
            let whole = &self.known[word]; // [CLS] … [SEP]
            let (first, last) = (whole[0], whole[whole.len() - 1]);
            if input.ids.is_empty() {
                input.ids.extend([first, last]);
            }
            let own = &whole[1..whole.len() - 1];
            if input.ids.len() + own.len() > LONGEST {
                input.pieces.push(0);
                continue;
            }
            let end = input.ids.len() - 1;
            input.ids.splice(end..end, own.iter().copied());
            input.pieces.push(own.len());
        }
        Ok(input)
    }
}

/// The features, read as they are needed.
#[derive(Debug)]
pub(crate) struct Features {
    path: PathBuf,
    file: Mutex<File>,
    /// Number of words that there are features for.
    pub(crate) words: usize,
}

impl Features {
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let file = File::open(path).map_err(Error::io(path, "open"))?;
        let bytes = file.metadata().map_err(Error::io(path, "read"))?.len();
        Ok(Self {
            path: path.to_path_buf(),
            file: Mutex::new(file),
            words: usize::try_from(bytes).unwrap_or(usize::MAX) / (2 * WIDTH),
        })
    }

    /// The features of `count` words from `first` on, appended to `into`.
    pub(crate) fn read(&self, first: usize, count: usize, into: &mut Vec<f32>) -> Result<()> {
        let mut bytes = vec![0; count * WIDTH * 2];
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        let at = SeekFrom::Start((first * WIDTH * 2) as u64);
        file.seek(at)
            .and_then(|_| file.read_exact(&mut bytes))
            .map_err(Error::io(&self.path, "read"))?;
        into.extend(
            bytes
                .chunks_exact(2)
                .map(|b| f16::from_le_bytes([b[0], b[1]]).to_f32()),
        );
        Ok(())
    }
}

impl Features {
    /// Mean over `texts`, given by their first word and number of words, of the squared
    /// distance of a text's mean feature from the mean of all.
    pub(crate) fn variance_of_means(&self, texts: &[(usize, usize)]) -> Result<f64> {
        let (mut sums, mut squares) = (vec![0f64; WIDTH], 0f64);
        for &(first, count) in texts {
            let mut all = Vec::with_capacity(count * WIDTH);
            self.read(first, count, &mut all)?;
            for (at, sum) in sums.iter_mut().enumerate() {
                let own = all.iter().skip(at).step_by(WIDTH);
                let mean = own.map(|&value| f64::from(value)).sum::<f64>() / count as f64;
                *sum += mean;
                squares += mean * mean;
            }
        }
        let number = texts.len() as f64;
        let of_mean: f64 = sums.iter().map(|sum| (sum / number).powi(2)).sum();
        Ok((squares / number - of_mean) / WIDTH as f64)
    }
}

/// The teacher's table of word embeddings, `[vocab, 384]`, and its tokenizer.
pub(crate) fn embeddings(teacher: &Path) -> Result<(Tensor, Tokenizer)> {
    let file = teacher.join("model.safetensors");
    let tensors = candle_core::safetensors::load(&file, &Device::Cpu)?;
    let name = "embeddings.word_embeddings.weight";
    let table = tensors
        .get(name)
        .ok_or_else(|| Error::model(&file, format!("holds no {name}")))?;
    Ok((table.to_dtype(DType::F32)?, Tokenizer::load(teacher)?))
}
