//! Makes `t5-nano`, the pretrained model that is to be embedded in the program.
//!
//! ```sh
//! cargo build --release --example pretrain && cd FOLDER
//! pretrain tokenizer corpus.txt model/tokenizer.json       # text, a paragraph a line
//! pretrain start model MINILM                              # initial values, words from a teacher
//! pretrain teach passages corpus.txt 60000 MINILM passages.f16     # what the teacher makes of them
//! pretrain teach sentences corpus.txt 100000 MINILM sentences.f16
//! pretrain train t5-nano.toml passages.f16 sentences.f16 model.path=model task.train=corpus.txt
//! pretrain export runs/t5-nano model t5-nano               # a folder that `transformers` loads
//! pretrain measure corpus.txt t5-nano                      # held-out loss beside baselines
//! ```
//!
//! `MINILM` is the folder of all-MiniLM-L6-v2. `train` goes on where an earlier process
//! stopped; a later stage starts from an earlier one's export (`model.path=…`). Throw-away files (4 GB) stay in `FOLDER`, which is none of the repository's.
#![expect(clippy::print_stdout, reason = "a program that reports")]

#[path = "pretrain/corpus.rs"]
mod corpus;
#[path = "pretrain/corrupt.rs"]
mod corrupt;
#[path = "pretrain/export.rs"]
mod export;
#[path = "pretrain/measure.rs"]
mod measure;
#[path = "pretrain/objective.rs"]
mod objective;
#[path = "pretrain/run.rs"]
mod run;
#[path = "pretrain/start.rs"]
mod start;
#[path = "pretrain/teacher.rs"]
mod teacher;
#[path = "pretrain/vocabulary.rs"]
mod vocabulary;

use std::path::Path;

use compacter_core::config::RunConfig;
use compacter_core::{Error, Result};

use corpus::Corpus;
use run::Material;

const SEED: u64 = 20;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["tokenizer", corpus, out] => {
            vocabulary::train(&Corpus::read(Path::new(corpus), SEED)?, Path::new(out))
        }
        ["teach", what, corpus, count, teacher, out] => {
            let count = count
                .parse()
                .map_err(|_| Error::method("COUNT must be a number"))?;
            let texts = texts(what, Path::new(corpus), count)?;
            let count = count.min(texts.len());
            teacher::teach(&texts, count, Path::new(teacher), Path::new(out))
        }
        ["start", folder] => start::write(Path::new(folder), None, SEED),
        ["start", folder, teacher] => {
            start::write(Path::new(folder), Some(Path::new(teacher)), SEED)
        }
        ["train", config, passages, sentences, ref overrides @ ..] => {
            let overrides: Vec<String> = overrides.iter().map(|&set| set.to_owned()).collect();
            let config = RunConfig::load(Path::new(config), &overrides)?;
            let material = Material {
                passages: passages.into(),
                sentences: sentences.into(),
                seed: SEED,
            };
            run::train(config, &material)
        }
        ["measure", corpus, model] => measure::measure(
            &Corpus::read(Path::new(corpus), SEED)?,
            Path::new(model),
            SEED,
        ),
        ["export", run, start, out] => {
            export::export(Path::new(run), Path::new(start), Path::new(out))
        }
        _ => Err(Error::method(
            "usage: see the head of core/examples/pretrain.rs",
        )),
    }
}

/// What the teacher is to see: `passages` of the corpus, or `count` of its `sentences`.
fn texts(what: &str, corpus: &Path, count: usize) -> Result<Corpus> {
    let corpus = Corpus::read(corpus, SEED)?;
    match what {
        "passages" => Ok(corpus),
        "sentences" => Ok(corpus.sentences(count, SEED)),
        _ => Err(Error::method("the teacher sees passages or sentences")),
    }
}
