//! A sweep as a job array of Slurm: a task for each run that is still to be done.
//!
//! A task trains and measures its run and nothing else, so tasks need nothing of each other.
//! Slurm's warning before the time limit has the run saved, and the task put in the queue
//! again. The table is made afterwards, from the results.

use std::fmt::Write;
use std::path::Path;

use super::folder::SweepFolder;
use super::plan::{Planned, Sweep};

/// Seconds before the time limit at which a task is told to save.
const WARNING: u32 = 120;

/// The script for `sbatch` that does `runs` with the program, in a working directory.
#[must_use]
pub fn script(sweep: &Sweep, runs: &[&Planned], program: &Path, directory: &Path) -> String {
    let folder = std::path::absolute(SweepFolder::of(sweep).path());
    let folder = folder.unwrap_or_else(|_| sweep.folder.clone());
    let mut text = String::from("#!/bin/bash\n");
    let mut option = |option: String| text += &format!("#SBATCH {option}\n");
    let parallel = sweep
        .jobs
        .parallel
        .map_or(String::new(), |most| format!("%{most}"));
    option(format!("--job-name={}", quoted(&sweep.name)));
    option(format!(
        "--array=0-{}{parallel}",
        runs.len().saturating_sub(1)
    ));
    let output = folder.join("logs/slurm-%A_%a.out").display().to_string();
    option(format!("--output={}", quoted(&output)));
    option(format!("--signal=USR1@{WARNING}"));
    // All threads of a machine are for whoever submits to say, by `exclusive` for one.
    let threads = runs.iter().map(|run| run.config.train.threads).max();
    if let Some(threads) = threads.filter(|&threads| threads > 0) {
        option(format!("--cpus-per-task={threads}"));
    }
    if let Some(mib) = sweep.jobs.memory_mib {
        option(format!("--mem={mib}M"));
    }
    if !sweep.jobs.gpus.is_empty() {
        option("--gres=gpu:1".to_owned());
    }
    sweep
        .jobs
        .slurm
        .iter()
        .for_each(|given| option(given.clone()));
    text += &format!(
        "\ncd {} || exit 1\nruns=(\n",
        quoted(&directory.display().to_string())
    );
    for run in runs {
        // Writing to a string cannot fail.
        let _ok = writeln!(text, "  {}", quoted(&run.name));
    }
    let (program, file) = (
        program.display().to_string(),
        sweep.path.display().to_string(),
    );
    text += &format!(
        ")\nsrun {} sweep {} --only \"${{runs[$SLURM_ARRAY_TASK_ID]}}\"\n",
        quoted(&program),
        quoted(&file)
    );
    text += "code=$?\n\
        # Told to end before it was done: it has saved, and goes on in the same task.\n\
        if [ \"$code\" -eq 75 ]; then\n  \
        scontrol requeue \"${SLURM_ARRAY_JOB_ID}_$SLURM_ARRAY_TASK_ID\"\nfi\nexit \"$code\"\n";
    text
}

/// A word as a shell takes it, whatever is in it.
fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', "'\\''"))
}
