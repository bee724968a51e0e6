//! The commands as scripts use them: what they print, in which form, and what they leave.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use compacter_core::config::{MethodKind, RunConfig};
use compacter_tests::program::{self, Finished};
use serde_json::Value;
use tempfile::TempDir;

/// A folder with a trained run of four steps in it.
fn trained() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let arguments = ["train", &tiny("run.toml"), "--set", "train.max_steps=4"];
    let _finished = compacter(folder.path(), &arguments).expect_code(0);
    folder
}

/// A file of the fixture that is trained on here.
fn tiny(file: &str) -> String {
    let path = program::workspace().join("tests/fixtures/tiny").join(file);
    path.to_str().unwrap().to_owned()
}

fn compacter(folder: &Path, arguments: &[&str]) -> Finished {
    let mut command = Command::new(program::path());
    command.args(arguments).current_dir(folder);
    program::spawn(command).wait()
}

/// Runs a line of shell, in which `$0` is the program.
fn shell(folder: &Path, line: &str) -> Finished {
    let mut command = Command::new("sh");
    command.args(["-c", line]).arg(program::path());
    command.current_dir(folder);
    program::spawn(command).wait()
}

/// What a command that cannot fail prints.
fn printed(folder: &Path, arguments: &[&str]) -> String {
    let finished = compacter(folder, arguments).expect_code(0);
    assert_eq!(finished.stderr, "");
    finished.stdout
}

fn json(text: &str) -> Value {
    assert_eq!(text.lines().count(), 1, "{text}");
    serde_json::from_str(text).unwrap()
}

/// The names of an object's fields, in alphabetical order.
fn keys(value: &Value) -> Vec<&str> {
    let fields = value.as_object().unwrap().keys();
    let mut names: Vec<&str> = fields.map(String::as_str).collect();
    names.sort_unstable();
    names
}

#[test]
fn json_output_of_a_training_is_its_record() {
    let folder = tempfile::tempdir().unwrap();
    let config = tiny("run.toml");
    let arguments = ["train", &config, "--json", "--set", "train.max_steps=4"];
    let told = printed(folder.path(), &arguments);
    let recorded = fs::read_to_string(folder.path().join("runs/tiny/events.jsonl")).unwrap();
    assert_eq!(told, recorded);
    let steps = told
        .lines()
        .filter(|line| line.contains("\"kind\":\"step\""));
    assert_eq!(steps.count(), 4);
}

#[test]
fn plain_output_has_no_colour_and_moves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let config = tiny("run.toml");
    let set = ["--set", "train.max_steps=4", "--set", "output.log_every=2"];
    let told = printed(
        folder.path(),
        &[&["train", &config, "--plain"], &set[..]].concat(),
    );
    assert!(
        told.chars().all(|c| c == '\n' || !c.is_control()),
        "{told:?}"
    );
    let steps: Vec<&str> = told
        .lines()
        .filter(|line| line.starts_with("step "))
        .collect();
    assert_eq!(steps.len(), 2, "{told}");
    assert!(steps[0].starts_with("step 2/4  loss "), "{told}");
    assert!(
        told.lines()
            .last()
            .unwrap()
            .starts_with("finished at step 4"),
        "{told}"
    );
}

#[test]
fn a_closed_pipe_ends_the_output_and_not_the_training() {
    let folder = tempfile::tempdir().unwrap();
    let config = tiny("run.toml");
    let line = format!("\"$0\" train '{config}' --json --set train.max_steps=40 | head -n 1");
    let finished = shell(folder.path(), &line).expect_code(0);
    assert_eq!(
        (finished.stdout.lines().count(), &*finished.stderr),
        (1, "")
    );
    let recorded = fs::read_to_string(folder.path().join("runs/tiny/events.jsonl")).unwrap();
    assert!(
        recorded
            .lines()
            .last()
            .unwrap()
            .contains("\"kind\":\"finished\"")
    );
}

#[test]
fn eval_measures_a_split_as_the_training_did() {
    let folder = trained();
    let split = |split| {
        json(&printed(
            folder.path(),
            &["eval", "runs/tiny", "--split", split, "--json"],
        ))
    };
    let (train, validation) = (split("train"), split("validation"));
    assert_eq!(keys(&validation), ["metrics", "run", "split"]);
    assert_eq!(validation["run"], "tiny");
    assert_eq!(
        (&train["split"], &validation["split"]),
        (&"train".into(), &"validation".into())
    );
    assert_eq!(
        keys(&validation["metrics"]),
        ["accuracy", "f1", "loss", "matthews"]
    );

    let recorded = fs::read_to_string(folder.path().join("runs/tiny/events.jsonl")).unwrap();
    let eval = recorded
        .lines()
        .rfind(|line| line.contains("\"kind\":\"eval\""))
        .unwrap();
    let eval: Value = serde_json::from_str(eval).unwrap();
    assert_eq!(validation["metrics"], eval["metrics"]);
    assert_ne!(train["metrics"]["loss"], validation["metrics"]["loss"]);

    let plain = printed(folder.path(), &["eval", "runs/tiny"]);
    assert!(plain.starts_with("tiny validation  accuracy 0."), "{plain}");
}

