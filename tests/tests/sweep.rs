//! Sweeps: what is done, what is told, and what a kill leaves.
#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "tests")]

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use compacter_tests::program::{self, Finished, Met, Running};
use compacter_tests::sweeps::{GRID, Lab, kill};
use serde_json::Value;

/// Waits until so many runs are measured and another has done some steps, then kills the
/// sweep; `others` says whether its processes are killed with it, as a power cut does.
fn kill_at(lab: &Lab, results: usize, others: bool) {
    let mut running = program::start(lab.sweep(&[]));
    let met = running.until(|| lab.results() >= results && lab.is_at_work());
    assert_eq!(met, Met::Seen, "{}", running.output());
    let finished = running.kill();
    assert_eq!(finished.status.code(), None, "killed: {finished:?}");
    if others {
        lab.trainers().iter().for_each(|&pid| kill(pid));
    }
}

const LONG: &str = "epochs = 12\ncheckpoint_every = 10\nbatch_size = 16\ndropout = 0.1";
const SHORT: &str = "epochs = 1\nbatch_size = 16";

#[test]
fn a_sweep_killed_and_started_again_ends_with_the_same_table() {
    let (lab, reference) = (Lab::new(LONG, GRID), Lab::new(LONG, GRID));
    kill_at(&lab, 0, true);
    kill_at(&lab, 1, false);
    kill_at(&lab, 3, true);
    let ended = program::run(lab.sweep(&[])).expect_code(0);
    assert_eq!(lab.results(), 8, "{}", ended.stdout);
    let resumed = fs::read_dir(lab.path("runs/grid/logs"))
        .unwrap()
        .filter(|log| {
            let text = fs::read_to_string(log.as_ref().unwrap().path()).unwrap();
            text.contains("resumed from step")
        });
    assert!(resumed.count() > 0, "no run was taken up again");

    let _ended = program::run(reference.sweep(&[])).expect_code(0);
    for name in ["table.md", "table.csv", "table.jsonl"] {
        assert_eq!(lab.file(name), reference.file(name), "{name}");
    }
    let bytes = |lab: &Lab| fs::read(lab.path("runs/grid/table.parquet")).unwrap();
    assert_eq!(bytes(&lab), bytes(&reference));
    assert_eq!(lab.file("table.jsonl").lines().count(), 2);

    // Once more there is nothing to do, and the table is the same.
    let again = program::run(lab.sweep(&["--json"])).expect_code(0);
    assert_eq!(again.stdout.lines().count(), 1, "{}", again.stdout);
    assert_eq!(lab.file("table.csv"), reference.file("table.csv"));
}

#[test]
fn a_failing_run_is_told_and_skipped_and_tried_again_when_asked() {
    let grid = "[[grid.a]]\nlabel = 'fits'\nmethod = { kind = 'compacter', n = 4, reduction_factor = 4 }\n\
                [[grid.a]]\nlabel = 'does not'\nmethod = { kind = 'compacter', n = 5, reduction_factor = 4 }\n";
    let lab = Lab::new(SHORT, grid);
    let failed = program::run(lab.sweep(&[])).expect_code(1);
    assert!(
        failed.stdout.contains("failed    a=does_not: "),
        "{}",
        failed.stdout
    );
    assert!(failed.stdout.contains("those that do"), "{}", failed.stdout);
    assert!(
        lab.file("table.md")
            .contains("Left out, 1 runs:\n- `a=does_not`: ")
    );
    let rows: Vec<Value> = lab.file("table.jsonl").lines().map(json).collect();
    assert_eq!((&rows[0]["n"], &rows[1]["n"]), (&1.into(), &0.into()));

    let skipped = program::run(lab.sweep(&[])).expect_code(1);
    assert!(!skipped.stdout.contains("started"), "{}", skipped.stdout);
    let again = program::run(lab.sweep(&["--retry"])).expect_code(1);
    assert!(
        again.stdout.contains("started   a=does_not"),
        "{}",
        again.stdout
    );
}

fn json(line: &str) -> Value {
    serde_json::from_str(line).unwrap()
}

