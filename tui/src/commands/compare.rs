//! `compacter compare`: runs beside each other.

use std::path::PathBuf;

use compacter_core::run::find;
use compacter_core::sweep::compare::{Delta, Group, Observed, groups, table};
use compacter_core::sweep::statistics::{Interval, Summary};
use compacter_core::{Error, Result};
use serde_json::Value;

use super::params::grouped;
use crate::args::Compare;
use crate::print;

const HEAD: [&str; 10] = [
    "run",
    "method",
    "trained",
    "% of model",
    "peak MiB",
    "Δ memory",
    "ms a step",
    "Δ time",
    "validation",
    "test",
];

pub(crate) fn run(args: &Compare) -> Result<()> {
    let observe = |run: &PathBuf| Observed::of(find(run)?.path());
    let observed = args.runs.iter().map(observe);
    let mut observed: Vec<Observed> = observed.collect::<Result<_>>()?;
    let baseline = args.baseline.as_ref().map(observe).transpose()?;
    let wanted = baseline.as_ref().unwrap_or(&observed[0]).clone();
    // One that is not among the runs named is a row of its own.
    if !observed.contains(&wanted) {
        observed.insert(0, wanted.clone());
    }
    let groups = groups(observed);
    let baseline = groups.iter().find(|group| group.runs.contains(&wanted));
    let Some(baseline) = baseline else {
        return Err(Error::run(&wanted.name, "is among no runs"));
    };
    let table = table(&groups, baseline);
    if args.json {
        let mut objects = table.objects().into_iter().map(Value::Object);
        return objects.try_for_each(|object| print::json(&object));
    }
    if args.csv {
        return print::text(&table.csv()?);
    }
    show(&groups, baseline)
}

fn show(groups: &[Group], baseline: &Group) -> Result<()> {
    let rows = groups.iter().map(|group| row(group, baseline));
    let rows: Vec<[String; 10]> = std::iter::once(HEAD.map(str::to_owned))
        .chain(rows)
        .collect();
    let width = |column: usize| {
        rows.iter()
            .map(|row| row[column].chars().count())
            .max()
            .unwrap_or(0)
    };
    let widths: Vec<usize> = (0..HEAD.len()).map(width).collect();
    for row in &rows {
        let cells = row
            .iter()
            .zip(&widths)
            .enumerate()
            .map(|(at, (cell, &width))| {
                // Words to the left, numbers to the right.
                if at < 2 {
                    format!("{cell:<width$}")
                } else {
                    format!("{cell:>width$}")
                }
            });
        print::line(cells.collect::<Vec<_>>().join("  ").trim_end())?;
    }
    print::line(&format!(
        "Δ: difference to {}, as a share of what it takes / of what the run itself takes",
        baseline.name
    ))?;
    print::line(
        "values: best of each run, mean ± sd of repetitions (runs that differ in their seed alone) [95 % interval of the mean]",
    )
}

fn row(group: &Group, baseline: &Group) -> [String; 10] {
    let first = &group.runs[0];
    let none = || "–".to_owned();
    let delta = |of: fn(&Group) -> Option<f64>| {
        let (own, other) = (of(group), of(baseline));
        let delta = own.zip(other).filter(|_| group != baseline);
        delta.map_or_else(none, |(own, other)| {
            let Delta {
                of_baseline,
                of_own,
            } = Delta::new(own, other);
            format!("{of_baseline:+.1} % / {of_own:+.1} %")
        })
    };
    let split = |split: &Option<(Summary, Option<Interval>)>| match (split, &group.metric) {
        (Some((summary, interval)), Some(metric)) => value(metric, summary, interval.as_ref()),
        _ => none(),
    };
    [
        group.name.clone(),
        first.config.method.kind.to_string(),
        grouped(first.trainable),
        format!(
            "{:.4}",
            100.0 * first.trainable as f64 / first.total.max(1) as f64
        ),
        group
            .peak_memory
            .map_or_else(none, |bytes| format!("{:.0}", bytes / f64::from(1 << 20))),
        delta(|group| group.peak_memory),
        group
            .step_seconds
            .map_or_else(none, |seconds| format!("{:.1}", 1000.0 * seconds)),
        delta(|group| group.step_seconds),
        split(&group.validation),
        split(&group.test),
    ]
}

fn value(metric: &str, summary: &Summary, interval: Option<&Interval>) -> String {
    let sd = summary.sd.map(|sd| format!(" ± {sd:.4}"));
    let interval = interval.map(|Interval { low, high, .. }| format!(" [{low:.4}, {high:.4}]"));
    format!(
        "{metric} {:.4}{}{}",
        summary.mean,
        sd.unwrap_or_default(),
        interval.unwrap_or_default()
    )
}
