#![expect(clippy::unwrap_used, reason = "tests")]

use super::*;

const BASE: &str = r#"name = "grid"
model.path = "none"
[task]
kind = "classification"
train = "train.tsv"
validation = "validation.tsv"
test = "test.tsv"
text = ["sentence"]
label = "label"
"#;

fn sweep(tables: &str) -> Result<Sweep> {
    Sweep::parse(Path::new("sweep.toml"), &format!("{BASE}{tables}"), &[])
}

#[track_caller]
fn refused(tables: &str, expected: &str) {
    let message = sweep(tables).unwrap_err().to_string();
    assert!(message.contains(expected), "no `{expected}` in: {message}");
}

const GRID: &str = r#"
[grid]
task.max_train_samples = [100, 500]
"train.seed" = [1, 2]
[[grid.method]]
method.kind = "full"
train.learning_rate = 3e-4
[[grid.method]]
label = "n = 8"
method = { kind = "compacter", n = 8 }
train.learning_rate = 3e-3
[select]
tune = ["train.learning_rate"]
compare = "method"
baseline = "full"
"#;

#[test]
fn a_run_is_made_for_every_combination_and_named_after_it() {
    let text = GRID.replacen(
        "method.kind = \"full\"",
        "label = \"full\"\nmethod.kind = \"full\"",
        1,
    );
    let sweep = sweep(&text).unwrap();
    let names: Vec<&str> = sweep.runs.iter().map(|run| run.name.as_str()).collect();
    assert_eq!(names.len(), 8);
    assert_eq!(
        names[0],
        "max_train_samples=100,seed=1,method=full,learning_rate=0.0003"
    );
    assert_eq!(
        names[7],
        "max_train_samples=500,seed=2,method=n___8,learning_rate=0.003"
    );
    assert_eq!(sweep.folder, Path::new("runs/grid"));

    let last = &sweep.runs[7].config;
    assert_eq!(last.name, names[7]);
    assert_eq!(last.output.directory, Path::new("runs/grid/runs"));
    assert_eq!(
        (last.task.max_train_samples, last.train.seed),
        (Some(500), 2)
    );
    assert_eq!(
        (last.method.n, last.train.learning_rate),
        (Some(8), Some(3e-3))
    );
    // Runs beside each other take a thread each, unless the file says otherwise.
    assert_eq!(last.train.threads, 1);
    let roles: Vec<Role> = sweep.columns.iter().map(|column| column.role).collect();
    assert_eq!(
        roles,
        [Role::Reported, Role::Replicate, Role::Reported, Role::Tuned]
    );
}

#[test]
fn words_are_compared_rather_than_numbers() {
    let grid = "[grid]\ntask.max_train_samples = [1, 2]\nmethod.kind = ['full', 'lora']\n";
    assert_eq!(sweep(grid).unwrap().compared(), Some(1));
    let named = format!("{grid}[select]\ncompare = 'task.max_train_samples'\n");
    assert_eq!(sweep(&named).unwrap().compared(), Some(0));
    let numbers = "[grid]\ntrain.epochs = [1.0, 2.0]\ntask.max_train_samples = [1, 2]\n";
    assert_eq!(sweep(numbers).unwrap().compared(), Some(0));
}

#[test]
fn threads_are_those_of_the_file_where_it_says() {
    let sweep = sweep("[train]\nthreads = 0\n[grid]\ntrain.seed = [1]\n").unwrap();
    assert_eq!(sweep.runs[0].config.train.threads, 0);
}

#[test]
fn a_long_name_is_cut_and_stays_the_only_one() {
    let long = "x".repeat(120);
    let grid = format!("[grid]\neval.metric = ['{long}a', '{long}b']\n");
    let sweep = sweep(&grid).unwrap();
    assert!(sweep.runs.iter().all(|run| run.name.len() < 100));
    assert_ne!(sweep.runs[0].name, sweep.runs[1].name);
}

