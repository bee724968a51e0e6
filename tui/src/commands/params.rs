//! `compacter params`: what a method trains on a model, in closed form.

use std::path::Path;

use compacter_core::Result;
use compacter_core::config::{MethodConfig, MethodKind};
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
    let mut shape = match Path::new(&args.model) {
        folder if folder.is_dir() => ModelShape::from_folder(folder)?,
        _ => ModelShape::named(&args.model)?,
    };
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

fn table(args: &Params, shape: &ModelShape) -> Result<()> {
    let mut counts = Vec::new();
    for kind in MethodKind::ALL {
        // T5 has no task head of its own to train.
        if kind == MethodKind::Head && shape.family == Family::T5 {
            continue;
        }
        counts.push((
            kind.as_str(),
            counted(&MethodConfig::from_kind(kind), shape, args.outputs)?,
        ));
    }
    if args.json {
        let model = args.model.as_str();
        let rows = counts.into_iter().map(|(method, count)| Answer {
            model,
            method,
            count,
        });
        return print::json(&rows.collect::<Vec<_>>());
    }
    print::line(&format!(
        "{:<14}{:>14}{:>12}",
        "method", "trainable", "% of model"
    ))?;
    for (method, count) in counts {
        print::line(&format!(
            "{method:<14}{:>14}{:>12.4}",
            grouped(count.trainable),
            count.percent
        ))?;
    }
    Ok(())
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
