//! `compacter predict`: answers the rows of a file, one JSON object a line.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;

use compacter_core::cancel::CancelToken;
use compacter_core::data::task::AnswerColumn;
use compacter_core::model::Prediction;
use compacter_core::train::evaluate::{predict, words};
use compacter_core::{Error, Result};
use serde::Serialize;

use super::trained;
use crate::args::Predict;
use crate::{print, signals};

#[derive(Serialize)]
struct Answer {
    prediction: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    scores: Option<BTreeMap<String, f64>>,
}

pub(crate) fn run(args: &Predict) -> Result<()> {
    let cancel = CancelToken::default();
    signals::install(&cancel)?;
    let (_, prepared) = trained::load(&args.run, args.checkpoint, &cancel)?;
    let cancelled = || cancel.is_cancelled();
    let loader = prepared.loader(&cancelled);
    let examples = if args.file == Path::new("-") {
        let rows = standard_input()?;
        prepared
            .data
            .task
            .read(rows.path(), AnswerColumn::Optional, &loader)?
    } else {
        prepared
            .data
            .task
            .read(&args.file, AnswerColumn::Optional, &loader)?
    };
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

/// Standard input as a file of JSON lines: tables are read from files.
fn standard_input() -> Result<tempfile::NamedTempFile> {
    let path = Path::new("standard input");
    let mut file = tempfile::Builder::new()
        .prefix("standard-input-")
        .suffix(".jsonl")
        .tempfile()
        .map_err(Error::io(path, "copy"))?;
    std::io::copy(&mut std::io::stdin().lock(), &mut file).map_err(Error::io(path, "read"))?;
    file.flush().map_err(Error::io(path, "copy"))?;
    Ok(file)
}
