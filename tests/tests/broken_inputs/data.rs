//! Data: files that are not there, not tables, or hold what the task cannot use.

use super::case::{Case, Damage};
use Damage::{Remove, Replace, Write};

const TRAIN: &str = "train.tsv";

pub(crate) fn cases() -> Vec<Case> {
    [
        tables(),
        other_forms(),
        contents(),
        regression(),
        benchmarks(),
    ]
    .concat()
}

/// What is not a table.
fn tables() -> Vec<Case> {
    let holds =
        |name, content: &[u8], says| Case::train(name, [Write(TRAIN, content.to_vec())], says);
    vec![
        Case::train(
            "a missing training file",
            [Remove(TRAIN)],
            &["train.tsv: no such file"],
        ),
        Case::train(
            "a missing validation file",
            [Remove("validation.tsv")],
            &["validation.tsv: no such file"],
        ),
        Case::train("a folder for a file", [], &["model", "extension"])
            .with(["--set", "task.train=model"]),
        holds("an empty file", b"", &["train.tsv: is empty"]),
        holds("blank lines only", b"\n\n\n", &["train.tsv: is empty"]),
        holds(
            "a header only",
            b"sentence\tlabel\n",
            &["train.tsv: has no rows"],
        ),
        holds(
            "a row with a cell too few",
            b"sentence\tlabel\na film\tpositive\na film\n",
            &["train.tsv:3", "expected 2 cells, found 1"],
        ),
        holds(
            "text that is not UTF-8",
            b"sentence\tlabel\na film\tpositive\na f\xfflm\tnegative\n",
            &["train.tsv:3", "not UTF-8", "0xff"],
        ),
        holds(
            "two columns of one name",
            b"sentence\tsentence\na\tb\n",
            &["train.tsv:1", "`sentence`"],
        ),
    ]
}

/// Files that their extension does not fit.
fn other_forms() -> Vec<Case> {
    let file = |name, file: &'static str, set, content: &[u8], says| {
        Case::train(name, [Write(file, content.to_vec())], says).with(["--set", set])
    };
    let zstd = include_bytes!("../../fixtures/data/zstd.parquet");
    vec![
        file(
            "an unknown extension",
            "rows.xlsx",
            "task.train=rows.xlsx",
            b"PK",
            &["rows.xlsx", "`.xlsx`", ".jsonl, .csv, .tsv or .parquet"],
        ),
        file(
            "a line that is not JSON",
            "rows.jsonl",
            "task.train=rows.jsonl",
            b"{\"sentence\": \"a film\", \"label\": \"positive\"}\n{\"sentence\": \"a film\",}\n",
            &["rows.jsonl:2", "not a JSON object, column 23"],
        ),
        file(
            "a line that lacks a key",
            "rows.jsonl",
            "task.train=rows.jsonl",
            b"{\"sentence\": \"a film\", \"label\": \"positive\"}\n{\"sentence\": \"a film\"}\n",
            &["rows.jsonl:2", "lacks the key `label`"],
        ),
        file(
            "a list for a text",
            "rows.jsonl",
            "task.train=rows.jsonl",
            b"{\"sentence\": [\"a\"], \"label\": \"positive\"}\n",
            &["rows.jsonl:1", "`sentence` is an array"],
        ),
        file(
            "an open quote in a CSV file",
            "rows.csv",
            "task.train=rows.csv",
            b"sentence,label\n\"a film,positive\n",
            &["rows.csv:2", "quote is not closed"],
        ),
        file(
            "a corrupt Parquet file",
            "rows.parquet",
            "task.train=rows.parquet",
            b"PAR1 is only the beginning",
            &["rows.parquet", "Parquet"],
        ),
        file(
            "a cut Parquet file",
            "rows.parquet",
            "task.train=rows.parquet",
            &zstd[..zstd.len() / 2],
            &["rows.parquet", "Parquet"],
        ),
        file(
            "a Parquet file of another compression",
            "rows.parquet",
            "task.train=rows.parquet",
            zstd,
            &["rows.parquet", "zstd", "snappy"],
        ),
    ]
}

