//! `compacter sweep`: trains a grid of runs, and makes a table of them.

use std::env;
use std::path::{Path, PathBuf};

use compacter_core::sweep::{
    Budget, Outcome, Planned, Report, Standing, Sweep, SweepFolder, Table, slurm, table,
};
use compacter_core::{Error, Result, atomic};
use compacter_tui::figure;
use serde_json::{Map, Value, json};

use crate::args::Sweep as Arguments;
use crate::sweep::{Runner, Told, Tried};
use crate::{Exit, print, signals};

pub(crate) fn run(args: &Arguments) -> Result<Exit> {
    let sweep = Sweep::load_with(&args.file, &args.overrides)?;
    let folder = SweepFolder::of(&sweep);
    if args.dry_run {
        return plan(&sweep, &folder, args.json);
    }
    if let Some(name) = &args.only {
        return one(&sweep, &folder, name, args);
    }
    folder.create()?;
    if args.table {
        return tables(&sweep, &folder, args.json);
    }
    let lock = folder.lock()?;
    let runs = open(&sweep, &folder, args.retry)?;
    if args.slurm {
        return job_array(&sweep, &folder, &runs, args.json);
    }
    let told = Told::new(args.json, runs.len());
    let mut runner = Runner::new(&folder, &sweep.jobs.gpus, Budget::of(&sweep), told);
    signals::install(runner.cancel())?;
    let tried = runner.run(&runs)?;
    let exit = tables(&sweep, &folder, args.json)?;
    drop(lock);
    Ok(match tried {
        Tried::All => exit,
        Tried::Interrupted => Exit::Interrupted,
    })
}

/// The runs that are still to be done.
fn open<'a>(sweep: &'a Sweep, folder: &SweepFolder, retry: bool) -> Result<Vec<&'a Planned>> {
    let mut runs = Vec::new();
    for run in &sweep.runs {
        if retry {
            folder.forget_failure(&run.name)?;
        }
        if folder.standing(run)? == Standing::Open {
            runs.push(run);
        }
    }
    Ok(runs)
}

/// Says what would be done.
fn plan(sweep: &Sweep, folder: &SweepFolder, as_json: bool) -> Result<Exit> {
    let budget = Budget::of(sweep);
    let mut open = 0;
    for run in &sweep.runs {
        let (word, why) = match folder.standing(run)? {
            Standing::Open => {
                open += 1;
                ("open", None)
            }
            Standing::Done(Outcome::Measured(_)) => ("measured", None),
            Standing::Done(Outcome::Failed { message }) => ("failed", Some(message)),
            Standing::Changed { message } => ("changed", Some(message)),
        };
        if as_json {
            let values = values(sweep, run);
            print::json(
                &json!({"kind": "run", "run": run.name, "standing": word, "why": why, "values": values}),
            )?;
        } else {
            let why = why.map_or(String::new(), |why| format!(": {why}"));
            print::line(&format!("{word:<9} {}{why}", run.name))?;
        }
    }
    let (path, total) = (folder.path().display(), sweep.runs.len());
    if as_json {
        print::json(&json!({
            "kind": "plan", "sweep": sweep.name, "folder": folder.path(), "runs": total, "open": open,
            "parallel": budget.most, "memory": budget.memory,
        }))?;
    } else {
        let most = budget.most.min(open.max(1));
        let memory = match (budget.memory, budget.peak) {
            (Some(_), None) => ", the first one alone to see what memory it takes",
            (Some(_), Some(_)) => ", or as many as memory allows",
            (None, _) => "",
        };
        print::line(&format!(
            "{total} runs in {path}, {open} to be done, {most} at a time{memory}; each is measured on the test split once it is trained"
        ))?;
    }
    Ok(Exit::Done)
}

fn values(sweep: &Sweep, run: &Planned) -> Map<String, Value> {
    let values = sweep.columns.iter().zip(&run.values);
    let values = values.filter_map(|(column, value)| {
        let value = value.as_ref()?;
        Some((column.name.clone(), Value::from(value.text.clone())))
    });
    values.collect()
}

