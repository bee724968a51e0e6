//! Runs: what is asked of them that they have not, and folders that are damaged.

use std::fs;
use std::path::{Path, PathBuf};

use super::case::{Case, Damage, compacter};
use Damage::{By, Write};

const EVENTS: &str = "runs/tiny/events.jsonl";

pub(crate) fn cases() -> Vec<Case> {
    [questions(), damaged(), taken_up()].concat()
}

fn of_run(
    name: &'static str,
    arguments: &[&'static str],
    damage: impl Into<Vec<Damage>>,
    says: &'static [&'static str],
) -> Case {
    let damage = [vec![By(train)], damage.into()].concat();
    Case {
        name,
        damage,
        arguments: arguments.to_vec(),
        says,
    }
}

/// Sound runs that are asked for what they have not.
fn questions() -> Vec<Case> {
    vec![
        of_run(
            "a name that is taken",
            &["train", "run.toml"],
            [],
            &["runs/tiny", "--resume", "--fresh", "--name"],
        ),
        of_run(
            "a folder that is no run",
            &["eval", "model"],
            [],
            &["model", "no run here"],
        ),
        of_run(
            "no folder at all",
            &["predict", "nowhere"],
            [],
            &["nowhere"],
        ),
        of_run(
            "a split that no run has",
            &["eval", "runs/tiny", "--split", "dev"],
            [],
            &["'dev'", "--split", "validation"],
        ),
        of_run(
            "a split that this run has not",
            &["eval", "runs/tiny", "--split", "test"],
            [],
            &["runs/tiny", "no test split", "task.test"],
        ),
        of_run(
            "a checkpoint that is not there",
            &["eval", "runs/tiny", "--checkpoint", "99"],
            [],
            &["runs/tiny", "step 99", "those of 4"],
        ),
        of_run(
            "a checkpoint by a word",
            &["eval", "runs/tiny", "--checkpoint", "newest"],
            [],
            &["'newest'", "best, last or a step"],
        ),
        of_run(
            "a fork from a checkpoint that is not there",
            &["fork", "runs/tiny", "--at", "99"],
            [],
            &["runs/tiny", "99", "4"],
        ),
        of_run(
            "rows to predict without the column",
            &["predict", "runs/tiny", "rows.tsv"],
            [Write("rows.tsv", b"sentences\na film\n".to_vec())],
            &["rows.tsv", "did you mean `sentences`?"],
        ),
        of_run(
            "rows to predict that are not there",
            &["predict", "runs/tiny", "rows.tsv"],
            [],
            &["rows.tsv: no such file"],
        ),
        of_run(
            "nothing to predict on standard input",
            &["predict", "runs/tiny"],
            [],
            &["standard input: is empty"],
        ),
        of_run(
            "a row to predict that is too long",
            &["predict", "runs/tiny", "rows.tsv"],
            [By(|folder| {
                let rows = format!("sentence\n{}\n", "day ".repeat(60));
                fs::write(folder.join("rows.tsv"), rows).unwrap();
            })],
            &["62 tokens", "32"],
        ),
    ]
}

/// Checkpoints that cannot be used, and runs without.
fn damaged() -> Vec<Case> {
    let eval =
        |name, damage: fn(&Path), says| of_run(name, &["eval", "runs/tiny"], [By(damage)], says);
    vec![
        eval(
            "a run without a checkpoint",
            |folder| fs::remove_dir_all(checkpoint(folder)).unwrap(),
            &["runs/tiny", "no checkpoint yet"],
        ),
        eval(
            "trained tensors cut off",
            |folder| cut(&checkpoint(folder).join("trained.safetensors")),
            &["step-000004/trained.safetensors"],
        ),
        eval(
            "trained tensors that are gone",
            |folder| fs::remove_file(checkpoint(folder).join("trained.safetensors")).unwrap(),
            &["step-000004/trained.safetensors: missing"],
        ),
        eval(
            "a state cut off",
            |folder| cut(&checkpoint(folder).join("state.json")),
            &["step-000004/state.json", "line"],
        ),
        eval(
            "a state of a later version",
            |folder| {
                let path = checkpoint(folder).join("state.json");
                let text = fs::read_to_string(&path).unwrap();
                fs::write(path, text.replacen("\"format\": 1", "\"format\": 9", 1)).unwrap();
            },
            &["step-000004/state.json", "format 9", "reads 1"],
        ),
        eval(
            "a checkpoint of another method",
            |folder| {
                let path = checkpoint(folder).join("state.json");
                let text = fs::read_to_string(&path).unwrap();
                assert!(text.contains("n = 4\\n"), "{text}");
                fs::write(path, text.replacen("n = 4\\n", "n = 2\\n", 1)).unwrap();
            },
            &["step-000004", "does not fit"],
        ),
        eval(
            "a model that has moved away",
            |folder| fs::rename(folder.join("model"), folder.join("elsewhere")).unwrap(),
            &["/model"],
        ),
    ]
}

/// Runs that were broken off, and are damaged since.
fn taken_up() -> Vec<Case> {
    let resume = |name, damage: fn(&Path), says| {
        let arguments = [
            "train",
            "run.toml",
            "--set",
            "train.max_steps=4",
            "--resume",
        ];
        of_run(name, &arguments, [By(break_off), By(damage)], says)
    };
    vec![
        resume(
            "garbage in the record of events",
            |folder| {
                let path = folder.join(EVENTS);
                let text = fs::read_to_string(&path).unwrap();
                fs::write(path, text.replacen('\n', "\ngarbage\n", 1)).unwrap();
            },
            &["events.jsonl:2", "not an event"],
        ),
        resume(
            "events of a later version",
            |folder| {
                let path = folder.join(EVENTS);
                let text = fs::read_to_string(&path).unwrap();
                fs::write(path, text.replacen("\"v\":1", "\"v\":9", 1)).unwrap();
            },
            &["events.jsonl:1", "event format 9"],
        ),
        resume(
            "an optimizer cut off",
            |folder| cut(&checkpoint(folder).join("optimizer.safetensors")),
            &["step-000004/optimizer.safetensors", "--fresh"],
        ),
        resume(
            "tensors that are another run's",
            |folder| {
                let checkpoint = checkpoint(folder);
                let from = checkpoint.join("optimizer.safetensors");
                fs::copy(from, checkpoint.join("trained.safetensors")).unwrap();
            },
            &["step-000004/trained.safetensors"],
        ),
    ]
}

/// Trains four steps, with a checkpoint at the last.
fn train(folder: &Path) {
    let set = ["--set", "train.max_steps=4", "--set", "eval.every=4"];
    let trained = compacter(folder, &[&["train", "run.toml"], &set[..]].concat());
    assert_eq!(trained.status.code(), Some(0), "{}", trained.stderr);
}

/// Makes a complete run one that was killed after its last checkpoint.
fn break_off(folder: &Path) {
    let path = folder.join(EVENTS);
    let text = fs::read_to_string(&path).unwrap();
    let kept: Vec<&str> = text
        .lines()
        .filter(|line| !line.contains("\"kind\":\"finished\""))
        .collect();
    assert!(
        kept.len() < text.lines().count(),
        "the run was not complete"
    );
    fs::write(path, kept.join("\n") + "\n").unwrap();
}

/// The last checkpoint, which is the best too.
fn checkpoint(folder: &Path) -> PathBuf {
    folder.join("runs/tiny/checkpoints/step-000004")
}

fn cut(path: &Path) {
    let bytes = fs::read(path).unwrap();
    fs::write(path, &bytes[..bytes.len() / 2]).unwrap();
}