#[test]
fn predict_answers_each_row_wherever_it_comes_from() {
    let folder = trained();
    let rows = [
        ("a very warm film", "positive"),
        ("the room was cold", "negative"),
    ];
    let answered: String = rows
        .map(|(text, label)| format!("{text}\t{label}\n"))
        .concat();
    let lines = rows
        .map(|(text, _)| format!("{{\"sentence\": \"{text}\"}}\n"))
        .concat();
    fs::write(
        folder.path().join("rows.tsv"),
        format!("sentence\tlabel\n{answered}"),
    )
    .unwrap();
    fs::write(folder.path().join("rows.jsonl"), lines).unwrap();

    let of_table = printed(folder.path(), &["predict", "runs/tiny", "rows.tsv"]);
    let of_lines = printed(folder.path(), &["predict", "runs/tiny", "rows.jsonl"]);
    let of_input = shell(folder.path(), "\"$0\" predict runs/tiny < rows.jsonl").expect_code(0);
    let of_dash = shell(folder.path(), "\"$0\" predict runs/tiny - < rows.jsonl").expect_code(0);
    assert_eq!(of_table.lines().count(), 2);
    assert_eq!(of_table, of_lines);
    assert_eq!(of_table, of_input.stdout);
    assert_eq!(of_table, of_dash.stdout);

    for line in of_table.lines() {
        let answer = json(line);
        assert_eq!(keys(&answer), ["prediction", "scores"]);
        assert_eq!(keys(&answer["scores"]), ["negative", "positive"]);
        let score = |label: &str| answer["scores"][label].as_f64().unwrap();
        let total = score("negative") + score("positive");
        assert!((total - 1.0).abs() < 1e-6, "{line}");
        let likelier = if score("negative") > score("positive") {
            "negative"
        } else {
            "positive"
        };
        assert_eq!(answer["prediction"], likelier);
    }
}

#[test]
fn params_counts_in_closed_form_and_in_no_time() {
    let here = Path::new(".");
    let started = Instant::now();
    let full = ["params", "--model", "t5-base", "--method", "full", "--json"];
    let count = json(&printed(here, &full));
    assert!(
        started.elapsed() < Duration::from_secs(1),
        "{:?}",
        started.elapsed()
    );
    assert_eq!(
        keys(&count),
        ["groups", "method", "model", "percent", "total", "trainable"]
    );
    assert_eq!(keys(&count["groups"][0]), ["count", "formula", "name"]);
    assert_eq!(
        (&count["model"], &count["method"]),
        (&"t5-base".into(), &"full".into())
    );
    assert_eq!(count["trainable"], 222_903_552);
    assert_eq!(count["total"], 222_903_552);
    assert_eq!(count["percent"], 100.0);
    let groups = count["groups"].as_array().unwrap();
    let sum: u64 = groups
        .iter()
        .map(|group| group["count"].as_u64().unwrap())
        .sum();
    assert_eq!(sum, 222_903_552);

    let authors = json(&printed(here, &[&full[..], &["--vocab", "32100"]].concat()));
    assert_eq!(authors["total"], 222_882_048);
}

#[test]
fn params_knows_folders_heads_and_fields_of_the_method() {
    let model = tiny("model");
    let count = |more: &[&str]| {
        let first = [
            "params",
            "--model",
            &model,
            "--json",
            "--method",
            "compacter",
        ];
        json(&printed(Path::new("."), &[&first[..], more].concat()))
    };
    let plain = count(&["--set", "reduction_factor=4"]);
    let with_head = count(&["--set", "reduction_factor=4", "--outputs", "2"]);
    assert_eq!(plain["trainable"], with_head["trainable"]);
    let head = with_head["groups"].as_array().unwrap().last().unwrap();
    assert_eq!(head["count"], 2 * 32 + 2);
    let ranks = count(&["--set", "reduction_factor=4", "--set", "rank=2"]);
    assert!(ranks["trainable"].as_u64() > plain["trainable"].as_u64());
}

