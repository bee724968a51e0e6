//! `compacter predict`: answers the rows of a file, one JSON object a line.

use std::collections::BTreeMap;
use std::io::{IsTerminal, Read};
use std::path::Path;

use compacter_core::data::Table;
use compacter_core::data::task::AnswerColumn;
use compacter_core::model::Prediction;
use compacter_core::run::find;
use compacter_core::train::evaluate::{predict, words};
use compacter_core::{Error, Result};
use serde::Serialize;

use super::trained::{self, Trained};
use crate::args::Predict;
use crate::{print, report};

#[derive(Serialize)]
struct Answer {
    prediction: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    scores: Option<BTreeMap<String, f64>>,
}

pub(crate) fn run(args: &Predict) -> Result<()> {
    let _there = find(&args.run)?;
    // Read before the model is loaded: while somebody types, Ctrl-C ends the program as ever.
    let table = if args.file == Path::new("-") {
        standard_input()?
    } else {
        Table::read(&args.file)?
    };
    let Trained {
        prepared, cancel, ..
    } = trained::load(&args.run, args.checkpoint)?;
    let examples = prepared.read(&table, AnswerColumn::Optional, &cancel)?;
    let (predictions, _) = predict(&prepared, &examples, &cancel)?;
    let labels = prepared.data.task.labels();
    for prediction in &predictions {
        let scores = match prediction {
            Prediction::Class { scores, .. } => {
                Some(labels.iter().cloned().zip(scores.iter().copied()).collect())
            }
            _ => None,
        };
        print::json(&Answer {
            prediction: words(&prepared, prediction)?,
            scores,
        })?;
    }
    Ok(())
}

/// The JSON lines on standard input.
fn standard_input() -> Result<Table> {
    let name = "standard input";
    let mut bytes = Vec::new();
    let input = std::io::stdin();
    if input.is_terminal() {
        report::hint("type a JSON object a line, such as {\"text\": \"…\"}, and end with Ctrl-D");
    }
    input
        .lock()
        .read_to_end(&mut bytes)
        .map_err(Error::io(name, "read"))?;
    Table::from_jsonl(name, &bytes)
}
