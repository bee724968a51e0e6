//! Makes `t5-nano`, the pretrained model that is to be embedded in the program.
//!
//! ```sh
//! cargo build --release --example pretrain && cd FOLDER
//! pretrain tokenizer corpus.txt model/tokenizer.json       # text, a paragraph a line
//! pretrain start model MINILM                              # initial values, words from a teacher
//! pretrain teach corpus.txt 75000 MINILM features.f16      # what the teacher makes of passages
//! pretrain train t5-nano.toml features.f16 model.path=model task.train=corpus.txt
//! pretrain export runs/t5-nano model t5-nano               # a folder that `transformers` loads
//! pretrain measure corpus.txt t5-nano                      # held-out loss beside baselines
//! ```
//!
//! `MINILM` is the folder of all-MiniLM-L6-v2. `train` goes on where an earlier process
//! stopped. Throw-away files (4 GB) stay in `FOLDER`, which is none of the repository's.
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
        ["teach", corpus, passages, teacher, out] => {
            let corpus = Corpus::read(Path::new(corpus), SEED)?;
            let passages: usize = passages
                .parse()
                .map_err(|_| Error::method("passages must be a number"))?;
            println!("{} passages in all", corpus.len());
            teacher::teach(
                &corpus,
                passages.min(corpus.len()),
                Path::new(teacher),
                Path::new(out),
            )
        }
        ["start", folder] => start::write(Path::new(folder), None, SEED),
        ["start", folder, teacher] => {
            start::write(Path::new(folder), Some(Path::new(teacher)), SEED)
        }
        ["train", config, features, ref overrides @ ..] => {
            let overrides: Vec<String> = overrides.iter().map(|&set| set.to_owned()).collect();
            let config = RunConfig::load(Path::new(config), &overrides)?;
            let material = Material {
                features: features.into(),
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