#[test]
fn params_lists_all_methods() {
    let all = ["params", "--model", "t5-base", "--all"];
    let table = printed(Path::new("."), &all);
    let listed = json(&printed(Path::new("."), &[&all[..], &["--json"]].concat()));
    let listed = listed.as_array().unwrap();
    let names: Vec<&str> = listed
        .iter()
        .map(|row| row["method"].as_str().unwrap())
        .collect();
    for name in &names {
        assert!(table.lines().any(|line| line.starts_with(name)), "{table}");
    }
    assert!(table.contains("222,903,552"), "{table}");
    let kinds = MethodKind::ALL.into_iter().map(MethodKind::as_str);
    let kinds: BTreeSet<&str> = kinds.filter(|kind| *kind != "head").collect();
    assert_eq!(names.into_iter().collect::<BTreeSet<_>>(), kinds);
}

/// What `params --all` says of a method of the paper, by name and division.
fn all(more: &[&str]) -> BTreeMap<String, Value> {
    let asked = [&["params", "--all", "--json", "--model"][..], more].concat();
    let listed = json(&printed(Path::new("."), &asked));
    let named = |row: &Value| {
        let name = row["method"].as_str().unwrap();
        let name = match row["n"].as_u64() {
            Some(n) => format!("{name} {n}"),
            None => name.to_owned(),
        };
        (name, row.clone())
    };
    listed.as_array().unwrap().iter().map(named).collect()
}

#[test]
fn params_counts_every_row_of_the_paper_exactly() {
    let rows = all(&["t5-base"]);
    for (name, trainable, percent) in [
        ("adapter", 1_855_104, 0.832),
        ("pfeiffer", 951_360, 0.427),
        ("adapterdrop", 1_101_984, 0.494),
        ("low-rank", 161_664, 0.0725),
        ("phm 4", 534_144, 0.240),
        ("phm 8", 355_968, 0.160),
        ("phm 12", 398_976, 0.179),
        ("compacter 4", 161_728, 0.0726),
        ("compacter 8", 162_176, 0.0728),
        ("compacter 12", 163_392, 0.0733),
        ("compacter++ 4", 104_704, 0.0470),
        ("compacter++ 8", 105_152, 0.0472),
        ("compacter++ 12", 106_368, 0.0477),
        ("bitfit", 280_960, 0.126),
        ("prompt", 76_800, 0.0345),
        ("prompt-vocab", 76_800, 0.0345),
        ("said", 20_000, 0.0090),
    ] {
        assert_eq!(rows[name]["trainable"], trainable, "{name}");
        let found = rows[name]["percent"].as_f64().unwrap();
        assert!((found - percent).abs() < 5e-4, "{name}: {found}");
    }
    for (factor, adapter, pfeiffer, drop, compacter, plus) in [
        (16, 3_625_728, 1_836_672, 2_134_848, 165_184, 106_432),
        (8, 7_166_976, 3_607_296, 4_200_576, 172_096, 109_888),
    ] {
        let set = format!("reduction_factor={factor}");
        let rows = all(&["t5-base", "--set", &set]);
        for (name, trainable) in [
            ("adapter", adapter),
            ("pfeiffer", pfeiffer),
            ("adapterdrop", drop),
            ("compacter 4", compacter),
            ("compacter++ 4", plus),
        ] {
            assert_eq!(rows[name]["trainable"], trainable, "{name} {factor}");
        }
    }
    let authors = all(&["t5-base", "--vocab", "32100"]);
    assert_eq!(authors["full"]["trainable"], 222_882_048);
    assert_eq!(authors["bitfit"]["trainable"], 280_932);
}

#[test]
fn params_says_where_a_division_does_not_divide() {
    // Bottlenecks of 16: 12 does not divide them.
    let rows = all(&["t5-small"]);
    for (name, trainable) in [
        ("adapter", 422_272),
        ("pfeiffer", 219_328),
        ("low-rank", 54_400),
        ("phm 4", 130_432),
        ("compacter 4", 54_464),
        ("compacter++ 4", 35_456),
        ("bitfit", 115_072),
        ("prompt", 51_200),
        ("said", 20_000),
    ] {
        assert_eq!(rows[name]["trainable"], trainable, "{name}");
    }
    for name in ["phm 12", "compacter 12", "compacter++ 12"] {
        assert!(rows[name]["trainable"].is_null(), "{name}");
        let reason = rows[name]["reason"].as_str().unwrap();
        assert!(reason.contains("n = 12 must divide"), "{reason}");
    }
    let table = printed(Path::new("."), &["params", "--all", "--model", "t5-small"]);
    let line = table
        .lines()
        .find(|line| line.starts_with("compacter n=12"));
    assert!(line.unwrap().trim_end().ends_with("n/a"), "{table}");

    let unknown = ["params", "--all", "--model", "t5-small", "--set", "depth=3"];
    let refused = compacter(Path::new("."), &unknown).expect_code(2);
    assert!(refused.stderr.contains("depth"), "{}", refused.stderr);
}