#[test]
fn a_dry_run_says_what_would_be_done_and_does_nothing() {
    let lab = Lab::new(SHORT, GRID);
    let told = program::run(lab.sweep(&["--dry-run"])).expect_code(0);
    assert_eq!(
        told.stdout
            .lines()
            .filter(|line| line.starts_with("open "))
            .count(),
        8
    );
    assert!(
        told.stdout.contains("8 to be done, 2 at a time"),
        "{}",
        told.stdout
    );
    let lines = program::run(lab.sweep(&["--dry-run", "--json"])).expect_code(0);
    let lines: Vec<Value> = lines.stdout.lines().map(json).collect();
    assert_eq!(lines[0]["run"], "kind=adapter,learning_rate=0.01,seed=1");
    assert_eq!(lines[0]["values"]["train.seed"], "1");
    assert_eq!(lines[8]["open"], 8);
    assert!(!lab.path("runs").exists());
}

#[test]
fn a_sweep_told_to_end_saves_and_goes_on() {
    let lab = Lab::new(LONG, &GRID.replace("[1, 2]", "[1]"));
    let mut running = program::start(lab.sweep(&[]));
    let met = running.until(|| lab.is_at_work());
    assert_eq!(met, Met::Seen);
    running.signal("TERM");
    let ended = running.wait().expect_code(75);
    assert!(ended.stdout.contains("Not complete"), "{}", ended.stdout);
    assert_eq!(lab.trainers(), [0; 0], "all have ended");
    let _ended = program::run(lab.sweep(&[])).expect_code(0);
    assert!(!lab.file("table.md").contains("Not complete"));
}

#[test]
fn a_run_made_with_other_settings_is_told_and_left_alone() {
    let lab = Lab::new(SHORT, "[grid]\nmethod.kind = ['lora']\ntrain.seed = [1]\n");
    let _ended = program::run(lab.sweep(&[])).expect_code(0);
    let text = fs::read_to_string(lab.path("sweep.toml")).unwrap();
    fs::write(
        lab.path("sweep.toml"),
        text.replace("epochs = 1", "epochs = 2"),
    )
    .unwrap();
    let told = program::run(lab.sweep(&[])).expect_code(1);
    let expected =
        "was made with train.epochs = 1.0, and the sweep says 2.0: give it the --set that it had";
    assert!(told.stdout.contains(expected), "{}", told.stdout);

    // A grid may grow: what is there is not done again.
    fs::write(lab.path("sweep.toml"), text.replace("[1]", "[1, 2]")).unwrap();
    let grown = program::run(lab.sweep(&[])).expect_code(0);
    assert_eq!(
        grown.stdout.matches("started").count(),
        1,
        "{}",
        grown.stdout
    );
}

#[test]
fn two_processes_do_not_do_one_sweep() {
    let lab = Lab::new(LONG, GRID);
    let mut running = program::start(lab.sweep(&[]));
    assert_eq!(running.until(|| lab.is_at_work()), Met::Seen);
    let refused = program::run(lab.sweep(&[])).expect_code(2);
    let holder = format!("in use by process {}", running.id());
    assert!(refused.stderr.contains(&holder), "{}", refused.stderr);
    running.signal("TERM");
    let _ended = running.wait().expect_code(75);
}