#[test]
fn a_mistake_is_told_with_its_line_and_what_to_do() {
    for (tables, expected) in [
        ("", "sweep.toml: grid: is missing"),
        ("[grid]\n", "grid: is empty"),
        (
            "[grid]\ntrain.seed = 3\n",
            "sweep.toml:11:7: grid.train.seed: must be a list",
        ),
        (
            "[grid]\ntrain.seed = []\n",
            "is empty; list at least one value",
        ),
        (
            "[grid]\ntrain.seed = [1, {seed = 2}]\n",
            "mixes tables and values",
        ),
        (
            "[grid]\ntrain.sed = [1]\n",
            "sweep.toml:11:14: train.sed: no such setting; did you mean `seed`?",
        ),
        (
            "[grid]\ntrain.seed = [1, 'a']\n",
            "sweep.toml:11:18: train.seed: ",
        ),
        (
            "[grid]\ntrain.seed = [1, 1]\n",
            "grid: lists `seed=1` twice",
        ),
        (
            "[grid]\nname = ['a', 'b']\n",
            "`name` is what the sweep itself decides",
        ),
        (
            "[grid]\noutput.directory = ['a']\n",
            "`output.directory` is what the sweep",
        ),
        (
            "[grid]\ntrain.seed = [1]\n[[grid.a]]\ntrain.seed = 2\n",
            "varies here and as `train.seed` before",
        ),
        (
            "[grid]\ntrain.seed = [1]\n[select]\ntune = ['train.sed']\n",
            "select.tune.0: `train.sed` is not one of train.seed",
        ),
        (
            "[grid]\ntrain.seed = [1]\n[select]\ntunes = []\n",
            "sweep.toml:13:1: select.tunes: no such setting; did you mean `tune`?",
        ),
        (
            "[grid]\ntrain.seed = [1]\n[select]\ncompare = 'train.seed'\n",
            "select.compare",
        ),
        (
            "[grid]\ntrain.epochs = [1.0]\n[select]\nbaseline = '2'\n",
            "select.baseline: `2` is not one of 1",
        ),
        (
            "[grid]\ntrain.seed = [1]\n[jobs]\nparallel = 0\n",
            "jobs.parallel: must be at least 1",
        ),
        (
            "[grid]\ntrain.seed = [1]\n[jobs]\nslurm = ['time']\n",
            "jobs.slurm.0: must be an option",
        ),
        (
            "[grid]\ntrain.seed = [1]\n[jobs]\ngpus = [0, 0]\n",
            "jobs.gpus.1: is listed twice",
        ),
        (
            "[[grid.a]]\nlabel = 'x'\ntrain.seed = 1\ntrain.epochs = 1\n[[grid.a]]\nlabel = 'x'\ntrain.seed = 2\ntrain.epochs = 2\n",
            "has the label of an earlier one but other fields",
        ),
        (
            &format!(
                "[grid]\ntrain.seed = [{}]\n",
                (0..10_001)
                    .map(|n| n.to_string())
                    .collect::<Vec<_>>()
                    .join(", ")
            ),
            "at most 10000",
        ),
    ] {
        refused(tables, expected);
    }
    // One of two has a label.
    refused(GRID, "has no `label`, which others of this list have");
}

#[test]
fn a_split_rule_without_a_test_split_is_refused() {
    let text = "name = 's'\nmodel.path = 'm'\ntask.name = 'glue/rte'\n[grid]\n";
    for grid in ["task.split = ['paper', 'official']\n", "train.seed = [1]\n"] {
        let set = if grid.contains("split") {
            ""
        } else {
            "task.split = 'official'\n"
        };
        let text = format!("{}{grid}", text.replace("[grid]", &format!("{set}[grid]")));
        let message = Sweep::parse(Path::new("sweep.toml"), &text, &[])
            .unwrap_err()
            .to_string();
        assert!(message.contains("task.split: is official"), "{message}");
    }
}

#[test]
fn a_task_without_a_test_split_of_its_own_is_refused() {
    let grid = "[grid]\ntrain.seed = [1]\n";
    for (test, expected) in [
        ("", "sweep.toml:3:2: task.test: is missing"),
        (
            "test = 'validation.tsv'\n",
            "task.test: is the same file as task.validation",
        ),
        (
            "test = './train.tsv'\n",
            "task.test: is the same file as task.train",
        ),
    ] {
        let text = BASE.replace("test = \"test.tsv\"\n", test) + grid;
        let folder = tempfile::tempdir().unwrap();
        for name in ["train.tsv", "validation.tsv"] {
            std::fs::write(folder.path().join(name), "").unwrap();
        }
        let message = Sweep::parse(&folder.path().join("sweep.toml"), &text, &[])
            .unwrap_err()
            .to_string();
        assert!(message.contains(expected), "{message}");
    }
}

#[test]
fn fields_are_overridden_in_every_run_unless_the_sweep_decides_them() {
    let text = format!("{BASE}[grid]\ntrain.seed = [1, 2]\nmethod.kind = ['head', 'lora']\n");
    let with = |set: &str| Sweep::parse(Path::new("sweep.toml"), &text, &[set.to_owned()]);
    let sweep = with("train.batch_size=3").unwrap();
    assert!(
        sweep
            .runs
            .iter()
            .all(|run| run.config.train.batch_size == 3)
    );
    assert_eq!(sweep.overrides, ["train.batch_size=3"]);
    for (set, expected) in [
        ("train.seed=3", "grid: the grid varies `train.seed`"),
        ("method.kind=full", "the grid varies `method.kind`"),
        ("jobs.parallel=1", "jobs: is the sweep's own"),
        ("train.batch_sise=1", "batch_size"),
    ] {
        let message = with(set).unwrap_err().to_string();
        assert!(message.contains(expected), "{set}: {message}");
    }
}
