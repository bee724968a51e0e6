//! `compacter eval`: measures a run's checkpoint on a split.

use std::collections::BTreeMap;

use compacter_core::train::evaluate::evaluate;
use compacter_core::{Error, Result};
use serde::Serialize;

use super::trained;
use crate::args::Eval;
use crate::print;

#[derive(Serialize)]
struct Answer {
    run: String,
    split: String,
    metrics: BTreeMap<String, f64>,
}

pub(crate) fn run(args: &Eval) -> Result<()> {
    let trained = trained::load(&args.run, args.checkpoint)?;
    let (folder, prepared) = (&trained.folder, &trained.prepared);
    let examples = match args.split.as_str() {
        "train" => Some(&prepared.data.train),
        "validation" => Some(&prepared.data.validation),
        _ => prepared.data.test.as_ref(),
    };
    let Some(examples) = examples else {
        return Err(Error::run(
            &args.run,
            "the run's task has no test split: give it as task.test",
        ));
    };
    let metrics = evaluate(prepared, examples, &trained.cancel)?.metrics;
    if args.json {
        return print::json(&Answer {
            run: folder.name(),
            split: args.split.clone(),
            metrics,
        });
    }
    let words: Vec<String> = metrics
        .iter()
        .map(|(name, value)| format!("{name} {value:.4}"))
        .collect();
    print::line(&format!(
        "{} {}  {}",
        folder.name(),
        args.split,
        words.join("  ")
    ))
}
