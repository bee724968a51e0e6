//! The run itself: examples, heads, and the project's trainer.

use std::path::PathBuf;

use compacter_core::cancel::CancelToken;
use compacter_core::config::RunConfig;
use compacter_core::data::task::{Task, TaskData};
use compacter_core::data::{Example, Tokenizer};
use compacter_core::event::{Bus, Event, Kind, Sink, plain};
use compacter_core::model::{Answer, Model, Placement, device};
use compacter_core::peft::{self, init::Distribution};
use compacter_core::random::Key;
use compacter_core::run::Start;
use compacter_core::train::control::Control;
use compacter_core::train::prepare::Prepared;
use compacter_core::train::session::{Connections, Session};
use compacter_core::{Error, Result, hub};

use crate::corpus::{Corpus, HELD_OUT};
use crate::corrupt::{Corrupted, LONGEST, Pieces, corrupt};
use crate::objective::{Pretraining, Taught};
use crate::teacher::{Features, WIDTH};

/// Held-out passages that a run is measured on while it goes on.
const WATCHED: usize = 200;
/// How often a text that the teacher has seen comes in an epoch, each time corrupted
/// elsewhere.
const REPEATS: u64 = 3;
/// Sentences that the teacher has seen at most.
const SENTENCES: usize = 100_000;
/// Texts that the teacher's variance is measured on.
const MEASURED: usize = 2000;
/// How many passages that it has not seen come in an epoch.
const UNTAUGHT: usize = 100_000;
/// Weights of the encoder's guesses and of the imitation of words and texts; see
/// `objective.rs`.
const WEIGHTS: (f64, f64, f64) = (0.5, 8.0, 4.0);

/// What a configuration does not say.
#[derive(Debug)]
pub(crate) struct Material {
    /// What the teacher makes of the first passages, and of sentences.
    pub(crate) passages: PathBuf,
    pub(crate) sentences: PathBuf,
    pub(crate) seed: u64,
}

/// Trains until the configuration's last step; goes on where an earlier process stopped.
pub(crate) fn train(config: RunConfig, material: &Material) -> Result<()> {
    let cancel = CancelToken::default();
    let bus = Bus::new(&config.name).with(Lines {
        log_every: config.output.log_every,
    });
    let control = Control::default();
    let connections = Connections {
        bus,
        control,
        cancel,
    };
    let prepare = |config: RunConfig, cancel: &CancelToken| prepare(config, material, cancel);
    match Session::open_with(config, Start::ResumeAuto, connections, &prepare)? {
        Session::Ready(mut trainer, _lock) => trainer.run().map(|_| ()),
        Session::AlreadyFinished(_) => Ok(()),
    }
}

#[derive(Debug)]
struct Lines {
    log_every: u64,
}

impl Sink for Lines {
    fn event(&mut self, event: &Event) -> Result<()> {
        if matches!(event.kind, Kind::Step(_)) && !event.step.is_multiple_of(self.log_every) {
            return Ok(());
        }
        if let Some(line) = plain::line(event) {
            println!("{line}");
        }
        Ok(())
    }
}