/// The fixture's configuration with another method, at sizes that fit its model.
fn of_kind(kind: MethodKind) -> String {
    let fitting = [
        ("reduction_factor", "4"),
        ("n", "4"),
        ("drop_first", "1"),
        ("length", "3"),
        ("dimension", "100"),
    ];
    let sizes = fitting
        .into_iter()
        .filter(|(key, _)| kind.settings().contains(key))
        .map(|(key, value)| format!("{key} = {value}\n"));
    let sizes: String = sizes.collect();
    let text = fs::read_to_string(tiny("run.toml")).unwrap();
    let method = "kind = \"compacter\"\nn = 4\nreduction_factor = 4\n";
    assert!(text.contains(method), "{text}");
    let folder = Path::new(&tiny("run.toml")).parent().unwrap().to_owned();
    text.replace(method, &format!("kind = \"{kind}\"\n{sizes}"))
        .replace("./model", folder.join("model").to_str().unwrap())
        .replace("train.tsv", folder.join("train.tsv").to_str().unwrap())
        .replace(
            "validation.tsv",
            folder.join("validation.tsv").to_str().unwrap(),
        )
}

#[test]
fn every_method_trains_and_its_checkpoint_measures_what_the_run_measured() {
    let folder = tempfile::tempdir().unwrap();
    for kind in MethodKind::ALL {
        let name = format!("run-{}", kind.as_str().replace('+', "p"));
        let file = folder.path().join(format!("{name}.toml"));
        fs::write(&file, of_kind(kind)).unwrap();
        let set = format!("name={name}");
        let arguments = [
            "train",
            file.to_str().unwrap(),
            "--json",
            "--set",
            &set,
            "--set",
            "train.max_steps=3",
        ];
        let told = printed(folder.path(), &arguments);
        let events: Vec<Value> = told
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        let measured = events.iter().rfind(|event| event["kind"] == "eval");
        let expected = &measured.unwrap()["metrics"];
        let run = format!("runs/{name}");
        let found = json(&printed(
            folder.path(),
            &["eval", &run, "--split", "validation", "--json"],
        ));
        assert_eq!(&found["metrics"], expected, "{kind}");
    }
}

#[test]
fn init_writes_a_file_that_can_be_read_and_never_over_another() {
    let folder = tempfile::tempdir().unwrap();
    let told = printed(folder.path(), &["init"]);
    assert!(told.contains("compacter train compacter.toml"), "{told}");
    let path = folder.path().join("compacter.toml");
    let written = fs::read_to_string(&path).unwrap();
    RunConfig::load(&path, &[]).unwrap();
    assert_eq!(printed(folder.path(), &["init", "-"]), written);

    fs::write(&path, "name = 'mine'\n").unwrap();
    let refused = compacter(folder.path(), &["init"]).expect_code(2);
    assert!(
        refused
            .stderr
            .starts_with("error: compacter.toml: is already there"),
        "{refused:?}"
    );
    assert_eq!(fs::read_to_string(&path).unwrap(), "name = 'mine'\n");

    let schema = json(&printed(folder.path(), &["init", "--schema"]));
    assert!(schema["properties"]["train"].is_object(), "{schema}");
}

#[test]
fn completions_are_scripts_that_name_the_commands() {
    for (name, first) in [
        ("bash", "_compacter()"),
        ("zsh", "#compdef compacter"),
        ("fish", "#"),
    ] {
        let script = printed(Path::new("."), &["completions", name]);
        assert!(
            script.starts_with(first),
            "{name}: {}",
            script.lines().next().unwrap()
        );
        for command in ["train", "predict", "params", "completions"] {
            assert!(script.contains(command), "{name} lacks {command}");
        }
    }
    let bash = Path::new(".");
    let parsed = shell(bash, "\"$0\" completions bash | bash -n").expect_code(0);
    assert_eq!(parsed.stderr, "");
}

#[test]
fn help_tells_what_exit_codes_mean() {
    let help = printed(Path::new("."), &["--help"]);
    for code in ["0 done", "1 failed", "2 refused", "75 told to end"] {
        assert!(
            help.split_whitespace()
                .collect::<Vec<_>>()
                .join(" ")
                .contains(code),
            "{help}"
        );
    }
    let usage = compacter(Path::new("."), &["trian"]).expect_code(2);
    assert!(usage.stderr.contains("'train'"), "{}", usage.stderr);
}