/// Runs the tasks of a job array as Slurm would, with its commands stood in for.
fn array_task(lab: &Lab, task: usize) -> Running {
    let bin = lab.path("bin");
    fs::create_dir_all(&bin).unwrap();
    for (name, text) in [
        (
            "srun",
            format!("echo $$ > '{}'\nexec \"$@\"", lab.path("task").display()),
        ),
        (
            "scontrol",
            format!("echo \"$@\" >> '{}'", lab.path("requeued").display()),
        ),
    ] {
        let path = bin.join(name);
        fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
    let mut command = Command::new("bash");
    command.arg(lab.path("runs/grid/sweep.sbatch"));
    command.env("PATH", path).env("SLURM_ARRAY_JOB_ID", "7");
    command.env("SLURM_ARRAY_TASK_ID", task.to_string());
    program::spawn(command)
}

#[test]
fn a_job_array_does_each_run_once_and_makes_the_same_table() {
    let tables = format!(
        "{}memory_mib = 500\nslurm = ['--time=00:10:00']\n",
        GRID.replace("[1, 2]", "[1]")
    );
    let (lab, reference) = (Lab::new(LONG, &tables), Lab::new(LONG, &tables));
    let told = program::run(lab.sweep(&["--slurm"])).expect_code(0);
    assert!(
        told.stdout.contains("4 runs; submit them:  sbatch "),
        "{}",
        told.stdout
    );
    let script = lab.file("sweep.sbatch");
    for option in [
        "--array=0-3%2",
        "--mem=500M",
        "--cpus-per-task=1",
        "--time=00:10:00",
        "--signal=USR1@120",
    ] {
        assert!(script.contains(&format!("#SBATCH {option}\n")), "{script}");
    }
    // A task that comes to its time limit is put in the queue again.
    let mut running = array_task(&lab, 1);
    assert_eq!(running.until(|| lab.is_at_work()), Met::Seen);
    let task = fs::read_to_string(lab.path("task")).unwrap();
    let told = Command::new("sh")
        .args(["-c", &format!("kill -USR1 {task}")])
        .status();
    assert!(told.unwrap().success());
    let _ended = running.wait().expect_code(75);
    assert_eq!(
        fs::read_to_string(lab.path("requeued")).unwrap(),
        "requeue 7_1\n"
    );
    for task in 0..4 {
        let _ended: Finished = array_task(&lab, task).wait().expect_code(0);
    }
    let _ended = program::run(lab.sweep(&["--table"])).expect_code(0);
    let _ended = program::run(reference.sweep(&[])).expect_code(0);
    assert_eq!(lab.file("table.md"), reference.file("table.md"));
    let nothing = program::run(lab.sweep(&["--slurm"])).expect_code(0);
    assert!(
        nothing.stdout.contains("nothing is left"),
        "{}",
        nothing.stdout
    );
}

#[test]
fn runs_are_compared_by_memory_time_and_metric() {
    let lab = Lab::new(SHORT, &GRID.replace("[1e-2, 1e-3]", "[1e-2]"));
    let _ended = program::run(lab.sweep(&[])).expect_code(0);
    let runs = lab.path("runs/grid/runs");
    let path =
        |kind: &str, seed: u8| runs.join(format!("kind={kind},learning_rate=0.01,seed={seed}"));
    let compare = |more: &[&str]| {
        let mut arguments: Vec<OsString> = vec!["compare".into()];
        for (kind, seed) in [("adapter", 1), ("adapter", 2), ("lora", 1), ("lora", 2)] {
            arguments.push(path(kind, seed).into());
        }
        arguments.extend(more.iter().map(OsString::from));
        program::run(arguments).expect_code(0).stdout
    };
    let rows: Vec<Value> = compare(&["--json"]).lines().map(json).collect();
    assert_eq!(rows.len(), 2);
    let number = |row: usize, name: &str| rows[row][name].as_f64().unwrap_or(f64::NAN);
    assert_eq!(
        (&rows[1]["method"], &rows[1]["n"]),
        (&"lora".into(), &2.into())
    );
    // Both conventions tell of the same two values.
    let (b, x) = (number(0, "step_ms"), number(1, "step_ms"));
    assert!((number(1, "time_of_baseline") - 100.0 * (x - b) / b).abs() < 1e-6);
    assert!((number(1, "time_of_own") - 100.0 * (x - b) / x).abs() < 1e-6);
    if cfg!(target_os = "linux") {
        assert!(number(0, "peak_mib") > 1.0);
        assert_eq!(rows[0]["memory_of_baseline"], 0.0);
    }
    // As the sweep's table has it.
    let table: Vec<Value> = lab.file("table.jsonl").lines().map(json).collect();
    assert_eq!(rows[0]["test_mean"], table[0]["test_mean"]);
    assert!(number(0, "test_low") <= number(0, "test_mean"));

    let plain = compare(&[]);
    assert_eq!(plain.lines().count(), 5, "{plain}");
    assert!(plain.lines().nth(2).unwrap().contains(" % / "), "{plain}");
    assert_eq!(compare(&["--csv"]).lines().count(), 3);
    let missing = program::run(["compare", "none"]).expect_code(2);
    assert!(
        missing.stderr.contains("there is no run here"),
        "{}",
        missing.stderr
    );
}

#[test]
fn a_mistake_in_the_file_is_one_message_with_its_line() {
    let lab = Lab::new(SHORT, "[grid]\ntrain.learning_rat = [1]\n");
    let refused = program::run(lab.sweep(&["--dry-run"])).expect_code(2);
    assert_eq!(refused.stderr.lines().count(), 1, "{}", refused.stderr);
    let expected =
        "sweep.toml:16:23: train.learning_rat: no such setting; did you mean `learning_rate`?";
    assert!(refused.stderr.contains(expected), "{}", refused.stderr);
}