fn prepare(config: RunConfig, material: &Material, cancel: &CancelToken) -> Result<Prepared> {
    let method = config.method.resolve()?;
    let files = hub::resolve(&config.model.path, cancel)?;
    let tokenizer = Tokenizer::of(&files)?;
    let text = config.task.train.as_deref();
    let text = text.ok_or_else(|| Error::method("task.train names no corpus"))?;
    let corpus = Corpus::read(text, material.seed)?;
    let sentences = corpus.sentences(SENTENCES, material.seed);
    let parts = vec![
        Features::open(&material.passages)?,
        Features::open(&material.sentences)?,
    ];
    let mut pieces = Pieces::new(&tokenizer);
    let texts = [&corpus, &sentences];
    let (train, taught) = examples(&texts, &parts, &mut pieces, material.seed)?;
    let of_sentences = taught.iter().flatten().filter(|taught| taught.part == 1);
    let measured: Vec<_> = of_sentences
        .step_by(REPEATS.try_into().unwrap_or(1))
        .map(|taught| (taught.first, taught.count))
        .take(MEASURED)
        .collect();
    let variance = parts[1].variance_of_means(&measured)?;
    let key = Key::new(material.seed).named("corruption");
    let validation = held_out(&corpus, &mut pieces, key)?
        .into_iter()
        .take(WATCHED)
        .collect();
    println!(
        "{} examples, {} of them with a teacher",
        train.len(),
        taught.iter().flatten().count()
    );
    let placement = Placement {
        device: device::open_for(&config.model)?,
        dtype: device::dtype(config.model.dtype),
        pooling: config.model.pooling,
        frozen_dtype: None,
    };
    let mut model = Model::of(&files, Answer::Text { longest: 1 }, placement)?;
    let width = model.shape.d_model;
    let mut heads = None;
    let trainables = peft::install_with(&method, &mut model, config.train.seed, |builder| {
        let from = || Distribution::Normal((width as f64).powf(-0.5));
        let guess = builder.add(
            "throw-away.guess".to_owned(),
            peft::group::HEAD,
            &[width, width],
            from(),
        )?;
        let imitate = builder.add(
            "throw-away.imitate".to_owned(),
            peft::group::HEAD,
            &[WIDTH, width],
            from(),
        )?;
        heads = Some((guess, imitate));
        Ok(())
    })?;
    let (guess, imitate) = heads.ok_or_else(|| Error::method("no heads were added"))?;
    let objective = Pretraining {
        guess,
        imitate,
        weights: WEIGHTS,
        parts,
        variance,
        sums: std::sync::Mutex::default(),
        taught,
    };
    Ok(Prepared {
        config,
        method,
        model,
        objective: Box::new(objective),
        trainables,
        data: TaskData {
            task: Task::text_to_text(LONGEST, LONGEST),
            train,
            validation,
            test: None,
        },
        tokenizer,
        files,
    })
}

/// Examples, and what the teacher says of the first ones.
type Examples = (Vec<Example>, Vec<Option<Taught>>);

/// The texts of each part that the teacher has seen, and passages that it has not.
fn examples(
    texts: &[&Corpus; 2],
    parts: &[Features],
    pieces: &mut Pieces<'_>,
    seed: u64,
) -> Result<Examples> {
    let key = Key::new(seed).named("corruption");
    let (mut train, mut taught) = (Vec::new(), Vec::new());
    for (part, (corpus, features)) in texts.iter().zip(parts).enumerate() {
        let mut first = 0;
        for (text, count) in taught_words(corpus, features).into_iter().enumerate() {
            let cut = pieces.of(corpus.words(text))?;
            let key = key.with(part as u64).with(text as u64);
            for repeat in 0..REPEATS {
                let Corrupted { example, words } = corrupt(&cut, key.with(repeat));
                train.push(example);
                taught.push(Some(Taught {
                    part,
                    first,
                    count,
                    words,
                }));
            }
            first += count;
        }
    }
    let corpus = texts[0];
    let rest = taught_words(corpus, &parts[0]).len()..corpus.len() - HELD_OUT;
    for passage in rest.take(UNTAUGHT) {
        let cut = pieces.of(corpus.words(passage))?;
        train.push(corrupt(&cut, key.with(passage as u64)).example);
        taught.push(None);
    }
    Ok((train, taught))
}

/// Number of words of each text that all words have features of.
fn taught_words(corpus: &Corpus, features: &Features) -> Vec<usize> {
    let mut left = features.words;
    let counts = (0..corpus.len()).map(|text| corpus.words(text).count());
    counts
        .map_while(|count| {
            left = left.checked_sub(count)?;
            Some(count)
        })
        .collect()
}

/// The held-out passages, corrupted.
pub(crate) fn held_out(corpus: &Corpus, pieces: &mut Pieces<'_>, key: Key) -> Result<Vec<Example>> {
    let passages = corpus.len() - HELD_OUT..corpus.len();
    let corrupted = passages.map(|passage| {
        let cut = pieces.of(corpus.words(passage))?;
        Ok(corrupt(&cut, key.with(passage as u64)).example)
    });
    corrupted.collect()
}
