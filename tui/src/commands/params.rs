//! `compacter params`: what a method trains on a model, in closed form.

use std::path::Path;

use compacter_core::Result;
use compacter_core::cancel::CancelToken;
use compacter_core::config::{MethodConfig, MethodKind};
use compacter_core::hub;
use compacter_core::model::{Family, ModelShape};
use compacter_core::peft::count::{Count, count};
use serde::Serialize;

use crate::args::Params;
use crate::print;

#[derive(Serialize)]
struct Answer<'a> {
    model: &'a str,
    method: &'a str,
    #[serde(flatten)]
    count: Count,
}

pub(crate) fn run(args: &Params) -> Result<()> {
    let mut shape = shape(&args.model)?;
    if let Some(vocab) = args.vocab {
        shape = shape.with_vocab(vocab);
    }
    if args.all {
        return table(args, &shape);
    }
    let name = args.method.as_deref().unwrap_or_default();
    let count = counted(&config(name, &args.overrides)?, &shape, args.outputs)?;
    if args.json {
        return print::json(&Answer {
            model: &args.model,
            method: name,
            count,
        });
    }
    print::line(&format!("{name} on {}", args.model))?;
    for group in &count.groups {
        let line = format!(
            "  {:<18}{:>14}   {}",
            group.name,
            grouped(group.count),
            group.formula
        );
        print::line(line.trim_end())?;
    }
    print::line(&format!(
        "  {:<18}{:>14}   {:.4} % of {}",
        "trainable",
        grouped(count.trainable),
        count.percent,
        grouped(count.total)
    ))
}

/// The sizes of a model: by its name, of its folder, or of one that the program carries.
pub(crate) fn shape(model: &str) -> Result<ModelShape> {
    match Path::new(model) {
        folder if folder.is_dir() => ModelShape::from_folder(folder),
        _ if hub::is_embedded(model) => {
            ModelShape::of(&hub::resolve(model, &CancelToken::default())?)
        }
        _ => ModelShape::named(model),
    }
}

/// Hypercomplex divisions that a table shows, where they divide.
const DIVISIONS: [usize; 3] = [4, 8, 12];

/// A line of the table of all methods.
#[derive(Serialize)]
struct Row<'a> {
    model: &'a str,
    method: &'static str,
    /// The hypercomplex division, where the method has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    n: Option<usize>,
    #[serde(flatten)]
    counted: Counted,
}

/// What a method trains, or why it does not fit the model.
#[derive(Serialize)]
#[serde(untagged)]
enum Counted {
    Count(Count),
    NotApplicable {
        /// Always `null`, in the place of a number.
        trainable: Option<usize>,
        reason: String,
    },
}

fn table(args: &Params, shape: &ModelShape) -> Result<()> {
    check_overrides(&args.overrides)?;
    let rows: Vec<Row<'_>> = MethodKind::ALL
        .into_iter()
        // T5 has no task head of its own to train.
        .filter(|kind| *kind != MethodKind::Head || shape.family != Family::T5)
        .flat_map(|kind| rows(kind, args, shape))
        .collect();
    if args.json {
        return print::json(&rows);
    }
    print::line(&format!(
        "{:<18}{:>14}{:>12}",
        "method", "trainable", "% of model"
    ))?;
    let mut reasons = Vec::new();
    for row in rows {
        let name = match row.n {
            Some(n) => format!("{} n={n}", row.method),
            None => row.method.to_owned(),
        };
        let (trainable, percent) = match row.counted {
            Counted::Count(count) => (grouped(count.trainable), format!("{:.4}", count.percent)),
            Counted::NotApplicable { reason, .. } => {
                reasons.push(format!("{name}: {reason}"));
                ("n/a".to_owned(), "n/a".to_owned())
            }
        };
        print::line(&format!("{name:<18}{trainable:>14}{percent:>12}"))?;
    }
    reasons.iter().try_for_each(|reason| print::line(reason))
}

/// The lines of a method: one for each division where it has one that is not given.
fn rows<'a>(kind: MethodKind, args: &'a Params, shape: &ModelShape) -> Vec<Row<'a>> {
    let own = args
        .overrides
        .iter()
        .filter(|text| has(kind, key(text)))
        .cloned();
    let own: Vec<String> = own.collect();
    let row = |n: Option<usize>, overrides: &[String]| {
        let counted = config(kind.as_str(), overrides)
            .and_then(|config| counted(&config, shape, args.outputs));
        let counted = match counted {
            Ok(count) => Counted::Count(count),
            Err(error) => Counted::NotApplicable {
                trainable: None,
                reason: error.to_string(),
            },
        };
        Row {
            model: &args.model,
            method: kind.as_str(),
            n,
            counted,
        }
    };
    let given = own.iter().any(|text| key(text) == "n");
    if given || !kind.settings().contains(&"n") {
        return vec![row(None, &own)];
    }
    DIVISIONS
        .into_iter()
        .map(|n| {
            let overrides = [&own[..], &[format!("n={n}")]].concat();
            row(Some(n), &overrides)
        })
        .collect()
}

/// Refuses a field that no method has, and a value that is none of the field's.
fn check_overrides(overrides: &[String]) -> Result<()> {
    for text in overrides {
        let mut kinds = MethodKind::ALL.into_iter();
        let asked = kinds.find(|kind| has(*kind, key(text)));
        let kind = asked.unwrap_or_default();
        config(kind.as_str(), std::slice::from_ref(text))?;
    }
    Ok(())
}

fn key(text: &str) -> &str {
    text.split_once('=').map_or(text, |(key, _)| key.trim())
}

fn has(kind: MethodKind, key: &str) -> bool {
    key == "convention" || kind.settings().contains(&key)
}

fn counted(config: &MethodConfig, shape: &ModelShape, outputs: Option<usize>) -> Result<Count> {
    let count = count(&config.resolve()?, shape)?;
    match outputs {
        Some(outputs) => count.with_head(shape, outputs),
        None => Ok(count),
    }
}

/// The `[method]` table of a kind with fields overridden.
fn config(kind: &str, overrides: &[String]) -> Result<MethodConfig> {
    MethodConfig::of_kind(Path::new(&format!("--method {kind}")), kind, overrides)
}

/// A number with a thin gap between thousands.
pub(crate) fn grouped(number: usize) -> String {
    let digits = number.to_string();
    let chunks: Vec<&str> = digits
        .as_bytes()
        .rchunks(3)
        .rev()
        .map(|c| std::str::from_utf8(c).unwrap_or_default())
        .collect();
    chunks.join(",")
}
