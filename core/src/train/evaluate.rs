//! Measures a model on a split: predictions, loss and the task's metrics.

use std::collections::BTreeMap;

use super::metric;
use super::prepare::Prepared;
use crate::Result;
use crate::cancel::CancelToken;
use crate::data::order::evaluation_batches;
use crate::data::{Batch, Example, Gold};
use crate::model::Prediction;

/// What a model makes of a split.
#[derive(Debug, Clone)]
pub struct Evaluation {
    /// Metrics by name, `loss` (the mean over examples) among them.
    pub metrics: BTreeMap<String, f64>,
    /// The predictions, in the order of the examples.
    pub predictions: Vec<Prediction>,
}

/// Predicts examples in their order; also the mean loss over examples where all answers
/// are known.
///
/// # Errors
/// Fails where the tensor library does, and if `cancel` is raised.
pub fn predict(
    prepared: &Prepared,
    examples: &[Example],
    cancel: &CancelToken,
) -> Result<(Vec<Prediction>, Option<f64>)> {
    let config = &prepared.config;
    let batch_size = config.eval.batch_size.unwrap_or(config.train.batch_size);
    let lengths: Vec<usize> = examples.iter().map(|e| e.source.ids.len()).collect();
    let mut predictions = vec![None; examples.len()];
    let mut sum = Some(0.0);
    for positions in evaluation_batches(&lengths, batch_size) {
        cancel.check()?;
        let batch = Batch::gather(examples, &positions);
        let Prepared {
            model,
            trainables,
            objective,
            ..
        } = prepared;
        let (answers, loss) = objective.predict(model, trainables, &batch, cancel)?;
        sum = sum
            .zip(loss)
            .map(|(sum, loss)| sum + loss * positions.len() as f64);
        for (at, answer) in positions.into_iter().zip(answers) {
            predictions[at] = Some(answer);
        }
    }
    // Every position is in exactly one batch.
    let predictions = predictions.into_iter().flatten().collect();
    Ok((predictions, sum.map(|sum| sum / examples.len() as f64)))
}

/// Measures examples whose answers are known.
///
/// # Errors
/// As [`predict`], and where a prediction cannot be decoded.
pub fn evaluate(
    prepared: &Prepared,
    examples: &[Example],
    cancel: &CancelToken,
) -> Result<Evaluation> {
    let (predictions, loss) = predict(prepared, examples, cancel)?;
    let mut metrics = measure(prepared, examples, &predictions)?;
    if let Some(loss) = loss {
        metrics.insert("loss".to_owned(), loss);
    }
    Ok(Evaluation {
        metrics,
        predictions,
    })
}

/// A prediction as people read it: a label, a number or a text.
///
/// # Errors
/// Fails where the tokenizer cannot decode generated text.
pub fn words(prepared: &Prepared, prediction: &Prediction) -> Result<String> {
    Ok(match prediction {
        Prediction::Class { class, .. } => prepared.data.task.labels()[*class].clone(),
        Prediction::Value(value) => value.to_string(),
        Prediction::Text(ids) => prepared.tokenizer.decode(ids)?,
    })
}

/// Whether a value of a metric beats another; every metric but the loss is better higher.
#[must_use]
pub fn is_better(metric: &str, value: f64, than: f64) -> bool {
    if metric == "loss" {
        value < than
    } else {
        value > than
    }
}

fn measure(
    prepared: &Prepared,
    examples: &[Example],
    predictions: &[Prediction],
) -> Result<BTreeMap<String, f64>> {
    let task = &prepared.data.task;
    let mut metrics = scores(prepared, examples, predictions)?;
    let own = task.metrics();
    metrics.retain(|name, _| own.contains(&name.as_str()));
    if own.contains(&AVERAGE) && !metrics.is_empty() {
        let mean = metrics.values().sum::<f64>() / metrics.len() as f64;
        metrics.insert(AVERAGE.to_owned(), mean);
    }
    Ok(metrics)
}

/// Every metric of this kind of answers.
fn scores(
    prepared: &Prepared,
    examples: &[Example],
    predictions: &[Prediction],
) -> Result<BTreeMap<String, f64>> {
    let (mut classes, mut values) = (Pairs::default(), Pairs::default());
    let (mut texts, mut several) = (Pairs::default(), Pairs::default());
    let mut groups = Vec::new();
    for (example, prediction) in examples.iter().zip(predictions) {
        match (&example.gold, prediction) {
            (Gold::Class(gold), Prediction::Class { class, .. }) => {
                classes.push(*gold, u32::try_from(*class).unwrap_or(metric::NO_CLASS));
                groups.extend(example.group);
            }
            (Gold::Value(gold), Prediction::Value(value)) => values.push(*gold, *value),
            // A text that is no number is far from every answer, as in the reference.
            (Gold::Value(gold), other) => values.push(
                *gold,
                words(prepared, other)?.trim().parse().unwrap_or(NO_NUMBER),
            ),
            (Gold::Text(gold), other) => texts.push(gold.clone(), words(prepared, other)?),
            (Gold::AnyOf(gold), other) => several.push(gold.clone(), words(prepared, other)?),
            (Gold::Class(_) | Gold::Unknown, _) => {}
        }
    }
    let labels = prepared.data.task.labels().len();
    Ok(match examples.first().map(|first| &first.gold) {
        Some(Gold::Class(_)) => classes.scores(labels, &groups),
        Some(Gold::Value(_)) => metric::regression(&values.gold, &values.predicted),
        Some(Gold::Text(_)) => metric::text(&texts.gold, &texts.predicted),
        Some(Gold::AnyOf(_)) => metric::answers::any_of(&several.gold, &several.predicted),
        Some(Gold::Unknown) | None => BTreeMap::new(),
    })
}

/// The mean of a task's other metrics, which the paper chooses checkpoints by.
const AVERAGE: &str = "average";

/// What text that is no number counts as, in the paper's reference implementation.
const NO_NUMBER: f64 = -1.0;

#[derive(Default)]
struct Pairs<G, P = G> {
    gold: Vec<G>,
    predicted: Vec<P>,
}

impl<G, P> Pairs<G, P> {
    fn push(&mut self, gold: G, predicted: P) {
        self.gold.push(gold);
        self.predicted.push(predicted);
    }
}

impl Pairs<u32> {
    /// What is measured of classes, and of groups where every answer has one.
    fn scores(&self, labels: usize, groups: &[u32]) -> BTreeMap<String, f64> {
        let (gold, predicted) = (&self.gold, &self.predicted);
        let mut metrics = metric::classification(gold, predicted, labels);
        if groups.len() == gold.len() {
            let exact = metric::exact_match_of_groups(groups, gold, predicted);
            metrics.insert("exact_match".to_owned(), exact);
        }
        metrics
    }
}