/// Tables that the task cannot use.
fn contents() -> Vec<Case> {
    vec![
        Case::train(
            "an unknown label",
            [Replace(TRAIN, "\tnegative", "\tnegativ")],
            &["train.tsv:3", "`negativ`", "did you mean `negative`?"],
        ),
        Case::train(
            "an empty label",
            [Replace("validation.tsv", "\tnegative", "\t")],
            &["validation.tsv:2", "negative"],
        ),
        Case::train(
            "a missing text column",
            [Replace(TRAIN, "sentence\t", "sentences\t")],
            &["train.tsv", "task.text", "did you mean `sentences`?"],
        ),
        Case::train(
            "a missing label column",
            [Replace(TRAIN, "\tlabel", "\tanswer")],
            &["train.tsv", "no column `label`", "task.label"],
        ),
        Case::train(
            "more tokens than positions",
            [Write(
                TRAIN,
                format!("sentence\tlabel\n{}\tpositive\n", "day ".repeat(60)).into_bytes(),
            )],
            &["task.max_length", "62 tokens", "32"],
        ),
        Case::train("no room for text", [], &["max", "2"]).with(["--set", "task.max_length=2"]),
    ]
}

/// Targets that are no numbers to learn.
fn regression() -> Vec<Case> {
    let target = |name, value: &str, says| {
        let rows = format!("sentence\tlabel\na film\t0.5\na film\t{value}\n");
        let damage = [
            Replace("run.toml", "\"classification\"", "\"regression\""),
            Replace("run.toml", "labels = [\"negative\", \"positive\"]\n", ""),
            Write(TRAIN, rows.into_bytes()),
            Write("validation.tsv", b"sentence\tlabel\na film\t0.5\n".to_vec()),
        ];
        Case::train(name, damage, says)
    };
    vec![
        target("a target of NaN", "NaN", &["train.tsv:3", "NaN"]),
        target("an infinite target", "-inf", &["train.tsv:3", "-inf"]),
        target(
            "a target that overflows",
            "1e999",
            &["train.tsv:3", "1e999"],
        ),
        target("a word for a target", "high", &["train.tsv:3", "`high`"]),
        target("no target", "", &["train.tsv:3"]),
    ]
}

/// Tasks of GLUE and SuperGLUE.
fn benchmarks() -> Vec<Case> {
    let task = |name, task: &'static str, says| {
        let config = format!(
            "name = \"a\"\n[model]\npath = \"model\"\n[method]\nn = 2\nreduction_factor = 2\n\
             [task]\n{task}"
        );
        let files = [Write("run.toml", config.into_bytes())];
        Case::train(name, files, says)
    };
    vec![
        task(
            "an unknown task of GLUE",
            "name = \"glue/rts\"\nsource = \".\"\n",
            &["run.toml:8:1", "task.name", "did you mean `glue/rte`?"],
        ),
        task(
            "a quirk of another task",
            "name = \"glue/rte\"\nquirks = [\"mnli-no-colon\"]\n",
            &[
                "run.toml:9",
                "task.quirks",
                "`glue/rte` has no `mnli-no-colon`",
            ],
        ),
        task(
            "a task's folder without its columns",
            "name = \"glue/rte\"\nsource = \"./\"\n",
            &["train.tsv", "no column `sentence1`", "glue/rte"],
        ),
        task(
            "a data set that is nowhere",
            "name = \"glue/rte\"\n",
            &["nyu-mll/glue", "HF_HUB_OFFLINE"],
        ),
        task(
            "a folder that is nowhere",
            "name = \"glue/rte\"\nsource = \"./nowhere\"\n",
            &["nowhere", "there is no such folder"],
        ),
    ]
}
