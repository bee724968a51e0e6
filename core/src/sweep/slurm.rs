//! A sweep as a job array of Slurm: a task for each run that is still to be done.
//!
//! A task trains and measures its run and nothing else, so tasks need nothing of each other.
//! Slurm's warning before the time limit has the run saved, and the task put in the queue
//! again. The table is made afterwards, from the results.

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
    let mut options = vec![
        format!("--job-name={}", quoted(&sweep.name)),
        array(runs.len(), sweep.jobs.parallel),
        output(&folder),
        format!("--signal=USR1@{WARNING}"),
    ];
    // All threads of a machine are for whoever submits to say, by `--exclusive` for one.
    let threads = runs.iter().map(|run| run.config.train.threads).max();
    let threads = threads.filter(|&threads| threads > 0);
    options.extend(threads.map(|threads| format!("--cpus-per-task={threads}")));
    let memory = sweep.jobs.memory_mib;
    options.extend(memory.map(|mib| format!("--mem={mib}M")));
    if !sweep.jobs.gpus.is_empty() {
        options.push("--gres=gpu:1".to_owned());
    }
    options.extend(sweep.jobs.slurm.iter().cloned());
    let mut lines = vec!["#!/bin/bash".to_owned()];
    lines.extend(options.iter().map(|option| format!("#SBATCH {option}")));
    lines.push(String::new());
    let (directory, program) = (directory.display(), program.display());
    lines.push(format!("cd {} || exit 1", quoted(&directory.to_string())));
    lines.push("runs=(".to_owned());
    lines.extend(runs.iter().map(|run| format!("  {}", quoted(&run.name))));
    lines.push(")".to_owned());
    lines.push(format!(
        "srun {} --only \"${{runs[$SLURM_ARRAY_TASK_ID]}}\"",
        command(sweep, &program.to_string()),
    ));
    lines.push(GO_ON.to_owned());
    lines.join("\n")
}

/// The command of a sweep with all that it was given, for a shell.
#[must_use]
pub fn command(sweep: &Sweep, program: &str) -> String {
    let file = quoted(&sweep.path.display().to_string());
    let overrides = sweep.overrides.iter();
    let overrides = overrides.map(|set| format!(" --set {}", quoted(set)));
    let overrides: String = overrides.collect();
    format!("{} sweep {file}{overrides}", quoted(program))
}

/// What follows the run: told to end before it was done, it has saved.
const GO_ON: &str = r#"code=$?
# Saved, to go on in the same task.
if [ "$code" -eq 75 ]; then
  scontrol requeue "${SLURM_ARRAY_JOB_ID}_$SLURM_ARRAY_TASK_ID"
fi
exit "$code"
"#;

fn array(runs: usize, parallel: Option<usize>) -> String {
    let parallel = parallel.map_or_else(String::new, |most| format!("%{most}"));
    format!("--array=0-{}{parallel}", runs.saturating_sub(1))
}

fn output(folder: &Path) -> String {
    let path = folder.join("logs/slurm-%A_%a.out");
    format!("--output={}", quoted(&path.display().to_string()))
}

/// A word as a shell takes it, whatever is in it.
fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "_./+=:@%,-".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', "'\\''"))
}
