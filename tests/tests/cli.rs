//! The commands as scripts use them: what they print, in which form, and what they leave.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::fs;
use std::path::Path;
use std::process::Command;

use compacter_core::config::{MethodKind, RunConfig};
use compacter_tests::program::{self, Finished};
use compacter_tests::said::{compacter, json, keys, printed, tiny};
use serde_json::Value;
use tempfile::TempDir;

/// A folder with a trained run of four steps in it.
fn trained() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let arguments = ["train", &tiny("run.toml"), "--set", "train.max_steps=4"];
    let _finished = compacter(folder.path(), &arguments).expect_code(0);
    folder
}

/// Runs a line of shell, in which `$0` is the program.
fn shell(folder: &Path, line: &str) -> Finished {
    let mut command = Command::new("sh");
    command.args(["-c", line]).arg(program::path());
    command.current_dir(folder);
    program::spawn(command).wait()
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

    // By its name too, and a name that is none is refused with the one that may be meant.
    let plain = printed(folder.path(), &["eval", "tiny"]);
    assert!(plain.starts_with("tiny validation  accuracy 0."), "{plain}");
    let refused = compacter(folder.path(), &["eval", "tini"]).expect_code(2);
    assert!(
        refused.stderr.contains("did you mean `runs/tiny`?"),
        "{}",
        refused.stderr
    );
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
fn bench_measures_a_step_and_refuses_what_it_cannot_measure() {
    let folder = tempfile::tempdir().unwrap();
    let small = "bench --model all-MiniLM-L6-v2 --threads 1 --steps 1 --warmup 0";
    let small: Vec<&str> = small.split(' ').collect();
    let with = |more: &str| -> Vec<String> {
        let words = small.iter().copied().chain(more.split_whitespace());
        words.map(str::to_owned).collect()
    };
    let bench = |more: &str| {
        let arguments = with(more);
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        compacter(folder.path(), &arguments)
    };

    let report = json(&bench("--batch 2 --source 6 --json").expect_code(0).stdout);
    assert_eq!(report["form"], "fused");
    assert_eq!(report["tokens"], 12.0);
    let number = |name: &str| report[name].as_f64().unwrap();
    assert!(number("cpu_ms") > 0.0 && number("gemm_share") > 0.0);
    // Two products with each of 10.6 M weights of the encoder for each of 12 tokens, and
    // little else: 2 · 2 · 12 · 10.6e6 = 0.51 GFLOP.
    assert!((0.4..0.6).contains(&number("gflop")), "{report}");
    // Of the last layer's twelve maps ten are of two rows only, where nothing else is read.
    let first = json(
        &bench("--batch 2 --source 6 --pooling cls --json")
            .expect_code(0)
            .stdout,
    );
    let share = first["gflop"].as_f64().unwrap() / number("gflop");
    assert!((0.85..0.92).contains(&share), "{first}");
    if cfg!(target_os = "linux") {
        assert!(number("peak_mib") > number("baseline_mib"));
    }

    fs::write(folder.path().join("lengths"), "3\n9 2\n5\n").unwrap();
    let tokens = |more: &str| {
        let printed = bench(&format!("--batch 2 --lengths lengths --json {more}"));
        json(&printed.expect_code(0).stdout)["tokens"]
            .as_f64()
            .unwrap()
    };
    // Batches of 3 + 9 and of 5 tokens; padded, of 9 + 9 and of 5.
    assert!((tokens("") - 8.5).abs() < 1e-9);
    assert!((tokens("--pad") - 11.5).abs() < 1e-9);

    let plain = bench("--batch 1 --source 4 --step composed").expect_code(0);
    assert!(plain.stdout.contains("composed") && plain.stdout.contains("GFLOP"));
    for (wrong, told) in [
        ("--step fused --dtype bf16", "bf16"),
        ("--set colour=3", "colour"),
        ("--batch 0", "above 0"),
        ("--pooling middle", "pooler"),
        ("--lengths none", "none"),
    ] {
        let finished = bench(wrong);
        assert_ne!(finished.code(), 0, "{wrong}");
        assert!(
            finished.stderr.to_lowercase().contains(told),
            "{}",
            finished.stderr
        );
    }
    let unknown = compacter(folder.path(), &["bench", "--model", "t5-smal"]).expect_code(2);
    assert!(unknown.stderr.contains("t5-small"), "{}", unknown.stderr);
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