/// Trains and measures one run, for a job array.
fn one(sweep: &Sweep, folder: &SweepFolder, name: &str, args: &Arguments) -> Result<Exit> {
    let Some(run) = sweep.run(name) else {
        let message = format!(
            "the sweep has no run `{name}`: `compacter sweep {} --dry-run` lists them",
            args.file.display()
        );
        return Err(Error::run(folder.path(), message));
    };
    folder.create()?;
    if args.retry {
        folder.forget_failure(name)?;
    }
    if folder.standing(run)? == Standing::Open {
        let told = Told::new(args.json, 1);
        let mut runner = Runner::new(folder, &[], Budget::of(sweep), told);
        signals::install(runner.cancel())?;
        if runner.run(&[run])? == Tried::Interrupted {
            return Ok(Exit::Interrupted);
        }
    }
    match folder.standing(run)? {
        Standing::Done(Outcome::Measured(_)) => Ok(Exit::Done),
        Standing::Done(Outcome::Failed { message }) | Standing::Changed { message } => {
            Err(Error::run(folder.run_path(name), message))
        }
        Standing::Open => Err(Error::run(
            folder.run_path(name),
            "came to nothing: run it again",
        )),
    }
}

/// Writes the script of a job array.
fn job_array(
    sweep: &Sweep,
    folder: &SweepFolder,
    runs: &[&Planned],
    as_json: bool,
) -> Result<Exit> {
    let path = folder.path().join("sweep.sbatch");
    let table = slurm::command(sweep, "compacter") + " --table";
    if runs.is_empty() {
        if as_json {
            print::json(&json!({"kind": "slurm", "script": null, "runs": 0}))?;
        } else {
            print::line(&format!("nothing is left to be done; the tables:  {table}"))?;
        }
        return Ok(Exit::Done);
    }
    let program = env::current_exe().map_err(Error::io("program", "find"))?;
    let directory = env::current_dir().map_err(Error::io("working directory", "find"))?;
    let script = slurm::script(sweep, runs, &program, &directory);
    atomic::write(&path, script.as_bytes())?;
    if as_json {
        print::json(&json!({"kind": "slurm", "script": path, "runs": runs.len()}))?;
        return Ok(Exit::Done);
    }
    print::line(&format!(
        "{} runs; submit them:  sbatch {}",
        runs.len(),
        path.display()
    ))?;
    print::line(&format!("and once they are done:  {table}"))?;
    Ok(Exit::Done)
}

/// Writes the tables, and prints the one for people.
fn tables(sweep: &Sweep, folder: &SweepFolder, as_json: bool) -> Result<Exit> {
    let report = Report::read(sweep)?;
    let rows = Table::of(&report);
    let markdown = table::markdown(&report);
    let write = |name: &str, bytes: &[u8]| -> Result<PathBuf> {
        let path = folder.path().join(name);
        atomic::write(&path, bytes).map(|()| path)
    };
    let mut written = vec![
        write("table.md", markdown.as_bytes())?,
        write("table.csv", rows.csv()?.as_bytes())?,
        write("table.jsonl", rows.jsonl().as_bytes())?,
        write("table.parquet", &table::parquet(&rows)?)?,
    ];
    let drawn = figure::svg(&report).map_err(|why| {
        let path = folder.path().join("figure.svg");
        Error::io(path, "draw")(std::io::Error::other(why))
    })?;
    if let Some(svg) = drawn {
        written.push(write("figure.svg", svg.as_bytes())?);
    }
    if as_json {
        let tally = report.tally;
        print::json(&json!({
            "kind": "table", "rows": rows.objects(), "measured": tally.measured, "failed": tally.failed,
            "open": tally.open, "files": written,
        }))?;
    } else {
        print::line(&format!("\n{markdown}"))?;
        let names: Vec<String> = written.iter().map(|path| name(path)).collect();
        print::line(&format!(
            "written to {}: {}",
            folder.path().display(),
            names.join(", ")
        ))?;
    }
    let complete = report.tally.failed == 0 && report.tally.open == 0;
    Ok(if complete { Exit::Done } else { Exit::Failed })
}

fn name(path: &Path) -> String {
    path.file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}
